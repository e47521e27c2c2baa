//! What plugins need of the host (WIT: `observing`).

use super::operation_type::{OperationStatus, OperationType};
use crate::error::WireError;

/// Lets code watch an execution without being a part of it.
pub trait Observing: Send + Sync {
    /// Begins to watch; none where nobody is to watch in this invocation. To be called once, before the handler runs.
    fn begin(&self) -> Option<Beginning>;

    /// For each answer of the service since the last call the operations that it reported as changed, oldest first.
    fn changes(&self) -> Vec<Vec<ObservedOperation>>;

    /// The result of an operation on record.
    fn result(&self, id: &str) -> Option<String>;

    /// An aside begins: clocks and random are live, and what is written is kept.
    fn enter(&self);

    /// The aside is over.
    fn leave(&self);

    /// Logs a warning.
    fn warn(&self, message: String);
}

/// The record at the beginning of an invocation (WIT: `observing.beginning`).
#[derive(Debug, Clone, Default)]
pub struct Beginning {
    /// Whether nothing is on record.
    pub first_invocation: bool,
    /// All operations on record.
    pub operations: Vec<ObservedOperation>,
    /// Those that changed from outside since the previous invocation.
    pub updated: Vec<String>,
}

/// An operation on record, without its result (WIT: `observing.operation`).
#[derive(Debug, Clone)]
pub struct ObservedOperation {
    /// Its id.
    pub id: String,
    /// The context that it belongs to.
    pub parent_id: Option<String>,
    /// Its label.
    pub name: Option<String>,
    /// What it is.
    pub kind: OperationType,
    /// What it is, more finely.
    pub sub_type: Option<String>,
    /// Where it stands.
    pub status: OperationStatus,
    /// When it started, in milliseconds since the Unix epoch.
    pub start_time_ms: u64,
    /// When it was over.
    pub end_time_ms: Option<u64>,
    /// Of a step or a condition: the attempt that is under way, or that ended last.
    pub attempt: Option<u32>,
    /// Its error.
    pub error: Option<WireError>,
}
