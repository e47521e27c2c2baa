//! Operations, and what an invocation can wait for.

use std::any::Any;

use super::data::{ConditionState, EndStatus, Interest, Outcome, StepState, Success};
use crate::error::{InvalidArgument, WireError};

/// An event that becomes ready (WIT: `wasi:io/poll.pollable`).
pub trait Pollable: Any + Send + Sync {}

/// The methods of every operation.
pub trait Operation: Send + Sync {
    /// Its id in the history.
    fn id(&self) -> String;

    /// A pollable that is ready when the event has happened.
    fn subscribe(&self, interest: Interest) -> Box<dyn Pollable>;

    /// Blocks until the event has happened. May not return: the invocation is then suspended.
    fn block(&self, interest: Interest);
}

/// An operation whose attempts run a body of the handler: a step, or a condition with its checks.
pub trait Attempts: Operation {
    /// The body starts or continues to run.
    fn enter(&self);

    /// The code of the handler continues to run.
    fn leave(&self);

    /// Closes the operation with the payload of its result or of its final state.
    fn succeed(&self, payload: &str);

    /// Closes the operation with an error.
    fn fail(&self, error: &WireError);
}

/// A step.
pub trait Step: Attempts {
    /// What to do next.
    fn state(&self) -> StepState;

    /// The recorded success of the step, as soon as it is recorded, delivered or not (WIT: `step.recorded-success`).
    fn recorded_success(&self) -> Option<Success>;

    /// Closes the attempt with an error; the next attempt may start after `delay` seconds.
    fn retry(&self, error: &WireError, delay: u64) -> Result<(), InvalidArgument>;
}

/// An operation that only the service completes: a wait, or an invocation of another function.
pub trait Completed: Operation {
    /// The outcome, if there is one.
    fn outcome(&self) -> Option<Outcome>;
}

/// An invocation of another function.
pub trait Invoke: Completed {
    /// How the function ended, if there is an outcome (WIT: `chained-invoke.ended`).
    fn ended(&self) -> Option<EndStatus>;
}

/// A callback.
pub trait Callback: Completed {
    /// The id with which the external system answers, once the service has created it.
    fn callback_id(&self) -> Option<String>;
}

/// A condition.
pub trait Condition: Attempts {
    /// What to do next.
    fn state(&self) -> ConditionState;

    /// The condition is not met: the next attempt gets `state`, after `delay` seconds, in a later invocation.
    fn proceed(&self, state: &str, delay: u64) -> Result<(), InvalidArgument>;
}
