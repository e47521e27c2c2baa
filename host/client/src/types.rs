//! What requests ask for and answers contain, beside the types of [`durawasm_core::protocol`].
//!
//! Invariants: names and shapes are those of the service model; members and statuses that this version does not know
//! are left as they are, or left out, and are no error.

use std::{fmt, sync::Arc, time::Duration};

use durawasm_core::{
    protocol::{ErrorObject, Event, ExecutionArn, ExecutionStatus, FunctionName, Timestamp},
    server::Standing,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::events;

/// The clock of the functions of `durawasm serve`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ClockState {
    /// The time, as RFC 3339 has it.
    pub now: String,
    /// Whether time is skipped.
    pub skips: bool,
}

/// The status of an execution (service model: `ExecutionStatus`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Status {
    /// It is running, pausing or paused, or has ended.
    Known(Standing),
    /// `DELETING`, or a status to come.
    Other(String),
}

impl Status {
    /// How the execution ended; `None` if it has not.
    pub fn end(&self) -> Option<ExecutionStatus> {
        match self {
            Self::Known(standing) => {
                Some(standing.status()).filter(|status| *status != ExecutionStatus::Running)
            }
            Self::Other(_) => None,
        }
    }

    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(standing) => standing.as_str(),
            Self::Other(name) => name,
        }
    }
}

impl From<String> for Status {
    fn from(name: String) -> Self {
        Standing::named(&name).map_or_else(|| Self::Other(name), Self::Known)
    }
}

impl From<Status> for String {
    fn from(status: Status) -> Self {
        status.as_str().to_owned()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An execution (service model: `GetDurableExecutionResponse`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Execution {
    /// The execution.
    pub durable_execution_arn: ExecutionArn,
    /// Its name.
    pub durable_execution_name: String,
    /// The function.
    pub function_arn: String,
    /// The version of the function.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<String>,
    /// The status.
    pub status: Status,
    /// When it was started.
    pub start_timestamp: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end_timestamp: Option<Timestamp>,
    /// When it times out, if it has not ended by then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expected_execution_timeout_timestamp: Option<Timestamp>,
    /// The event that it was started with, JSON text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub input_payload: Option<Arc<str>>,
    /// The result, JSON text, if it has succeeded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub result: Option<Arc<str>>,
    /// The error, if it has ended and not succeeded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<ErrorObject>,
    /// Of an execution that is pausing or paused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pause_details: Option<PauseDetails>,
}

/// A pause (service model: `PauseDetails`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PauseDetails {
    /// When it was requested.
    pub pause_request_timestamp: Timestamp,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Whether the execution timeout is paused as well.
    pub execution_timeout_paused: bool,
}

/// An execution in a list (service model: `Execution`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListedExecution {
    /// The execution.
    pub durable_execution_arn: ExecutionArn,
    /// Its name.
    pub durable_execution_name: String,
    /// The function.
    pub function_arn: String,
    /// The status.
    pub status: Status,
    /// When it was started.
    pub start_timestamp: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end_timestamp: Option<Timestamp>,
}

/// Which executions to list (service model: `ListDurableExecutionsByFunctionRequest`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// The function, with or without a version or alias.
    pub function: String,
    /// Only those of this name.
    pub name: Option<String>,
    /// Only those in one of these statuses; empty for all.
    pub statuses: Vec<String>,
    /// Only those that were started after this time.
    pub started_after: Option<Timestamp>,
    /// Only those that were started before this time.
    pub started_before: Option<Timestamp>,
}

/// What a list leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing.
    Nothing,
    /// So many executions.
    Exactly(usize),
    /// So many executions, and perhaps more: the service has further pages. It may be none.
    AtLeast(usize),
    /// What follows is not known: more is not kept.
    TooLarge,
}

/// A page of a list, the latest start first.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ListPage {
    /// The executions.
    pub durable_executions: Vec<ListedExecution>,
    /// The marker of the next page; `None` on the last.
    pub next_marker: Option<String>,
}

/// A page of a history (service model: `GetDurableExecutionHistoryResponse`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HistoryPage {
    /// The events as the service wrote them.
    pub events: Vec<Value>,
    /// The marker of the next page; `None` on the last.
    pub next_marker: Option<String>,
}

impl HistoryPage {
    /// The events, without those of a type that this version does not know.
    ///
    /// # Errors
    /// Which event cannot be read, and why.
    pub fn known(&self) -> Result<Vec<Event>, String> {
        self.events.iter().filter_map(|event| events::read(event).transpose()).collect()
    }
}

/// What to invoke (service model: `InvocationRequest`).
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'a> {
    /// The function. One without a version or alias is invoked as `$LATEST`.
    pub function: &'a FunctionName,
    /// The name of the execution: one that exists, with the same payload, is not started again.
    pub name: Option<&'a str>,
    /// The event, JSON text.
    pub payload: &'a str,
    /// Whether the answer comes at once (`Event`), and not at the end (`RequestResponse`).
    pub asynchronous: bool,
    /// How long the answer may take; `None` for no limit.
    pub within: Option<Duration>,
}

/// The answer to an invocation (service model: `InvocationResponse`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoked {
    /// The execution, if the function is durable.
    pub execution: Option<ExecutionArn>,
    /// Set if the function failed; the payload then describes the error.
    pub function_error: Option<String>,
    /// The result or the error, JSON text; empty for an asynchronous invocation.
    pub payload: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statuses_are_known_or_kept() {
        for (name, end) in [
            ("RUNNING", None),
            ("PAUSING", None),
            ("PAUSED", None),
            ("DELETING", None),
            ("TO_COME", None),
            ("SUCCEEDED", Some(ExecutionStatus::Succeeded)),
            ("TIMED_OUT", Some(ExecutionStatus::TimedOut)),
        ] {
            let status: Status = serde_json::from_value(json!(name)).unwrap();
            assert_eq!((status.end(), status.as_str()), (end, name));
            assert_eq!(json!(status), json!(name));
        }
    }

    #[test]
    fn members_that_nobody_knows_are_no_error() {
        let execution: Execution = serde_json::from_value(json!({
            "DurableExecutionArn": "a", "DurableExecutionName": "n", "FunctionArn": "f", "Status": "PAUSED",
            "StartTimestamp": 1.5, "ToCome": {"a": 1}, "InputPayload": null,
            "PauseDetails": {"PauseRequestTimestamp": 2, "ExecutionTimeoutPaused": true},
        }))
        .unwrap();
        assert_eq!(execution.start_timestamp.as_millis(), 1500);
        assert_eq!(execution.pause_details.unwrap().pause_request_timestamp.as_millis(), 2000);
    }
}
