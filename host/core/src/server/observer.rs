//! Observers of executions.
//!
//! Invariants: an observer is called within the request that caused a change and before the request's answer; virtual
//! time does not advance meanwhile. Changes are reported in the order in which they happened.

use std::sync::Arc;

use crate::protocol::{ExecutionStatus, Operation, Timestamp};

/// Is called for every change of an execution. It must not block and must not call the server.
pub trait Observer: Send + Sync {
    /// Called after a change.
    fn observe(&self, change: Change);
}

/// The changes since the previous call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The status of the execution.
    pub status: ExecutionStatus,
    /// The present state of the operations that changed.
    pub operations: Vec<Arc<Operation>>,
    /// The callbacks that were opened, that ended, or whose deadline changed.
    pub callbacks: Vec<CallbackChange>,
}

/// A changed callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackChange {
    /// The callback's operation.
    pub operation: Arc<Operation>,
    /// Whether it is open.
    pub open: bool,
    /// The latest time for an answer: the earliest of its timeout, its heartbeat timeout and the execution timeout.
    pub deadline: Option<Timestamp>,
}
