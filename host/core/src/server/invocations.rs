//! The invocations of an execution, and its end.
//!
//! Invariants:
//! - an execution ends once; its last event tells how, and follows the last `InvocationCompleted`;
//! - every started invocation has one `InvocationCompleted`, including one that the execution's end cut off;
//! - an outcome that the handler has checkpointed is final, however the invocation ends.

use std::{sync::Arc, time::Duration};

use super::{
    api::{InvocationView, Next, StartedInvocation},
    apply::end,
    checkpoint_manager::{CheckpointManager, EXECUTION},
    event_processor,
    ids::IdSource,
    kept,
    pause::Pausing,
    phase::{ExecutionPhase, Running, Verdict},
    timers::Timer,
    token::new_token,
};
use crate::{
    budget::{BytesExceeded, Owner},
    durations::show_duration,
    protocol::{
        ErrorObject, EventDetails, InvocationCompletedDetails, InvocationInput, InvocationOutput,
        InvocationResult, InvocationStatus, Operation, OperationStatus, OperationType, ServiceError,
        Timestamp, error_types, invalid, open_work,
    },
};

/// Whether the status of an operation has changed from outside, given that the handler has not got it since it changed.
fn changes_from_outside(operation: &Operation) -> bool {
    operation.kind != OperationType::Execution
        && (operation.status.is_terminal() || operation.status == OperationStatus::Ready)
}

impl CheckpointManager {
    /// Starts an invocation, if the execution needs one.
    pub(super) fn start_invocation(
        &mut self,
        now: Timestamp,
        ids: &mut IdSource,
    ) -> Result<StartedInvocation, ServiceError> {
        self.advance(now);
        match self.phase {
            ExecutionPhase::Suspended { .. } if self.pausing.is_paused() => {
                return invalid("the execution is paused: no invocation starts until it is resumed");
            }
            ExecutionPhase::Suspended { wake: true } => {}
            ExecutionPhase::Suspended { wake: false } => {
                return invalid(
                    "nothing has changed since the execution's last invocation: it needs no other",
                );
            }
            ExecutionPhase::BackingOff => {
                return invalid("the execution's last invocation crashed: it is too early for the next");
            }
            ExecutionPhase::Running(_) => {
                return invalid("an invocation of the execution is running: it needs no other");
            }
            ExecutionPhase::Closed { .. } => return invalid("the execution is over: it needs no invocation"),
        }
        self.budget.charge_always(kept::INVOCATION);
        let request_id: Arc<str> = ids.uuid().1.into();
        let token = new_token(ids, &self.execution_id, &request_id);
        self.phase = ExecutionPhase::Running(Running {
            request_id: request_id.clone(),
            token: token.clone(),
            decided: None,
        });
        self.invocations.push(InvocationView {
            request_id: request_id.clone(),
            start: now,
            end: None,
            error: None,
        });
        let updated = self.operations.begin_invocation();
        let updated = updated.iter().filter(|operation| changes_from_outside(operation));
        let updated_operation_ids = updated.map(|operation| operation.id.clone()).collect();
        Ok(StartedInvocation {
            request_id,
            input: InvocationInput {
                durable_execution_arn: self.arn.clone(),
                checkpoint_token: token,
                initial_execution_state: self.page(EXECUTION),
                updated_operation_ids,
                returned_at: Some(self.returned_at),
            },
        })
    }

    /// Completes the invocation, and returns what the execution needs next.
    pub(super) fn complete_invocation(
        &mut self,
        now: Timestamp,
        request_id: &str,
        result: InvocationResult,
    ) -> Result<Next, ServiceError> {
        self.advance(now);
        match &self.phase {
            ExecutionPhase::Running(running) if *running.request_id == *request_id => {}
            // The execution ended while its handler was still running.
            ExecutionPhase::Closed { .. }
                if self.invocations.iter().rev().any(|known| *known.request_id == *request_id) =>
            {
                return Ok(Next::Closed);
            }
            // A pause has ended it at its last checkpoint.
            _ if self.pausing.has_taken_back(request_id) => {
                self.pausing.taken_back = None;
                return Ok(self.next());
            }
            _ => {
                let why = format!("invocation {request_id} is not running");
                return Err(ServiceError::InvocationNotRunning(why));
            }
        }
        let verdict = match (self.phase.decided(), result) {
            (Some(decided), result) => {
                let decided = decided.clone();
                let error = match result {
                    InvocationResult::Output(_) => None,
                    InvocationResult::Crashed(error) => Some(error.shortened(self.limits.error_bytes)),
                };
                self.end_invocation(now, error);
                Some(decided)
            }
            (None, InvocationResult::Crashed(error)) => self.crash(now, error),
            (None, InvocationResult::Output(output)) => {
                let checked = match self.check_output(output) {
                    Ok(verdict) => self.keep_verdict(verdict).map_err(ErrorObject::from),
                    Err(why) => Err(ErrorObject::new(error_types::INVALID_OUTPUT, why)),
                };
                match checked {
                    Ok(verdict) => {
                        self.crashes = 0;
                        self.returned_at = self.operations.delivered();
                        self.end_invocation(now, None);
                        verdict
                    }
                    Err(error) => self.crash(now, error),
                }
            }
        };
        if let Some(verdict) = verdict {
            self.close(now, verdict);
        } else {
            self.release_invokes(now);
            self.begin_pause(now);
        }
        Ok(self.next())
    }

    /// Validates the output. Returns the end of the execution, or `None` if it continues, or why the output is invalid.
    fn check_output(&self, output: InvocationOutput) -> Result<Option<Verdict>, String> {
        let (most, most_of_error) = (self.limits.payload_bytes, self.limits.whole_error_bytes);
        let InvocationOutput { status, result, error } = output;
        match (status, result, error) {
            (InvocationStatus::Succeeded, result, None) => match result.as_ref().map_or(0, String::len) {
                size if size > most => Err(format!(
                    "the invocation's result has {size} bytes, more than {most}: checkpoint it as EXECUTION SUCCEED"
                )),
                _ => Ok(Some(Verdict::Succeeded(result.map(Into::into)))),
            },
            (InvocationStatus::Failed, None, error) => {
                match error.as_ref().map_or(0, ErrorObject::whole_size) {
                    size if size > most_of_error => {
                        Err(format!("the invocation's error has {size} bytes, more than {most_of_error}"))
                    }
                    _ => Ok(Some(Verdict::Failed(error.unwrap_or_default()))),
                }
            }
            (InvocationStatus::Pending, None, None) => {
                // A change that the handler has not seen also allows PENDING: the handler is invoked again immediately.
                let news = self.operations.has_changed() || self.operations.has_newly_ready();
                if self.operations.outstanding() == 0 && !news {
                    return Err(
                        "the invocation returned PENDING, and nothing is pending: nothing would ever end \
                                the execution"
                            .to_owned(),
                    );
                }
                Ok(None)
            }
            (InvocationStatus::Succeeded, _, Some(_)) => {
                Err("the invocation returned SUCCEEDED with an error".to_owned())
            }
            (InvocationStatus::Failed, Some(_), _) => {
                Err("the invocation returned FAILED with a result".to_owned())
            }
            (InvocationStatus::Pending, ..) => {
                Err("the invocation returned PENDING with a result or an error".to_owned())
            }
        }
    }

    /// Charges the outcome that the handler has returned.
    fn keep_verdict(&self, verdict: Option<Verdict>) -> Result<Option<Verdict>, BytesExceeded> {
        let bytes = match &verdict {
            Some(Verdict::Succeeded(result)) => result.as_ref().map_or(0, |result| result.len()),
            Some(Verdict::Failed(error)) => kept::error_of(error),
            Some(Verdict::TimedOut(_) | Verdict::Stopped(_)) | None => 0,
        };
        self.budget.charge(bytes).map(|()| verdict)
    }

    /// Records a crashed invocation. Returns the execution's end if no retry is left.
    fn crash(&mut self, now: Timestamp, error: ErrorObject) -> Option<Verdict> {
        let error = error.shortened(self.limits.error_bytes);
        self.budget.charge_always(kept::error_of(&error));
        self.end_invocation(now, Some(error.clone()));
        if error.error_type.as_deref() == Some(error_types::of_bytes(Owner::Execution)) {
            // Another invocation would find the budget as it is.
            return Some(Verdict::Failed(error));
        }
        self.crashes += 1;
        let Some(delay) = self.retry.delay_seconds(self.crashes) else { return Some(Verdict::Failed(error)) };
        self.phase = ExecutionPhase::BackingOff;
        self.timers.schedule(now.plus_seconds(delay), Timer::Reinvoke);
        None
    }

    /// Ends an invocation of a process that is gone. This counts as no crash of the handler.
    pub(super) fn end_interrupted(&mut self, now: Timestamp) {
        let ExecutionPhase::Running(running) = &self.phase else { return };
        let decided = running.decided.clone();
        let why = "the process that ran the invocation ended; another invocation continues";
        self.end_invocation(now, Some(ErrorObject::new(error_types::HOST_ENDED, why)));
        if let Some(verdict) = decided {
            self.close(now, verdict);
        } else {
            self.release_invokes(now);
            self.record_news();
            self.begin_pause(now);
        }
    }

    pub(super) fn end_back_off(&mut self) {
        self.phase = ExecutionPhase::Suspended { wake: false };
        self.record_news();
    }

    /// Ends the running invocation and invalidates its token.
    pub(super) fn end_invocation(&mut self, now: Timestamp, error: Option<ErrorObject>) {
        let wake = self.operations.has_changed() || self.operations.has_newly_ready();
        self.phase = ExecutionPhase::Suspended { wake };
        let Some(invocation) = self.invocations.last_mut() else { return };
        invocation.end = Some(now);
        invocation.error.clone_from(&error);
        let details = InvocationCompletedDetails {
            start_timestamp: invocation.start,
            end_timestamp: now,
            request_id: invocation.request_id.clone(),
            error: error.map(event_processor::error),
        };
        self.events.of_execution(now, EventDetails::InvocationCompleted(details));
    }

    /// The execution times out.
    pub(super) fn time_out(&mut self, at: Timestamp, seconds: u64) {
        // If the outcome is recorded already, only the return of the handler is missing.
        if self.phase.decided().is_none() {
            let timeout = show_duration(Duration::from_secs(seconds));
            let message =
                format!("the execution took longer than its timeout of {timeout}{}", self.not_over());
            self.cut_off(at, Verdict::TimedOut(ErrorObject::new(error_types::EXECUTION_TIMEOUT, message)));
        }
    }

    /// Fails the execution because its history has reached its limit. Returns the message.
    pub(super) fn history_full(&mut self, now: Timestamp) -> String {
        let most = self.limits.events;
        let message =
            format!("the execution's history has {most} events: more are not allowed{}", self.not_over());
        let error = ErrorObject::new(error_types::EVENT_LIMIT, &*message);
        self.cut_off(now, Verdict::Failed(error));
        message
    }

    /// Fails the execution because its budget of bytes does not suffice.
    pub(super) fn fail_for_bytes(&mut self, now: Timestamp, exceeded: BytesExceeded) {
        if !matches!(self.phase, ExecutionPhase::Closed { .. }) {
            self.cut_off(now, Verdict::Failed(exceeded.into()));
        }
    }

    /// Describes the open operations for a message.
    fn not_over(&self) -> String {
        let open = open_work(self.operations.all().map(|operation| &**operation)).join(", ");
        if open.is_empty() { open } else { format!("; not over by then: {open}") }
    }

    /// Stops the execution.
    pub(super) fn stop(&mut self, now: Timestamp, error: Option<ErrorObject>) -> Result<(), ServiceError> {
        self.advance(now);
        if matches!(self.phase, ExecutionPhase::Closed { .. }) || self.phase.decided().is_some() {
            return invalid("the execution is over: it cannot be stopped");
        }
        if let Some(error) = &error {
            let (bytes, most) = (error.whole_size(), self.limits.whole_error_bytes);
            if bytes > most {
                return invalid(format!("the error of a stop has {bytes} bytes; at most {most} are allowed"));
            }
            // A budget that is used up does not keep an execution from being stopped.
            self.budget.charge_always(kept::error_of(error));
        }
        let error = error
            .unwrap_or_else(|| ErrorObject::new(error_types::EXECUTION_STOPPED, "the execution was stopped"));
        self.cut_off(now, Verdict::Stopped(error));
        Ok(())
    }

    fn cut_off(&mut self, at: Timestamp, verdict: Verdict) {
        if matches!(self.phase, ExecutionPhase::Running(_)) {
            self.end_invocation(at, verdict.error().cloned());
        }
        self.close(at, verdict);
    }

    fn close(&mut self, at: Timestamp, verdict: Verdict) {
        self.timers.cancel_all();
        self.callbacks.close_all();
        self.invokes.close_all();
        let changed =
            self.operations.change(EXECUTION, |operation| end(operation, at, verdict.operation_status()));
        if let Some(operation) = changed {
            self.events.of_operation(at, &operation, verdict.event());
        }
        self.phase = ExecutionPhase::Closed { verdict };
        self.pausing = Pausing::default();
        self.record_news();
    }
}
