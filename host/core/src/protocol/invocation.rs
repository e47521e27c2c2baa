//! What an invocation is given, and what it gives back.

use serde::{Deserialize, Serialize};

use super::{CheckpointToken, ErrorObject, ExecutionArn, OperationId, StatePage};

/// What the service hands to a handler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InvocationInput {
    /// The execution.
    pub durable_execution_arn: ExecutionArn,
    /// The token for the first checkpoint.
    pub checkpoint_token: CheckpointToken,
    /// The first page of what is on record; its first operation is the EXECUTION.
    pub initial_execution_state: StatePage,
    /// The operations that changed since the previous invocation by no doing of the handler, such as a wait that is
    /// over. For code that watches; a replay does not need it. Empty in the first invocation, and where a service does
    /// not tell.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub updated_operation_ids: Vec<OperationId>,
}

/// How an invocation ended (service model of the handler's answer).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InvocationStatus {
    /// The execution has its result.
    Succeeded,
    /// The execution has failed.
    Failed,
    /// The execution waits for something.
    Pending,
}

/// What a handler gives back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InvocationOutput {
    /// How it ended.
    pub status: InvocationStatus,
    /// The result, JSON text; `""` when it was checkpointed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub result: Option<String>,
    /// The error.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<ErrorObject>,
}

impl InvocationOutput {
    /// The execution has its result.
    pub fn succeeded(result: Option<String>) -> Self {
        Self { status: InvocationStatus::Succeeded, result, error: None }
    }

    /// The execution has failed.
    pub fn failed(error: ErrorObject) -> Self {
        Self { status: InvocationStatus::Failed, result: None, error: Some(error) }
    }

    /// The execution waits for something.
    pub fn pending() -> Self {
        Self { status: InvocationStatus::Pending, result: None, error: None }
    }
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvocationResult {
    /// The handler returned, or was suspended.
    Output(InvocationOutput),
    /// It trapped, exited, broke the contract or a limit (`Runtime.ExitError` and the like), or lost the service.
    Crashed(ErrorObject),
}
