//! Watching an execution from outside, as it happens.
//!
//! Always true: an observer is told on the server's thread, within the request that changed something and before its answer;
//! a skipping clock stands still meanwhile. What it is told is in the order in which it happened.

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
    /// All callbacks that wait for an answer, oldest first; none if nothing changed about that.
    pub callbacks: Option<Vec<OpenCallback>>,
}

/// A callback that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCallback {
    /// It.
    pub operation: Arc<Operation>,
    /// When it times out, or has missed a heartbeat, if nothing happens before.
    pub deadline: Option<Timestamp>,
}

impl CheckpointManager {
    /// Tells this observer from now on, and at once of all there is.
    pub(super) fn observed_by(&mut self, observer: Arc<dyn Observer>) {
        self.operations.observe();
        self.observer = Some(observer);
        self.tell_observer();
    }

    /// Tells the observer, if there is one, of what changed.
    pub(super) fn tell_observer(&mut self) {
        let Some(observer) = &self.observer else { return };
        let callbacks = self.callbacks.take_changed();
        let operations = self.operations.take_untold();
        if operations.is_empty() && !callbacks {
            return;
        }
        let open = |index| {
            let operation = self.operations.get(index)?.clone();
            Some(OpenCallback { operation, deadline: self.callbacks.deadline(index) })
        };
        let callbacks = callbacks.then(|| self.callbacks.open_callbacks().filter_map(open).collect());
        observer.observe(Change { status: self.phase.status(), operations, callbacks });
    }
}
