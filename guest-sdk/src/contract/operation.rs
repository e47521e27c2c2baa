//! Operations, and what can be waited for.

use std::any::Any;

use super::data::{ConditionState, EndStatus, Interest, Outcome, StepState, Success};
use crate::error::{InvalidArgument, WireError};

/// Something that becomes ready (WIT: `wasi:io/poll.pollable`).
pub trait Pollable: Any + Send + Sync {}

/// What every operation has.
pub trait Operation: Send + Sync {
    /// Its id in the history.
    fn id(&self) -> String;

    /// Ready when what is of interest is there.
    fn subscribe(&self, interest: Interest) -> Box<dyn Pollable>;

    /// Blocks until what is of interest is there. May not return: the invocation is then suspended.
    fn block(&self, interest: Interest);
}

/// A step.
pub trait Step: Operation {
    /// What to do now.
    fn state(&self) -> StepState;

    /// The step's success, as soon as it is on record, shown or not (WIT: `step.recorded-success`).
    fn recorded_success(&self) -> Option<Success>;

    /// The body, or a part of it, is about to run.
    fn enter(&self);

    /// The handler's own code runs again.
    fn leave(&self);

    /// Closes the step with a result.
    fn succeed(&self, result: &str);

    /// Closes the step with an error.
    fn fail(&self, error: &WireError);

    /// Closes the attempt with an error; another may follow after so many seconds.
    fn retry(&self, error: &WireError, delay: u64) -> Result<(), InvalidArgument>;
}

/// An operation that only the service ends: a wait, or an invocation of another function.
pub trait Completed: Operation {
    /// The outcome, once there is one.
    fn outcome(&self) -> Option<Outcome>;
}

/// An invocation of another function.
pub trait Invoke: Completed {
    /// How the function ended, once there is an outcome (WIT: `chained-invoke.ended`).
    fn ended(&self) -> Option<EndStatus>;
}

/// A callback.
pub trait Callback: Completed {
    /// The id that the external system answers with, once the service has made it.
    fn callback_id(&self) -> Option<String>;
}

/// A condition.
pub trait Condition: Operation {
    /// What to do now.
    fn state(&self) -> ConditionState;

    /// The check, or a part of it, is about to run.
    fn enter(&self);

    /// The handler's own code runs again.
    fn leave(&self);

    /// Closes the condition with its final state.
    fn succeed(&self, state: &str);

    /// Closes the condition with an error.
    fn fail(&self, error: &WireError);

    /// Not met yet: the next attempt sees `state`, after so many seconds, in a later invocation.
    fn proceed(&self, state: &str, delay: u64) -> Result<(), InvalidArgument>;
}
