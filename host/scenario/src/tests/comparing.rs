//! Compares executions with expectations: each test checks the reported mismatches.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{Expectation, Mismatch, compare::compare};
use durawasm_core::{
    invocation::{LogLevel, LogLine, LogSource},
    orchestrator::{Run, Stall},
    protocol::{
        ErrorObject, ExecutionStatus, Operation, OperationStatus, OperationType, StepDetails, Timestamp,
    },
    server::{ExecutionView, InvocationView, PendingExternal},
};

const START: Timestamp = Timestamp::Y2025;

fn operation(id: &str, kind: OperationType, name: &str, parent: Option<&str>) -> Operation {
    Operation {
        name: (!name.is_empty()).then(|| name.into()),
        parent_id: parent.map(Into::into),
        status: OperationStatus::Succeeded,
        end_timestamp: Some(START.plus_seconds(60)),
        ..Operation::new(id.into(), kind, START)
    }
}

/// A step `take`, a context `ask` with a callback in it, and a step `give` that failed.
fn run(status: ExecutionStatus, result: Option<&str>, error: Option<ErrorObject>) -> Run {
    let steps = |attempt, result: Option<&str>, error| {
        Some(StepDetails { attempt, result: result.map(Into::into), error, next_attempt_timestamp: None })
    };
    let take = Operation {
        step_details: steps(3, Some("{\"n\":1}"), None),
        ..operation("1", OperationType::Step, "take", None)
    };
    let ask = Operation {
        sub_type: Some("WaitForCallback".into()),
        ..operation("2", OperationType::Context, "ask", None)
    };
    let give = Operation {
        status: OperationStatus::Failed,
        step_details: steps(1, None, Some(ErrorObject::new("Sold", "all is sold out"))),
        ..operation("4", OperationType::Step, "give", None)
    };
    let all = [
        operation("0", OperationType::Execution, "", None),
        take,
        ask,
        operation("3", OperationType::Callback, "", Some("2")),
        give,
    ];
    let invocation = InvocationView { request_id: "r".into(), start: START, end: None, error: None };
    let view = ExecutionView {
        arn: "arn".into(),
        status,
        result: result.map(Into::into),
        error,
        input: None,
        operations: all.into_iter().map(Arc::new).collect(),
        events: Vec::new(),
        invocations: vec![invocation; 2],
        start: START,
        end: Some(START.plus_seconds(90)),
        checkpoints: 0,
    };
    Run { view, stall: None, checkpoints: 0 }
}

fn log() -> Vec<LogLine> {
    vec![LogLine {
        time: START,
        level: LogLevel::Info,
        source: LogSource::Log,
        message: "done".to_owned(),
        fields: vec![("n".to_owned(), "1".to_owned()), ("why".to_owned(), "it is so".to_owned())],
        operation: None,
        replayed: false,
        execution: "arn".into(),
        invocation_id: "r".into(),
    }]
}

fn mismatches(expect: &Value, run: &Run) -> Vec<Mismatch> {
    let expect: Expectation = serde_json::from_value(expect.clone()).unwrap();
    compare(&expect, run, run.view.end.unwrap_or(run.view.start), &log())
}

/// The mismatches as `what: message`.
fn mismatch_lines(expect: &Value, run: &Run) -> Vec<String> {
    mismatches(expect, run).iter().map(|m| format!("{}: {}", m.what, m.message)).collect()
}

#[test]
fn what_a_success_is_held_against() {
    let run = run(ExecutionStatus::Succeeded, Some("{\"a\":1,\"b\":[2,3]}"), None);
    let cases: Vec<(Value, &[&str])> = vec![
        (json!({}), &[]),
        (json!({ "result": { "b": [2.0, 3], "a": 1 } }), &[]),
        (json!({ "result": { "a": 1 } }), &["result: differs (- expected, + found)"]),
        (json!({ "result": 3 }), &["result: differs (- expected, + found)"]),
        (json!({ "result_includes": { "b": [2, 3] } }), &[]),
        (
            json!({ "result_includes": { "b": [2, 4] } }),
            &["result_includes: result.b[1]: expected 4, found 3"],
        ),
        (json!({ "result_includes": { "b": [2], "c": 1 } }), &["result_includes: 2 places differ"]),
        (json!({ "status": "FAILED" }), &["status: expected FAILED, found SUCCEEDED"]),
        (json!({ "error": {} }), &["status: expected FAILED, found SUCCEEDED"]),
        (json!({ "waiting_for": ["ask"] }), &["status: expected RUNNING, found SUCCEEDED"]),
        (json!({ "invocations": 2, "duration": "1m 30s" }), &[]),
        (
            json!({ "invocations": 3, "duration": "1m" }),
            &["invocations: expected 3, found 2", "duration: expected 1m, found 1m 30s"],
        ),
        (json!({ "log": ["done n=1", "why=\"it is so\""] }), &[]),
        (json!({ "log": ["do", "undone"] }), &["log: expected a line with \"undone\", found none"]),
        (
            json!({ "operations_absent": ["taken", "give"] }),
            &["operations_absent: expected no operation \"give\", found give STEP FAILED attempts 1"],
        ),
    ];
    for (expect, says) in cases {
        assert_eq!(mismatch_lines(&expect, &run), says, "{expect}");
    }
}

#[test]
fn operations_in_order_among_others() {
    let run = run(ExecutionStatus::Succeeded, None, None);
    let cases: Vec<(Value, Option<&str>)> = vec![
        (json!([]), None),
        (json!([{}, {}, {}, {}]), None),
        (json!([{ "name": "take" }, { "name": "give" }]), None),
        (json!([{ "type": "STEP" }, { "type": "STEP" }]), None),
        (
            json!([{ "name": "take", "type": "STEP", "status": "SUCCEEDED", "attempts": 3, "result": { "n": 1.0 } }]),
            None,
        ),
        (json!([{ "sub_type": "WaitForCallback" }, { "type": "CALLBACK", "parent": "ask" }]), None),
        (json!([{ "name": "give", "error": { "type": "Sold", "message": "sold out" } }]), None),
        (
            json!([{}, {}, {}, {}, {}]),
            Some("expected any after \"give\", found none (number 5 of those expected)"),
        ),
        (
            json!([{ "name": "give" }, { "name": "take" }]),
            Some("expected take after \"give\", found none (number 2 of those expected)"),
        ),
        (json!([{ "name": "tke" }]), Some("expected tke, found none (number 1 of those expected)")),
        (json!([{ "name": "take", "attempts": 2 }]), Some("\"take\": attempts: expected 2, found 3")),
        (json!([{ "name": "ask", "attempts": 1 }]), Some("\"ask\": attempts: expected 1, found none")),
        (
            json!([{ "name": "take", "status": "FAILED", "type": "WAIT" }]),
            Some("\"take\": type: expected WAIT, found STEP, status: expected FAILED, found SUCCEEDED"),
        ),
        (json!([{ "name": "take", "result": 3 }]), Some("\"take\": result: expected 3, found {\"n\":1}")),
        (json!([{ "name": "ask", "result": null }]), Some("\"ask\": result: expected null, found none")),
        (
            json!([{ "name": "take", "parent": "ask" }]),
            Some("\"take\": parent: expected \"ask\", found none"),
        ),
        (
            json!([{ "name": "ask", "sub_type": "Map" }]),
            Some("\"ask\": sub_type: expected Map, found WaitForCallback"),
        ),
        (json!([{ "name": "take", "error": {} }]), Some("\"take\": error expected, found none")),
        (
            json!([{ "name": "give", "error": { "type": "Bad", "message": "x" } }]),
            Some(
                "\"give\": error type: expected \"Bad\", found \"Sold\", error message: expected \"x\" in it, found \"all is sold out\"",
            ),
        ),
    ];
    for (operations, says) in cases {
        let mismatch_lines = mismatch_lines(&json!({ "operations": operations }), &run);
        let says: Vec<_> = says.iter().map(|says| format!("operations: {says}")).collect();
        assert_eq!(mismatch_lines, says, "{operations}");
    }
    let details = |operations| mismatches(&json!({ "operations": operations }), &run).remove(0).details;
    assert_eq!(details(json!([{ "name": "tke" }])), ["no operation is named \"tke\"; did you mean `take`?"]);
    assert_eq!(
        details(json!([{ "name": "give" }, { "name": "take" }])),
        ["there is one before: take STEP SUCCEEDED attempts 3"]
    );
    assert_eq!(
        details(json!([{ "type": "STEP", "attempts": 2 }])),
        ["\"take\": attempts: expected 2, found 3", "\"give\": attempts: expected 2, found 1",]
    );
}

#[test]
fn operations_that_are_all() {
    let run = run(ExecutionStatus::Succeeded, None, None);
    let exactly = |operations: Value| {
        mismatches(&json!({ "operations": operations, "operations_exactly": true }), &run).pop()
    };
    assert_eq!(exactly(json!([{ "name": "take" }, {}, { "type": "CALLBACK" }, { "name": "give" }])), None);

    let one = exactly(json!([{ "name": "take", "attempts": 1 }, {}, {}, {}])).unwrap();
    assert_eq!(one.message, "\"take\": attempts: expected 1, found 3");

    let several = exactly(json!([{ "name": "take" }, { "name": "look" }, { "name": "give" }])).unwrap();
    assert_eq!(several.message, "expected exactly 3, found 4 (- expected, + found)");
    assert_eq!(
        several.details,
        [
            "  take STEP SUCCEEDED attempts 3",
            "- look",
            "+ ask CONTEXT WaitForCallback SUCCEEDED",
            "+ - CALLBACK SUCCEEDED",
            "  give STEP FAILED attempts 1",
        ]
    );

    let none = exactly(json!([])).unwrap();
    assert_eq!(
        (none.message.as_str(), none.details.len()),
        ("expected exactly 0, found 4 (- expected, + found)", 4)
    );
    let more = exactly(json!([{}, {}, {}, {}, { "name": "more" }])).unwrap();
    assert_eq!(more.details.last().unwrap(), "- more");
}

#[test]
fn what_a_failure_is_held_against() {
    let error = ErrorObject {
        error_data: Some("{\"code\": 7}".to_owned()),
        stack_trace: vec!["the bottom".to_owned()],
        ..ErrorObject::new("Sold", "all is sold out")
    };
    let failed = run(ExecutionStatus::Failed, None, Some(error));
    let cases: Vec<(Value, &[&str])> = vec![
        (json!({ "error": {} }), &[]),
        (json!({ "status": "FAILED" }), &[]),
        (json!({ "error": { "type": "Sold", "message": "sold", "data": { "code": 7 } } }), &[]),
        (json!({ "error": { "data": "{\"code\": 7}" } }), &[]),
        (json!({ "error": { "type": "sold" } }), &["error: type: expected \"sold\", found \"Sold\""]),
        (
            json!({ "error": { "message": "lost", "data": 7 } }),
            &[
                "error: message: expected \"lost\" in it, found \"all is sold out\"; data: expected \"7\", found \"{\\\"code\\\": 7}\"",
            ],
        ),
        (
            json!({ "error": {}, "status": "TIMED_OUT" }),
            &["status: expected TIMED_OUT, found FAILED: Sold: all is sold out"],
        ),
        (json!({ "result": 1 }), &["status: expected SUCCEEDED, found FAILED: Sold: all is sold out"]),
    ];
    for (expect, says) in cases {
        assert_eq!(mismatch_lines(&expect, &failed), says, "{expect}");
    }
    let details = mismatches(&json!({}), &failed).remove(0).details;
    assert_eq!(details, ["at the bottom"]);
}

#[test]
fn what_waits_is_no_success_unless_it_is_to_wait() {
    let callback =
        |name: &str| PendingExternal::Callback { name: Some(name.into()), callback_id: "id".into() };
    let stall = Stall { what: vec![callback("b"), callback("a")] };
    let stalled = Run { stall: Some(stall), ..run(ExecutionStatus::Running, None, None) };
    let cases: Vec<(Value, &[&str])> = vec![
        (json!({ "status": "RUNNING" }), &[]),
        (json!({ "waiting_for": ["a", "b"] }), &[]),
        (json!({ "waiting_for": ["a"] }), &["waiting_for: expected a, found a, b"]),
        (json!({ "waiting_for": [] }), &["waiting_for: expected nothing, found a, b"]),
        (
            json!({}),
            &[
                "status: expected SUCCEEDED, found RUNNING: it waits for callback \"b\" and callback \"a\", and nothing answers it",
            ],
        ),
    ];
    for (expect, says) in cases {
        assert_eq!(mismatch_lines(&expect, &stalled), says, "{expect}");
    }
}
