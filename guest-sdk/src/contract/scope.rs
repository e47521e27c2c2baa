//! The scopes in which operations are started.

use std::sync::Arc;

use super::data::{CallbackOptions, ChildResult, ChildState, Identity, InvokeOptions, Position, StepOptions};
use super::operation::{Callback, Completed, Condition, Invoke, Operation, Step};
use crate::error::{InvalidArgument, WireError};

/// A scope of operation ids (WIT: `context`).
pub trait Scope: Send + Sync {
    /// The id of the operation that the scope belongs to; `None` for the root.
    fn id(&self) -> Option<String>;

    /// The code that runs from now on draws random numbers from this stream of the scope (WIT: `context.enter`). Has no
    /// effect on hosts whose random numbers are those of the machine.
    fn enter(&self, _stream: u64) {}

    /// Claims the next position.
    fn claim(&self) -> Position;

    /// Whether the operation at this position is recorded.
    fn is_recorded(&self, position: Position) -> bool;

    /// This invocation does not need the operation at this position any more.
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

    /// Starts an invocation of another function.
    fn invoke(
        &self,
        identity: Identity,
        options: InvokeOptions,
        payload: Option<&str>,
    ) -> Result<Arc<dyn Invoke>, InvalidArgument>;

    /// Starts a child context.
    fn child(&self, identity: Identity) -> Result<Arc<dyn Child>, InvalidArgument>;

    /// A scope without an operation, at this position. It has its own ids, but its operations have the same parent as
    /// those of this scope.
    fn flat(&self, position: Position) -> Arc<dyn Scope>;

    /// Starts a condition; the first attempt gets the state `initial`.
    fn condition(&self, identity: Identity, initial: &str) -> Result<Arc<dyn Condition>, InvalidArgument>;
}

/// A child context.
pub trait Child: Operation {
    /// What to do next.
    fn state(&self) -> ChildState;

    /// The scope of the child's operations.
    fn context(&self) -> Arc<dyn Scope>;

    /// Closes the child with its result.
    fn succeed(&self, result: ChildResult<'_>);

    /// Closes the child with an error.
    fn fail(&self, error: &WireError);
}
