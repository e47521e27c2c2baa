//! Someone who follows an execution, and may answer what it waits for.

use std::{future::Future, pin::Pin, sync::Arc};

use crate::{
    protocol::ExecutionArn,
    server::{Observer, Outside, ServerHandle},
};

/// Follows one execution: a test, or a person at a screen.
pub trait Attendant: Observer {
    /// The execution has started; nothing has run yet.
    fn started(&self, arn: &ExecutionArn, server: &ServerHandle);

    /// The function is about to be invoked.
    fn invoked(&self) {}

    /// The execution waits for time, or for somebody: nothing of it runs.
    fn waits(&self) {}

    /// Whether an answer may still come to what the execution waits for. While it may, the execution is not given up,
    /// and goes on waiting.
    fn may_answer(&self, what: &[Outside]) -> bool;

    /// Ends when `may_answer` may say something else than it did when this was called.
    fn reconsidered(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Who attends an execution, if anybody does.
pub(super) type Attended<'a> = Option<&'a Arc<dyn Attendant>>;

/// When to ask the attendant again; never, where there is none.
pub(super) fn reconsidered(attendant: Attended<'_>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    match attendant {
        Some(attendant) => attendant.reconsidered(),
        None => Box::pin(std::future::pending()),
    }
}
