//! Read access to an execution.
//!
//! Invariants: reading does not change the execution: it shows the state after the last request, without timers that
//! have become due since.

use std::sync::Arc;

use super::{
    callback_manager::CallbackManager, checkpoint_manager::CheckpointManager,
    event_processor::EventProcessor, phase::ExecutionPhase,
};
use crate::protocol::{CallbackId, Operation, OperationId, OperationStatus};

/// How a callback ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompleteCallbackStatus {
    /// It was answered with a result.
    Success,
    /// It was answered with an error.
    Failure,
    /// It timed out.
    TimedOut,
}

impl CheckpointManager {
    /// Returns an operation.
    pub fn get_operation_data(&self, id: &OperationId) -> Option<&Arc<Operation>> {
        self.operations.find(id).map(|(_, operation)| operation)
    }

    /// Returns all operations, EXECUTION first, then in the order of their START.
    pub fn get_all_operation_data(&self) -> impl Iterator<Item = &Arc<Operation>> {
        self.operations.all()
    }

    /// Returns the state for an invocation: all operations except those below closed contexts.
    pub fn get_state(&self) -> Vec<Arc<Operation>> {
        self.operations.page(0, usize::MAX).0
    }

    /// Whether operations have changed since the handler last got them.
    pub fn has_dirty_operations(&self) -> bool {
        self.operations.has_changed()
    }

    /// Whether the execution has ended.
    pub fn is_execution_completed(&self) -> bool {
        matches!(self.phase, ExecutionPhase::Closed { .. })
    }

    /// Its callbacks.
    pub fn callbacks(&self) -> &CallbackManager {
        &self.callbacks
    }

    /// Its history.
    pub fn events(&self) -> &EventProcessor {
        &self.events
    }

    /// How a callback ended; `None` while it is open, or if it does not exist.
    pub fn get_callback_status(&self, id: &CallbackId) -> Option<CompleteCallbackStatus> {
        let is_it = |operation: &&Arc<Operation>| {
            operation.callback_details.as_ref().and_then(|details| details.callback_id.as_ref()) == Some(id)
        };
        match self.operations.all().find(is_it)?.status {
            OperationStatus::Succeeded => Some(CompleteCallbackStatus::Success),
            OperationStatus::Failed => Some(CompleteCallbackStatus::Failure),
            OperationStatus::TimedOut => Some(CompleteCallbackStatus::TimedOut),
            _ => None,
        }
    }
}

impl CallbackManager {
    /// The number of open callbacks.
    pub fn open_count(&self) -> usize {
        self.open_callbacks().count()
    }
}
