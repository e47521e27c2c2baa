//! `Event`: one entry of an execution's history.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CallbackId, ErrorObject, ExecutionArn, OperationId, Timestamp};

/// The type of an event (service model: `EventType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it, and are the service model's")]
pub enum EventType {
    ExecutionStarted,
    ExecutionSucceeded,
    ExecutionFailed,
    ExecutionTimedOut,
    ExecutionStopped,
    ContextStarted,
    ContextSucceeded,
    ContextFailed,
    WaitStarted,
    WaitSucceeded,
    WaitCancelled,
    StepStarted,
    StepSucceeded,
    StepFailed,
    ChainedInvokeStarted,
    ChainedInvokeSucceeded,
    ChainedInvokeFailed,
    ChainedInvokeTimedOut,
    ChainedInvokeStopped,
    CallbackStarted,
    CallbackSucceeded,
    CallbackFailed,
    CallbackTimedOut,
    InvocationCompleted,
    ExecutionPaused,
    ExecutionResumed,
}

/// One entry of the history (service model: `Event`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Event {
    /// The type of the event.
    pub event_type: EventType,
    /// The operation's sub-type.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sub_type: Option<Arc<str>>,
    /// The event's position in the history, from 1 without gaps.
    pub event_id: u64,
    /// The operation; for events of the execution itself, the EXECUTION's id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<OperationId>,
    /// The operation's label.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<Arc<str>>,
    /// When it occurred.
    pub event_timestamp: Timestamp,
    /// The CONTEXT that the operation belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent_id: Option<OperationId>,
    /// The details, by event type.
    #[serde(flatten)]
    pub details: EventDetails,
}

/// The details of an event; on the wire one member, named after the event type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it, and are the service model's")]
pub enum EventDetails {
    #[serde(rename = "ExecutionStartedDetails")]
    ExecutionStarted(ExecutionStartedDetails),
    #[serde(rename = "ExecutionSucceededDetails")]
    ExecutionSucceeded {
        #[serde(rename = "Result")]
        result: EventResult,
    },
    #[serde(rename = "ExecutionFailedDetails")]
    ExecutionFailed {
        #[serde(rename = "Error")]
        error: EventError,
    },
    #[serde(rename = "ExecutionTimedOutDetails")]
    ExecutionTimedOut {
        #[serde(rename = "Error")]
        error: EventError,
    },
    #[serde(rename = "ExecutionStoppedDetails")]
    ExecutionStopped {
        #[serde(rename = "Error")]
        error: EventError,
    },
    #[serde(rename = "ContextStartedDetails")]
    ContextStarted {},
    #[serde(rename = "ContextSucceededDetails")]
    ContextSucceeded {
        #[serde(rename = "Result")]
        result: EventResult,
    },
    #[serde(rename = "ContextFailedDetails")]
    ContextFailed {
        #[serde(rename = "Error")]
        error: EventError,
    },
    #[serde(rename = "WaitStartedDetails")]
    WaitStarted(WaitStartedDetails),
    #[serde(rename = "WaitSucceededDetails")]
    WaitSucceeded {
        #[serde(rename = "Duration")]
        duration: u64,
    },
    #[serde(rename = "WaitCancelledDetails")]
    WaitCancelled {},
    #[serde(rename = "StepStartedDetails")]
    StepStarted {},
    #[serde(rename = "StepSucceededDetails")]
    StepSucceeded(StepClosedDetails<StepResult>),
    #[serde(rename = "StepFailedDetails")]
    StepFailed(StepClosedDetails<StepError>),
    #[serde(rename = "ChainedInvokeStartedDetails")]
    ChainedInvokeStarted(ChainedInvokeStartedDetails),
    #[serde(rename = "ChainedInvokeSucceededDetails")]
    ChainedInvokeSucceeded {
        #[serde(rename = "Result")]
        result: EventResult,
    },
    #[serde(rename = "ChainedInvokeFailedDetails")]
    ChainedInvokeFailed {
        #[serde(rename = "Error")]
        error: EventError,
    },
    #[serde(rename = "ChainedInvokeTimedOutDetails")]
    ChainedInvokeTimedOut {
        #[serde(rename = "Error")]
        error: EventError,
    },
    #[serde(rename = "ChainedInvokeStoppedDetails")]
    ChainedInvokeStopped {
        #[serde(rename = "Error")]
        error: EventError,
    },
    #[serde(rename = "CallbackStartedDetails")]
    CallbackStarted(CallbackStartedDetails),
    #[serde(rename = "CallbackSucceededDetails")]
    CallbackSucceeded {
        #[serde(rename = "Result")]
        result: EventResult,
    },
    #[serde(rename = "CallbackFailedDetails")]
    CallbackFailed {
        #[serde(rename = "Error")]
        error: EventError,
    },
    #[serde(rename = "CallbackTimedOutDetails")]
    CallbackTimedOut {
        #[serde(rename = "Error")]
        error: EventError,
    },
    #[serde(rename = "InvocationCompletedDetails")]
    InvocationCompleted(InvocationCompletedDetails),
    #[serde(rename = "ExecutionPausedDetails")]
    ExecutionPaused(ExecutionPausedDetails),
    #[serde(rename = "ExecutionResumedDetails")]
    ExecutionResumed(ExecutionResumedDetails),
}

impl EventDetails {
    /// The input or the result that the event tells of.
    pub(crate) fn payload_mut(&mut self) -> Option<&mut Arc<str>> {
        match self {
            Self::ExecutionStarted(details) => details.input.payload.as_mut(),
            Self::ChainedInvokeStarted(details) => details.input.payload.as_mut(),
            Self::StepSucceeded(details) => details.outcome.result.payload.as_mut(),
            Self::ExecutionSucceeded { result }
            | Self::ContextSucceeded { result }
            | Self::ChainedInvokeSucceeded { result }
            | Self::CallbackSucceeded { result } => result.payload.as_mut(),
            _ => None,
        }
    }

    /// The event type that these details belong to.
    pub fn event_type(&self) -> EventType {
        macro_rules! types {
            ($($variant:ident),* $(,)?) => {
                match self { $(Self::$variant { .. } => EventType::$variant),* }
            };
        }
        types!(
            ExecutionStarted,
            ExecutionSucceeded,
            ExecutionFailed,
            ExecutionTimedOut,
            ExecutionStopped,
            ContextStarted,
            ContextSucceeded,
            ContextFailed,
            WaitStarted,
            WaitSucceeded,
            WaitCancelled,
            StepStarted,
            StepSucceeded,
            StepFailed,
            ChainedInvokeStarted,
            ChainedInvokeSucceeded,
            ChainedInvokeFailed,
            ChainedInvokeTimedOut,
            ChainedInvokeStopped,
            CallbackStarted,
            CallbackSucceeded,
            CallbackFailed,
            CallbackTimedOut,
            InvocationCompleted,
            ExecutionPaused,
            ExecutionResumed,
        )
    }
}

/// An input in an event (service model: `EventInput`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EventInput {
    /// JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Arc<str>>,
    /// Whether the payload was truncated. This server never truncates.
    pub truncated: bool,
}

/// A result in an event (service model: `EventResult`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EventResult {
    /// JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Arc<str>>,
    /// Whether the payload was truncated. This server never truncates.
    pub truncated: bool,
}

/// An error in an event (service model: `EventError`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EventError {
    /// The error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<ErrorObject>,
    /// Whether the payload was truncated. This server never truncates.
    pub truncated: bool,
}

/// Details of `ExecutionStarted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExecutionStartedDetails {
    /// The event that the execution was started with.
    pub input: EventInput,
    /// Seconds the execution may take.
    pub execution_timeout: u64,
}

/// Details of `WaitStarted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct WaitStartedDetails {
    /// The length of the wait, in seconds.
    pub duration: u64,
    /// When the wait ends.
    pub scheduled_end_timestamp: Timestamp,
}

/// The attempt of a step and its retry (service model: `RetryDetails`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RetryDetails {
    /// The attempt that ended, from 1.
    pub current_attempt: u32,
    /// Seconds until the next attempt; none if there is no next attempt.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_attempt_delay_seconds: Option<u64>,
}

/// The `Result` member of `StepSucceeded`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StepResult {
    /// The attempt's result.
    pub result: EventResult,
}

/// The `Error` member of `StepFailed`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StepError {
    /// The attempt's error.
    pub error: EventError,
}

/// Details of `StepSucceeded` and `StepFailed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StepClosedDetails<T> {
    /// The result or the error of the attempt.
    #[serde(flatten)]
    pub outcome: T,
    /// The number of the attempt, and the delay of the next.
    pub retry_details: RetryDetails,
}

/// Details of `ChainedInvokeStarted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChainedInvokeStartedDetails {
    /// The name of the invoked function.
    pub function_name: Arc<str>,
    /// The tenant that it is invoked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tenant_id: Option<Arc<str>>,
    /// The input of the function.
    pub input: EventInput,
    /// The version of the function that runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub executed_version: Option<Arc<str>>,
    /// The target's own execution, if it is durable.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub durable_execution_arn: Option<ExecutionArn>,
}

/// Details of `CallbackStarted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CallbackStartedDetails {
    /// The id with which an external system answers.
    pub callback_id: CallbackId,
    /// The heartbeat timeout, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub heartbeat_timeout: Option<u64>,
    /// The timeout, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout: Option<u64>,
}

/// Details of `InvocationCompleted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InvocationCompletedDetails {
    /// When the invocation began.
    pub start_timestamp: Timestamp,
    /// When it ended.
    pub end_timestamp: Timestamp,
    /// The id of the invocation.
    pub request_id: Arc<str>,
    /// Why it ended, if the handler neither returned nor was suspended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<EventError>,
}

/// The reason of a pause or of its end, in an event (service model: `EventPauseReason`, `EventResumeReason`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EventReason {
    /// The text of whoever asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Arc<str>>,
    /// Whether the text was left out. This server never leaves it out.
    pub truncated: bool,
}

/// Details of `ExecutionPaused`. The event's time is when the execution paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExecutionPausedDetails {
    /// When the pause was requested.
    pub pause_request_timestamp: Timestamp,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<EventReason>,
    /// Whether the execution timeout is paused as well.
    pub execution_timeout_paused: bool,
}

/// Details of `ExecutionResumed`. The event's time is when the execution resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExecutionResumedDetails {
    /// When it was requested.
    pub resume_request_timestamp: Timestamp,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<EventReason>,
}
