//! The seam below every durable operation: what this crate asks of whatever runs the handler.
//!
//! The traits mirror the resources of the WIT package `durawasm:durable`, one method for one function, with the same
//! rules. Operations, contexts and the executor know nothing else of their host: in a component the traits are
//! implemented by the imports, natively by a test runner. Nothing here blocks but [`Runtime::poll`].
//!
//! This module is public for runners only. It follows the WIT package, not the stability promises of this crate.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use crate::error::WireError;

#[cfg(target_family = "wasm")]
pub(crate) mod wasm;

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

/// What to do next with a step (WIT: `step-state`).
#[derive(Debug)]
pub enum StepState {
    /// Wait for the pollable.
    Pending,
    /// Run the body for this attempt, from 1.
    Run(u32),
    /// This at-most-once attempt was interrupted: close it as one that failed.
    Interrupted(u32),
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
    /// Run the child's code again to rebuild a result too large to record, then close it.
    Rebuild,
    /// The recorded outcome.
    Done(Outcome),
}

/// What is recorded as a child context's result (WIT: `child-result`).
#[derive(Debug, Clone, Copy)]
pub enum ChildResult<'a> {
    /// The result itself.
    Inline(&'a str),
    /// Nothing: replays rebuild it from the children.
    ReplayChildren,
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
    /// The execution's ARN.
    fn execution_arn(&self) -> String;

    /// The execution's own context.
    fn root(&self) -> Arc<dyn Scope>;

    /// Blocks until at least one entry is ready, and returns the indexes of those that are, in the order in which the
    /// guest is to see them. Never called with an empty list. May not return: the invocation is then suspended.
    fn poll(&self, pollables: &[&dyn Pollable]) -> Vec<u32>;
}

/// Something that becomes ready (WIT: `wasi:io/poll.pollable`).
pub trait Pollable: Any + Send + Sync {}

/// A scope of operation ids (WIT: `context`).
pub trait Scope: Send + Sync {
    /// Claims the next place.
    fn claim(&self) -> Position;

    /// Whether recorded operations are still to come in this invocation.
    fn is_replaying(&self) -> bool;

    /// Starts a step.
    fn step(&self, identity: Identity, semantics: StepSemantics) -> Result<Arc<dyn Step>, InvalidArgument>;

    /// Starts a wait.
    fn wait(&self, identity: Identity, seconds: u64) -> Result<Arc<dyn Wait>, InvalidArgument>;

    /// Starts a callback.
    fn create_callback(
        &self,
        identity: Identity,
        options: CallbackOptions,
    ) -> Result<Arc<dyn Callback>, InvalidArgument>;

    /// Starts a child context.
    fn child(&self, identity: Identity) -> Result<Arc<dyn Child>, InvalidArgument>;
}

/// What every operation has.
pub trait Operation: Send + Sync {
    /// Its id in the history.
    fn id(&self) -> String;
}

/// A step.
pub trait Step: Operation {
    /// What to do now.
    fn state(&self) -> StepState;

    /// Ready whenever the state is not pending.
    fn subscribe(&self) -> Box<dyn Pollable>;

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

/// A wait.
pub trait Wait: Operation {
    /// The outcome, when the time is over.
    fn outcome(&self) -> Option<Outcome>;

    /// Ready when the time is over.
    fn subscribe(&self) -> Box<dyn Pollable>;
}

/// A callback.
pub trait Callback: Operation {
    /// The id that the external system answers with, once the service has made it.
    fn callback_id(&self) -> Option<String>;

    /// Ready when that id is known.
    fn subscribe_id(&self) -> Box<dyn Pollable>;

    /// The answer, once there is one.
    fn outcome(&self) -> Option<Outcome>;

    /// Ready when there is an answer.
    fn subscribe(&self) -> Box<dyn Pollable>;
}

/// A child context.
pub trait Child: Operation {
    /// What to do now.
    fn state(&self) -> ChildState;

    /// Ready whenever the state is not pending.
    fn subscribe(&self) -> Box<dyn Pollable>;

    /// The scope of the child's operations.
    fn context(&self) -> Arc<dyn Scope>;

    /// Closes the child with a result.
    fn succeed(&self, result: ChildResult<'_>);

    /// Closes the child with an error.
    fn fail(&self, error: &WireError);
}
