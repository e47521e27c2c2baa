//! Observers of executions.
//!
//! Invariants: an observer is called within the request that caused a change and before the request's answer; virtual
//! time does not advance meanwhile. Changes are reported in the order in which they happened.

use std::sync::Arc;

use super::checkpoint_manager::CheckpointManager;
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

impl CheckpointManager {
    /// Sets the observer, and reports the complete state to it.
    pub(super) fn set_observer(&mut self, observer: Arc<dyn Observer>) {
        self.operations.observe();
        self.callbacks.observe();
        self.observer = Some(observer);
        self.report_to_observer();
    }

    /// Reports changes to the observer, if there is one.
    pub(super) fn report_to_observer(&mut self) {
        let changed = self.callbacks.take_changed();
        let Some(observer) = &self.observer else { return };
        let operations = self.operations.take_unreported();
        if operations.is_empty() && changed.is_empty() {
            return;
        }
        let callback = |index| {
            let operation = self.operations.get(index)?.clone();
            let deadlines = [self.callbacks.deadline(index), self.timers.execution_timeout()];
            let deadline = deadlines.into_iter().flatten().min();
            Some(CallbackChange { operation, open: self.callbacks.is_open(index), deadline })
        };
        let callbacks = changed.into_iter().filter_map(callback).collect();
        let status = self.phase.status();
        observer.observe(Change { status, operations, callbacks });
        if status != ExecutionStatus::Running {
            // An execution that has ended does not change any more.
            self.observer = None;
        }
    }
}
