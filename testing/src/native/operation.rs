//! The operations of the SDK's runtime traits.

use std::sync::Arc;

use durawasm_core::{protocol::OperationStatus, replay};
use durawasm_guest::{
    WireError,
    runtime::{
        Attempts, Callback, Child, ChildResult, ChildState, Completed, Condition, ConditionState, EndStatus,
        Interest, InvalidArgument, Invoke, Operation, Outcome, Pollable, Scope, Step, StepState, Success,
    },
};

use super::{
    convert,
    handles::{AwaitedEvent, Context, Handle},
};

impl Operation for Handle {
    fn id(&self) -> String {
        self.run.call(String::new, |durable| Ok(durable.driver.engine().id(self.key)?.to_string()))
    }

    fn subscribe(&self, interest: Interest) -> Box<dyn Pollable> {
        Box::new(AwaitedEvent(self.key, convert::interest(interest)))
    }

    fn block(&self, interest: Interest) {
        self.run.call(|| (), |durable| durable.wait_for(self.key, convert::interest(interest)));
    }
}

impl Attempts for Handle {
    fn enter(&self) {
        self.run.call(|| (), |durable| durable.enter(self.key));
    }

    fn leave(&self) {
        self.run.call(|| (), |durable| durable.leave(self.key));
    }

    fn succeed(&self, payload: &str) {
        self.close(|engine, key| engine.succeed(key, Some(payload.to_owned())));
    }

    fn fail(&self, error: &WireError) {
        self.close(|engine, key| engine.fail(key, convert::error_in(error)));
    }
}

impl Step for Handle {
    fn state(&self) -> StepState {
        self.run.call(
            || StepState::Pending,
            |durable| {
                let engine = durable.driver.engine();
                Ok(match engine.step_state(self.key)? {
                    replay::StepState::Pending => StepState::Pending,
                    replay::StepState::Run(attempt) => StepState::Run(attempt),
                    replay::StepState::Interrupted(attempt) => StepState::Interrupted(attempt),
                    replay::StepState::TimedOut(attempt) => StepState::TimedOut(attempt),
                    replay::StepState::Done(outcome) => {
                        // The attempt number is needed only for errors.
                        let attempt = outcome.is_err().then(|| engine.attempt(self.key)).transpose()?;
                        StepState::Done { outcome: convert::outcome(outcome), attempt }
                    }
                })
            },
        )
    }

    fn recorded_success(&self) -> Option<Success> {
        let success =
            self.run.call(|| None, |durable| Ok(durable.driver.engine().recorded_success(self.key)?));
        success.map(|(order, value)| Success { order, value: value.map(|value| value.to_string()) })
    }

    fn retry(&self, error: &WireError, delay: u64) -> Result<(), InvalidArgument> {
        self.report(|engine, key| engine.retry(key, convert::error_in(error), delay))
    }
}

impl Completed for Handle {
    fn outcome(&self) -> Option<Outcome> {
        let outcome = self.run.call(|| None, |durable| Ok(durable.driver.engine().outcome(self.key)?));
        outcome.map(convert::outcome)
    }
}

impl Invoke for Handle {
    fn ended(&self) -> Option<EndStatus> {
        let status = self.run.call(|| None, |durable| Ok(durable.driver.engine().ended(self.key)?))?;
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
        self.run
            .call(|| None, |durable| Ok(durable.driver.engine().callback_id(self.key)?.map(str::to_owned)))
    }
}

impl Child for Handle {
    fn state(&self) -> ChildState {
        let state = self.run.call(
            || replay::ChildState::Pending,
            |durable| Ok(durable.driver.engine().child_state(self.key)?),
        );
        match state {
            replay::ChildState::Pending => ChildState::Pending,
            replay::ChildState::Run => ChildState::Run,
            replay::ChildState::Rebuild(summary) => ChildState::Rebuild(summary.map(|s| s.to_string())),
            replay::ChildState::Done(outcome) => ChildState::Done(convert::outcome(outcome)),
        }
    }

    fn context(&self) -> Arc<dyn Scope> {
        let root = self.run.root;
        let scope = self.run.call(|| root, |durable| Ok(durable.driver.engine().child_scope(self.key)?));
        Context::new(&self.run, scope)
    }

    fn succeed(&self, result: ChildResult<'_>) {
        let result = match result {
            ChildResult::Inline(json) => replay::ChildResult::Inline(Some(json.to_owned())),
            ChildResult::ReplayChildren(summary) => {
                replay::ChildResult::ReplayChildren(summary.map(str::to_owned))
            }
        };
        self.close(|engine, key| engine.close_child(key, result));
    }

    fn fail(&self, error: &WireError) {
        self.close(|engine, key| engine.fail_child(key, convert::error_in(error)));
    }
}

impl Condition for Handle {
    fn state(&self) -> ConditionState {
        self.run.call(
            || ConditionState::Pending,
            |durable| {
                let engine = durable.driver.engine();
                Ok(match engine.condition_state(self.key)? {
                    replay::ConditionState::Pending => ConditionState::Pending,
                    replay::ConditionState::Run { attempt, state } => {
                        let state = state.map_or_else(|| "null".to_owned(), |state| state.to_string());
                        ConditionState::Run { attempt, state }
                    }
                    replay::ConditionState::Done(outcome) => {
                        let attempt = outcome.is_err().then(|| engine.attempt(self.key)).transpose()?;
                        ConditionState::Done { outcome: convert::outcome(outcome), attempt }
                    }
                })
            },
        )
    }

    fn proceed(&self, state: &str, delay: u64) -> Result<(), InvalidArgument> {
        self.report(|engine, key| engine.continue_condition(key, state.to_owned(), delay))
    }
}
