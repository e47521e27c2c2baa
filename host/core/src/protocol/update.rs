//! `OperationUpdate` and the other contents of a checkpoint.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CheckpointToken, ErrorObject, Operation, OperationId, OperationType};

/// The action of an update (service model: `OperationAction`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationAction {
    /// Starts the operation, or its next attempt.
    Start,
    /// Ends the operation with a result.
    Succeed,
    /// Ends the operation with an error.
    Fail,
    /// Ends an attempt and schedules the next.
    Retry,
    /// Cancels the operation.
    Cancel,
}

/// One update of an operation (service model: `OperationUpdate`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OperationUpdate {
    /// The operation.
    pub id: OperationId,
    /// The CONTEXT that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent_id: Option<OperationId>,
    /// Its label.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<Arc<str>>,
    /// The type of the operation.
    #[serde(rename = "Type")]
    pub kind: OperationType,
    /// The sub-type of the operation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sub_type: Option<Arc<str>>,
    /// The action.
    pub action: OperationAction,
    /// The result; for a START of an invoke, its input; for a RETRY of a condition, its state.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub payload: Option<Arc<str>>,
    /// The error.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<ErrorObject>,
    /// Options of a CONTEXT.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub context_options: Option<ContextOptions>,
    /// Options of a STEP.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step_options: Option<StepOptions>,
    /// Options of a WAIT.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wait_options: Option<WaitOptions>,
    /// Options of a CALLBACK.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub callback_options: Option<CallbackOptions>,
    /// Options of a `CHAINED_INVOKE`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chained_invoke_options: Option<ChainedInvokeOptions>,
}

impl OperationUpdate {
    /// Creates an update with the required members only.
    pub fn new(id: OperationId, kind: OperationType, action: OperationAction) -> Self {
        Self {
            id,
            parent_id: None,
            name: None,
            kind,
            sub_type: None,
            action,
            payload: None,
            error: None,
            context_options: None,
            step_options: None,
            wait_options: None,
            callback_options: None,
            chained_invoke_options: None,
        }
    }

    /// An estimate of its size in a request, in bytes.
    pub fn size(&self) -> usize {
        128 + self.payload.as_ref().map_or(0, |p| p.len()) + self.error.as_ref().map_or(0, ErrorObject::size)
    }
}

/// Options of a CONTEXT (service model: `ContextOptions`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContextOptions {
    /// The payload is only a summary; a replay of the children computes the result.
    pub replay_children: bool,
}

/// Options of a STEP (service model: `StepOptions`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct StepOptions {
    /// Seconds until the next attempt may begin.
    pub next_attempt_delay_seconds: Option<u64>,
}

/// Options of a WAIT (service model: `WaitOptions`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WaitOptions {
    /// The length of the wait, in seconds.
    pub wait_seconds: Option<u64>,
}

/// Options of a CALLBACK (service model: `CallbackOptions`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CallbackOptions {
    /// Seconds after which an unanswered callback times out; none or 0 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Seconds without a heartbeat after which it times out; none or 0 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_timeout_seconds: Option<u64>,
}

/// Options of a `CHAINED_INVOKE` (service model: `ChainedInvokeOptions`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChainedInvokeOptions {
    /// The name of the function.
    pub function_name: Arc<str>,
    /// The tenant that it is invoked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tenant_id: Option<Arc<str>>,
}

/// The answer to a checkpoint (service model: `CheckpointDurableExecutionResponse`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointResponse {
    /// The token for the next checkpoint.
    pub checkpoint_token: CheckpointToken,
    /// The operations that changed since the previous answer.
    pub operations: Vec<Arc<Operation>>,
}

/// A page of an execution's state (service model: `GetDurableExecutionStateResponse`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct StatePage {
    /// The operations of the page.
    pub operations: Vec<Arc<Operation>>,
    /// The marker of the next page; none on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}
