//! The expectations of a scenario: their file format and their validation.
//!
//! Invariants: an expectation can be met. A contradictory one is rejected when it is read.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, de::Error};

use durawasm_config::{values, wording};

use super::{data, exact::Json};
use durawasm_core::protocol::{ExecutionStatus, OperationStatus, OperationType};

/// The expected outcome of a scenario. Omitted parts are not checked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "WrittenExpectation")]
pub struct Expectation {
    /// The status of the execution at the end.
    pub status: ExecutionStatus,
    /// The complete result.
    pub result: Option<Json>,
    /// A part of the result.
    pub result_includes: Option<Json>,
    /// The error of the execution.
    pub error: Option<ExpectedError>,
    /// The number of invocations.
    pub invocations: Option<usize>,
    /// The duration in the execution's time.
    pub duration: Option<Duration>,
    /// Operations in the order of their start.
    pub operations: Option<Vec<ExpectedOperation>>,
    /// Whether `operations` lists all operations.
    pub operations_exactly: bool,
    /// Names that no operation may have.
    pub operations_absent: Vec<String>,
    /// The callbacks that the execution waits for at the end, in any order.
    pub waiting_for: Option<Vec<String>>,
    /// Texts that the log contains.
    pub log: Vec<String>,
    /// The file that contains `result`.
    pub(super) result_file: Option<PathBuf>,
}

impl Default for Expectation {
    /// The default: the execution succeeds.
    fn default() -> Self {
        Self {
            status: ExecutionStatus::Succeeded,
            result: None,
            result_includes: None,
            error: None,
            invocations: None,
            duration: None,
            operations: None,
            operations_exactly: false,
            operations_absent: Vec::new(),
            waiting_for: None,
            log: Vec::new(),
            result_file: None,
        }
    }
}

/// The expected error. Omitted parts are not checked.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedError {
    /// The type of the error.
    #[serde(rename = "type", default)]
    pub error_type: Option<String>,
    /// A part of the error's message.
    #[serde(default)]
    pub message: Option<String>,
    /// The data of the error: a string is compared as it is, another value as JSON.
    #[serde(default, deserialize_with = "data::given")]
    pub data: Option<Json>,
}

/// An expected operation. Omitted parts are not checked.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectedOperation {
    /// The operation's name.
    pub name: Option<String>,
    /// The operation's type.
    #[serde(rename = "type", deserialize_with = "operation_type")]
    pub kind: Option<OperationType>,
    /// The operation's sub-type.
    pub sub_type: Option<String>,
    /// The operation's status at the end.
    pub status: Option<OperationStatus>,
    /// For a step: the number of attempts.
    pub attempts: Option<u32>,
    /// The operation's result.
    #[serde(deserialize_with = "data::given")]
    pub result: Option<Json>,
    /// The operation's error.
    pub error: Option<ExpectedError>,
    /// The name of the context that contains the operation.
    pub parent: Option<String>,
}

fn operation_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OperationType>, D::Error> {
    use OperationType::{Callback, ChainedInvoke, Context, Step, Wait};
    let types = [Step, Wait, Callback, ChainedInvoke, Context];
    let text = String::deserialize(deserializer)?;
    let found = types.into_iter().find(|kind| kind.as_str() == text);
    found.map(Some).ok_or_else(|| {
        let unknown = wording::unknown_word(&text, &types.map(OperationType::as_str));
        D::Error::custom(format_args!("{unknown}; what the table shows in mixed case is the `sub_type`"))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct WrittenExpectation {
    status: Option<ExecutionStatus>,
    #[serde(deserialize_with = "data::given")]
    result: Option<Json>,
    result_file: Option<PathBuf>,
    #[serde(deserialize_with = "data::given")]
    result_includes: Option<Json>,
    error: Option<ExpectedError>,
    invocations: Option<usize>,
    #[serde(deserialize_with = "values::some_duration")]
    duration: Option<Duration>,
    operations: Option<Vec<ExpectedOperation>>,
    operations_exactly: bool,
    operations_absent: Vec<String>,
    waiting_for: Option<Vec<String>>,
    log: Vec<String>,
}

impl TryFrom<WrittenExpectation> for Expectation {
    type Error = String;

    fn try_from(written: WrittenExpectation) -> Result<Self, String> {
        let wants_result =
            written.result.is_some() || written.result_file.is_some() || written.result_includes.is_some();
        if written.result.is_some() && written.result_file.is_some() {
            return Err("`result` and `result_file` say the same; give one of them".to_owned());
        }
        if written.operations_exactly && written.operations.is_none() {
            return Err("`operations_exactly` is about `operations`, which are not given".to_owned());
        }
        // Other expectations imply a status.
        let implied = [
            (wants_result, "a result", ExecutionStatus::Succeeded),
            (written.error.is_some(), "an error", ExecutionStatus::Failed),
            (written.waiting_for.is_some(), "something that it waits for", ExecutionStatus::Running),
        ];
        let mut given = implied.iter().filter(|(given, ..)| *given);
        let first = given.next();
        if let (Some((_, one, _)), Some((_, other, _))) = (first, given.next()) {
            return Err(format!("an execution has {one} or {other}, not both"));
        }
        let status = match (written.status, first) {
            (Some(status), Some((_, what, implied))) => {
                let ended_badly =
                    |status| !matches!(status, ExecutionStatus::Succeeded | ExecutionStatus::Running);
                if status != *implied && !(ended_badly(status) && ended_badly(*implied)) {
                    return Err(format!("an execution that is {status} does not have {what}"));
                }
                status
            }
            (Some(status), None) => status,
            (None, Some((_, _, implied))) => *implied,
            (None, None) => ExecutionStatus::Succeeded,
        };
        Ok(Self {
            status,
            result: written.result,
            result_includes: written.result_includes,
            error: written.error,
            invocations: written.invocations,
            duration: written.duration,
            operations: written.operations,
            operations_exactly: written.operations_exactly,
            operations_absent: written.operations_absent,
            waiting_for: written.waiting_for,
            log: written.log,
            result_file: written.result_file,
        })
    }
}
