//! Changes of an execution from outside of its handler: timers fire, callbacks are answered, invoked functions end.
//!
//! Invariants: each change affects one open operation, records its event, and counts as news for the handler.

use std::sync::Arc;

use super::{
    api::{Answer, InvokeOutcome, InvokeTarget, ScriptedAnswer, StartedInvoke},
    apply::end,
    checkpoint_manager::CheckpointManager,
    event_processor,
    ids::Index,
    invoke_table::Arrival,
    kept,
    phase::ExecutionPhase,
    timers::Timer,
};
use crate::{
    budget::{BytesExceeded, Owner},
    protocol::{
        CallbackDetails, ChainedInvokeDetails, ErrorObject, EventDetails, Operation, OperationId,
        OperationStatus, OperationType, ServiceError, Timestamp, invalid,
    },
};

impl CheckpointManager {
    /// Applies a change from outside, and records its event.
    fn change_from_outside(
        &mut self,
        at: Timestamp,
        index: Index,
        change: impl FnOnce(&mut Operation),
        details: impl FnOnce(&Operation) -> EventDetails,
    ) {
        if let Some(operation) = self.operations.change(index, change) {
            self.events.of_operation(at, &operation, details(&operation));
            self.record_news();
        }
    }

    pub(super) fn end_wait(&mut self, at: Timestamp, index: Index) {
        self.change_from_outside(
            at,
            index,
            |operation| end(operation, at, OperationStatus::Succeeded),
            |operation| EventDetails::WaitSucceeded {
                duration: at.since(operation.start_timestamp).as_secs(),
            },
        );
    }

    /// No event is recorded, because the attempt has not started.
    pub(super) fn ready_step(&mut self, index: Index) {
        self.operations.change(index, |operation| {
            operation.status = OperationStatus::Ready;
            operation.step_details.get_or_insert_default().next_attempt_timestamp = None;
        });
        self.record_news();
    }

    pub(super) fn time_out_callback(&mut self, at: Timestamp, index: Index, error_type: &str) {
        if !self.callbacks.close(&mut self.timers, index) {
            return;
        }
        let message = if error_type == "Callback.Heartbeat" {
            "the callback had no heartbeat in time"
        } else {
            "the callback was not answered in time"
        };
        let error = ErrorObject::new(error_type, message);
        self.change_from_outside(
            at,
            index,
            |operation| end_callback(operation, at, OperationStatus::TimedOut, None, Some(error.clone())),
            |_| EventDetails::CallbackTimedOut { error: event_processor::error(error.clone()) },
        );
    }

    /// Applies an answer, if the callback is open.
    pub(super) fn answer_callback(
        &mut self,
        at: Timestamp,
        index: Index,
        answer: Answer,
    ) -> Result<(), ServiceError> {
        let open = match &answer {
            Answer::Heartbeat => self.callbacks.beat(&mut self.timers, at, index),
            Answer::Success(_) | Answer::Failure(_) => self.callbacks.close(&mut self.timers, index),
        };
        if !open {
            let status =
                self.operations.get(index).map_or(OperationStatus::Stopped, |operation| operation.status);
            let why = match self.phase {
                ExecutionPhase::Closed { .. } if !status.is_terminal() => "its execution is over".to_owned(),
                _ => format!("it is {status}"),
            };
            return Err(ServiceError::CallbackOver(format!("the callback takes no answer any more: {why}")));
        }
        match answer {
            // The deadline has changed, so callers that sleep until the old one must poll.
            Answer::Heartbeat => {
                self.operations.touch(index);
                self.news = true;
            }
            Answer::Success(payload) => {
                let payload: Option<Arc<str>> = payload.map(Into::into);
                self.change_from_outside(
                    at,
                    index,
                    |operation| {
                        end_callback(operation, at, OperationStatus::Succeeded, payload.clone(), None);
                    },
                    |_| EventDetails::CallbackSucceeded { result: event_processor::result(payload.clone()) },
                );
            }
            Answer::Failure(error) => self.change_from_outside(
                at,
                index,
                |operation| end_callback(operation, at, OperationStatus::Failed, None, Some(error.clone())),
                |_| EventDetails::CallbackFailed { error: event_processor::error(error.clone()) },
            ),
        }
        Ok(())
    }

    /// Adds scripted answers after those that are left. Open callbacks that no answer is scheduled for get theirs, with
    /// the delay from now on.
    pub(super) fn add_answers(&mut self, now: Timestamp, answers: Vec<ScriptedAnswer>) {
        self.script.add(answers);
        let open: Vec<Index> = self.callbacks.open_callbacks().collect();
        for index in open {
            let waits = self.callbacks.timers(index).all(|key| {
                !matches!(self.timers.get(key), Some(Timer::Answer(_, scripted)) if scripted.answer != Answer::Heartbeat)
            });
            let Some(operation) = self.operations.get(index).filter(|_| waits).cloned() else { continue };
            for scripted in self.scripted_answers(&operation) {
                self.callbacks.schedule(&mut self.timers, now, index, scripted);
                self.operations.touch(index);
            }
        }
        self.send_next_answer(now);
        self.news = true;
    }

    /// Hands out the invokes that were not handed out before.
    pub(super) fn take_invokes(&mut self) -> Vec<StartedInvoke> {
        self.invokes.take()
    }

    fn open_invoke(&self, id: &OperationId) -> Result<Index, ServiceError> {
        match self.operations.find(id) {
            Some((index, operation)) if operation.kind == OperationType::ChainedInvoke => Ok(index),
            Some((_, operation)) => {
                invalid(format!("operation {id} is a {}, not a CHAINED_INVOKE", operation.kind))
            }
            None => Err(ServiceError::NotFound(format!("{} has no operation {id}", self.arn))),
        }
    }

    /// Records the target of an invoke.
    pub(super) fn annotate_invoke(
        &mut self,
        id: &OperationId,
        target: InvokeTarget,
    ) -> Result<(), ServiceError> {
        let index = self.open_invoke(id)?;
        let Some(event) = self.invokes.started(index) else { return self.invoke_is_over(id, index) };
        self.events.annotate(event, target);
        Ok(())
    }

    fn invoke_is_over<T>(&self, id: &OperationId, index: Index) -> Result<T, ServiceError> {
        let status =
            self.operations.get(index).map_or(OperationStatus::Stopped, |operation| operation.status);
        let why = match self.phase {
            ExecutionPhase::Closed { .. } if !status.is_terminal() => "its execution is over".to_owned(),
            _ if status == OperationStatus::Started => "its outcome was given before".to_owned(),
            _ => format!("it is {status}"),
        };
        invalid(format!("the invoke {id} takes no outcome any more: {why}"))
    }

    /// Completes an invoke.
    pub(super) fn complete_invoke(
        &mut self,
        now: Timestamp,
        id: &OperationId,
        outcome: InvokeOutcome,
    ) -> Result<(), ServiceError> {
        self.advance(now);
        let index = self.open_invoke(id)?;
        let outcome = match self.charge(now, kept::invoke(&outcome)) {
            Ok(()) => outcome,
            // The execution has failed, and the invoke with it.
            Err(BytesExceeded { owner: Owner::Execution, .. }) => return Ok(()),
            // The target has ended all the same, so its caller is told why there is no outcome.
            Err(exceeded) => InvokeOutcome::Failed(exceeded.into()),
        };
        let running = matches!(self.phase, ExecutionPhase::Running(_)).then_some(self.invocations.len());
        match self.invokes.complete(index, outcome, running) {
            Arrival::Now(outcome) => self.end_invoke(now, index, outcome),
            Arrival::Held => self.operations.touch(index),
            Arrival::Over => return self.invoke_is_over(id, index),
        }
        Ok(())
    }

    /// Hands out again the invokes whose targets nobody runs any more.
    pub(super) fn hand_out_invokes_again(&mut self) {
        let operations = &self.operations;
        self.invokes.hand_out_again(|index| operations.get(index).map(|operation| &**operation));
    }

    /// Records the outcomes that were held until the end of the invocation.
    pub(super) fn release_invokes(&mut self, now: Timestamp) {
        for (index, outcome) in self.invokes.release() {
            self.end_invoke(now, index, outcome);
        }
    }

    fn end_invoke(&mut self, at: Timestamp, index: Index, outcome: InvokeOutcome) {
        let (status, result, error): (_, Option<Arc<str>>, _) = match outcome {
            InvokeOutcome::Succeeded(result) => (OperationStatus::Succeeded, result.map(Into::into), None),
            InvokeOutcome::Failed(error) => (OperationStatus::Failed, None, Some(error)),
            InvokeOutcome::TimedOut(error) => (OperationStatus::TimedOut, None, Some(error)),
            InvokeOutcome::Stopped(error) => (OperationStatus::Stopped, None, Some(error)),
        };
        let details = ChainedInvokeDetails { result: result.clone(), error: error.clone() };
        self.change_from_outside(
            at,
            index,
            |operation| {
                end(operation, at, status);
                operation.chained_invoke_details = Some(details);
            },
            |_| {
                let error = event_processor::error(error.unwrap_or_default());
                match status {
                    OperationStatus::Failed => EventDetails::ChainedInvokeFailed { error },
                    OperationStatus::TimedOut => EventDetails::ChainedInvokeTimedOut { error },
                    OperationStatus::Stopped => EventDetails::ChainedInvokeStopped { error },
                    _ => EventDetails::ChainedInvokeSucceeded { result: event_processor::result(result) },
                }
            },
        );
    }
}

fn end_callback(
    operation: &mut Operation,
    at: Timestamp,
    status: OperationStatus,
    result: Option<Arc<str>>,
    error: Option<ErrorObject>,
) {
    end(operation, at, status);
    let callback_id = operation.callback_details.take().and_then(|details| details.callback_id);
    operation.callback_details = Some(CallbackDetails { callback_id, result, error });
}
