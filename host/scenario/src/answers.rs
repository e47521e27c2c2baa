//! The external behaviour of a scenario: answers to callbacks, and stand-ins for other functions.
//!
//! Invariants: an answer is exactly one of a success, a failure and a heartbeat; a stand-in has exactly one outcome.

use std::time::Duration;

use serde::Deserialize;

use durawasm_config::values;

use super::{data, exact::Json};
use durawasm_core::{
    orchestrator::{self, ScriptedFunction},
    protocol::ErrorObject,
    server::{Answer, InvokeOutcome, ScriptedAnswer},
};

/// A scripted function that replaces one which is deployed elsewhere, or which must not be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandIn {
    /// The name under which the handler invokes it.
    pub name: String,
    /// Its outcome, and when it ends.
    pub function: ScriptedFunction,
    /// Whether the scenario defines it, rather than its file for all scenarios.
    pub own: bool,
}

/// The file format of an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenError {
    #[serde(rename = "type", default = "failure")]
    error_type: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(default, deserialize_with = "data::given")]
    data: Option<Json>,
}

fn failure() -> String {
    "Failure".to_owned()
}

impl From<WrittenError> for ErrorObject {
    fn from(error: WrittenError) -> Self {
        Self {
            error_type: Some(error.error_type),
            error_message: error.message,
            error_data: error.data.as_ref().map(raw),
            stack_trace: Vec::new(),
        }
    }
}

/// The data of an error, which can be any text: a string is used as it is, another value as its JSON text.
pub(super) fn raw(data: &Json) -> String {
    data.as_str().map_or_else(|| data.to_string(), ToOwned::to_owned)
}

/// The file format of an answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAnswer {
    #[serde(deserialize_with = "values::text")]
    callback: String,
    #[serde(default, deserialize_with = "values::duration")]
    after: Duration,
    #[serde(default, deserialize_with = "data::given")]
    success: Option<Json>,
    #[serde(default)]
    failure: Option<WrittenError>,
    #[serde(default)]
    heartbeat: bool,
    #[serde(default)]
    every: bool,
}

/// The file format of a successful answer.
#[derive(Deserialize)]
#[serde(try_from = "WrittenAnswer")]
pub(super) struct GoodAnswer(pub(super) ScriptedAnswer);

impl TryFrom<WrittenAnswer> for GoodAnswer {
    type Error = &'static str;

    fn try_from(written: WrittenAnswer) -> Result<Self, Self::Error> {
        let answer = match (written.success, written.failure, written.heartbeat) {
            (None, None, true) => Answer::Heartbeat,
            (None, Some(error), false) => Answer::Failure(error.into()),
            (success, None, false) => Answer::Success(Some(success.unwrap_or_default().to_string())),
            _ => return Err("an answer has one of `success`, `failure` and `heartbeat`"),
        };
        let answer = ScriptedAnswer::new(written.callback, written.after, answer);
        Ok(Self(ScriptedAnswer { every: written.every, ..answer }))
    }
}

/// The file format of a stand-in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStandIn {
    #[serde(deserialize_with = "values::text")]
    name: String,
    #[serde(default, deserialize_with = "values::duration")]
    after: Duration,
    #[serde(default, deserialize_with = "data::given")]
    result: Option<Json>,
    #[serde(default)]
    error: Option<WrittenError>,
    #[serde(default)]
    status: Option<WrittenStatus>,
}

/// The status of a stand-in's execution if it neither succeeds nor fails.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum WrittenStatus {
    Succeeded,
    Failed,
    TimedOut,
    Stopped,
}

/// The file format of a stand-in that succeeds.
#[derive(Deserialize)]
#[serde(try_from = "WrittenStandIn")]
pub(super) struct GoodStandIn(pub(super) StandIn);

impl TryFrom<WrittenStandIn> for GoodStandIn {
    type Error = &'static str;

    fn try_from(written: WrittenStandIn) -> Result<Self, Self::Error> {
        use WrittenStatus::{Failed, Stopped, Succeeded, TimedOut};
        let outcome = match (written.result, written.error, written.status) {
            (Some(_), Some(_), _) => return Err("a function has a `result` or an `error`, not both"),
            (Some(_), None, Some(Failed | TimedOut | Stopped)) => {
                return Err("only a function that SUCCEEDED has a `result`");
            }
            (None, Some(_), Some(Succeeded)) => return Err("a function that SUCCEEDED has no `error`"),
            (result, None, None | Some(Succeeded)) => {
                InvokeOutcome::Succeeded(Some(result.unwrap_or_default().to_string()))
            }
            (None, None, Some(Failed)) => {
                InvokeOutcome::Failed(ErrorObject::new(failure(), "the function failed"))
            }
            (None, Some(error), None | Some(Failed)) => InvokeOutcome::Failed(error.into()),
            (None, error, Some(TimedOut)) => {
                InvokeOutcome::TimedOut(error.map_or_else(orchestrator::timed_out, Into::into))
            }
            (None, error, Some(Stopped)) => {
                InvokeOutcome::Stopped(error.map_or_else(orchestrator::stopped, Into::into))
            }
        };
        let function = ScriptedFunction { after: written.after, outcome };
        Ok(Self(StandIn { name: written.name, function, own: true }))
    }
}
