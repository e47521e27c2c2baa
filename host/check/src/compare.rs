//! Comparison of a replay, and of a repeated run, with the recording.
//!
//! Invariants: of several differences the first in the order of the record counts; what a crash may rightly change is
//! no difference: an at-most-once body that was interrupted takes its error path, and operations that completed in
//! another order may lead elsewhere, as long as the run replays.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use durawasm_core::{
    protocol::{
        ErrorObject, ExecutionStatus, InvocationOutput, InvocationResult, InvocationStatus, Operation,
        OperationAction, OperationId, OperationType, OperationUpdate, error_types,
    },
    server::ExecutionView,
};
use serde_json::{Value, json};

use crate::{
    perturbation::{EnvChange, Perturbation},
    record::Recording,
    replay::Replayed,
    report::OperationRef,
    trace::{AttemptOutcome, Data, Started},
    values::{CallbackIds, same_error, same_json, same_result, shown, shown_error},
};

/// Where in an operation's life a difference shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    Start,
    End,
}

/// A difference.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    /// The operation; none for the result of the execution.
    pub(crate) operation: Option<OperationRef>,
    pub(crate) expected: Option<Value>,
    pub(crate) actual: Option<Value>,
    /// Its place in the order of the record.
    pub(crate) place: usize,
    /// Whether it shows where the operation starts, or where it ends.
    pub(crate) at: Point,
    /// The operation at whose start the handler can be stopped, for a backtrace.
    pub(crate) stop_at: Option<OperationId>,
}

impl Difference {
    /// Whether the handler did not start an operation that is on record.
    fn is_missing(&self) -> bool {
        self.operation.is_some() && self.at == Point::Start && self.stop_at.is_none()
    }
}

/// The operations of a recording, and those that a replay started, by name.
pub(crate) struct Names<'a> {
    recording: &'a Recording,
    starts: &'a [Started],
}

impl<'a> Names<'a> {
    pub(crate) fn new(recording: &'a Recording, starts: &'a [Started]) -> Self {
        Self { recording, starts }
    }

    fn name(&self, id: &OperationId) -> String {
        let recorded = self.recording.operation(id).and_then(|operation| operation.name.as_deref());
        let started = || {
            let start = self.starts.iter().find(|started| started.start.id == *id)?;
            start.start.name.as_deref()
        };
        recorded.or_else(started).map_or_else(|| id.to_string(), str::to_owned)
    }

    pub(crate) fn recorded(&self, operation: &Operation) -> OperationRef {
        OperationRef {
            name: operation.name.as_deref().map(str::to_owned),
            kind: operation.kind.to_string(),
            sub_type: operation.sub_type.as_deref().map(str::to_owned),
            parent: operation.parent_id.as_ref().map(|id| self.name(id)),
            id: operation.id.to_string(),
            position: self.position(&operation.id),
        }
    }

    fn started(&self, started: &Started) -> OperationRef {
        let start = &started.start;
        OperationRef {
            name: start.name.as_deref().map(str::to_owned),
            kind: start.kind.to_string(),
            sub_type: start.sub_type.as_deref().map(str::to_owned),
            parent: start.parent_id.as_ref().map(|id| self.name(id)),
            id: start.id.to_string(),
            position: started.position,
        }
    }

    fn position(&self, id: &OperationId) -> u32 {
        let recorded = self.recording.positions.get(id).copied();
        let started = || self.starts.iter().find(|s| s.start.id == *id).map(|s| s.position);
        recorded.or_else(started).unwrap_or(0)
    }
}

fn identity(operation: &OperationRef) -> Value {
    json!({
        "type": operation.kind, "sub_type": operation.sub_type, "name": operation.name, "parent": operation.parent,
    })
}

/// Adds a result and an error to a value, if there are any.
fn with_outcome(mut value: Value, result: Option<&str>, error: Option<&ErrorObject>) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.extend(result.map(|result| ("result".to_owned(), shown(result))));
        members.extend(error.map(|error| ("error".to_owned(), shown_error(error))));
    }
    value
}

fn outcome_of(operation: &Operation, names: &Names<'_>) -> Value {
    let mut value = identity(&names.recorded(operation));
    if let Some(members) = value.as_object_mut() {
        members.insert("status".into(), operation.status.to_string().into());
    }
    with_outcome(value, operation.result().map(AsRef::as_ref), operation.error())
}

/// How an execution ended.
fn end_of(status: ExecutionStatus, result: Option<&str>, error: Option<&ErrorObject>) -> Value {
    with_outcome(json!({ "status": status.to_string() }), result, error)
}

/// The result of the recorded execution.
fn recorded_result(recording: &Recording) -> Value {
    end_of(recording.status, recording.result.as_deref(), recording.error.as_ref())
}

fn ended(result: &InvocationResult) -> Value {
    match result {
        InvocationResult::Crashed(error) => json!({ "crashed": shown_error(error) }),
        InvocationResult::Output(InvocationOutput { status, result, error }) => match (status, error) {
            (InvocationStatus::Pending, _) => json!({ "status": "PENDING" }),
            (InvocationStatus::Failed, Some(error)) => {
                json!({ "status": "FAILED", "error": shown_error(error) })
            }
            (InvocationStatus::Failed, None) => json!({ "status": "FAILED" }),
            (InvocationStatus::Succeeded, _) => {
                json!({ "status": "SUCCEEDED", "result": shown(result.as_deref().unwrap_or("null")) })
            }
        },
    }
}

fn same_identity(operation: &Operation, start: &OperationUpdate) -> bool {
    operation.kind == start.kind
        && operation.name == start.name
        && operation.sub_type == start.sub_type
        && operation.parent_id == start.parent_id
}

/// The difference that the engine found.
fn found_by_engine(recording: &Recording, data: &Data) -> Option<Difference> {
    let divergence = data.divergence.as_ref()?;
    let names = Names::new(recording, &data.starts);
    let started = data.starts.iter().rposition(|started| started.start.id == divergence.id);
    let start = started.and_then(|at| data.starts.get(at));
    let recorded = recording.operation(&divergence.id);
    // The handler started an operation before one that is next on record.
    let early = start.is_some_and(|start| !start.recorded);
    let operation = match (recorded, start) {
        (Some(recorded), _) => names.recorded(recorded),
        (None, Some(start)) => names.started(start),
        (None, None) => OperationRef {
            name: None,
            kind: "?".to_owned(),
            sub_type: None,
            parent: None,
            id: divergence.id.to_string(),
            position: 0,
        },
    };
    let mut actual = start.map(|start| identity(&names.started(start)));
    if actual.is_none() {
        actual = Some(json!({ "none": divergence.actual }));
    }
    Some(Difference {
        operation: Some(operation),
        expected: recorded.filter(|_| !early).map(|recorded| identity(&names.recorded(recorded))),
        actual,
        place: recorded
            .and_then(|r| recording.places.get(&r.id).copied())
            .unwrap_or(recording.operations.len()),
        at: Point::Start,
        stop_at: start.map(|start| start.start.id.clone()),
    })
}

/// The first operation that the handler started and that is not the recorded one.
fn other_start(recording: &Recording, starts: &[Started]) -> Option<Difference> {
    let names = Names::new(recording, starts);
    let mut seen = HashSet::new();
    let mut before = 0;
    for started in starts {
        let id = &started.start.id;
        let recorded = recording.operation(id);
        if recorded.is_some_and(|recorded| same_identity(recorded, &started.start)) {
            before += usize::from(seen.insert(id));
            continue;
        }
        let operation = names.started(started);
        return Some(Difference {
            expected: recorded.map(|recorded| identity(&names.recorded(recorded))),
            actual: Some(identity(&operation)),
            operation: Some(recorded.map_or(operation, |recorded| names.recorded(recorded))),
            place: recording.places.get(id).copied().unwrap_or(before),
            at: Point::Start,
            stop_at: Some(id.clone()),
        });
    }
    None
}

/// How the recorded run itself does not replay.
pub(crate) fn of_recording(recording: &Recording) -> Option<Difference> {
    found_by_engine(recording, &recording.data)
}

/// Judges a replay of a prefix without perturbation.
pub(crate) fn judge_replay(recording: &Recording, prefix: usize, replayed: &Replayed) -> Option<Difference> {
    let data = &replayed.data;
    if let Some(found) = found_by_engine(recording, data) {
        return Some(found);
    }
    if !data.interrupted.is_empty() {
        return None;
    }
    if let Some(other) = other_start(recording, &data.starts) {
        return Some(other);
    }
    if let Some(other) = other_closing(recording, replayed) {
        return Some(other);
    }
    if replayed.asks() {
        return None;
    }
    match &replayed.result {
        InvocationResult::Output(output) if output.status == InvocationStatus::Pending => {
            let ended = recording.is_whole(prefix) && recording.status != ExecutionStatus::Running;
            (ended && returned_itself(recording)).then(|| result_difference(recording, &replayed.result))
        }
        InvocationResult::Output(_) => {
            missing_after(recording, prefix, replayed).or_else(|| other_result(recording, &replayed.result))
        }
        InvocationResult::Crashed(_) => other_result(recording, &replayed.result),
    }
}

/// Whether the recorded execution ended because its handler returned.
fn returned_itself(recording: &Recording) -> bool {
    matches!(
        &recording.last,
        Some(InvocationResult::Output(output)) if output.status != InvocationStatus::Pending
    )
}

fn result_difference(recording: &Recording, actual: &InvocationResult) -> Difference {
    Difference {
        operation: None,
        expected: Some(recorded_result(recording)),
        actual: Some(ended(actual)),
        place: recording.operations.len(),
        at: Point::End,
        stop_at: None,
    }
}

/// The difference between the recorded result of the last invocation and this one.
fn other_result(recording: &Recording, actual: &InvocationResult) -> Option<Difference> {
    let expected = recording.last.as_ref()?;
    (!same_end((expected, &recording.callbacks), (actual, &recording.callbacks)))
        .then(|| result_difference(recording, actual))
}

fn same_end(
    (one, ids): (&InvocationResult, &CallbackIds),
    (other, other_ids): (&InvocationResult, &CallbackIds),
) -> bool {
    match (one, other) {
        (InvocationResult::Output(one), InvocationResult::Output(other)) => {
            one.status == other.status
                && same_result((one.result.as_deref(), ids), (other.result.as_deref(), other_ids))
                && same_error((one.error.as_ref(), ids), (other.error.as_ref(), other_ids))
        }
        (InvocationResult::Crashed(one), InvocationResult::Crashed(other)) => {
            one.error_type == other.error_type
        }
        _ => false,
    }
}

/// The first operation that the recorded run started after this prefix, if the handler returned instead.
fn missing_after(recording: &Recording, prefix: usize, replayed: &Replayed) -> Option<Difference> {
    if recording.is_whole(prefix) {
        return None;
    }
    let known = recording.known(prefix);
    let find = |id: &OperationId| recording.operation(id).map(|operation| &**operation);
    let is_missing =
        |operation: &&Arc<Operation>| !known.contains(&operation.id) && !is_abandoned(&operation.id, find);
    let missing = recording.operations.iter().find(is_missing)?;
    Some(missing_operation(recording, missing, &ended(&replayed.result), &replayed.data.starts))
}

fn missing_operation(
    recording: &Recording,
    missing: &Operation,
    instead: &Value,
    starts: &[Started],
) -> Difference {
    let names = Names::new(recording, starts);
    let operation = names.recorded(missing);
    Difference {
        expected: Some(identity(&operation)),
        actual: Some(json!({ "none": instead })),
        operation: Some(operation),
        place: recording.places.get(&missing.id).copied().unwrap_or(0),
        at: Point::Start,
        stop_at: None,
    }
}

/// A context that the handler closed otherwise than on record.
fn other_closing(recording: &Recording, replayed: &Replayed) -> Option<Difference> {
    let names = Names::new(recording, &replayed.data.starts);
    replayed.asked.iter().find_map(|update| {
        if update.kind != OperationType::Context || update.action == OperationAction::Start {
            return None;
        }
        let recorded = recording.operation(&update.id).filter(|recorded| recorded.status.is_terminal())?;
        let ids = &recording.callbacks;
        let same = same_result((recorded.result().map(AsRef::as_ref), ids), (update.payload.as_deref(), ids))
            && same_error((recorded.error(), ids), (update.error.as_ref(), ids));
        if same {
            return None;
        }
        let actual = identity(&names.recorded(recorded));
        let actual = with_outcome(actual, update.payload.as_deref(), update.error.as_ref());
        Some(Difference {
            operation: Some(names.recorded(recorded)),
            expected: Some(outcome_of(recorded, &names)),
            actual: Some(actual),
            place: recording.places.get(&update.id).copied().unwrap_or(0),
            at: Point::End,
            stop_at: None,
        })
    })
}

/// Judges a replay with a perturbation by the replay of the same prefix without.
pub(crate) fn judge_perturbed(
    recording: &Recording,
    prefix: usize,
    plain: &Replayed,
    perturbed: &Replayed,
    perturbation: Perturbation,
) -> Option<Difference> {
    let found = other_than_plain(recording, prefix, plain, perturbed)?;
    // A handler that needs a setting and does not find it fails, which says nothing about replays.
    let fails = perturbation == Perturbation::Env(EnvChange::Removed)
        && (found.operation.is_none() || found.is_missing());
    (!fails).then_some(found)
}

fn other_than_plain(
    recording: &Recording,
    prefix: usize,
    plain: &Replayed,
    perturbed: &Replayed,
) -> Option<Difference> {
    if let Some(found) = found_by_engine(recording, &perturbed.data) {
        return Some(found);
    }
    if let InvocationResult::Crashed(error) = &perturbed.result {
        if perturbed.asks() || is_no_verdict(error.error_type.as_deref(), error.error_message.as_deref()) {
            return None;
        }
        let same =
            matches!(&plain.result, InvocationResult::Crashed(plain) if plain.error_type == error.error_type);
        return (!same).then(|| result_difference(recording, &perturbed.result));
    }
    if !recording.is_whole(prefix) || plain.asks() || !plain.data.interrupted.is_empty() {
        return None;
    }
    if perturbed.asks() {
        return other_start(recording, &perturbed.data.starts)
            .or_else(|| Some(result_difference(recording, &perturbed.result)));
    }
    let ids = &recording.callbacks;
    (!same_end((&plain.result, ids), (&perturbed.result, ids)))
        .then(|| result_difference(recording, &perturbed.result))
}

/// Whether a crash says nothing about determinism: a limit of the sandbox, or output that fails on purpose.
fn is_no_verdict(error_type: Option<&str>, message: Option<&str>) -> bool {
    let limits = [
        error_types::CPU_LIMIT,
        error_types::MEMORY_LIMIT,
        error_types::STACK_LIMIT,
        error_types::HANDLE_LIMIT,
        error_types::TIMER_LIMIT,
        error_types::TIME_LIMIT,
        error_types::LOG_LIMIT,
        error_types::OPERATION_LIMIT,
        error_types::CLOSED,
    ];
    error_type.is_some_and(|error_type| limits.contains(&error_type))
        || message.is_some_and(|message| message.contains("failed printing to std"))
}

/// Judges a whole run that was repeated.
pub(crate) fn judge_run(recording: &Recording, view: &ExecutionView, data: &Data) -> Judged {
    if let Some(found) = found_by_engine(recording, data) {
        return Judged::Differs(found);
    }
    if !data.interrupted.is_empty() {
        return Judged::Same;
    }
    let operations: Vec<&Operation> =
        view.operations.iter().map(|o| &**o).filter(|o| o.kind != OperationType::Execution).collect();
    let first = [
        other_decision(recording, data),
        other_start(recording, &data.starts),
        not_started(recording, &operations, data),
        other_outcome(recording, &operations, data),
        other_end(recording, view, &operations),
    ];
    let Some(first) = first.into_iter().flatten().min_by_key(|difference| difference.place) else {
        return Judged::Same;
    };
    if is_about_abandoned(recording, &operations, &first)
        || is_rightly_different(recording, &operations, &first)
    {
        return Judged::MayDiffer(first);
    }
    Judged::Differs(first)
}

/// Whether an operation, or a context that it is in, was left open: nobody waited for its end. How far it came depends on
/// when it was left. `find` returns an operation of the run.
fn is_abandoned<'a>(id: &OperationId, find: impl Fn(&OperationId) -> Option<&'a Operation>) -> bool {
    let mut at = find(id);
    while let Some(operation) = at {
        if !operation.status.is_terminal() {
            return true;
        }
        at = operation.parent_id.as_ref().and_then(&find);
    }
    false
}

/// Whether a difference is about an operation that one of the runs left open.
fn is_about_abandoned(recording: &Recording, operations: &[&Operation], difference: &Difference) -> bool {
    let Some(id) = difference.operation.as_ref().map(|operation| OperationId::from(&*operation.id)) else {
        return false;
    };
    let ran: HashMap<&OperationId, &Operation> = operations.iter().map(|o| (&o.id, *o)).collect();
    let in_run = |id: &OperationId| ran.get(id).copied();
    let in_recording = |id: &OperationId| recording.operation(id).map(|operation| &**operation);
    // What was not started in a run belongs to a context that the run may have left open.
    let parent = in_recording(&id).or_else(|| in_run(&id)).and_then(|operation| operation.parent_id.as_ref());
    is_abandoned(&id, in_recording)
        || is_abandoned(&id, in_run)
        || parent.is_some_and(|parent| is_abandoned(parent, in_recording) || is_abandoned(parent, in_run))
}

/// The judgement of a repeated run.
pub(crate) enum Judged {
    Same,
    Differs(Difference),
    /// It differs after its operations ended in another order or at other times, which may be the reason.
    MayDiffer(Difference),
}

/// A step whose attempt failed in the recorded way, and whose handler then decided otherwise.
fn other_decision(recording: &Recording, data: &Data) -> Option<Difference> {
    let names = Names::new(recording, &data.starts);
    let place = |id: &OperationId| recording.places.get(id).copied().unwrap_or(0);
    let (id, expected, actual) = data.other_decisions.iter().min_by_key(|(id, ..)| place(id))?;
    let operation = recording.operation(id)?;
    let shown = |outcome: &AttemptOutcome| {
        let mut value = with_outcome(identity(&names.recorded(operation)), None, outcome.error.as_ref());
        if let Some(members) = value.as_object_mut() {
            members.insert("then".into(), outcome.decision().into());
        }
        value
    };
    Some(Difference {
        operation: Some(names.recorded(operation)),
        expected: Some(shown(expected)),
        actual: Some(shown(actual)),
        place: place(id),
        at: Point::End,
        stop_at: None,
    })
}

fn not_started(recording: &Recording, operations: &[&Operation], data: &Data) -> Option<Difference> {
    let ids: HashSet<&OperationId> = operations.iter().map(|operation| &operation.id).collect();
    let missing = recording.operations.iter().find(|operation| !ids.contains(&operation.id))?;
    Some(missing_operation(recording, missing, &json!("the run ended without it"), &data.starts))
}

fn other_outcome(recording: &Recording, operations: &[&Operation], data: &Data) -> Option<Difference> {
    let names = Names::new(recording, &data.starts);
    let ids = CallbackIds::of(operations.iter().copied());
    let differs = |operation: &&&Operation| {
        let Some(recorded) = recording.operation(&operation.id) else { return false };
        let same = recorded.status == operation.status
            && same_result(
                (recorded.result().map(AsRef::as_ref), &recording.callbacks),
                (operation.result().map(AsRef::as_ref), &ids),
            )
            && same_error((recorded.error(), &recording.callbacks), (operation.error(), &ids));
        !same
    };
    let place = |operation: &Operation| recording.places.get(&operation.id).copied().unwrap_or(0);
    let first = operations.iter().filter(differs).min_by_key(|operation| place(operation))?;
    let recorded = recording.operation(&first.id)?;
    Some(Difference {
        operation: Some(names.recorded(recorded)),
        expected: Some(outcome_of(recorded, &names)),
        actual: Some(outcome_of(first, &names)),
        place: place(first),
        at: Point::End,
        stop_at: None,
    })
}

fn other_end(recording: &Recording, view: &ExecutionView, operations: &[&Operation]) -> Option<Difference> {
    let ids = CallbackIds::of(operations.iter().copied());
    let same = recording.status == view.status
        && same_result((recording.result.as_deref(), &recording.callbacks), (view.result.as_deref(), &ids))
        && same_error((recording.error.as_ref(), &recording.callbacks), (view.error.as_ref(), &ids));
    if same {
        return None;
    }
    Some(Difference {
        operation: None,
        expected: Some(recorded_result(recording)),
        actual: Some(end_of(view.status, view.result.as_deref(), view.error.as_ref())),
        place: recording.operations.len(),
        at: Point::End,
        stop_at: None,
    })
}

/// Whether operations ended in another order, or at other times, before the point of a difference.
fn is_rightly_different(recording: &Recording, operations: &[&Operation], difference: &Difference) -> bool {
    let id = difference.operation.as_ref().map(|operation| OperationId::from(&*operation.id));
    let in_run = |id: &OperationId| operations.iter().copied().find(|operation| operation.id == *id);
    let recorded: Vec<&Operation> = recording.operations.iter().map(|operation| &**operation).collect();
    let (mut expected, mut actual) = (ends(&recorded), ends(operations));
    match id.as_ref().map(|id| (recording.operation(id), in_run(id))) {
        // The whole run led to the result.
        None => {}
        Some((Some(recorded), ran)) => {
            let point = |operation: &Operation| match difference.at {
                Point::Start => operation.start_sequence,
                Point::End => operation.sequence,
            };
            let until = point(recorded);
            expected.retain(|end| end.sequence < until);
            match ran.map(point) {
                Some(until) => actual.retain(|end| end.sequence < until),
                None => actual.truncate(expected.len()),
            }
        }
        Some((None, Some(started))) => {
            actual.retain(|end| end.sequence < started.start_sequence);
            expected.truncate(actual.len());
        }
        Some((None, None)) => return false,
    }
    let same = |(one, other): (&&Operation, &&Operation)| {
        one.id == other.id
            && one.end_timestamp == other.end_timestamp
            && one.start_timestamp == other.start_timestamp
    };
    expected.len() != actual.len() || !expected.iter().zip(&actual).all(same)
}

/// The operations that have ended, except contexts, in the order of their ends.
fn ends<'a>(operations: &[&'a Operation]) -> Vec<&'a Operation> {
    let ended =
        |operation: &&Operation| operation.status.is_terminal() && operation.kind != OperationType::Context;
    let mut ends: Vec<&Operation> = operations.iter().copied().filter(ended).collect();
    ends.sort_by_key(|operation| operation.sequence);
    ends
}

/// What a start computes differently from the recorded one, if it is the same operation.
pub(crate) fn other_option(recorded: &OperationUpdate, start: &OperationUpdate) -> Option<String> {
    let seconds = |update: &OperationUpdate| update.wait_options.and_then(|options| options.wait_seconds);
    if let (Some(one), Some(other)) = (seconds(recorded), seconds(start))
        && one != other
    {
        return Some(format!("its duration was {one} s on record, and {other} s on a replay"));
    }
    if recorded.callback_options != start.callback_options {
        return Some("its timeouts differ from those on record".to_owned());
    }
    let function = |update: &OperationUpdate| {
        update.chained_invoke_options.as_ref().map(|options| options.function_name.clone())
    };
    if let (Some(one), Some(other)) = (function(recorded), function(start))
        && one != other
    {
        return Some(format!("it invoked {one} on record, and {other} on a replay"));
    }
    match (&recorded.payload, &start.payload) {
        (Some(one), Some(other)) if !same_json(one, other) => {
            Some("its payload differs from the one on record".to_owned())
        }
        (Some(_), None) | (None, Some(_)) => Some("its payload differs from the one on record".to_owned()),
        _ => None,
    }
}
