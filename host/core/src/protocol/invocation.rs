//! The input and the output of an invocation.

use serde::{Deserialize, Serialize};

use super::{CheckpointToken, ErrorObject, ExecutionArn, OperationId, StatePage};

/// The input of an invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InvocationInput {
    /// The execution.
    pub durable_execution_arn: ExecutionArn,
    /// The token for the first checkpoint.
    pub checkpoint_token: CheckpointToken,
    /// The first page of the execution's state. Its first operation is the EXECUTION.
    pub initial_execution_state: StatePage,
    /// The operations that changed since the previous invocation without an update of the handler, such as a wait that
    /// has ended. Plugins use them; a replay does not need them. Empty in the first invocation, and with services that
    /// do not report changes.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub updated_operation_ids: Vec<OperationId>,
    /// The last change, by its position in the execution's order of changes, that an invocation had got when it
    /// returned. Invocations that crashed do not count: what they did after their last checkpoint is lost. It is not
    /// part of the wire format. `None` if the service does not provide it.
    #[serde(skip)]
    pub returned_at: Option<u64>,
}

/// How an invocation ended (service model of the handler's answer).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InvocationStatus {
    /// The execution has succeeded.
    Succeeded,
    /// The execution has failed.
    Failed,
    /// The execution is suspended.
    Pending,
}

/// The output of an invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InvocationOutput {
    /// How it ended.
    pub status: InvocationStatus,
    /// The result as JSON text; `""` when it was checkpointed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub result: Option<String>,
    /// The error.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<ErrorObject>,
}

impl InvocationOutput {
    /// The execution has succeeded with this result.
    pub fn succeeded(result: Option<String>) -> Self {
        Self { status: InvocationStatus::Succeeded, result, error: None }
    }

    /// The execution has failed with this error.
    pub fn failed(error: ErrorObject) -> Self {
        Self { status: InvocationStatus::Failed, result: None, error: Some(error) }
    }

    /// The execution is suspended.
    pub fn pending() -> Self {
        Self { status: InvocationStatus::Pending, result: None, error: None }
    }
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvocationResult {
    /// The handler returned, or was suspended.
    Output(InvocationOutput),
    /// The handler trapped, exited, violated the contract, exceeded a limit (`Runtime.ExitError` and the like), or lost
    /// the service.
    Crashed(ErrorObject),
}
