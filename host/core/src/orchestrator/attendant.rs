//! Observers that take part in an execution by answering its callbacks.

use std::{future::Future, pin::Pin, sync::Arc};

use crate::{
    protocol::ExecutionArn,
    server::{Observer, PendingExternal, ServerHandle},
};

/// Follows one execution and may answer what it waits for, for example a test or an interactive user.
pub trait Attendant: Observer {
    /// Called when the execution has started, before its first invocation.
    fn started(&self, arn: &ExecutionArn, server: &ServerHandle);

    /// Called before each invocation.
    fn invoked(&self) {}

    /// Called when the execution waits for time or for an answer, and none of its code runs.
    fn waits(&self) {}

    /// Whether an answer may still come to what the execution waits for. While it may, the execution keeps waiting
    /// instead of ending as stalled.
    fn may_answer(&self, what: &[PendingExternal]) -> bool;

    /// Completes when the result of `may_answer` may differ from the one at the time of this call.
    fn reconsidered(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The attendant of an execution, if it has one.
pub(super) type Attended<'a> = Option<&'a Arc<dyn Attendant>>;

/// Completes when the attendant must be asked again; never if there is none.
pub(super) fn reconsidered(attendant: Attended<'_>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    match attendant {
        Some(attendant) => attendant.reconsidered(),
        None => Box::pin(std::future::pending()),
    }
}
