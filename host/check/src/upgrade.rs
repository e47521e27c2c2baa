//! Upgrade checks: would this handler replay executions that another version began?
//!
//! Invariants: executions are read one after the other, so no more of them are in memory than are replayed at the same
//! time; what was not replayed is said; no replay sends HTTP requests, because the executions are real ones.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use durawasm_core::protocol::{InvocationOutput, InvocationResult, InvocationStatus, OperationId};
use serde_json::{Value, json};

use crate::{
    diagnosis::frames,
    error::CheckError,
    history::{ExecutionEnd, RecordedExecution, Unjudged},
    kind::Kind,
    options::{Budget, Options, Progress},
    replay::{Fed, Replayed, replay},
    report::{Divergence, HistoryReport, OperationRef},
    subject::Subject,
    threads::on_threads,
    trace::TraceOptions,
    values::{same_json, shown, shown_error},
};

/// Of how many incompatible executions the divergence is kept: it is much larger than the rest of a report, and one
/// change of a handler may concern all executions.
const MOST_DIVERGENCES: usize = 1000;

/// What replays of recorded executions came to.
#[derive(Debug, Clone, Default)]
pub struct Replays {
    /// A report of each execution that was replayed, in the order in which they were given. Of the incompatible ones, a
    /// thousand have their divergence.
    pub reports: Vec<HistoryReport>,
    /// How many were left out, and why; `None` if none was.
    pub not_explored: Option<String>,
}

/// Replays recorded executions on the subject's handler, within the budget of the options. The subject's event and
/// answers are not used, and its handler sends no HTTP requests.
///
/// `read` gives one of the executions when it is its turn; `None` if it is not to be replayed after all.
///
/// # Errors
/// When a replay could not be made.
pub fn check_recorded<T: Send>(
    subject: &Subject,
    executions: Vec<T>,
    read: impl FnMut(T) -> Option<RecordedExecution> + Send,
    options: &Options,
) -> Result<Replays, CheckError> {
    let subject = offline(subject);
    let until = match options.budget {
        // A time that no clock reaches is no limit.
        Some(Budget::Time(time)) => Instant::now().checked_add(time),
        _ => None,
    };
    let of = executions.len();
    let mut order: Vec<(usize, T)> = executions.into_iter().enumerate().collect();
    options.shuffle(&mut order);
    if let Some(Budget::Schedules(count)) = options.budget {
        order.truncate(count);
    }
    let threads = options.threads().min(order.len());
    let given = Mutex::new((order.into_iter(), read));
    let next = || {
        let mut given = given.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, read) = &mut *given;
        left.next().map(|(place, execution)| (place, read(execution)))
    };
    let (taken, gone, told) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let reports = Mutex::new(Vec::new());
    on_threads(threads, |runtime| {
        loop {
            // One is replayed however short the time is, so that a verdict rests on something.
            let first = taken.fetch_add(1, Ordering::Relaxed) == 0;
            let until = until.filter(|_| !first);
            if until.is_some_and(|until| Instant::now() >= until) || options.stop.is_stopped() {
                break;
            }
            let Some((place, execution)) = next() else { break };
            let Some(execution) = execution else {
                gone.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let replayed = options.stop.within(until, one(&subject, &execution, options.seed));
            let Some(report) = runtime.block_on(replayed) else { break };
            let mut report = report?;
            if report.divergence.is_some() && told.fetch_add(1, Ordering::Relaxed) >= MOST_DIVERGENCES {
                report.divergence = None;
            }
            let done = {
                let mut reports = reports.lock().unwrap_or_else(PoisonError::into_inner);
                reports.push((place, report));
                reports.len()
            };
            if let Some(progress) = &options.progress {
                progress(Progress { done, of });
            }
        }
        Ok(())
    })?;
    let mut reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    reports.sort_unstable_by_key(|(place, _)| *place);
    let of = of - gone.into_inner();
    let left = of - reports.len();
    let why = options.what_ended_it().filter(|_| left > 0);
    Ok(Replays {
        reports: reports.into_iter().map(|(_, report)| report).collect(),
        not_explored: why.map(|why| format!("{left} of {of} recorded executions: {why}")),
    })
}

/// The subject without HTTP requests. A replay may run a body: one that was under way, or the first one beyond the
/// record. Whoever runs the execution sends what that body sends, and a check must not send it as well.
fn offline(subject: &Subject) -> Subject {
    let mut subject = subject.clone();
    subject.grants.all.revoke_http();
    for own in subject.grants.by_function.values_mut() {
        own.grants.revoke_http();
    }
    subject
}

async fn one(
    subject: &Subject,
    recorded: &RecordedExecution,
    seed: u64,
) -> Result<HistoryReport, CheckError> {
    let report = |verdict, divergence: Option<Divergence>, reason| HistoryReport {
        file: recorded.file.clone(),
        execution: recorded.execution.to_string(),
        verdict,
        divergence: divergence.map(Box::new),
        reason,
        unreadable: matches!(recorded.unjudged, Some(Unjudged::Unreadable(_))),
    };
    if let Some(Unjudged::LacksData(why) | Unjudged::Unreadable(why)) = &recorded.unjudged {
        return Ok(report("not-judged", None, Some(why.clone())));
    }
    let fed = || Fed {
        arn: &recorded.execution,
        state: recorded.operations.clone(),
        returned_at: recorded.returned_at,
        now: recorded.now,
        seed,
        scratch: None,
    };
    let options = TraceOptions { imports: true, ..TraceOptions::default() };
    let replayed = replay(subject, fed(), options).await?;
    if let Some(divergence) = &replayed.data.divergence {
        let divergence = divergence_of(recorded, divergence, &replayed);
        return Ok(report("incompatible", Some(divergence), None));
    }
    match (&replayed.result, &recorded.end) {
        (InvocationResult::Crashed(error), _) if !replayed.asks() => {
            Ok(report("not-judged", None, Some(format!("the handler crashed on this record: {error}"))))
        }
        (result, Some((ExecutionEnd::Succeeded | ExecutionEnd::Failed, _))) if !ends_so(result, recorded) => {
            Ok(report("incompatible", Some(other_result(recorded, &replayed)), None))
        }
        _ => Ok(report("compatible", None, None)),
    }
}

/// Whether the handler came to the recorded end.
fn ends_so(result: &InvocationResult, recorded: &RecordedExecution) -> bool {
    let InvocationResult::Output(InvocationOutput { status, result, error }) = result else { return false };
    match &recorded.end {
        Some((ExecutionEnd::Succeeded, expected)) => {
            *status == InvocationStatus::Succeeded
                && same_json(result.as_deref().unwrap_or("null"), expected.as_deref().unwrap_or("null"))
        }
        Some((ExecutionEnd::Failed, expected)) => {
            *status == InvocationStatus::Failed
                && error.as_ref().and_then(|error| error.error_type.as_deref()) == expected.as_deref()
        }
        Some((ExecutionEnd::Other, _)) | None => true,
    }
}

const ADVICE: &str = "executions of the old version do not replay on this one: let them end on the old version, or keep \
                      the operations that they have started, in the same order and with the same names";

fn divergence_of(
    recorded: &RecordedExecution,
    divergence: &durawasm_core::replay::Divergence,
    replayed: &Replayed,
) -> Divergence {
    let operation = recorded.operations.iter().find(|operation| operation.id == divergence.id);
    let started = replayed.data.starts.iter().rev().find(|started| started.start.id == divergence.id);
    let name = |id: &OperationId| {
        let parent = recorded.operations.iter().find(|operation| operation.id == *id);
        parent.and_then(|parent| parent.name.as_deref()).map_or_else(|| id.to_string(), str::to_owned)
    };
    let position = started.map_or(0, |started| started.position);
    let place = |id: &OperationId| recorded.operations.iter().position(|operation| operation.id == *id);
    let before = place(&divergence.id).unwrap_or(recorded.operations.len());
    let before: Vec<String> = recorded
        .operations
        .iter()
        .take(before)
        .skip(1)
        .map(|operation| format!("{} {}", operation.kind, operation.name.as_deref().unwrap_or("-")))
        .collect();
    let skipped = before.len().saturating_sub(3);
    Divergence {
        operation: match (operation, started) {
            (Some(operation), _) => Some(OperationRef {
                name: operation.name.as_deref().map(str::to_owned),
                kind: operation.kind.to_string(),
                sub_type: operation.sub_type.as_deref().map(str::to_owned),
                parent: operation.parent_id.as_ref().map(name),
                id: operation.id.to_string(),
                position,
            }),
            (None, Some(started)) => Some(OperationRef {
                name: started.start.name.as_deref().map(str::to_owned),
                kind: started.start.kind.to_string(),
                sub_type: started.start.sub_type.as_deref().map(str::to_owned),
                parent: started.start.parent_id.as_ref().map(name),
                id: started.start.id.to_string(),
                position,
            }),
            (None, None) => None,
        },
        expected: operation.map(|operation| {
            json!({
                "type": operation.kind.to_string(), "sub_type": operation.sub_type, "name": operation.name,
                "parent": operation.parent_id.as_ref().map(name),
            })
        }),
        actual: Some(match started {
            Some(started) => json!({
                "type": started.start.kind.to_string(), "sub_type": started.start.sub_type,
                "name": started.start.name, "parent": started.start.parent_id.as_ref().map(name),
            }),
            None => json!({ "none": divergence.actual }),
        }),
        under: Kind::Replay,
        schedule: "history".to_owned(),
        imports: Vec::new(),
        backtrace: frames(&replayed.data.backtrace),
        advice: ADVICE.to_owned(),
        described: "a fresh instance, fed the recorded execution".to_owned(),
        before: before.into_iter().skip(skipped).collect(),
    }
}

fn other_result(recorded: &RecordedExecution, replayed: &Replayed) -> Divergence {
    let expected = match &recorded.end {
        Some((ExecutionEnd::Succeeded, result)) => {
            json!({ "status": "SUCCEEDED", "result": shown(result.as_deref().unwrap_or("null")) })
        }
        Some((_, error)) => json!({ "status": "FAILED", "error": error }),
        None => Value::Null,
    };
    let actual = match &replayed.result {
        InvocationResult::Output(output) => json!({
            "status": match output.status {
                InvocationStatus::Succeeded => "SUCCEEDED",
                InvocationStatus::Failed => "FAILED",
                InvocationStatus::Pending => "PENDING",
            },
            "result": output.result.as_deref().map(shown),
            "error": output.error.as_ref().map(shown_error),
        }),
        InvocationResult::Crashed(_) => json!({ "asks": "for another operation" }),
    };
    Divergence {
        operation: None,
        expected: Some(expected),
        actual: Some(actual),
        under: Kind::Replay,
        schedule: "history".to_owned(),
        imports: Vec::new(),
        backtrace: Vec::new(),
        advice: "this version comes to another result for an execution that has ended; for one that has not, that is no \
                 fault"
            .to_owned(),
        described: "a fresh instance, fed the recorded execution".to_owned(),
        before: Vec::new(),
    }
}
