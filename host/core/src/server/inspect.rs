//! Looking at an execution without changing it.
//!
//! Always true: whoever looks sees the execution as its last request left it. What has become due since then, it does
//! not show.

use std::sync::Arc;

use super::{
    callback_manager::CallbackManager, checkpoint_manager::CheckpointManager,
    event_processor::EventProcessor, invocations::Phase,
};
use crate::protocol::{CallbackId, Operation, OperationId, OperationStatus};

/// How a callback ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompleteCallbackStatus {
    /// It was answered.
    Success,
    /// It was answered with a failure.
    Failure,
    /// Nobody answered in time.
    TimedOut,
}

impl CheckpointManager {
    /// An operation.
    pub fn get_operation_data(&self, id: &OperationId) -> Option<&Arc<Operation>> {
        self.operations.find(id).map(|(_, operation)| operation)
    }

    /// All operations, EXECUTION first, then in the order in which they were started.
    pub fn get_all_operation_data(&self) -> impl Iterator<Item = &Arc<Operation>> {
        self.operations.all()
    }

    /// The state that an invocation is given: all operations but those below contexts that are over.
    pub fn get_state(&self) -> Vec<Arc<Operation>> {
        self.operations.page(0, usize::MAX).0
    }

    /// Whether there are operations that the handler has not heard of since they changed.
    pub fn has_dirty_operations(&self) -> bool {
        self.operations.has_changed()
    }

    /// Whether the execution is over.
    pub fn is_execution_completed(&self) -> bool {
        matches!(self.phase, Phase::Closed { .. })
    }

    /// Its callbacks.
    pub fn callbacks(&self) -> &CallbackManager {
        &self.callbacks
    }

    /// Its history.
    pub fn events(&self) -> &EventProcessor {
        &self.events
    }

    /// How a callback ended; none while it is open, or when there is no such callback.
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
    /// How many callbacks wait for an answer.
    pub fn open_count(&self) -> usize {
        self.open_callbacks().count()
    }
}
