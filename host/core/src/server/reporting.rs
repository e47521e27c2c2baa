//! Reports the changes of an execution to its observer.

use std::sync::Arc;

use super::{
    checkpoint_manager::CheckpointManager,
    observer::{CallbackChange, Change, Observer},
};
use crate::protocol::ExecutionStatus;

impl CheckpointManager {
    /// Sets the observer, and reports the complete state to it.
    pub(super) fn set_observer(&mut self, observer: Arc<dyn Observer>) {
        self.operations.observe();
        self.callbacks.observe();
        self.observer = Some(observer);
        // With a store, the state is reported after the commit.
        if self.keeping.is_none() {
            self.report_to_observer();
        }
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
