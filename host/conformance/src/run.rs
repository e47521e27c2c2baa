//! Runs one case and judges its outcome.
//!
//! Invariants: a case has its own environment, with its own time, server and scratch directories; the same case with
//! the same component has the same outcome.

use std::{sync::Arc, time::Duration};

use durawasm_core::{
    invocation::{LogBuffer, LogLine},
    orchestrator::{Environment, EnvironmentOptions, Run},
    server::{AnswerOrder, ExecutionView, StartExecution},
};
use durawasm_sandbox::Handler;
use serde_json::Value;

use super::{
    Case, Config, Verdict,
    case::ExpectedResult,
    compare::{Keys, compare, parsed},
    history, logs,
    template::Bindings,
};

/// The maximum number of lines of a history, and of a log, in an explanation.
const SHOWN: usize = 200;

/// Runs a case. Returns its verdict and the explanation.
pub(super) async fn run(
    case: &Case,
    component: &Handler,
    config: &Config,
    limit: Duration,
) -> (Verdict, Vec<String>) {
    match tokio::time::timeout(limit, execute(case, component, config)).await {
        Err(_) => {
            let seconds = limit.as_secs_f64();
            (Verdict::Failed, vec![format!("it was not over after {seconds} s of real time")])
        }
        Ok(Err(error)) => (Verdict::Failed, vec![format!("it could not be run: {error}")]),
        Ok(Ok(None)) => {
            let handler = format!("the component has no handler of the name {}", case.id);
            (Verdict::NotImplemented, vec![handler])
        }
        Ok(Ok(Some((run, log)))) => {
            let explanation = judge(case, &run, &log);
            (if explanation.is_empty() { Verdict::Passed } else { Verdict::Failed }, explanation)
        }
    }
}

/// Runs the execution as far as it gets; `None` if there is no such handler.
async fn execute(
    case: &Case,
    component: &Handler,
    config: &Config,
) -> Result<Option<(Run, Vec<LogLine>)>, Box<dyn std::error::Error>> {
    let log = Arc::new(LogBuffer::default());
    let options = EnvironmentOptions { grants: config.grants(), ..EnvironmentOptions::default() };
    let environment = Environment::new(options, std::slice::from_ref(component), log.clone()).await?;
    let name = case.id.as_str();
    if !environment.functions().iter().any(|function| &*function.name == name) {
        return Ok(None);
    }
    let mut start = StartExecution::new(name, Some(case.input.clone()));
    start.answers.clone_from(&case.answers);
    start.answer_order = AnswerOrder::InTurn;
    let run = if case.result.is_some() || case.history.is_empty() {
        environment.run(start).await?
    } else {
        // A case that expects a running execution is judged as soon as the last expected event exists.
        let last = case.last_event();
        environment.run_until(start, &|view: &ExecutionView| view.events.len() as u64 >= last).await?
    };
    Ok(Some((run, log.take())))
}

/// The differences from the expectations, then the history and the log. Empty if there are no differences.
fn judge(case: &Case, run: &Run, log: &[LogLine]) -> Vec<String> {
    let mut bindings = case.bindings.clone();
    let records = logs::records(log, &run.view);
    let mut lines = history::check(&case.history, &history::as_json(&run.view.events), &mut bindings);
    if let Some(expected) = &case.result {
        lines.extend(check_result(expected, run, &mut bindings));
    }
    lines.extend(logs::check(&case.logs, &records, &mut bindings));
    if lines.is_empty() {
        return lines;
    }
    lines.push("history (-: expected and missing, +: there instead):".to_owned());
    lines.extend(indented(history::show(&case.history, &run.view.events)));
    if !case.logs.is_empty() {
        lines.push("log:".to_owned());
        lines.extend(indented(logs::show_records(&records)));
    }
    lines
}

fn indented(lines: Vec<String>) -> impl Iterator<Item = String> {
    let more = lines.len().saturating_sub(SHOWN);
    let more = (more > 0).then(|| format!("  ... and {more} more"));
    lines
        .into_iter()
        .take(SHOWN)
        .map(|line| format!("  {}", line.replace('\n', "\n            ")))
        .chain(more)
}

/// Checks the status, and the result of an execution that succeeded.
fn check_result(expected: &ExpectedResult, run: &Run, bindings: &mut Bindings) -> Vec<String> {
    let view = &run.view;
    let status = Value::String(view.status.as_str().to_owned());
    let wanted = Value::String(expected.execution_status.clone());
    if let Some(difference) = compare(&wanted, Some(&status), Keys::Exactly, bindings).first() {
        let why = view.error.as_ref().map(|error| format!(": {error}"));
        let stall = run.stall.as_ref().map(|what| format!(": it waits for {what}, which nothing answers"));
        return vec![format!("status: {difference}{}", why.or(stall).unwrap_or_default())];
    }
    let Some(wanted) = expected.result.as_ref().filter(|_| view.status.as_str() == "SUCCEEDED") else {
        return Vec::new();
    };
    let text = view.result.as_deref().unwrap_or("null");
    let result = parsed(text).unwrap_or_else(|| Value::String(text.to_owned()));
    let differences = compare(wanted, Some(&result), Keys::Exactly, bindings);
    differences.iter().map(|difference| format!("result: {difference}")).collect()
}

#[cfg(test)]
mod tests {
    use durawasm_core::{
        orchestrator::Stall,
        protocol::{ErrorObject, ExecutionStatus, Timestamp},
    };
    use serde_json::json;

    use super::*;

    fn ended(status: ExecutionStatus, result: Option<&str>) -> Run {
        let view = ExecutionView {
            arn: "arn:1".into(),
            status,
            result: result.map(Into::into),
            error: (status == ExecutionStatus::Failed).then(|| ErrorObject::new("Broken", "for a reason")),
            input: None,
            operations: Vec::new(),
            events: Vec::new(),
            invocations: Vec::new(),
            start: Timestamp::Y2025,
            end: None,
            checkpoints: 0,
        };
        let stall = (status == ExecutionStatus::Running).then(|| Stall { what: Vec::new() });
        Run { view, stall, checkpoints: 0 }
    }

    #[test]
    fn the_result_counts_if_it_succeeded() {
        use ExecutionStatus::{Failed, Running, Succeeded};
        let mut bindings = Bindings::default();
        bindings.bind("X", json!("x"));
        for (wanted, result, status, actual, finding) in [
            ("SUCCEEDED", None, Succeeded, Some("1"), ""),
            ("SUCCEEDED", Some(json!("Hello, ${X}!")), Succeeded, Some("\"Hello, x!\""), ""),
            ("SUCCEEDED", Some(json!("\"X\"")), Succeeded, Some("\"\\\"X\\\"\""), ""),
            (
                "SUCCEEDED",
                Some(json!("X")),
                Succeeded,
                Some("\"\\\"X\\\"\""),
                "result: expected \"X\", found \"\\\"X\\\"\"",
            ),
            ("SUCCEEDED", Some(json!(20)), Succeeded, Some("20.0"), ""),
            ("SUCCEEDED", Some(json!(20)), Succeeded, Some("\"20\""), "result: expected 20, found \"20\""),
            (
                "SUCCEEDED",
                Some(json!(1e300)),
                Succeeded,
                Some("1000000000000000000001"),
                "result: expected 1e+300, found \"1000000000000000000001\"",
            ),
            (
                "SUCCEEDED",
                Some(json!({"a": 1})),
                Succeeded,
                Some("{\"a\":1,\"b\":2}"),
                "result: b: expected nothing, found 2",
            ),
            ("SUCCEEDED", Some(json!([])), Succeeded, Some("[1]"), "result: 0: expected nothing, found 1"),
            ("SUCCEEDED", Some(json!("raw")), Succeeded, Some("raw"), ""),
            ("SUCCEEDED", Some(json!(null)), Succeeded, None, ""),
            ("FAILED", Some(json!("ignored")), Failed, None, ""),
            (
                "SUCCEEDED",
                None,
                Failed,
                None,
                "status: expected \"SUCCEEDED\", found \"FAILED\": Broken: for a reason",
            ),
            ("FAILED", None, Succeeded, None, "status: expected \"FAILED\", found \"SUCCEEDED\""),
            (
                "SUCCEEDED",
                None,
                Running,
                None,
                "status: expected \"SUCCEEDED\", found \"RUNNING\": it waits for , which nothing answers",
            ),
        ] {
            let expected = ExpectedResult { execution_status: wanted.to_owned(), result };
            let found = check_result(&expected, &ended(status, actual), &mut bindings.clone());
            assert_eq!(found.join("|"), finding);
        }
    }
}
