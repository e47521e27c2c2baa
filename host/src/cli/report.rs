//! What `run` prints: for people, and for machines.

use serde_json::{Value, json};

use super::say;
use super::table;
use crate::{
    orchestrator::{Run, TimeMode},
    protocol::{ErrorObject, ExecutionStatus, Operation, OperationType},
    report::printable,
    sandbox::Isolation,
    server::ScriptedAnswer,
};

/// How a run was set up, for its report.
pub(super) struct Setup {
    pub(super) function: String,
    pub(super) time: TimeMode,
    pub(super) seed: Option<u64>,
    pub(super) isolation: Isolation,
}

/// The report for people.
pub(super) fn print(setup: &Setup, run: &Run) {
    let view = &run.view;
    match setup.time {
        TimeMode::Skip { .. } => say(format_args!("{}: time skipped, from {}\n", setup.function, view.start)),
        TimeMode::Real => say(format_args!("{}: real time, from {}\n", setup.function, view.start)),
    }
    if view.operations.len() > 1 {
        table::print(&table::operations(view));
        say("");
    }
    let last = view.operations.iter().filter_map(|o| o.end_timestamp).max();
    let counts = format!(
        "{} ({}, {})",
        table::elapsed(view, last),
        count(view.invocations.len() as u64, "invocation"),
        count(run.checkpoints, "checkpoint")
    );
    match view.status {
        ExecutionStatus::Succeeded => {
            say(format_args!("SUCCEEDED after {counts}"));
            say(format_args!("result: {}", printable(view.result.as_deref().unwrap_or("null"))));
        }
        ExecutionStatus::Running => say(format_args!("still RUNNING after {counts}")),
        status => {
            say(format_args!("{status} after {counts}"));
            if let Some(error) = &view.error {
                print_error(error);
            }
        }
    }
}

fn print_error(error: &ErrorObject) {
    say(format_args!("error: {}", printable(&error.to_string())));
    if let Some(data) = &error.error_data {
        say(format_args!("  data: {}", printable(data)));
    }
    for frame in error.stack_trace.iter().take(10) {
        say(format_args!("  at {}", printable(frame)));
    }
}

/// The report for machines. Under time skipping and with a seed, nothing in it differs between two runs.
pub(super) fn json(setup: &Setup, run: &Run) -> Value {
    let view = &run.view;
    let parsed = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    json!({
        "function": setup.function,
        "executionArn": view.arn,
        "status": view.status,
        "result": view.result.as_deref().map(parsed),
        "error": view.error,
        "stalledOn": run.stall.as_ref().map(|stall| stall.what.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "skipTime": matches!(setup.time, TimeMode::Skip { .. }),
        "seed": setup.seed,
        "isolation": setup.isolation,
        "startTimestamp": view.start,
        "endTimestamp": view.end,
        "invocations": view.invocations.len(),
        "checkpoints": run.checkpoints,
        "operations": view.operations,
        "events": view.events,
    })
}

/// Whether a callback of the run has the name that an answer is for.
pub(super) fn has_callback(run: &Run, answer: &ScriptedAnswer) -> bool {
    let operations = &run.view.operations;
    let named = |operation: &Operation| operation.name.as_deref().is_some_and(|name| answer.is_for(name));
    operations.iter().filter(|o| o.kind == OperationType::Callback).any(|callback| {
        named(callback) || operations.iter().any(|o| Some(&o.id) == callback.parent_id.as_ref() && named(o))
    })
}

fn count(number: u64, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}
