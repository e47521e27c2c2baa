//! The seam below every durable operation: what this crate asks of whatever runs the handler.
//!
//! The traits mirror the resources of the WIT package `durawasm:durable`, one method for one function, with the same
//! rules. Operations, contexts and the executor know nothing else of their host: in a component the traits are
//! implemented by the imports, natively by a test runner. Nothing here blocks but [`Runtime::next`],
//! [`Runtime::next_or_idle`], [`Runtime::flush`] and [`Operation::block`].
//!
//! This module is public for runners only. It follows the WIT package, not the stability promises of this crate.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::SystemTime;

use crate::error::WireError;

mod observing;
#[cfg(target_family = "wasm")]
pub(crate) mod wasm;

pub use self::observing::{Beginning, ObservedOperation, Observing};

/// A place in a context's sequence of operations (WIT: `position`), from 1.
pub type Position = u32;

/// What every operation is given (WIT: `identity`).
#[derive(Debug, Clone)]
pub struct Identity {
    /// The claimed place.
    pub position: Position,
    /// The label in the history.
    pub name: Option<String>,
    /// The finer kind; none for the operation's usual one.
    pub sub_type: Option<&'static str>,
}

/// An argument the contract does not allow (WIT: `invalid-argument`).
#[derive(Debug, Clone)]
pub struct InvalidArgument {
    /// Which argument, as the contract spells it.
    pub argument: String,
    /// What is wrong with it.
    pub reason: String,
}

/// How a finished operation ended (WIT: `outcome`): its payload, absent when it has none, or its error.
pub type Outcome = Result<Option<String>, WireError>;

/// What an interruption in the middle of a step's body leads to (WIT: `step-semantics`).
pub use crate::step::StepSemantics;

/// How a step is run (WIT: `step-options`).
#[derive(Debug, Clone, Copy, Default)]
pub struct StepOptions {
    /// What an interruption leads to.
    pub semantics: StepSemantics,
    /// How long the body of one attempt may take, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// What to do next with a step (WIT: `step-state`).
#[derive(Debug)]
pub enum StepState {
    /// Wait for the pollable.
    Pending,
    /// Run the body for this attempt, from 1.
    Run(u32),
    /// This at-most-once attempt was interrupted: close it as one that failed.
    Interrupted(u32),
    /// The body of this attempt took longer than its timeout: close it as one that failed.
    TimedOut(u32),
    /// The recorded outcome.
    Done {
        /// The outcome.
        outcome: Outcome,
        /// The attempt that closed the step, where the runtime tells.
        attempt: Option<u32>,
    },
}

/// What to do next with a child context (WIT: `child-state`).
#[derive(Debug)]
pub enum ChildState {
    /// Wait for the pollable.
    Pending,
    /// Run the child's code, then close it.
    Run,
    /// Run the child's code again to rebuild a result too large to record, then close it. With the summary that was recorded
    /// in place of the result, if any.
    Rebuild(Option<String>),
    /// The recorded outcome.
    Done(Outcome),
}

/// What is recorded as a child context's result (WIT: `child-result`).
#[derive(Debug, Clone, Copy)]
pub enum ChildResult<'a> {
    /// The result itself.
    Inline(&'a str),
    /// Only this summary, if any: replays rebuild the result from the children.
    ReplayChildren(Option<&'a str>),
}

/// What to do next with a condition (WIT: `condition-state`).
#[derive(Debug)]
pub enum ConditionState {
    /// Wait for the pollable.
    Pending,
    /// Run the check.
    Run {
        /// The attempt, from 1.
        attempt: u32,
        /// The state that it sees.
        state: String,
    },
    /// The recorded outcome.
    Done {
        /// The outcome.
        outcome: Outcome,
        /// The attempt that closed the condition, where the runtime tells.
        attempt: Option<u32>,
    },
}

/// What to invoke (WIT: `invoke-options`).
#[derive(Debug, Clone)]
pub struct InvokeOptions {
    /// A function's name, name with qualifier, or ARN.
    pub function_name: String,
    /// The tenant, for functions with tenant isolation.
    pub tenant_id: Option<String>,
}

/// When what a handler reports reaches the service (WIT: `checkpointing.mode`).
pub use crate::checkpointing::CheckpointMode;

/// How an invocation of another function ended (WIT: `end-status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndStatus {
    /// With a result.
    Succeeded,
    /// With an error.
    Failed,
    /// It took too long.
    TimedOut,
    /// Somebody stopped it.
    Stopped,
    /// It was given up.
    Cancelled,
}

/// What is waited for in an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Something to do, or its outcome (WIT: `subscribe`).
    Change,
    /// A callback's id (WIT: `callback.subscribe-id`).
    CallbackId,
}

/// Facts of the execution (WIT: `execution.execution-info`).
#[derive(Debug, Clone)]
pub struct ExecutionInfo {
    /// Its ARN.
    pub arn: String,
    /// The function's name, without qualifier.
    pub function_name: String,
    /// The function's version.
    pub function_version: String,
    /// When it started, in milliseconds since the Unix epoch.
    pub start_time_ms: u64,
}

/// Limits of a callback in seconds (WIT: `callback-options`).
#[derive(Debug, Clone, Copy, Default)]
pub struct CallbackOptions {
    /// How long it may stay unanswered.
    pub timeout: Option<u64>,
    /// How long it may stay without a heartbeat.
    pub heartbeat_timeout: Option<u64>,
}

/// One invocation's host.
pub trait Runtime: Send + Sync {
    /// The execution.
    fn execution(&self) -> ExecutionInfo;

    /// Identifies this invocation.
    fn invocation_id(&self) -> String;

    /// When this invocation is ended if it has not ended by itself, in milliseconds since the Unix epoch.
    fn deadline_ms(&self) -> u64;

    /// The time as code between operations sees it: that of the latest outcome delivered.
    fn now(&self) -> SystemTime;

    /// Whether recorded operations are still to come, in any context.
    fn is_replaying(&self) -> bool;

    /// The execution's own context.
    fn root(&self) -> Arc<dyn Scope>;

    /// Adds a pollable to what the invocation waits for, under a token that is not in use (WIT: `wait-set.add`).
    fn watch(&self, pollable: Box<dyn Pollable>, token: u64);

    /// Takes one out (WIT: `wait-set.remove`).
    fn unwatch(&self, token: u64);

    /// Blocks until something that is watched is ready, and returns and forgets it, in the order in which the guest is to see
    /// it (WIT: `wait-set.next`). Never called when nothing is watched. May not return: the invocation is then suspended.
    fn next(&self) -> Vec<u64>;

    /// The same, but none where `next` would suspend (WIT: `wait-set.next-or-idle`).
    fn next_or_idle(&self) -> Option<Vec<u64>>;

    /// The mode in which reports are sent from here on.
    fn set_checkpoint_mode(&self, mode: CheckpointMode);

    /// The current mode.
    fn checkpoint_mode(&self) -> CheckpointMode;

    /// Sends what is buffered; returns when it is on record.
    fn flush(&self);

    /// How many reports are buffered.
    fn pending_updates(&self) -> u32;

    /// Whether log lines of replayed code are kept from here on.
    fn keep_replayed_logs(&self, keep: bool);

    /// What plugins need; none where there are none.
    fn observing(&self) -> Option<Arc<dyn Observing>> {
        None
    }
}

/// Something that becomes ready (WIT: `wasi:io/poll.pollable`).
pub trait Pollable: Any + Send + Sync {}

/// A scope of operation ids (WIT: `context`).
pub trait Scope: Send + Sync {
    /// The id of the operation that the scope belongs to; none for the root.
    fn id(&self) -> Option<String>;

    /// Says that the code that runs from here on draws random numbers from this stream of the scope's (WIT: `context.enter`). Without
    /// effect where random numbers are the machine's.
    fn enter(&self, _stream: u64) {}

    /// Claims the next place.
    fn claim(&self) -> Position;

    /// Whether the operation at this place is on record already.
    fn is_recorded(&self, position: Position) -> bool;

    /// Says that the operation at this place is not needed any more in this invocation.
    fn skip(&self, position: Position);

    /// Starts a step.
    fn step(&self, identity: Identity, options: StepOptions) -> Result<Arc<dyn Step>, InvalidArgument>;

    /// Starts a wait.
    fn wait(&self, identity: Identity, seconds: u64) -> Result<Arc<dyn Completed>, InvalidArgument>;

    /// Starts a callback.
    fn create_callback(
        &self,
        identity: Identity,
        options: CallbackOptions,
    ) -> Result<Arc<dyn Callback>, InvalidArgument>;

    /// Starts another function.
    fn invoke(
        &self,
        identity: Identity,
        options: InvokeOptions,
        payload: Option<&str>,
    ) -> Result<Arc<dyn Invoke>, InvalidArgument>;

    /// Starts a child context.
    fn child(&self, identity: Identity) -> Result<Arc<dyn Child>, InvalidArgument>;

    /// A scope without an operation, at this place: ids of its own, but its operations' parent is this scope's.
    fn flat(&self, position: Position) -> Arc<dyn Scope>;

    /// Starts a condition; the first attempt sees `initial`.
    fn condition(&self, identity: Identity, initial: &str) -> Result<Arc<dyn Condition>, InvalidArgument>;
}

/// What every operation has.
pub trait Operation: Send + Sync {
    /// Its id in the history.
    fn id(&self) -> String;

    /// Ready when what is of interest is there.
    fn subscribe(&self, interest: Interest) -> Box<dyn Pollable>;

    /// Blocks until what is of interest is there. May not return: the invocation is then suspended.
    fn block(&self, interest: Interest);
}

/// A success on record (WIT: `success`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Success {
    /// Where it stands in the order of all that is on record.
    pub order: u64,
    /// The recorded result.
    pub value: Option<String>,
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

/// A child context.
pub trait Child: Operation {
    /// What to do now.
    fn state(&self) -> ChildState;

    /// The scope of the child's operations.
    fn context(&self) -> Arc<dyn Scope>;

    /// Closes the child with a result.
    fn succeed(&self, result: ChildResult<'_>);

    /// Closes the child with an error.
    fn fail(&self, error: &WireError);
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
