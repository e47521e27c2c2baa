//! What keeps executions beyond the server's memory, as the server sees it.
//!
//! An execution is kept in parts, each with a place of its own: the operations, the events and the invocations, by their
//! numbers from 0, and all else as one part, which is small. A request changes few parts, and only those are written
//! again. Parts are JSON text that only the server reads and writes; a store keeps them as they are.
//!
//! Invariants:
//! - a request is answered after its changes are committed;
//! - the requests that wait for the server are committed together: they all succeed, or none does and the server forgets
//!   what they did;
//! - what a store has of an execution is what the server had when it answered the latest request.

use serde::{Deserialize, Serialize};

use super::lists::{ExecutionSummary, ListExecutions, Standing};
use crate::protocol::{ExecutionArn, OperationId, ServiceError, Timestamp};

/// Keeps executions. A store is used by one server at a time, on one thread.
pub trait Store: Send {
    /// Commits the changes and the deletions in one transaction. When this returns, they survive the end of the process
    /// and of the machine.
    ///
    /// # Errors
    /// Then nothing of the changes is kept, and nothing is deleted.
    fn commit(&mut self, changes: &[Changes], deleted: &[ExecutionArn]) -> Result<(), StoreError>;

    /// Returns an execution, or `None` if there is none with this ARN.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn load(&mut self, arn: &ExecutionArn) -> Result<Option<Saved>, StoreError>;

    /// Returns the ARN of an execution.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn find(&mut self, by: Lookup<'_>) -> Result<Option<ExecutionArn>, StoreError>;

    /// Returns the executions of a list, at most as many as it asks for.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn list(&mut self, list: &ListExecutions) -> Result<Vec<ExecutionSummary>, StoreError>;

    /// Returns the executions that have not ended.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn open(&mut self) -> Result<Vec<OpenExecution>, StoreError>;

    /// Returns executions that ended before this time, at most this many.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn ended_before(&mut self, time: Timestamp, most: usize) -> Result<Vec<ExecutionArn>, StoreError>;

    /// Returns a number that no earlier process had that opened the store.
    fn process(&self) -> u64;
}

/// What an execution is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// The id: the last part of its ARN, a UUID.
    Id([u8; 16]),
    /// The function and the execution's name.
    Name {
        /// The function, without a version.
        function: &'a str,
        /// The execution's name.
        name: &'a str,
    },
    /// The chained invoke that started it.
    Invoker(&'a Invoker),
}

/// The parts of an execution that changed since the last commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// What the execution can be found by.
    pub summary: Summary,
    /// What has no place of its own.
    pub execution: String,
    /// Operations, with their places.
    pub operations: Vec<(usize, String)>,
    /// Events, with their places.
    pub events: Vec<(usize, String)>,
    /// Invocations, with their places.
    pub invocations: Vec<(usize, String)>,
}

/// A whole execution. The parts are in the order of their places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saved {
    /// What has no place of its own.
    pub execution: String,
    /// The operations.
    pub operations: Vec<String>,
    /// The events: `Event` of the service model.
    pub events: Vec<String>,
    /// The invocations.
    pub invocations: Vec<String>,
}

/// What an execution can be found by, and what a list shows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The execution.
    pub arn: ExecutionArn,
    /// The last part of the ARN, a UUID. Callback ids begin with it.
    pub id: [u8; 16],
    /// The status, and whether it is paused.
    pub standing: Standing,
    /// When it started.
    pub start: Timestamp,
    /// When it ended.
    pub end: Option<Timestamp>,
    /// The time of the latest request.
    pub saved_at: Timestamp,
    /// When a timer fires, or a time that has passed if the execution needs an invocation; `None` if it has ended or only
    /// an answer from outside can continue it.
    pub due: Option<Timestamp>,
    /// The chained invoke that started it.
    pub invoked_by: Option<Invoker>,
}

/// An execution that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenExecution {
    /// The execution.
    pub arn: ExecutionArn,
    /// [`Summary::due`].
    pub due: Option<Timestamp>,
    /// The execution whose chained invoke started it.
    pub caller: Option<ExecutionArn>,
}

/// The chained invoke that started an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Invoker {
    /// The execution that invoked.
    pub execution: ExecutionArn,
    /// Its operation.
    pub operation: OperationId,
}

/// Why a store did not do what it was asked for: what failed, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.0)
    }
}

/// Why a saved execution cannot be continued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// A part is not what a server of this version writes.
    #[error("{part} cannot be read: {why}")]
    Part {
        /// Which part, such as `operation 3`.
        part: String,
        /// What is wrong with it.
        why: String,
    },
    /// A part does not belong where it is.
    #[error("{0}")]
    Contradiction(String),
}
