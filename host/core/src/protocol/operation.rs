//! `Operation`: the state of one durable operation.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CallbackId, ErrorObject, OperationId, Timestamp};

/// Names of the sub-types that SDKs give.
pub mod sub_type {
    /// A step.
    pub const STEP: &str = "Step";
    /// A wait.
    pub const WAIT: &str = "Wait";
    /// A callback.
    pub const CALLBACK: &str = "Callback";
    /// An invocation of another function.
    pub const CHAINED_INVOKE: &str = "ChainedInvoke";
    /// A child context.
    pub const RUN_IN_CHILD_CONTEXT: &str = "RunInChildContext";
    /// A condition that is polled.
    pub const WAIT_FOR_CONDITION: &str = "WaitForCondition";
    /// A context with a callback and the step that hands out its id.
    pub const WAIT_FOR_CALLBACK: &str = "WaitForCallback";
}

/// The type of an operation (service model: `OperationType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationType {
    /// The execution itself: always the first operation of a state.
    Execution,
    /// A child context, which groups operations.
    Context,
    /// Work with a recorded outcome.
    Step,
    /// A pause.
    Wait,
    /// Waits for an answer from outside.
    Callback,
    /// An invocation of another function.
    ChainedInvoke,
}

impl OperationType {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Execution => "EXECUTION",
            Self::Context => "CONTEXT",
            Self::Step => "STEP",
            Self::Wait => "WAIT",
            Self::Callback => "CALLBACK",
            Self::ChainedInvoke => "CHAINED_INVOKE",
        }
    }
}

impl std::fmt::Display for OperationType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The status of an operation (service model: `OperationStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationStatus {
    /// The operation has started and has not ended.
    Started,
    /// A step that waits for its next attempt.
    Pending,
    /// A step whose next attempt may begin.
    Ready,
    /// The operation has ended with a result.
    Succeeded,
    /// The operation has ended with an error.
    Failed,
    /// The operation was cancelled.
    Cancelled,
    /// The operation has timed out.
    TimedOut,
    /// The operation was stopped from outside.
    Stopped,
}

impl OperationStatus {
    /// Whether the status is final.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Started | Self::Pending | Self::Ready)
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Pending => "PENDING",
            Self::Ready => "READY",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::TimedOut => "TIMED_OUT",
            Self::Stopped => "STOPPED",
        }
    }
}

impl std::fmt::Display for OperationStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The status of an execution (service model: `ExecutionStatus`, without those of pausing and deleting).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionStatus {
    /// The execution has not ended.
    Running,
    /// The execution has ended with a result.
    Succeeded,
    /// The execution has ended with an error.
    Failed,
    /// The execution has exceeded its timeout.
    TimedOut,
    /// The execution was stopped from outside.
    Stopped,
}

impl ExecutionStatus {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Stopped => "STOPPED",
        }
    }
}

impl std::fmt::Display for ExecutionStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The state of one operation (service model: `Operation`).
///
/// Texts are reference-counted, so that a copy of an operation is cheap. A state is a list of shared operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// The CONTEXT that it belongs to; none at the top level.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent_id: Option<OperationId>,
    /// Its label.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<Arc<str>>,
    /// The type.
    #[serde(rename = "Type")]
    pub kind: OperationType,
    /// The sub-type.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sub_type: Option<Arc<str>>,
    /// When it started.
    pub start_timestamp: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end_timestamp: Option<Timestamp>,
    /// The status.
    pub status: OperationStatus,
    /// Details of an EXECUTION.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub execution_details: Option<ExecutionDetails>,
    /// Details of a CONTEXT.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub context_details: Option<ContextDetails>,
    /// Details of a STEP.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step_details: Option<StepDetails>,
    /// Details of a WAIT.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wait_details: Option<WaitDetails>,
    /// Details of a CALLBACK.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub callback_details: Option<CallbackDetails>,
    /// Details of a `CHAINED_INVOKE`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chained_invoke_details: Option<ChainedInvokeDetails>,
    /// The position, in the execution's order of changes, at which this operation reached its present status: every
    /// start and every change of a status has a number, from 1. A step whose retry has started keeps the position at
    /// which the retry became ready. It is not part of the wire format. It is needed because timestamps do not order
    /// changes within one millisecond. 0 if the service does not provide it.
    #[serde(skip)]
    pub sequence: u64,
    /// The number of this operation's first start; 0 if the service does not provide it.
    #[serde(skip)]
    pub start_sequence: u64,
}

impl Operation {
    /// Creates an operation that is STARTED, without details.
    pub fn new(id: OperationId, kind: OperationType, start_timestamp: Timestamp) -> Self {
        Self {
            id,
            parent_id: None,
            name: None,
            kind,
            sub_type: None,
            start_timestamp,
            end_timestamp: None,
            status: OperationStatus::Started,
            execution_details: None,
            context_details: None,
            step_details: None,
            wait_details: None,
            callback_details: None,
            chained_invoke_details: None,
            sequence: 0,
            start_sequence: 0,
        }
    }

    /// Whether the state omits the operations below this one: it is a closed context whose result needs no replay of
    /// its children.
    pub fn hides_children(&self) -> bool {
        self.kind == OperationType::Context
            && self.status.is_terminal()
            && !self.context_details.as_ref().is_some_and(|details| details.replay_children)
    }

    /// Of a STEP: the attempt that is running, or the last one that ended; from 1.
    pub fn attempt(&self) -> Option<u32> {
        let ended = self.step_details.as_ref().map_or(0, |details| details.attempt);
        (self.kind == OperationType::Step).then(|| match self.status {
            OperationStatus::Started => ended.saturating_add(1),
            _ => ended.max(1),
        })
    }

    /// The result, for every type of operation.
    pub fn result(&self) -> Option<&Arc<str>> {
        match self.kind {
            OperationType::Context => self.context_details.as_ref()?.result.as_ref(),
            OperationType::Step => self.step_details.as_ref()?.result.as_ref(),
            OperationType::Callback => self.callback_details.as_ref()?.result.as_ref(),
            OperationType::ChainedInvoke => self.chained_invoke_details.as_ref()?.result.as_ref(),
            OperationType::Execution | OperationType::Wait => None,
        }
    }

    /// The error, for every type of operation.
    pub fn error(&self) -> Option<&ErrorObject> {
        match self.kind {
            OperationType::Context => self.context_details.as_ref()?.error.as_ref(),
            OperationType::Step => self.step_details.as_ref()?.error.as_ref(),
            OperationType::Callback => self.callback_details.as_ref()?.error.as_ref(),
            OperationType::ChainedInvoke => self.chained_invoke_details.as_ref()?.error.as_ref(),
            OperationType::Execution | OperationType::Wait => None,
        }
    }
}

/// Details of an EXECUTION (service model: `ExecutionDetails`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExecutionDetails {
    /// The input of the execution, JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_payload: Option<Arc<str>>,
}

/// Details of a CONTEXT (service model: `ContextDetails`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContextDetails {
    /// The result is not recorded; a replay of the children computes it again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replay_children: bool,
    /// The result, or its summary if `replay_children` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Arc<str>>,
    /// The error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorObject>,
}

/// Details of a STEP (service model: `StepDetails`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct StepDetails {
    /// How many attempts have ended.
    pub attempt: u32,
    /// When the next attempt may begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_timestamp: Option<Timestamp>,
    /// The result; of a condition between attempts: its state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Arc<str>>,
    /// The last attempt's error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorObject>,
}

/// Details of a WAIT (service model: `WaitDetails`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WaitDetails {
    /// When the wait ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_end_timestamp: Option<Timestamp>,
}

/// Details of a CALLBACK (service model: `CallbackDetails`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CallbackDetails {
    /// The id with which an external system answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_id: Option<CallbackId>,
    /// The answer, if it is a success: raw text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Arc<str>>,
    /// The answer, if it is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorObject>,
}

/// Details of a `CHAINED_INVOKE` (service model: `ChainedInvokeDetails`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ChainedInvokeDetails {
    /// The function's result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Arc<str>>,
    /// The function's error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorObject>,
}
