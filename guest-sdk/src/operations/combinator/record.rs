//! The records of combinators, and the results and errors that are created from them.

use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize};

use crate::context::Settled;
use crate::contract::Operation;
use crate::error::{
    BoxError, ChildContextError, ChildContextErrorKind, CombinatorError, CombinatorErrorKind, JoinFailed,
    OperationError, OperationErrorKind, ReplayedFailure, WireError,
};

/// The recorded error types, which determine the kinds.
pub(super) const COMBINATOR: &str = "CombinatorError";
pub(super) const FIRST_SETTLED_FAILED: &str = "CombinatorError.FirstSettledFailed";
pub(super) const EMPTY_INPUT: &str = "CombinatorError.EmptyInput";
const ALL_FAILED: &str = "CombinatorError.AllFailed";
/// Followed by the index of the input.
pub(super) const JOIN_FAILED: &str = "CombinatorError.JoinFailed.";

/// Recorded frames with the index of the input that decided. A failure that has a type keeps it.
pub(super) const JOIN: &str = "try_join_all, input ";
pub(super) const RACE: &str = "race, input ";

/// The record in place of a result that is too large.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Winner {
    #[serde(rename = "winner")]
    pub(super) index: usize,
}

impl Winner {
    pub(super) fn write(&self) -> String {
        format!("{{\"winner\":{}}}", self.index)
    }

    pub(super) fn read(written: Option<&str>) -> Result<Option<Self>, String> {
        let Some(written) = written.filter(|written| !written.is_empty()) else { return Ok(None) };
        let read = serde_json::from_str(written);
        read.map(Some)
            .map_err(|error| format!("what is on record of a combinator's winner: {error}: {written}"))
    }
}

/// The recorded error of an input.
pub(super) fn recorded(error: &OperationError) -> WireError {
    error.wire().cloned().unwrap_or_else(|| WireError::of(error, COMBINATOR))
}

/// The record of a `select_ok` without a success: the failures as text, and as data.
pub(super) fn all_failed(errors: Vec<Option<WireError>>) -> WireError {
    let errors: Vec<WireError> = errors.into_iter().flatten().collect();
    let mut message = format!("all {} futures failed: ", errors.len());
    for (index, error) in errors.iter().enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        // Writing to a `String` does not fail.
        let _ = write!(message, "{separator}[{index}] {error}");
    }
    let failures: Vec<RecordedFailure> = errors.iter().map(RecordedFailure::of).collect();
    WireError::new(ALL_FAILED, message).with_data(serde_json::to_string(&failures).ok())
}

/// The failure of an input, in the data of an error or in the result of a join.
#[derive(Debug, Serialize, Deserialize)]
struct RecordedFailure {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error_data: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stack_trace: Vec<String>,
}

impl RecordedFailure {
    fn of(error: &WireError) -> Self {
        Self {
            message: error.error_message().map(str::to_owned),
            error_type: error.error_type().map(str::to_owned),
            error_data: error.error_data().map(str::to_owned),
            stack_trace: error.stack_trace().to_vec(),
        }
    }

    fn into_wire(self) -> WireError {
        WireError::from_parts(self.error_type, self.message, self.error_data, self.stack_trace)
    }
}

/// The outcome of an input of a `join_all`, as recorded.
///
/// It has the fields of both cases. With a tagged enum, serde would buffer values, and lose those that its buffer does
/// not support: wide integers, and map keys that are numbers.
#[derive(Deserialize)]
#[serde(bound = "O: Deserialize<'de>")]
pub(super) struct RecordedInput<O> {
    status: Status,
    #[serde(default = "none", deserialize_with = "some")]
    value: Option<O>,
    message: Option<String>,
    error_type: Option<String>,
    error_data: Option<String>,
    #[serde(default)]
    stack_trace: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Fulfilled,
    Rejected,
}

fn none<O>() -> Option<O> {
    None
}

/// A value that is present, even if it is `null`.
fn some<'de, D: Deserializer<'de>, O: Deserialize<'de>>(deserializer: D) -> Result<Option<O>, D::Error> {
    O::deserialize(deserializer).map(Some)
}

impl<O> RecordedInput<O> {
    pub(super) fn into_settled(self) -> serde_json::Result<Settled<O>> {
        let Self { status, value, message, error_type, error_data, stack_trace } = self;
        match status {
            Status::Fulfilled => match value {
                Some(value) => Ok(Settled::Fulfilled(value)),
                None => Err(serde::de::Error::missing_field("value")),
            },
            Status::Rejected => {
                let wire = WireError::from_parts(error_type, message, error_data, stack_trace);
                let source = Some(ReplayedFailure::boxed(wire.clone()));
                let error = ChildContextError::new(ChildContextErrorKind::ChildFailed, source);
                let error = OperationError::new(OperationErrorKind::ChildContext(error)).with_wire(wire);
                Ok(Settled::Rejected(error))
            }
        }
    }
}

pub(super) fn fulfilled(json: &str) -> String {
    format!("{{\"status\":\"fulfilled\",\"value\":{json}}}")
}

pub(super) fn rejected(error: &OperationError) -> serde_json::Result<String> {
    let failure = serde_json::to_string(&RecordedFailure::of(&recorded(error)))?;
    // An object that starts with the tag.
    let fields = failure.strip_prefix('{').unwrap_or(&failure);
    let separator = if fields == "}" { "" } else { "," };
    Ok(format!("{{\"status\":\"rejected\"{separator}{fields}"))
}

/// The error of a combinator that is recorded as failed. `count` is the number of its inputs.
pub(super) fn failed(operation: &dyn Operation, mut wire: WireError, count: usize) -> OperationError {
    let joined = wire.take_frame(JOIN);
    let raced = wire.take_frame(RACE).is_some();
    let one = || vec![ReplayedFailure::boxed(wire.clone())];
    let error_type = wire.error_type().unwrap_or_default();
    let (kind, failures) = match error_type {
        FIRST_SETTLED_FAILED => (CombinatorErrorKind::FirstSettledFailed, one()),
        _ if raced => (CombinatorErrorKind::FirstSettledFailed, one()),
        EMPTY_INPUT => (CombinatorErrorKind::EmptyInput, Vec::new()),
        ALL_FAILED => (CombinatorErrorKind::AllFailed, failures(&wire, count)),
        _ => match joined
            .as_deref()
            .or(error_type.strip_prefix(JOIN_FAILED))
            .and_then(|index| index.parse().ok())
        {
            Some(index) => (CombinatorErrorKind::JoinFailed(JoinFailed::new(index)), one()),
            None => (CombinatorErrorKind::Internal, one()),
        },
    };
    let error = CombinatorError::new(kind, failures);
    OperationError::new(OperationErrorKind::Combinator(error)).on_record(operation.id(), "FAILED", wire)
}

/// The failures of a `select_ok`. If the record had no room for the data, each is the failure of the whole.
fn failures(wire: &WireError, count: usize) -> Vec<BoxError> {
    let each = wire.error_data().and_then(|data| serde_json::from_str::<Vec<RecordedFailure>>(data).ok());
    match each.filter(|each| each.len() == count) {
        Some(each) => each.into_iter().map(|failure| ReplayedFailure::boxed(failure.into_wire())).collect(),
        None => (0..count).map(|_| ReplayedFailure::boxed(wire.clone())).collect(),
    }
}

pub(super) fn internal(error: impl Into<BoxError>) -> OperationError {
    let error = CombinatorError::new(CombinatorErrorKind::Internal, vec![error.into()]);
    OperationError::new(OperationErrorKind::Combinator(error))
}
