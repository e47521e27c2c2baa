//! Applies a handler's legal updates to an execution.
//!
//! Invariants: each transition changes one operation, records its event, and schedules or cancels the timers that
//! belong to it.

use std::sync::Arc;

use super::{
    api::StartedInvoke,
    callback_manager::new_callback_id,
    checkpoint_manager::{CheckpointManager, new_operation},
    event_processor::{self, attempt_ended},
    ids::{IdSource, Index},
    timers::Timer,
    transitions::{Begin, Effect, Transition},
};
use crate::protocol::{
    CallbackDetails, CallbackOptions, CallbackStartedDetails, ChainedInvokeDetails,
    ChainedInvokeStartedDetails, ContextDetails, ErrorObject, EventDetails, Operation, OperationStatus,
    OperationType, StepDetails, Timestamp, WaitDetails, WaitStartedDetails,
};

type Outcome = Result<Option<Arc<str>>, ErrorObject>;

impl CheckpointManager {
    /// Applies a transition that `transitions::check` has allowed.
    pub(super) fn apply(&mut self, now: Timestamp, ids: &mut IdSource, transition: Transition) {
        let Transition { id, effect } = transition;
        let effect = match effect {
            Effect::Begin { parent_id, name, sub_type, begin } => {
                let kind = match &begin {
                    Begin::Context => OperationType::Context,
                    Begin::Step => OperationType::Step,
                    Begin::Wait { .. } => OperationType::Wait,
                    Begin::Callback(_) => OperationType::Callback,
                    Begin::Invoke { .. } => OperationType::ChainedInvoke,
                };
                let operation = Operation { parent_id, sub_type, ..new_operation(now, id, kind, name) };
                return self.begin(now, ids, operation, begin);
            }
            Effect::Decide(outcome) => return self.phase.decide(outcome),
            other => other,
        };
        // `transitions::check` has verified that the operation of every other effect exists.
        let Some((index, _)) = self.operations.find(&id) else { return };
        match effect {
            Effect::StartAttempt => self.start_attempt(now, index),
            Effect::StepSucceed(payload) => self.close_step(now, index, Ok(payload)),
            Effect::StepFail(error) => self.close_step(now, index, Err(error)),
            Effect::StepRetry { delay_seconds, outcome } => {
                self.retry_step(now, index, delay_seconds, outcome);
            }
            Effect::ContextSucceed { result, replay_children } => {
                self.close_context(now, index, Ok(result), replay_children);
            }
            Effect::ContextFail(error) => self.close_context(now, index, Err(error), false),
            Effect::CancelWait => self.cancel_wait(now, index),
            Effect::CancelCallback => {
                self.callbacks.close(&mut self.timers, index);
                self.cancel(now, index);
            }
            Effect::CancelInvoke => {
                self.invokes.close(index);
                self.cancel(now, index);
            }
            Effect::Begin { .. } | Effect::Decide(_) => {}
        }
    }

    fn begin(&mut self, now: Timestamp, ids: &mut IdSource, operation: Operation, begin: Begin) {
        match begin {
            Begin::Context => {
                let details = Some(ContextDetails::default());
                self.add(
                    now,
                    Operation { context_details: details, ..operation },
                    EventDetails::ContextStarted {},
                );
            }
            Begin::Step => {
                let details = Some(StepDetails::default());
                self.add(now, Operation { step_details: details, ..operation }, EventDetails::StepStarted {});
            }
            Begin::Wait { seconds } => self.begin_wait(now, operation, seconds),
            Begin::Callback(options) => self.begin_callback(now, ids, operation, options),
            Begin::Invoke { function_name, tenant_id, payload } => {
                let operation_id = operation.id.clone();
                let name = operation.name.clone();
                self.begin_invoke(
                    now,
                    operation,
                    StartedInvoke { operation_id, name, function_name, tenant_id, payload },
                );
            }
        }
    }

    fn add(&mut self, now: Timestamp, operation: Operation, details: EventDetails) {
        self.events.of_operation(now, &operation, details);
        self.operations.add(operation);
    }

    fn begin_wait(&mut self, now: Timestamp, mut operation: Operation, seconds: u64) {
        let end = now.plus_seconds(seconds);
        operation.wait_details = Some(WaitDetails { scheduled_end_timestamp: Some(end) });
        let details = WaitStartedDetails { duration: seconds, scheduled_end_timestamp: end };
        self.events.of_operation(now, &operation, EventDetails::WaitStarted(details));
        let index = self.operations.add(operation);
        let timer = self.timers.schedule(end, Timer::WaitEnds(index));
        self.operations.set_timer(index, timer);
    }

    fn begin_callback(
        &mut self,
        now: Timestamp,
        ids: &mut IdSource,
        mut operation: Operation,
        options: CallbackOptions,
    ) {
        let callback_id = new_callback_id(ids, self.id, self.operations.len());
        let details =
            CallbackDetails { callback_id: Some(callback_id.clone()), ..CallbackDetails::default() };
        operation.callback_details = Some(details);
        let details = CallbackStartedDetails {
            callback_id,
            heartbeat_timeout: options.heartbeat_timeout_seconds,
            timeout: options.timeout_seconds,
        };
        self.events.of_operation(now, &operation, EventDetails::CallbackStarted(details));
        let answers = self.scripted_answers(&operation);
        let index = self.operations.add(operation);
        self.callbacks.open(&mut self.timers, now, index, options, answers);
    }

    fn begin_invoke(&mut self, now: Timestamp, mut operation: Operation, invoke: StartedInvoke) {
        operation.chained_invoke_details = Some(ChainedInvokeDetails::default());
        let details = ChainedInvokeStartedDetails {
            function_name: invoke.function_name.clone(),
            tenant_id: invoke.tenant_id.clone(),
            input: event_processor::input(invoke.payload.clone()),
            executed_version: None,
            durable_execution_arn: None,
        };
        let event = self.events.of_operation(now, &operation, EventDetails::ChainedInvokeStarted(details));
        let index = self.operations.add(operation);
        self.invokes.open(index, invoke, event, self.invocations.len());
    }

    fn start_attempt(&mut self, now: Timestamp, index: Index) {
        let changed = self.operations.change(index, |operation| operation.status = OperationStatus::Started);
        if let Some(operation) = changed {
            self.events.of_operation(now, &operation, EventDetails::StepStarted {});
        }
    }

    fn close_step(&mut self, now: Timestamp, index: Index, outcome: Outcome) {
        let changed = self.operations.change(index, |operation| {
            end(operation, now, status_of(&outcome));
            let details = operation.step_details.get_or_insert_default();
            details.attempt += 1;
            (details.result, details.error) = split(&outcome);
        });
        if let Some(operation) = changed {
            self.events.of_operation(now, &operation, attempt_ended(&operation, outcome, None));
        }
    }

    fn retry_step(&mut self, now: Timestamp, index: Index, delay_seconds: u64, outcome: Outcome) {
        let next = now.plus_seconds(delay_seconds);
        let changed = self.operations.change(index, |operation| {
            operation.status = OperationStatus::Pending;
            let details = operation.step_details.get_or_insert_default();
            details.attempt += 1;
            details.next_attempt_timestamp = Some(next);
            match &outcome {
                Ok(state) => (details.result, details.error) = (state.clone(), None),
                // The state of a condition stays when a check fails.
                Err(error) => details.error = Some(error.clone()),
            }
        });
        if let Some(operation) = changed {
            let details = attempt_ended(&operation, outcome, Some(delay_seconds));
            self.events.of_operation(now, &operation, details);
            let timer = self.timers.schedule(next, Timer::StepReady(index));
            self.operations.set_timer(index, timer);
        }
    }

    fn close_context(&mut self, now: Timestamp, index: Index, outcome: Outcome, replay_children: bool) {
        let changed = self.operations.change(index, |operation| {
            end(operation, now, status_of(&outcome));
            let (result, error) = split(&outcome);
            operation.context_details = Some(ContextDetails { replay_children, result, error });
        });
        if let Some(operation) = changed {
            let details = match outcome {
                Ok(payload) => EventDetails::ContextSucceeded { result: event_processor::result(payload) },
                Err(error) => EventDetails::ContextFailed { error: event_processor::error(error) },
            };
            self.events.of_operation(now, &operation, details);
        }
    }

    fn cancel_wait(&mut self, now: Timestamp, index: Index) {
        if let Some(timer) = self.operations.take_timer(index) {
            self.timers.cancel(timer);
        }
        if let Some(operation) = self.cancel(now, index) {
            self.events.of_operation(now, &operation, EventDetails::WaitCancelled {});
        }
    }

    /// Cancels an operation. The service's history has events for cancelled waits only.
    fn cancel(&mut self, now: Timestamp, index: Index) -> Option<Arc<Operation>> {
        self.operations.change(index, |operation| end(operation, now, OperationStatus::Cancelled))
    }
}

/// Ends an operation.
pub(super) fn end(operation: &mut Operation, at: Timestamp, status: OperationStatus) {
    operation.status = status;
    operation.end_timestamp = Some(at);
}

fn status_of(outcome: &Outcome) -> OperationStatus {
    if outcome.is_ok() { OperationStatus::Succeeded } else { OperationStatus::Failed }
}

fn split(outcome: &Outcome) -> (Option<Arc<str>>, Option<ErrorObject>) {
    match outcome {
        Ok(payload) => (payload.clone(), None),
        Err(error) => (None, Some(error.clone())),
    }
}
