//! What comes of an invocation.

use crate::protocol::{ErrorObject, InvocationResult};

/// An invocation's end, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvocationReport {
    /// How it ended.
    pub result: InvocationResult,
    /// Checkpoints with updates that it sent.
    pub checkpoints: u32,
}

impl InvocationReport {
    /// Of an invocation that crashed before it sent anything.
    pub fn crashed(error: ErrorObject) -> Self {
        Self { result: InvocationResult::Crashed(error), checkpoints: 0 }
    }
}

/// How the last run of a handler ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Returned {
    /// The handler returned this.
    Value(Result<Option<String>, ErrorObject>),
    /// It was suspended: it can go on only after something durable has happened.
    Suspended,
    /// It trapped, panicked, exited, broke the contract or a limit, or lost the service.
    Crashed(ErrorObject),
}

/// A function, as whoever provides it describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Its name.
    pub name: String,
    /// Whether it uses durable operations.
    pub durable: bool,
}
