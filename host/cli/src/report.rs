//! The output of `run`, as text and as JSON.

use std::{path::Path, sync::Arc};

use anyhow::anyhow;
use serde::Serialize;
use serde_json::value::RawValue;

use super::exit::{Exit, Failure};
use super::in_force::{InForce, InForceJson};
use super::output::say;
use super::table;
use durawasm_core::{
    invocation::Isolation,
    orchestrator::{Run, Stall, TimeMode},
    protocol::{ErrorObject, Event, ExecutionArn, ExecutionStatus, Operation, Timestamp, open_work},
    server::ExecutionView,
};
use durawasm_report::{LONGEST_MESSAGE, shortened};

/// The settings of a run, for its report.
pub(super) struct Setup<'a> {
    pub(super) function: &'a str,
    pub(super) time: TimeMode,
    pub(super) seed: Option<u64>,
    pub(super) isolation: Isolation,
    pub(super) in_force: InForce<'a>,
    /// The current time of the execution.
    pub(super) now: Timestamp,
}

/// Prints the report as text. Errors are shortened; the JSON report has all of them.
pub(super) fn print(setup: &Setup<'_>, run: &Run) {
    let view = &run.view;
    match setup.time {
        TimeMode::Skip { .. } => say(format_args!("{}: time skipped, from {}", setup.function, view.start)),
        TimeMode::Real => say(format_args!("{}: real time, from {}", setup.function, view.start)),
    }
    setup.in_force.lines().iter().for_each(say);
    say("");
    if view.operations.len() > 1 {
        table::print(&table::operations(view));
        say("");
    }
    let counts = format!(
        "{} ({}, {})",
        table::elapsed(view, setup.now),
        count(view.invocations.len() as u64, "invocation"),
        count(run.checkpoints, "checkpoint")
    );
    print_outcome(view, &counts);
}

/// Prints the status of an execution, and its result or error. `counts` is how long it took and what it needed.
pub(super) fn print_outcome(view: &ExecutionView, counts: &str) {
    match view.status {
        ExecutionStatus::Succeeded => {
            say(format_args!("SUCCEEDED after {counts}"));
            say(format_args!("result: {}", view.result.as_deref().unwrap_or("null")));
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

/// Prints an error. Of long texts the middle is left out.
pub(super) fn print_error(error: &ErrorObject) {
    let short = |text: &str| shortened(text, LONGEST_MESSAGE);
    say(format_args!("error: {}", short(&error.to_string())));
    if let Some(data) = &error.error_data {
        say(format_args!("  data: {}", short(data)));
    }
    for frame in error.stack_trace.iter().take(10) {
        say(format_args!("  at {}", short(frame)));
    }
}

/// The report as JSON. With time skipping and a seed, it is the same in every run.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report<'a> {
    function: &'a str,
    execution_arn: &'a ExecutionArn,
    status: ExecutionStatus,
    /// As the handler wrote it, with every digit of its numbers.
    result: Option<Box<RawValue>>,
    error: Option<&'a ErrorObject>,
    stalled_on: Option<Vec<String>>,
    skip_time: bool,
    seed: Option<u64>,
    isolation: Isolation,
    #[serde(flatten)]
    in_force: InForceJson<'a>,
    start_timestamp: Timestamp,
    end_timestamp: Option<Timestamp>,
    invocations: usize,
    checkpoints: u64,
    operations: &'a [Arc<Operation>],
    events: &'a [Arc<Event>],
}

impl<'a> Report<'a> {
    /// The report of a run.
    pub(super) fn new(setup: &'a Setup<'a>, run: &'a Run) -> Self {
        let view = &run.view;
        let stalled = |stall: &Stall| stall.what.iter().map(ToString::to_string).collect();
        Self {
            function: setup.function,
            execution_arn: &view.arn,
            status: view.status,
            result: view.result.as_deref().and_then(raw),
            error: view.error.as_ref(),
            stalled_on: run.stall.as_ref().map(stalled),
            skip_time: matches!(setup.time, TimeMode::Skip { .. }),
            seed: setup.seed,
            isolation: setup.isolation,
            in_force: setup.in_force.json(),
            start_timestamp: view.start,
            end_timestamp: view.end,
            invocations: view.invocations.len(),
            checkpoints: run.checkpoints,
            operations: &view.operations,
            events: &view.events,
        }
    }
}

/// JSON text unchanged; other text as a JSON string.
pub(super) fn raw(text: &str) -> Option<Box<RawValue>> {
    let json = serde_json::from_str(text);
    json.or_else(|_| serde_json::value::to_raw_value(text)).ok()
}

/// The error of an interrupted run: what it waits for, and how to continue.
pub(super) fn interrupted(skip_time: bool, run: &Run, store: Option<&Path>) -> Failure {
    let waits = open_work(run.view.operations.iter().map(|operation| &**operation));
    let waits =
        if waits.is_empty() { String::new() } else { format!(", and it waits for {}", waits.join(", ")) };
    let faster = if skip_time { "" } else { "; with --skip-time it does not wait" };
    let next = store.map_or_else(
        || format!("Nothing of it is kept: the same command begins anew{faster}"),
        |store| format!("It is kept in {}: the same command continues it", store.display()),
    );
    let error = anyhow!("interrupted: the execution is {}{waits}. {next}", run.view.status);
    Failure { exit: Exit::Interrupted, error }
}

/// A number and what is counted.
pub(super) fn count(number: u64, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}
