//! Compares the outcome of a scenario with its expectations.
//!
//! Invariants: each difference is reported once; differences that only follow from another are not reported.

use std::time::Duration;

use super::{
    exact::Json,
    expect::Expectation,
    json,
    mismatch::Mismatch,
    operations::{Operations, error_differences},
};
use durawasm_core::{
    hint,
    invocation::LogLine,
    orchestrator::Run,
    protocol::{ExecutionStatus, Timestamp},
    server::{ExecutionView, PendingExternal},
};
use durawasm_report as report;

/// The duration of an execution in its own time; for one that has not ended, until `now`.
pub(super) fn duration(view: &ExecutionView, now: Timestamp) -> Duration {
    view.end.unwrap_or(now).since(view.start)
}

/// All differences between expectation and outcome.
pub(super) fn compare(expect: &Expectation, run: &Run, now: Timestamp, log: &[LogLine]) -> Vec<Mismatch> {
    let view = &run.view;
    let mut found = Vec::new();
    if view.status == expect.status {
        found.extend(result(expect, view));
        found.extend(error(expect, view));
        found.extend(waiting(expect, run));
    } else {
        found.push(status(expect, run));
    }
    if let Some(expected) = expect.invocations
        && expected != view.invocations.len()
    {
        let message = format!("expected {expected}, found {}", view.invocations.len());
        found.push(Mismatch::new("invocations", message));
    }
    if let Some(expected) = expect.duration
        && expected != duration(view, now)
    {
        let message = format!(
            "expected {}, found {}",
            report::duration(expected),
            report::duration(duration(view, now))
        );
        found.push(Mismatch::new("duration", message));
    }
    let operations = Operations::of(view);
    if let Some(expected) = &expect.operations {
        found.extend(if expect.operations_exactly {
            operations.exactly(expected)
        } else {
            operations.in_order(expected)
        });
    }
    found.extend(operations.present(&expect.operations_absent));
    found.extend(lines(expect, log));
    found
}

fn status(expect: &Expectation, run: &Run) -> Mismatch {
    let view = &run.view;
    let mut message = format!("expected {}, found {}", expect.status, view.status);
    let mut details = Vec::new();
    match (view.status, &run.stall) {
        (ExecutionStatus::Running, Some(stall)) => {
            message += &format!(": it waits for {stall}, and nothing answers it");
            details.push(
                "give an answer in `answers`, a timeout in the handler, or expect it with `waiting_for`"
                    .to_owned(),
            );
        }
        (ExecutionStatus::Succeeded, _) => {
            details.push(whole_result(view));
        }
        (_, _) => {
            if let Some(error) = &view.error {
                message += &format!(": {}", hint::short(&error.to_string()));
                details.extend(error.stack_trace.iter().take(10).map(|frame| format!("at {frame}")));
            }
        }
    }
    Mismatch { details, ..Mismatch::new("status", message) }
}

fn result(expect: &Expectation, view: &ExecutionView) -> Vec<Mismatch> {
    let found: Json = json::parsed(view.result.as_deref());
    let mut mismatches = Vec::new();
    if let Some(expected) = &expect.result
        && !expected.same(&found)
    {
        mismatches.push(if !expected.is_compound() && !found.is_compound() {
            let message = format!("expected {}, found {}", json::shown(expected), json::shown(&found));
            Mismatch::new("result", message)
        } else {
            let message = "differs (- expected, + found)".to_owned();
            Mismatch { details: json::difference(expected, &found), ..Mismatch::new("result", message) }
        });
    }
    if let Some(expected) = &expect.result_includes {
        let mut lacking = json::lacking("result", expected, &found);
        if !lacking.is_empty() {
            let message = match &*lacking {
                [_] => lacking.remove(0),
                several => format!("{} places differ", several.len()),
            };
            lacking = json::bounded(lacking);
            lacking.push(whole_result(view));
            mismatches.push(Mismatch { details: lacking, ..Mismatch::new("result_includes", message) });
        }
    }
    mismatches
}

/// The result as the handler wrote it.
fn whole_result(view: &ExecutionView) -> String {
    format!("result: {}", hint::short(view.result.as_deref().unwrap_or("null")))
}

fn error(expect: &Expectation, view: &ExecutionView) -> Option<Mismatch> {
    let lines = error_differences(expect.error.as_ref()?, view.error.as_ref());
    (!lines.is_empty()).then(|| {
        let found = view.error.iter().map(|error| format!("error: {}", hint::short(&error.to_string())));
        Mismatch { details: found.collect(), ..Mismatch::new("error", lines.join("; ")) }
    })
}

fn waiting(expect: &Expectation, run: &Run) -> Option<Mismatch> {
    let mut expected: Vec<&str> = expect.waiting_for.as_ref()?.iter().map(String::as_str).collect();
    let stall = run.stall.as_ref();
    let mut found: Vec<&str> = stall.iter().flat_map(|stall| &stall.what).map(awaited).collect();
    expected.sort_unstable();
    found.sort_unstable();
    let listed = |names: &[&str]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    (expected != found).then(|| {
        let message = format!("expected {}, found {}", listed(&expected), listed(&found));
        Mismatch::new("waiting_for", message)
    })
}

fn awaited(pending: &PendingExternal) -> &str {
    match pending {
        PendingExternal::Callback { name, .. } => name.as_deref().unwrap_or("-"),
        PendingExternal::Invoke { function_name, .. } => function_name,
    }
}

fn lines(expect: &Expectation, log: &[LogLine]) -> Vec<Mismatch> {
    let texts: Vec<String> = log.iter().map(LogLine::text).collect();
    let missing = expect.log.iter().filter(|part| !texts.iter().any(|text| text.contains(*part)));
    let missing = missing.map(|part| {
        let details = match &*texts {
            [] => vec!["nothing was logged".to_owned()],
            texts => {
                let logged = texts.iter().map(|text| format!("logged: {}", hint::short(text)));
                json::bounded(logged.collect())
            }
        };
        Mismatch { details, ..Mismatch::new("log", format!("expected a line with {part:?}, found none")) }
    });
    missing.collect()
}
