//! What plugins need of the host (WIT: `observing`).

use super::operation_type::{OperationStatus, OperationType};
use crate::error::WireError;

/// Lets code observe an execution without affecting it.
pub trait Observing: Send + Sync {
    /// Starts the observation. Returns `None` if this invocation is not to be observed. Called once, before the handler
    /// runs.
    fn begin(&self) -> Option<Beginning>;

    /// The operations that the service reported as changed since the last call: one list for each answer of the
    /// service, oldest first.
    fn changes(&self) -> Vec<Vec<ObservedOperation>>;

    /// The recorded payload of an operation.
    fn result(&self, id: &str) -> Option<String>;

    /// Starts an observer section: clocks and random numbers are live, and output is kept.
    fn enter(&self);

    /// Ends the observer section.
    fn leave(&self);

    /// Logs a warning.
    fn warn(&self, message: String);
}

/// The history at the beginning of an invocation (WIT: `observing.beginning`).
#[derive(Debug, Clone, Default)]
pub struct Beginning {
    /// Whether nothing was recorded before this invocation.
    pub first_invocation: bool,
    /// All recorded operations.
    pub operations: Vec<ObservedOperation>,
    /// The ids of operations that changed from outside since the previous invocation.
    pub updated: Vec<String>,
}

/// A recorded operation, without its result (WIT: `observing.operation`).
#[derive(Debug, Clone)]
pub struct ObservedOperation {
    /// Its id.
    pub id: String,
    /// The id of the context that it belongs to.
    pub parent_id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its type.
    pub kind: OperationType,
    /// Its sub-type.
    pub sub_type: Option<String>,
    /// Its status.
    pub status: OperationStatus,
    /// When it started, in milliseconds since the Unix epoch.
    pub start_time_ms: u64,
    /// When it ended, in milliseconds since the Unix epoch.
    pub end_time_ms: Option<u64>,
    /// For a step or a condition: the current attempt, or the last one.
    pub attempt: Option<u32>,
    /// Its error.
    pub error: Option<WireError>,
}
