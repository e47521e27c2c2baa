//! `OperationUpdate` and what else a checkpoint carries.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CheckpointToken, ErrorObject, Operation, OperationId, OperationType};

/// What a handler reports of an operation (service model: `OperationAction`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationAction {
    /// It begins.
    Start,
    /// It is over, well.
    Succeed,
    /// It is over, badly.
    Fail,
    /// An attempt is over; another is to follow.
    Retry,
    /// It is called off.
    Cancel,
}

/// One change that a handler reports (service model: `OperationUpdate`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OperationUpdate {
    /// Which operation.
    pub id: OperationId,
    /// The CONTEXT it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent_id: Option<OperationId>,
    /// Its label.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<Arc<str>>,
    /// What it is.
    #[serde(rename = "Type")]
    pub kind: OperationType,
    /// What it is, more finely.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sub_type: Option<Arc<str>>,
    /// What happened.
    pub action: OperationAction,
    /// The result; on a START of an invoke its input; on a RETRY of a condition its state.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub payload: Option<Arc<str>>,
    /// The error.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<ErrorObject>,
    /// Of a CONTEXT.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub context_options: Option<ContextOptions>,
    /// Of a STEP.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step_options: Option<StepOptions>,
    /// Of a WAIT.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wait_options: Option<WaitOptions>,
    /// Of a CALLBACK.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub callback_options: Option<CallbackOptions>,
    /// Of a `CHAINED_INVOKE`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chained_invoke_options: Option<ChainedInvokeOptions>,
}

impl OperationUpdate {
    /// An update with nothing but what every update has.
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

    /// About how many bytes it adds to a request.
    pub fn size(&self) -> usize {
        128 + self.payload.as_ref().map_or(0, |p| p.len()) + self.error.as_ref().map_or(0, ErrorObject::size)
    }
}

/// Of a CONTEXT (service model: `ContextOptions`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContextOptions {
    /// The payload is not the result; the children rebuild it.
    pub replay_children: bool,
}

/// Of a STEP (service model: `StepOptions`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct StepOptions {
    /// Seconds until the next attempt may begin.
    pub next_attempt_delay_seconds: Option<u64>,
}

/// Of a WAIT (service model: `WaitOptions`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WaitOptions {
    /// How long it is.
    pub wait_seconds: Option<u64>,
}

/// Of a CALLBACK (service model: `CallbackOptions`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CallbackOptions {
    /// Seconds it may stay unanswered; none or 0 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Seconds it may stay without a heartbeat; none or 0 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_timeout_seconds: Option<u64>,
}

/// Of a `CHAINED_INVOKE` (service model: `ChainedInvokeOptions`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChainedInvokeOptions {
    /// The function to run.
    pub function_name: Arc<str>,
    /// The tenant to run it for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tenant_id: Option<Arc<str>>,
}

/// The answer to a checkpoint (service model: `CheckpointDurableExecutionResponse`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointResponse {
    /// The token for the next checkpoint.
    pub checkpoint_token: CheckpointToken,
    /// The operations that changed since the handler last saw them.
    pub operations: Vec<Arc<Operation>>,
}

/// A page of an execution's state (service model: `GetDurableExecutionStateResponse`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct StatePage {
    /// The operations of the page.
    pub operations: Vec<Arc<Operation>>,
    /// Where the next page begins; none on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}
