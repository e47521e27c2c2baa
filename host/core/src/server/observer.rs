//! Watching an execution from outside, as it happens.
//!
//! Always true: an observer is told on the server's thread, within the request that changed something and before its
//! answer; a skipping clock stands still meanwhile. What it is told is in the order in which it happened.

use std::sync::Arc;

use super::checkpoint_manager::CheckpointManager;
use crate::protocol::{ExecutionStatus, Operation, Timestamp};

/// Told of everything that happens to an execution. Must be quick, and must not wait for the server.
pub trait Observer: Send + Sync {
    /// Something has changed.
    fn observe(&self, change: Change);
}

/// What changed since the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where the execution stands.
    pub status: ExecutionStatus,
    /// The operations that changed, as they are now.
    pub operations: Vec<Arc<Operation>>,
    /// The callbacks that were opened, that ended, or whose deadline changed.
    pub callbacks: Vec<CallbackChange>,
}

/// A callback about which something has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackChange {
    /// It.
    pub operation: Arc<Operation>,
    /// Whether it waits for an answer.
    pub open: bool,
    /// When no answer can come any more, if nothing happens before: it times out, it has missed a heartbeat, or its
    /// execution times out.
    pub deadline: Option<Timestamp>,
}

impl CheckpointManager {
    /// Tells this observer from now on, and at once of all there is.
    pub(super) fn observed_by(&mut self, observer: Arc<dyn Observer>) {
        self.operations.observe();
        self.callbacks.observe();
        self.observer = Some(observer);
        self.tell_observer();
    }

    /// Tells the observer, if there is one, of what changed.
    pub(super) fn tell_observer(&mut self) {
        let changed = self.callbacks.take_changed();
        let Some(observer) = &self.observer else { return };
        let operations = self.operations.take_untold();
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
            // Nothing changes any more.
            self.observer = None;
        }
    }
}
