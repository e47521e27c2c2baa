//! Runs one case and judges its outcome.
//!
//! Invariants: the verdict depends only on the case and on what its place tells of the execution. Log lines that a
//! place does not tell are not judged.

use std::time::Duration;

use durawasm_core::orchestrator::Run;
use serde_json::Value;

use super::{
    Case, Config, Verdict,
    case::ExpectedResult,
    compare::{Keys, compare, parsed},
    history, logs,
    place::{Executed, Place, Ran},
    template::Bindings,
};

/// The maximum number of lines of a history, and of a log, in an explanation.
const SHOWN: usize = 200;

/// Runs a case, within `limit` of real time. Returns its verdict and the explanation.
pub(super) async fn run(
    case: &Case,
    place: &dyn Place,
    config: &Config,
    limit: Duration,
) -> (Verdict, Vec<String>) {
    match place.execute(case, config, limit).await {
        Err(error) => (Verdict::Failed, vec![format!("it could not be run: {error}")]),
        Ok(Executed::Late) => {
            let seconds = limit.as_secs_f64();
            (Verdict::Failed, vec![format!("it was not over after {seconds} s of real time")])
        }
        Ok(Executed::NoHandler) => {
            let handler = format!("{} has no handler of the name {}", place.name(), case.id);
            (Verdict::NotImplemented, vec![handler])
        }
        Ok(Executed::Ran(ran)) => {
            let explanation = judge(case, &ran, place.tells_log());
            (if explanation.is_empty() { Verdict::Passed } else { Verdict::Failed }, explanation)
        }
    }
}

/// The differences from the expectations, then the history and the log. Empty if there are no differences.
fn judge(case: &Case, Ran { run, log }: &Ran, tells_log: bool) -> Vec<String> {
    let mut bindings = case.bindings.clone();
    let records = logs::records(log, &run.view);
    let mut lines = history::check(&case.history, &history::as_json(&run.view.events), &mut bindings);
    if let Some(expected) = &case.result {
        lines.extend(check_result(expected, run, &mut bindings));
    }
    if tells_log {
        lines.extend(logs::check(&case.logs, &records, &mut bindings));
    }
    if lines.is_empty() {
        return lines;
    }
    lines.push("history (-: expected and missing, +: there instead):".to_owned());
    lines.extend(indented(history::show(&case.history, &run.view.events)));
    if tells_log && !case.logs.is_empty() {
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
        server::ExecutionView,
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
