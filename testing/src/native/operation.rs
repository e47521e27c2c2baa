//! The seam's operations: every handle is a key of the engine's.

use std::sync::Arc;

use durawasm_guest::{
    WireError,
    runtime::{
        Callback, Child, ChildResult, ChildState, Completed, Condition, ConditionState, EndStatus, Interest,
        InvalidArgument, Invoke, Operation, Outcome, Pollable, Scope, Step, StepState, Success,
    },
};
use durawasm_host::{
    protocol::OperationStatus,
    replay::{self, Directive, Engine, Key, ReplayError},
};

use super::{convert, durable::Durable, host::Watched, scope::Context, seam::Seam};

/// An operation of one run.
pub(super) struct Handle {
    seam: Arc<Seam>,
    key: Key,
}

impl Handle {
    pub(super) fn new(seam: &Arc<Seam>, key: Key) -> Self {
        Self { seam: Arc::clone(seam), key }
    }

    /// What the handler does next, and which attempt closed what is over with an error: nothing else is asked for it.
    fn directive(&self) -> (Directive, Option<u32>) {
        self.seam.call(
            || (Directive::Pending, None),
            |durable| {
                let directive = durable.engine.directive(self.key)?;
                let attempt = match &directive {
                    Directive::Done(Err(_)) => Some(durable.engine.attempt(self.key)?),
                    _ => None,
                };
                Ok((directive, attempt))
            },
        )
    }

    fn enter(&self) {
        self.seam.call(|| (), |durable| durable.enter(self.key));
    }

    fn leave(&self) {
        self.seam.call(|| (), Durable::leave);
    }

    fn close(&self, close: impl FnOnce(&mut Engine) -> Result<(), ReplayError>) {
        self.seam.call(|| (), |durable| durable.close(close));
    }

    fn succeed(&self, result: &str) {
        self.close(|engine| engine.succeed(self.key, Some(result.to_owned())));
    }

    fn fail(&self, error: &WireError) {
        self.close(|engine| engine.fail(self.key, convert::error_in(error)));
    }

    fn report(
        &self,
        report: impl FnOnce(&mut Engine) -> Result<(), ReplayError>,
    ) -> Result<(), InvalidArgument> {
        self.seam.call(|| Ok(()), |durable| durable.report(report))
    }
}

impl Operation for Handle {
    fn id(&self) -> String {
        self.seam.call(String::new, |durable| Ok(durable.engine.id(self.key)?.to_string()))
    }

    fn subscribe(&self, interest: Interest) -> Box<dyn Pollable> {
        Box::new(Watched(self.key, convert::interest(interest)))
    }

    fn block(&self, interest: Interest) {
        self.seam.call(|| (), |durable| durable.settled(self.key, convert::interest(interest)));
    }
}

impl Step for Handle {
    fn state(&self) -> StepState {
        match self.directive() {
            (Directive::Pending | Directive::Rebuild { .. }, _) => StepState::Pending,
            (Directive::Run { attempt, .. }, _) => StepState::Run(attempt),
            (Directive::Interrupted { attempt }, _) => StepState::Interrupted(attempt),
            (Directive::TimedOut { attempt }, _) => StepState::TimedOut(attempt),
            (Directive::Done(outcome), attempt) => {
                StepState::Done { outcome: convert::outcome(outcome), attempt }
            }
        }
    }

    fn recorded_success(&self) -> Option<Success> {
        let success = self.seam.call(|| None, |durable| Ok(durable.engine.recorded_success(self.key)?));
        success.map(|(order, value)| Success { order, value: value.map(|value| value.to_string()) })
    }

    fn enter(&self) {
        Self::enter(self);
    }

    fn leave(&self) {
        Self::leave(self);
    }

    fn succeed(&self, result: &str) {
        Self::succeed(self, result);
    }

    fn fail(&self, error: &WireError) {
        Self::fail(self, error);
    }

    fn retry(&self, error: &WireError, delay: u64) -> Result<(), InvalidArgument> {
        self.report(|engine| engine.retry(self.key, convert::error_in(error), delay))
    }
}

impl Completed for Handle {
    fn outcome(&self) -> Option<Outcome> {
        let outcome = self.seam.call(|| None, |durable| Ok(durable.engine.outcome(self.key)?));
        outcome.map(convert::outcome)
    }
}

impl Invoke for Handle {
    fn ended(&self) -> Option<EndStatus> {
        let status = self.seam.call(|| None, |durable| Ok(durable.engine.ended(self.key)?))?;
        Some(match status {
            OperationStatus::Succeeded => EndStatus::Succeeded,
            OperationStatus::TimedOut => EndStatus::TimedOut,
            OperationStatus::Stopped => EndStatus::Stopped,
            OperationStatus::Cancelled => EndStatus::Cancelled,
            _ => EndStatus::Failed,
        })
    }
}

impl Callback for Handle {
    fn callback_id(&self) -> Option<String> {
        self.seam.call(|| None, |durable| Ok(durable.engine.callback_id(self.key)?.map(str::to_owned)))
    }
}

impl Child for Handle {
    fn state(&self) -> ChildState {
        match self.directive().0 {
            Directive::Pending | Directive::Interrupted { .. } | Directive::TimedOut { .. } => {
                ChildState::Pending
            }
            Directive::Run { .. } => ChildState::Run,
            Directive::Rebuild { summary } => ChildState::Rebuild(summary.map(|s| s.to_string())),
            Directive::Done(outcome) => ChildState::Done(convert::outcome(outcome)),
        }
    }

    fn context(&self) -> Arc<dyn Scope> {
        let root = self.seam.root;
        let scope = self.seam.call(|| root, |durable| Ok(durable.engine.child_scope(self.key)?));
        Context::new(&self.seam, scope)
    }

    fn succeed(&self, result: ChildResult<'_>) {
        let result = match result {
            ChildResult::Inline(json) => replay::ChildResult::Inline(Some(json.to_owned())),
            ChildResult::ReplayChildren(summary) => {
                replay::ChildResult::ReplayChildren(summary.map(str::to_owned))
            }
        };
        self.close(|engine| engine.close_child(self.key, result));
    }

    fn fail(&self, error: &WireError) {
        self.close(|engine| engine.fail_child(self.key, convert::error_in(error)));
    }
}

impl Condition for Handle {
    fn state(&self) -> ConditionState {
        match self.directive() {
            (Directive::Run { attempt, state }, _) => {
                let state = state.map_or_else(|| "null".to_owned(), |state| state.to_string());
                ConditionState::Run { attempt, state }
            }
            (Directive::Done(outcome), attempt) => {
                ConditionState::Done { outcome: convert::outcome(outcome), attempt }
            }
            (
                Directive::Pending
                | Directive::Interrupted { .. }
                | Directive::TimedOut { .. }
                | Directive::Rebuild { .. },
                _,
            ) => ConditionState::Pending,
        }
    }

    fn enter(&self) {
        Self::enter(self);
    }

    fn leave(&self) {
        Self::leave(self);
    }

    fn succeed(&self, state: &str) {
        Self::succeed(self, state);
    }

    fn fail(&self, error: &WireError) {
        Self::fail(self, error);
    }

    fn proceed(&self, state: &str, delay: u64) -> Result<(), InvalidArgument> {
        self.report(|engine| engine.continue_condition(self.key, state.to_owned(), delay))
    }
}
