//! What an endpoint says of an execution, as text and as JSON.

use std::sync::Arc;

use durawasm_client::{Client, Execution, Followed};
use durawasm_core::{
    ambient::{Clock, SystemClock},
    protocol::{
        ErrorObject, Event, ExecutionArn, Operation, OperationStatus, OperationType, Timestamp, open_work,
    },
    server::ExecutionView,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::endpoint::failed;
use crate::{
    exit::{Exit, Failure},
    output::{JsonList, note, say, say_json},
    report::{count, print_error, print_outcome, raw},
    table,
};

/// `durawasm execution get`
pub(crate) async fn get(client: &Client, arn: &ExecutionArn, json: bool) -> Result<Exit, Failure> {
    let execution = client.execution(arn).await.map_err(failed)?;
    if json {
        say_json(&execution)?;
        return Ok(Exit::Done);
    }
    print(&execution);
    Ok(Exit::Done)
}

fn print(execution: &Execution) {
    let line = |label: &str, value: &dyn std::fmt::Display| say(format_args!("{label:<10} {value}"));
    let time = |label: &str, time: Option<Timestamp>| {
        if let Some(time) = time {
            line(label, &time);
        }
    };
    line("name", &execution.durable_execution_name);
    match execution.durable_execution_arn.parts() {
        Some((function, version, _)) => line("function", &format_args!("{function}:{version}")),
        None => line("function", &execution.function_arn),
    }
    line("arn", &execution.durable_execution_arn);
    line("status", &execution.status);
    time("start", Some(execution.start_timestamp));
    time("end", execution.end_timestamp);
    if execution.status.end().is_none() {
        time("times out", execution.expected_execution_timeout_timestamp);
    }
    if let Some(pause) = &execution.pause_details {
        let timeout = if pause.execution_timeout_paused { "" } else { "; its timeout is not paused" };
        let reason = pause.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        line("pause", &format_args!("requested at {}{timeout}{reason}", pause.pause_request_timestamp));
    }
    line("input", &execution.input_payload.as_deref().unwrap_or("null"));
    if let Some(result) = &execution.result {
        line("result", result);
    }
    if let Some(error) = &execution.error {
        print_error(error);
    }
}

/// `durawasm execution history`
pub(crate) async fn history(client: &Client, arn: ExecutionArn, json: bool) -> Result<Exit, Failure> {
    if json {
        let (mut list, mut added) = (JsonList::default(), Ok(()));
        let told = client.each_event(&arn, |event| {
            if added.is_ok() {
                added = list.add(&event);
            }
        });
        told.await.map_err(failed)?;
        added?;
        list.end();
        return Ok(Exit::Done);
    }
    let mut followed = Followed::new(client.clone(), arn);
    followed.look().await.map_err(failed)?;
    print_followed(&followed);
    Ok(Exit::Done)
}

/// Says that a history was too large to be read to its end.
fn note_cut(followed: &Followed) {
    if followed.is_cut() {
        note(format_args!(
            "the history of {} is larger than 256 MiB: only the operations at its beginning are shown; `durawasm \
             execution history --json` writes all events",
            followed.arn()
        ));
    }
}

/// Prints the operations of an execution, its status, and its result or its error or what it waits for.
pub(crate) fn print_followed(followed: &Followed) {
    let (Some(execution), Some(view)) = (followed.execution(), followed.view()) else { return };
    note_cut(followed);
    if view.operations.len() > 1 {
        table::print(&table::operations(&view));
        say("");
    }
    let elapsed = table::elapsed(&view, SystemClock::new().now());
    let invocations = count(view.invocations.len() as u64, "invocation");
    if execution.status.end().is_some() {
        print_outcome(&view, &format!("{elapsed} ({invocations})"));
        return;
    }
    say(format_args!("{} after {elapsed} ({invocations})", execution.status));
    let waits = open_work(view.operations.iter().map(|operation| &**operation));
    if !waits.is_empty() {
        say(format_args!("waits for {}", waits.join(", ")));
    }
    for (name, id) in open_callbacks(&view) {
        say(format_args!("callback {name}: {id}"));
    }
}

/// The callbacks that can be answered: their names, or those of their contexts, and their ids.
fn open_callbacks(view: &ExecutionView) -> impl Iterator<Item = (&str, &str)> {
    let named = |operation: &Operation| {
        let parent = operation.parent_id.as_ref()?;
        view.operations.iter().find(|other| other.id == *parent)?.name.as_deref()
    };
    view.operations.iter().filter_map(move |operation| {
        let is_open =
            operation.kind == OperationType::Callback && operation.status == OperationStatus::Started;
        let id = operation.callback_details.as_ref()?.callback_id.as_ref()?.as_str();
        let name = operation.name.as_deref().or_else(|| named(operation)).unwrap_or("-");
        is_open.then_some((name, id))
    })
}

/// An execution that was waited for, as JSON: the members of `run --json` that an endpoint tells.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    function: Option<&'a str>,
    execution_arn: &'a ExecutionArn,
    status: &'a str,
    result: Option<Box<RawValue>>,
    error: Option<&'a ErrorObject>,
    start_timestamp: Timestamp,
    end_timestamp: Option<Timestamp>,
    invocations: usize,
    /// Whether operations and events are all that there are.
    complete: bool,
    operations: &'a [Arc<Operation>],
    events: &'a [Arc<Event>],
}

/// Prints an execution that was waited for as JSON.
pub(crate) fn say_report(followed: &Followed) -> Result<(), Failure> {
    let (Some(execution), Some(view)) = (followed.execution(), followed.view()) else { return Ok(()) };
    note_cut(followed);
    say_json(&Report {
        function: view.arn.parts().map(|(function, ..)| function),
        execution_arn: &view.arn,
        status: execution.status.as_str(),
        result: view.result.as_deref().and_then(raw),
        error: view.error.as_ref(),
        start_timestamp: view.start,
        end_timestamp: view.end,
        invocations: view.invocations.len(),
        complete: !followed.is_cut(),
        operations: &view.operations,
        events: &view.events,
    })
}
