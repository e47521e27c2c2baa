//! Recorded executions: from a file, or from what a store has.
//!
//! Invariants: a history that lacks data is not judged, and the report says why; nothing in a file makes the check
//! panic.

use std::{collections::HashMap, io, path::Path, sync::Arc};

use durawasm_core::files::read_text_file;
use durawasm_core::protocol::{
    CallbackDetails, ChainedInvokeDetails, ContextDetails, Event, EventDetails, EventType, ExecutionArn,
    ExecutionDetails, Operation, OperationId, OperationStatus, OperationType, StepDetails, Timestamp,
    WaitDetails,
};
use durawasm_report::{LONGEST_MESSAGE, shortened};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::state::listed;

/// An execution that was recorded.
#[derive(Debug, Clone)]
pub struct RecordedExecution {
    /// The file that it is from, as it was named.
    pub file: Arc<str>,
    /// The execution's ARN, or a name for it.
    pub execution: ExecutionArn,
    pub(crate) operations: Vec<Arc<Operation>>,
    pub(crate) end: Option<(ExecutionEnd, Option<Arc<str>>)>,
    /// The last change, or event, before an invocation returned; `None` if all were seen, or if it is not known.
    pub(crate) returned_at: Option<u64>,
    pub(crate) now: Timestamp,
    pub(crate) unjudged: Option<Unjudged>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExecutionEnd {
    Succeeded,
    Failed,
    /// It was stopped or timed out: what its handler would have returned is not known.
    Other,
}

/// Why an execution cannot be judged.
#[derive(Debug, Clone)]
pub(crate) enum Unjudged {
    /// Its history lacks data.
    LacksData(String),
    /// It cannot be read.
    Unreadable(String),
}

impl RecordedExecution {
    /// An execution of a store that has not ended. `file` names the store. The operations are those of its record, as
    /// an invocation gets them, with the last change that one had got when it returned. `now` is the time of the replay.
    pub fn new(
        file: Arc<str>,
        execution: ExecutionArn,
        operations: Vec<Arc<Operation>>,
        returned_at: u64,
        now: Timestamp,
    ) -> Self {
        let returned_at = Some(returned_at);
        Self { file, execution, operations, end: None, returned_at, now, unjudged: None }
    }

    /// An execution that cannot be read, and why: it is reported, and not judged.
    pub fn unreadable(file: Arc<str>, execution: ExecutionArn, why: impl Into<String>) -> Self {
        Self {
            file,
            execution,
            operations: Vec::new(),
            end: None,
            returned_at: None,
            now: Timestamp::from_millis(0),
            unjudged: Some(Unjudged::Unreadable(why.into())),
        }
    }
}

/// Why a file holds no history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file cannot be read.
    #[error("{file}: {error}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// The file is no history.
    #[error(
        "{file} is no history: {reason}; a history is the JSON of GetDurableExecutionHistory, or of `durawasm run --json`"
    )]
    Form {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
}

/// Events that change no operation.
const IGNORED: [&str; 2] = ["ExecutionPaused", "ExecutionResumed"];

/// Reads events in the order of their ids, without those that change nothing.
fn events<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Event>, D::Error> {
    let all = Vec::<Value>::deserialize(deserializer)?;
    let matters = |event: &Value| {
        !event.get("EventType").and_then(Value::as_str).is_some_and(|name| IGNORED.contains(&name))
    };
    let read = |event: Value| serde_json::from_value(event).map_err(serde::de::Error::custom);
    let mut events: Vec<Event> =
        all.into_iter().filter(matters).map(read).collect::<Result<_, D::Error>>()?;
    events.sort_by_key(|event| event.event_id);
    Ok(events)
}

/// The service's form.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ServiceHistory {
    #[serde(deserialize_with = "events")]
    events: Vec<Event>,
    #[serde(default)]
    next_marker: Option<String>,
    #[serde(default)]
    durable_execution_arn: Option<ExecutionArn>,
}

/// The form of `durawasm run --json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnHistory {
    execution_arn: ExecutionArn,
    operations: Vec<Arc<Operation>>,
    #[serde(deserialize_with = "events")]
    events: Vec<Event>,
}

/// The largest history that is read, in bytes. One of a million events has about as many.
const MAX_HISTORY: u64 = 512 << 20;

/// Reads one file, or all `.json` files of a folder in the order of their names. A file may have 512 MiB.
///
/// # Errors
/// When a file cannot be read, or is no history.
pub fn read_history(path: &Path) -> Result<Vec<RecordedExecution>, HistoryError> {
    let file = path.display().to_string();
    let failed = |error| HistoryError::Read { file: file.clone(), error };
    if path.is_dir() {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                files.push(path);
            }
        }
        files.sort();
        if files.is_empty() {
            let reason = "the folder has no .json file".to_owned();
            return Err(HistoryError::Form { file, reason });
        }
        let histories: Result<Vec<_>, _> = files.iter().map(|path| read_history(path)).collect();
        return Ok(histories?.into_iter().flatten().collect());
    }
    let text = read_text_file(path, MAX_HISTORY).map_err(|error| failed(error.into()))?;
    read_text(&file, text.trim_start_matches('\u{feff}'))
}

fn read_text(file: &str, text: &str) -> Result<Vec<RecordedExecution>, HistoryError> {
    // A reason quotes what is wrong, and that may be as long as the file.
    let form = |reason: String| HistoryError::Form {
        file: file.to_owned(),
        reason: shortened(&reason, LONGEST_MESSAGE),
    };
    let value: Value = serde_json::from_str(text).map_err(|error| form(error.to_string()))?;
    if let Value::Array(items) = value {
        if items.is_empty() {
            return Err(form("the list is empty".to_owned()));
        }
        let histories: Result<Vec<_>, _> =
            items.iter().map(|item| read_text(file, &item.to_string())).collect();
        return Ok(histories?.into_iter().flatten().collect());
    }
    let has = |name: &str| value.get(name).is_some();
    if has("executionArn") {
        let own: OwnHistory = serde_json::from_str(text).map_err(|error| form(error.to_string()))?;
        let OwnHistory { execution_arn, operations, events } = own;
        return Ok(vec![execution(file.into(), execution_arn, &events, Some(operations)).map_err(form)?]);
    }
    if !has("Events") {
        return Err(form("it has neither `Events` nor `executionArn`".to_owned()));
    }
    let history: ServiceHistory = serde_json::from_str(text).map_err(|error| form(error.to_string()))?;
    let arn = history.durable_execution_arn.unwrap_or_else(|| ExecutionArn::from(file));
    let mut read = execution(file.into(), arn, &history.events, None).map_err(form)?;
    if history.next_marker.is_some_and(|marker| !marker.is_empty()) {
        let why = "the file is only one page of the history: NextMarker is set".to_owned();
        read.unjudged = Some(Unjudged::LacksData(why));
    }
    Ok(vec![read])
}

/// Builds an execution from its events. `operations` are used where they are given, and get their order from the
/// events.
fn execution(
    file: Arc<str>,
    arn: ExecutionArn,
    events: &[Event],
    operations: Option<Vec<Arc<Operation>>>,
) -> Result<RecordedExecution, String> {
    let mut builder = Builder {
        started: None,
        operations: HashMap::new(),
        end: None,
        returned_at: None,
        now: Timestamp::from_millis(0),
        truncated: false,
        ended: 0,
        payloads: 0,
    };
    for event in events {
        builder.add(event)?;
    }
    let Some(started) = builder.started else {
        return Err("it has no event ExecutionStarted".to_owned());
    };
    let mut built = builder.operations;
    if let Some(operations) = operations {
        built = ordered(operations, &built);
    }
    let without_data = builder.ended > 0 && builder.payloads == 0;
    let unjudged = (builder.truncated || without_data).then(|| {
        let why = "the history was exported without payloads: export it with IncludeExecutionData";
        Unjudged::LacksData(why.to_owned())
    });
    let mut all = vec![Arc::new(started)];
    all.extend(built.into_values().map(Arc::new));
    Ok(RecordedExecution {
        file,
        execution: arn,
        operations: listed(all),
        returned_at: builder.returned_at.filter(|_| builder.end.is_none()),
        end: builder.end,
        now: builder.now,
        unjudged,
    })
}

/// Operations with their order among the changes, which is not part of their JSON form.
fn ordered(
    operations: Vec<Arc<Operation>>,
    built: &HashMap<OperationId, Operation>,
) -> HashMap<OperationId, Operation> {
    let of_execution = |operation: &Arc<Operation>| operation.kind != OperationType::Execution;
    operations
        .into_iter()
        .filter(of_execution)
        .map(|operation| {
            let mut operation = Arc::unwrap_or_clone(operation);
            if let Some(known) = built.get(&operation.id) {
                operation.sequence = known.sequence;
                operation.start_sequence = known.start_sequence;
            }
            (operation.id.clone(), operation)
        })
        .collect()
}

struct Builder {
    started: Option<Operation>,
    operations: HashMap<OperationId, Operation>,
    end: Option<(ExecutionEnd, Option<Arc<str>>)>,
    returned_at: Option<u64>,
    now: Timestamp,
    truncated: bool,
    /// How many operations ended in a way that has a payload, and how many payloads there are.
    ended: usize,
    payloads: usize,
}

impl Builder {
    fn add(&mut self, event: &Event) -> Result<(), String> {
        self.now = self.now.max(event.event_timestamp);
        match &event.details {
            EventDetails::ExecutionStarted(details) => {
                let id = event.id.clone().unwrap_or_else(|| OperationId::from("execution"));
                let mut started = Operation::new(id, OperationType::Execution, event.event_timestamp);
                self.truncated |= details.input.truncated;
                self.payloads += usize::from(details.input.payload.is_some());
                started.execution_details =
                    Some(ExecutionDetails { input_payload: details.input.payload.clone() });
                self.started = Some(started);
                return Ok(());
            }
            EventDetails::ExecutionSucceeded { result } => {
                self.truncated |= result.truncated;
                self.end = Some((ExecutionEnd::Succeeded, result.payload.clone()));
                return Ok(());
            }
            EventDetails::ExecutionFailed { error } => {
                let error_type = error.payload.as_ref().and_then(|error| error.error_type.as_deref());
                self.end = Some((ExecutionEnd::Failed, error_type.map(Into::into)));
                return Ok(());
            }
            EventDetails::ExecutionTimedOut { .. } | EventDetails::ExecutionStopped { .. } => {
                self.end = Some((ExecutionEnd::Other, None));
                return Ok(());
            }
            EventDetails::ExecutionPaused(_) | EventDetails::ExecutionResumed(_) => return Ok(()),
            EventDetails::InvocationCompleted(details) => {
                if details.error.is_none() {
                    self.returned_at = Some(event.event_id);
                }
                return Ok(());
            }
            _ => {}
        }
        let id = event.id.clone().ok_or_else(|| format!("event {} has no Id", event.event_id))?;
        let kind = kind(event.event_type);
        let operation = self.operations.entry(id.clone()).or_insert_with(|| {
            let mut operation = Operation::new(id, kind, event.event_timestamp);
            operation.start_sequence = event.event_id;
            operation
        });
        if operation.kind != kind {
            return Err(format!(
                "event {} is of a {kind}, and its operation is a {}",
                event.event_id, operation.kind
            ));
        }
        operation.name = operation.name.take().or_else(|| event.name.clone());
        operation.sub_type = operation.sub_type.take().or_else(|| event.sub_type.clone());
        operation.parent_id = operation.parent_id.take().or_else(|| event.parent_id.clone());
        operation.sequence = event.event_id;
        self.truncated |= change(operation, event);
        if operation.status.is_terminal() && operation.kind != OperationType::Wait {
            self.ended += 1;
            self.payloads += usize::from(operation.result().is_some() || operation.error().is_some());
        }
        Ok(())
    }
}

/// The type of the operation that an event is about.
fn kind(event: EventType) -> OperationType {
    match event {
        EventType::ContextStarted | EventType::ContextSucceeded | EventType::ContextFailed => {
            OperationType::Context
        }
        EventType::WaitStarted | EventType::WaitSucceeded | EventType::WaitCancelled => OperationType::Wait,
        EventType::StepStarted | EventType::StepSucceeded | EventType::StepFailed => OperationType::Step,
        EventType::ChainedInvokeStarted
        | EventType::ChainedInvokeSucceeded
        | EventType::ChainedInvokeFailed
        | EventType::ChainedInvokeTimedOut
        | EventType::ChainedInvokeStopped => OperationType::ChainedInvoke,
        EventType::CallbackStarted
        | EventType::CallbackSucceeded
        | EventType::CallbackFailed
        | EventType::CallbackTimedOut => OperationType::Callback,
        EventType::ExecutionStarted
        | EventType::ExecutionSucceeded
        | EventType::ExecutionFailed
        | EventType::ExecutionTimedOut
        | EventType::ExecutionStopped
        | EventType::ExecutionPaused
        | EventType::ExecutionResumed
        | EventType::InvocationCompleted => OperationType::Execution,
    }
}

/// Applies an event to its operation. Returns whether the event lacks data.
fn change(operation: &mut Operation, event: &Event) -> bool {
    let mut lacks = false;
    let ended = |operation: &mut Operation, status| {
        operation.status = status;
        operation.end_timestamp = Some(event.event_timestamp);
    };
    match &event.details {
        EventDetails::WaitStarted(details) => {
            operation.wait_details =
                Some(WaitDetails { scheduled_end_timestamp: Some(details.scheduled_end_timestamp) });
        }
        EventDetails::CallbackStarted(details) => {
            let callback_id = Some(details.callback_id.clone());
            operation.callback_details = Some(CallbackDetails { callback_id, ..CallbackDetails::default() });
        }
        EventDetails::StepStarted {} => operation.status = OperationStatus::Started,
        EventDetails::StepSucceeded(details) => {
            lacks = details.outcome.result.truncated;
            operation.step_details = Some(StepDetails {
                attempt: details.retry_details.current_attempt,
                result: details.outcome.result.payload.clone(),
                ..StepDetails::default()
            });
            match details.retry_details.next_attempt_delay_seconds {
                Some(_) => operation.status = OperationStatus::Ready,
                None => ended(operation, OperationStatus::Succeeded),
            }
        }
        EventDetails::StepFailed(details) => {
            lacks = details.outcome.error.truncated;
            operation.step_details = Some(StepDetails {
                attempt: details.retry_details.current_attempt,
                error: details.outcome.error.payload.clone(),
                ..StepDetails::default()
            });
            match details.retry_details.next_attempt_delay_seconds {
                Some(_) => operation.status = OperationStatus::Ready,
                None => ended(operation, OperationStatus::Failed),
            }
        }
        EventDetails::WaitSucceeded { .. } => ended(operation, OperationStatus::Succeeded),
        EventDetails::WaitCancelled {} => ended(operation, OperationStatus::Cancelled),
        EventDetails::ContextSucceeded { result } => {
            lacks = result.truncated;
            operation.context_details =
                Some(ContextDetails { result: result.payload.clone(), ..ContextDetails::default() });
            ended(operation, OperationStatus::Succeeded);
        }
        EventDetails::ContextFailed { error } => {
            lacks = error.truncated;
            operation.context_details =
                Some(ContextDetails { error: error.payload.clone(), ..ContextDetails::default() });
            ended(operation, OperationStatus::Failed);
        }
        EventDetails::CallbackSucceeded { result } => {
            lacks = result.truncated;
            operation.callback_details.get_or_insert_default().result.clone_from(&result.payload);
            ended(operation, OperationStatus::Succeeded);
        }
        EventDetails::CallbackFailed { error } | EventDetails::CallbackTimedOut { error } => {
            lacks = error.truncated;
            operation.callback_details.get_or_insert_default().error.clone_from(&error.payload);
            let timed_out = event.event_type == EventType::CallbackTimedOut;
            ended(operation, if timed_out { OperationStatus::TimedOut } else { OperationStatus::Failed });
        }
        EventDetails::ChainedInvokeSucceeded { result } => {
            lacks = result.truncated;
            let result = result.payload.clone();
            operation.chained_invoke_details = Some(ChainedInvokeDetails { result, error: None });
            ended(operation, OperationStatus::Succeeded);
        }
        EventDetails::ChainedInvokeFailed { error }
        | EventDetails::ChainedInvokeTimedOut { error }
        | EventDetails::ChainedInvokeStopped { error } => {
            lacks = error.truncated;
            let error = error.payload.clone();
            operation.chained_invoke_details = Some(ChainedInvokeDetails { result: None, error });
            ended(
                operation,
                match event.event_type {
                    EventType::ChainedInvokeTimedOut => OperationStatus::TimedOut,
                    EventType::ChainedInvokeStopped => OperationStatus::Stopped,
                    _ => OperationStatus::Failed,
                },
            );
        }
        _ => {}
    }
    lacks
}
