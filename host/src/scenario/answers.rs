//! What the outside world does in a scenario: answers to callbacks, and functions that stand in for others.
//!
//! Always true: an answer is one of a success, a failure and a heartbeat; a stand-in has one end.

use std::time::Duration;

use serde::Deserialize;

use super::{data, exact::Json, values};
use crate::{
    orchestrator::ScriptedFunction,
    protocol::ErrorObject,
    server::{Answer, ScriptedAnswer},
};

/// A function that is not the component's: it stands in for one that is elsewhere, or that must not be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandIn {
    /// The name by which it is invoked.
    pub name: String,
    /// How it ends, and when.
    pub function: ScriptedFunction,
    /// Whether the scenario itself has it, not the file for all its scenarios.
    pub own: bool,
}

/// An error as it is written.
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

/// An error's data are any text: a text stands for itself, other values for their JSON.
pub(super) fn raw(data: &Json) -> String {
    data.as_str().map_or_else(|| data.to_string(), ToOwned::to_owned)
}

/// An answer as it is written.
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
}

/// An answer that is good.
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
        Ok(Self(ScriptedAnswer { callback: written.callback, after: written.after, answer }))
    }
}

/// A stand-in as it is written.
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
}

/// A stand-in that is good.
#[derive(Deserialize)]
#[serde(try_from = "WrittenStandIn")]
pub(super) struct GoodStandIn(pub(super) StandIn);

impl TryFrom<WrittenStandIn> for GoodStandIn {
    type Error = &'static str;

    fn try_from(written: WrittenStandIn) -> Result<Self, Self::Error> {
        let outcome = match (written.result, written.error) {
            (Some(_), Some(_)) => return Err("a function has a `result` or an `error`, not both"),
            (result, None) => Ok(Some(result.unwrap_or_default().to_string())),
            (None, Some(error)) => Err(error.into()),
        };
        let function = ScriptedFunction { after: written.after, outcome };
        Ok(Self(StandIn { name: written.name, function, own: true }))
    }
}
