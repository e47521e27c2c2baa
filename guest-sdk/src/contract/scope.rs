//! Where operations are started.

use std::sync::Arc;

use super::data::{CallbackOptions, ChildResult, ChildState, Identity, InvokeOptions, Position, StepOptions};
use super::operation::{Callback, Completed, Condition, Invoke, Operation, Step};
use crate::error::{InvalidArgument, WireError};

/// A scope of operation ids (WIT: `context`).
pub trait Scope: Send + Sync {
    /// The id of the operation that the scope belongs to; none for the root.
    fn id(&self) -> Option<String>;

    /// Says that the code that runs from here on draws random numbers from this stream of the scope's (WIT:
    /// `context.enter`). Without effect where random numbers are the machine's.
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
