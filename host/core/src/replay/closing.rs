//! Closing of attempts and operations by the guest.
//!
//! Invariants: an attempt is closed at most once; closing it queues one update; an update that exceeds the service's
//! limits is never queued.

use super::{
    CheckpointMode, Divergence, Key, ReplayError,
    checks::{check_payload, check_seconds, fit_error},
    engine::Engine,
    error::misuse,
    slot::{RevealPoint, SlotState},
};
use crate::protocol::{
    ContextOptions, ErrorObject, InvocationOutput, Limits, OperationAction, OperationType, OperationUpdate,
    StepOptions,
};

/// The result with which a child context is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildResult {
    /// The result itself.
    Inline(Option<String>),
    /// A summary; a replay of the children computes the result.
    ReplayChildren(Option<String>),
}

/// The update that closes an operation or an attempt.
struct Closed {
    update: OperationUpdate,
    /// The attempt whose body ran; none for a context, and for an attempt that ended without running.
    attempt: Option<u32>,
}

impl Engine {
    /// Returns the output of an invocation whose handler returned: its result, or an error if recorded operations were
    /// not started or the result exceeds the service's limit.
    pub fn conclude(&self, returned: Result<Option<String>, ErrorObject>) -> InvocationOutput {
        if let Err(ReplayError::NonDeterministic(divergence)) = self.check_return() {
            if let Some(probe) = self.probe.get() {
                probe.diverged(&divergence);
            }
            return InvocationOutput::failed(divergence.to_error());
        }
        match returned {
            Ok(result) => self.fit_result(result),
            Err(error) => InvocationOutput::failed(self.fit_error(error)),
        }
    }

    /// Converts a handler's result to the invocation's output. A result that exceeds the service's limit becomes an
    /// error.
    pub fn fit_result(&self, result: Option<String>) -> InvocationOutput {
        match check_payload("result", result.as_ref(), self.limits.payload_bytes) {
            Ok(()) => InvocationOutput::succeeded(result),
            Err(error) => InvocationOutput::failed(ErrorObject::new("ResultTooLarge", error.to_string())),
        }
    }

    /// Shortens an error to the service's limit.
    pub fn fit_error(&self, error: ErrorObject) -> ErrorObject {
        fit_error(error, self.limits.error_bytes)
    }

    /// Closes an attempt and its operation with a result.
    pub fn succeed(&mut self, key: Key, result: Option<String>) -> Result<(), ReplayError> {
        self.check_open(key)?;
        if let Err(error) = check_payload("result", result.as_ref(), self.limits.payload_bytes) {
            return self.fail(key, ErrorObject::new("ResultTooLarge", error.to_string()));
        }
        let mut closed = self.close(key, OperationAction::Succeed)?;
        closed.update.payload = result.map(Into::into);
        self.send(key, closed)
    }

    /// Closes an attempt and its operation with an error.
    pub fn fail(&mut self, key: Key, error: ErrorObject) -> Result<(), ReplayError> {
        self.check_open(key)?;
        let mut closed = self.close(key, OperationAction::Fail)?;
        closed.update.error = Some(fit_error(error, self.limits.error_bytes));
        self.send(key, closed)
    }

    /// Closes a step's attempt with an error. The next attempt may begin after `delay` seconds.
    pub fn retry(&mut self, key: Key, error: ErrorObject, delay: u64) -> Result<(), ReplayError> {
        self.check_open(key)?;
        check_seconds("delay", delay, &Limits::DELAY_SECONDS)?;
        let mut closed = self.close(key, OperationAction::Retry)?;
        closed.update.error = Some(fit_error(error, self.limits.error_bytes));
        closed.update.step_options = Some(StepOptions { next_attempt_delay_seconds: Some(delay) });
        self.send(key, closed)
    }

    /// Closes a condition's attempt. The next attempt may begin after `delay` seconds, with the state `next`.
    pub fn continue_condition(&mut self, key: Key, next: String, delay: u64) -> Result<(), ReplayError> {
        self.check_open(key)?;
        check_seconds("delay", delay, &Limits::DELAY_SECONDS)?;
        check_payload("next", Some(&next), self.limits.payload_bytes)?;
        let mut closed = self.close(key, OperationAction::Retry)?;
        closed.update.payload = Some(next.into());
        closed.update.step_options = Some(StepOptions { next_attempt_delay_seconds: Some(delay) });
        self.send(key, closed)
    }

    /// Closes a child context with a result.
    pub fn close_child(&mut self, key: Key, result: ChildResult) -> Result<(), ReplayError> {
        if self.is_rebuilding(key)? {
            if let ChildResult::Inline(payload) = &result {
                let bytes = payload.as_ref().map_or(0, String::len);
                return Err(self.rebuild_divergence(key, &format!("came to one of {bytes} bytes"))?);
            }
            return self.rebuilt(key);
        }
        self.check_all_started(key)?;
        let (payload, replay_children) = match result {
            ChildResult::Inline(payload) => (payload, false),
            ChildResult::ReplayChildren(summary) => (Some(summary.unwrap_or_default()), true),
        };
        if payload.as_ref().is_some_and(|p| p.len() > Limits::INLINE_RESULT_BYTES) {
            return Err(misuse(format!(
                "a child context was closed with more than {} KiB; replay-children is for that",
                Limits::INLINE_RESULT_BYTES / 1024
            )));
        }
        let mut closed = self.close(key, OperationAction::Succeed)?;
        closed.update.payload = payload.map(Into::into);
        if replay_children {
            closed.update.context_options = Some(ContextOptions { replay_children });
        }
        self.send(key, closed)
    }

    /// Closes a child context with an error.
    pub fn fail_child(&mut self, key: Key, error: ErrorObject) -> Result<(), ReplayError> {
        if self.is_rebuilding(key)? {
            return Err(self.rebuild_divergence(key, &format!("failed: {error}"))?);
        }
        self.check_all_started(key)?;
        let mut closed = self.close(key, OperationAction::Fail)?;
        closed.update.error = Some(fit_error(error, self.limits.error_bytes));
        self.send(key, closed)
    }

    fn check_open(&self, key: Key) -> Result<(), ReplayError> {
        match self.slot(key)?.phase {
            SlotState::Running { .. } | SlotState::Interrupted { .. } | SlotState::TimedOut { .. } => Ok(()),
            SlotState::Waiting
            | SlotState::Closing
            | SlotState::Shown
            | SlotState::Due(_)
            | SlotState::Rebuilding => {
                Err(misuse("an attempt was closed that was not to run, or was closed before"))
            }
        }
    }

    /// Closes a child context that was run again only to compute its result. No update is sent.
    fn rebuilt(&mut self, key: Key) -> Result<(), ReplayError> {
        self.slot_mut(key)?.phase = SlotState::Waiting;
        Ok(())
    }

    /// The error for a child context that was run again and ended differently from the first run.
    fn rebuild_divergence(&self, key: Key, how: &str) -> Result<ReplayError, ReplayError> {
        let slot = self.slot(key)?;
        let what = slot.describe();
        Ok(ReplayError::NonDeterministic(Box::new(Divergence {
            id: slot.id.clone(),
            expected: format!(
                "{what} that succeeded with a result of more than {} KiB",
                Limits::INLINE_RESULT_BYTES / 1024
            ),
            actual: format!("ran its code again for the result, and it {how}"),
        })))
    }

    /// Whether a child context was run again only to compute its result.
    fn is_rebuilding(&self, key: Key) -> Result<bool, ReplayError> {
        match self.slot(key)?.phase {
            SlotState::Rebuilding => Ok(true),
            SlotState::Running { .. } => Ok(false),
            SlotState::Waiting
            | SlotState::Closing
            | SlotState::Shown
            | SlotState::Due(_)
            | SlotState::Interrupted { .. }
            | SlotState::TimedOut { .. } => Err(misuse("a child context was closed twice")),
        }
    }

    fn close(&mut self, key: Key, action: OperationAction) -> Result<Closed, ReplayError> {
        let slot = self.slot_mut(key)?;
        let attempt = match slot.phase {
            SlotState::Running { attempt } if slot.kind == OperationType::Step => Some(attempt),
            _ => None,
        };
        slot.phase = SlotState::Closing;
        Ok(Closed { update: slot.update(action), attempt })
    }

    /// Queues the update that closes an operation or an attempt.
    fn send(&mut self, key: Key, closed: Closed) -> Result<(), ReplayError> {
        let Closed { mut update, attempt } = closed;
        if let Some(probe) = self.probe.get() {
            probe.closing(&mut update, attempt);
        }
        let shown_early = self.mode == CheckpointMode::Optimistic && update.action != OperationAction::Retry;
        let local = shown_early.then(|| match &update.error {
            Some(error) => Err(error.clone()),
            None => Ok(update.payload.clone()),
        });
        self.outbox.push(update)?;
        if local.is_some() {
            self.unsent += 1;
            let unsent = self.unsent;
            let slot = self.slot_mut(key)?;
            slot.local = local;
            slot.phase = SlotState::Due(RevealPoint::Unsent(unsent));
        }
        Ok(())
    }
}
