//! Collects the states of a run while it goes on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use durawasm_core::protocol::{ExecutionArn, InvocationInput, InvocationResult, Operation};
use tempfile::TempDir;

use crate::state::Versions;

/// Collects the states of a run.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Collected>);

/// What a recorder has collected.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) versions: Versions,
    pub(crate) arn: Option<ExecutionArn>,
    pub(crate) scratch: Option<TempDir>,
    pub(crate) result: Option<InvocationResult>,
}

impl Recorder {
    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was collected.
    pub(crate) fn take(&self) -> Collected {
        std::mem::take(&mut *self.lock())
    }

    /// An invocation begins with this state.
    pub(crate) fn invoked(&self, input: &InvocationInput) {
        let mut collected = self.lock();
        collected.arn.get_or_insert_with(|| input.durable_execution_arn.clone());
        let state = &input.initial_execution_state;
        collected.versions.invoked(input.returned_at);
        collected.versions.learn(&state.operations);
        if state.next_marker.as_ref().is_none_or(String::is_empty) {
            collected.versions.boundary();
        }
    }

    /// The service told of these operations.
    pub(crate) fn answered(&self, operations: &[Arc<Operation>]) {
        let mut collected = self.lock();
        collected.versions.learn(operations);
        collected.versions.boundary();
    }

    /// An invocation ended.
    pub(crate) fn returned(&self, result: &InvocationResult) {
        self.lock().result = Some(result.clone());
    }

    /// Keeps a copy of the execution's scratch directory, in place of an earlier one.
    pub(crate) fn keep_scratch(&self, scratch: TempDir) {
        self.lock().scratch = Some(scratch);
    }
}
