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

/// What an operation is (service model: `OperationType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationType {
    /// The execution itself: always the first operation of a state.
    Execution,
    /// A group of operations.
    Context,
    /// Work with a recorded outcome.
    Step,
    /// A pause.
    Wait,
    /// A place for an external answer.
    Callback,
    /// Another function's run.
    ChainedInvoke,
}

impl OperationType {
    /// As on the wire.
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

/// Where an operation stands (service model: `OperationStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationStatus {
    /// Begun, not over.
    Started,
    /// A step between two attempts: its time has not come.
    Pending,
    /// A step whose next attempt may begin.
    Ready,
    /// Over, well.
    Succeeded,
    /// Over, badly.
    Failed,
    /// Over: called off.
    Cancelled,
    /// Over: too late.
    TimedOut,
    /// Over: stopped from outside.
    Stopped,
}

impl OperationStatus {
    /// Whether it is over: nothing changes any more.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Started | Self::Pending | Self::Ready)
    }

    /// As on the wire.
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

/// Where an execution stands (service model: `ExecutionStatus`, without those of pausing and deleting).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionStatus {
    /// Not over.
    Running,
    /// Over, with a result.
    Succeeded,
    /// Over, with an error.
    Failed,
    /// Over: its timeout passed.
    TimedOut,
    /// Over: stopped from outside.
    Stopped,
}

impl ExecutionStatus {
    /// As on the wire.
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
/// Texts are shared: an operation is copied when it changes, and a state of thousands is a list of pointers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// The CONTEXT it belongs to; none at the top.
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
    /// When it began.
    pub start_timestamp: Timestamp,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end_timestamp: Option<Timestamp>,
    /// Where it stands.
    pub status: OperationStatus,
    /// Of an EXECUTION.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub execution_details: Option<ExecutionDetails>,
    /// Of a CONTEXT.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub context_details: Option<ContextDetails>,
    /// Of a STEP.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step_details: Option<StepDetails>,
    /// Of a WAIT.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wait_details: Option<WaitDetails>,
    /// Of a CALLBACK.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub callback_details: Option<CallbackDetails>,
    /// Of a `CHAINED_INVOKE`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chained_invoke_details: Option<ChainedInvokeDetails>,
    /// Where in the execution's order this operation reached its present status: every start and every change of a
    /// status has a number, from 1. Ours, not the wire's: timestamps alone do not order what happened in the same
    /// millisecond. 0 where the service does not say.
    #[serde(skip)]
    pub sequence: u64,
    /// The number of this operation's first start.
    #[serde(skip)]
    pub start_sequence: u64,
}

impl Operation {
    /// An operation that starts: STARTED, and without anything else.
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

    /// Whether what is below it is left out of the state: a context that is over, and whose result is not to be
    /// rebuilt.
    pub fn hides_children(&self) -> bool {
        self.kind == OperationType::Context
            && self.status.is_terminal()
            && !self.context_details.as_ref().is_some_and(|details| details.replay_children)
    }

    /// Of a STEP: the attempt that is under way, or that ended last.
    pub fn attempt(&self) -> Option<u32> {
        let ended = self.step_details.as_ref().map_or(0, |details| details.attempt);
        (self.kind == OperationType::Step).then(|| match self.status {
            OperationStatus::Started => ended.saturating_add(1),
            _ => ended.max(1),
        })
    }

    /// The result of any kind of operation.
    pub fn result(&self) -> Option<&Arc<str>> {
        match self.kind {
            OperationType::Context => self.context_details.as_ref()?.result.as_ref(),
            OperationType::Step => self.step_details.as_ref()?.result.as_ref(),
            OperationType::Callback => self.callback_details.as_ref()?.result.as_ref(),
            OperationType::ChainedInvoke => self.chained_invoke_details.as_ref()?.result.as_ref(),
            OperationType::Execution | OperationType::Wait => None,
        }
    }

    /// The error of any kind of operation.
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

/// Of an EXECUTION (service model: `ExecutionDetails`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExecutionDetails {
    /// The event, JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_payload: Option<Arc<str>>,
}

/// Of a CONTEXT (service model: `ContextDetails`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContextDetails {
    /// The result is not recorded; the children rebuild it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replay_children: bool,
    /// The result, or its summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Arc<str>>,
    /// The error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorObject>,
}

/// Of a STEP (service model: `StepDetails`).
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

/// Of a WAIT (service model: `WaitDetails`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WaitDetails {
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_end_timestamp: Option<Timestamp>,
}

/// Of a CALLBACK (service model: `CallbackDetails`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CallbackDetails {
    /// What an external system answers with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_id: Option<CallbackId>,
    /// The answer, raw text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Arc<str>>,
    /// The answer, when it is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorObject>,
}

/// Of a `CHAINED_INVOKE` (service model: `ChainedInvokeDetails`).
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
