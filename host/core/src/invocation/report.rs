//! The result of an invocation.

use crate::protocol::{ErrorObject, InvocationResult};

/// The result of an invocation, and its number of checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvocationReport {
    /// How it ended.
    pub result: InvocationResult,
    /// The number of checkpoints with updates that it sent.
    pub checkpoints: u32,
}

impl InvocationReport {
    /// The report of an invocation that crashed before it sent a checkpoint.
    pub fn crashed(error: ErrorObject) -> Self {
        Self { result: InvocationResult::Crashed(error), checkpoints: 0 }
    }
}

/// How the last run of a handler ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Returned {
    /// The handler returned this value or error.
    Value(Result<Option<String>, ErrorObject>),
    /// It was suspended: it can continue only after a durable event.
    Suspended,
    /// It trapped, panicked, exited, violated the contract, exceeded a limit, or lost the service.
    Crashed(ErrorObject),
}

/// A function, as its component describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Its name.
    pub name: String,
    /// Whether it uses durable operations.
    pub durable: bool,
}
