//! `TestResult`: what an execution came to.

use std::sync::Arc;

use durawasm_host::{
    orchestrator::Run,
    protocol::{ErrorObject, Event, ExecutionStatus, Operation, OperationStatus, OperationType},
    sandbox::LogLine,
    server::InvocationView,
};
use serde::de::DeserializeOwned;

use crate::TestError;

/// What an execution came to: its outcome, its operations, its history.
#[derive(Debug, Clone)]
pub struct TestResult {
    run: Run,
    log: Vec<LogLine>,
}

impl TestResult {
    pub(crate) fn new(run: Run, log: Vec<LogLine>) -> Self {
        Self { run, log }
    }

    /// Where the execution stands.
    pub fn get_status(&self) -> ExecutionStatus {
        self.run.view.status
    }

    /// The result.
    ///
    /// # Errors
    /// When the execution did not succeed, or its result is of another type.
    pub fn get_result<T: DeserializeOwned>(&self) -> Result<T, TestError> {
        if self.get_status() != ExecutionStatus::Succeeded {
            return Err(TestError::NoResult {
                status: self.get_status().as_str(),
                error: self.run.view.error.as_ref().map(ToString::to_string).unwrap_or_default(),
            });
        }
        let text = self.run.view.result.as_deref().unwrap_or("null");
        serde_json::from_str(text)
            .map_err(|source| TestError::SerializationError { what: "the result", source })
    }

    /// The error of an execution that is over and did not succeed.
    pub fn get_error(&self) -> Option<&ErrorObject> {
        self.run.view.error.as_ref()
    }

    /// All operations, in the order in which they were started, without the execution itself.
    pub fn get_operations(&self) -> Vec<&Operation> {
        let all = self.run.view.operations.iter().map(AsRef::as_ref);
        all.filter(|o: &&Operation| o.kind != OperationType::Execution).collect()
    }

    /// The operations that stand so.
    pub fn get_operations_by_status(&self, status: OperationStatus) -> Vec<&Operation> {
        self.get_operations().into_iter().filter(|o| o.status == status).collect()
    }

    /// The first operation of this name.
    pub fn get_operation(&self, name: &str) -> Option<&Operation> {
        self.get_operations().into_iter().find(|o| o.name.as_deref() == Some(name))
    }

    /// The invocations, in order.
    pub fn get_invocations(&self) -> &[InvocationView] {
        &self.run.view.invocations
    }

    /// The history, in order.
    pub fn get_history_events(&self) -> &[Arc<Event>] {
        &self.run.view.events
    }

    /// What the handler wrote, without what it only wrote again while it was replayed.
    pub fn get_log(&self) -> &[LogLine] {
        &self.log
    }

    /// How many checkpoints with updates the handler sent.
    pub fn get_checkpoints(&self) -> u64 {
        self.run.checkpoints
    }
}
