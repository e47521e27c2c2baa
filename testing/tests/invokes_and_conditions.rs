//! Chained invokes, conditions and retried blocks: compiled handlers, in the sandbox, in virtual time.

use std::{fs, sync::Arc, time::Duration};

use crate::common::{error, handler, history, random_cases, value};
use durawasm_core::{
    invocation::LogBuffer,
    orchestrator::{Environment, EnvironmentOptions, FunctionGrants},
    server::StartExecution,
};
use durawasm_sandbox::{Handler, Sandbox, SandboxOptions};
use durawasm_testing::{Disturbance, ExecutionStatus, LocalDurableTestRunner, OperationStatus, TestResult};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Runs a handler without faults, and with a replay at every checkpoint. Both must give the same result.
async fn run(function: &str, event: &Value) -> TestResult {
    let plain = handler(function).run(event).await.unwrap();
    let replayed = handler(function).disturb(Disturbance::ReplayAtEveryCheckpoint).run(event).await.unwrap();
    let why = replayed.get_error();
    assert_eq!(replayed.get_status(), plain.get_status(), "{function} {event} {why:?}");
    assert_eq!(history(&replayed), history(&plain), "{function} {event}");
    let lines = |result: &TestResult| -> Vec<String> {
        result.get_log().iter().map(|line| line.message.clone()).collect()
    };
    assert_eq!(lines(&replayed), lines(&plain), "{function} {event}");
    plain
}

fn names(result: &TestResult) -> Vec<&str> {
    result.get_operations().iter().filter_map(|operation| operation.name.as_deref()).collect()
}

#[tokio::test]
async fn a_durable_function_is_invoked_and_its_result_comes_back() {
    let event = json!({"function": "two_steps_and_wait", "payload": 60});
    let result = run("invokes", &event).await;
    assert_eq!(value(&result), json!({"result": [1, 2]}));
    assert_eq!(
        history(&result),
        [
            "ExecutionStarted +0",
            "ChainedInvokeStarted call +0",
            "InvocationCompleted +0",
            "ChainedInvokeSucceeded call +60",
            "WaitStarted after +60",
            "InvocationCompleted +60",
            "WaitSucceeded after +61",
            "InvocationCompleted +61",
            "ExecutionSucceeded +61",
        ]
    );
    let started = serde_json::to_value(result.get_history_events()[1].as_ref()).unwrap();
    let details = &started["ChainedInvokeStartedDetails"];
    assert_eq!(
        (&details["FunctionName"], &details["Input"]["Payload"]),
        (&json!("two_steps_and_wait"), &json!("60"))
    );
    assert!(details["DurableExecutionArn"].as_str().unwrap().contains(":function:two_steps_and_wait:"));
}

#[tokio::test]
async fn a_target_may_take_too_long_or_wait_for_what_never_comes() {
    let slow = json!({"function": "two_steps_and_wait", "payload": 60});
    let runner = handler("invokes").target_timeout("two_steps_and_wait", Duration::from_secs(10));
    let result = runner.run(&slow).await.unwrap();
    assert_eq!(value(&result)["status"], json!("TIMED_OUT"), "{}", value(&result));
    assert!(
        history(&result).contains(&"ChainedInvokeTimedOut call +10".to_owned()),
        "{:#?}",
        history(&result)
    );
    let enough = handler("invokes").target_timeout("two_steps_and_wait", Duration::from_secs(61));
    assert_eq!(value(&enough.run(&slow).await.unwrap()), json!({"result": [1, 2]}));
    let stuck = json!({"function": "callback", "payload": {"name": "c", "timeout": 0, "heartbeat": 0}});
    let result = handler("invokes").run(&stuck).await.unwrap();
    assert_eq!(value(&result)["status"], json!("STOPPED"), "{}", value(&result));
}

#[tokio::test]
async fn a_chain_of_invocations_may_be_long_but_not_endless() {
    let result = handler("counts_down").run(90).await.unwrap();
    assert_eq!(value(&result), json!(91));
    let result = handler("counts_down").run(1_000_000).await.unwrap();
    let (_, message) = error(&result);
    assert!(message.contains("the chain of invocations has no end"), "{message}");
}

#[tokio::test]
async fn a_plain_function_is_invoked_too() {
    for (function, payload, result) in
        [("plain", json!(41), json!(42)), ("plain_async", json!("abc"), json!("cba"))]
    {
        let event = json!({"function": function, "payload": payload});
        let ran = run("invokes", &event).await;
        assert_eq!(value(&ran), json!({ "result": result }), "{function}");
        let call = ran.get_operation("call").unwrap();
        assert_eq!(
            (call.status, call.sub_type.as_deref()),
            (OperationStatus::Succeeded, Some("ChainedInvoke"))
        );
    }
}

#[tokio::test]
async fn a_target_that_does_not_succeed_is_told_by_its_kind_and_its_status() {
    let cases = [
        (json!({"function": "typed_failure", "payload": 7}), "failed", "FAILED", "PaymentDeclined", "code 7"),
        (json!({"function": "plain", "payload": i64::MAX}), "failed", "FAILED", "HandlerError", "too large"),
        (json!({"function": "plain", "payload": "text"}), "failed", "FAILED", "InvalidEvent", "invalid type"),
        (
            json!({"function": "nobody", "payload": null}),
            "not found",
            "FAILED",
            "ResourceNotFoundException",
            "nobody",
        ),
        (json!({"function": "callback", "payload": {"name": "c"}}), "failed", "STOPPED", "Stalled", "answer"),
        (json!({"function": "panics", "payload": null}), "failed", "FAILED", "Runtime.ExitError", ""),
    ];
    for (event, kind, status, error_type, text) in cases {
        let result = run("invokes", &event).await;
        let told = value(&result);
        assert_eq!((&told["kind"], &told["status"]), (&json!(kind), &json!(status)), "{event} {told}");
        assert_eq!(told["type"], json!(error_type), "{event} {told}");
        assert!(told["text"].as_str().unwrap().contains(text), "{event} {told}");
        let call = result.get_operation("call").unwrap();
        assert_eq!(serde_json::to_value(call.status).unwrap(), json!(status), "the history says the same");
    }
}

#[tokio::test]
async fn a_failure_that_nobody_handles_fails_the_caller_with_its_type() {
    let result = run("invokes_or_fails", &json!({"function": "typed_failure", "payload": 3})).await;
    assert_eq!(result.get_status(), ExecutionStatus::Failed);
    let (kind, message) = error(&result);
    assert_eq!(kind, "PaymentDeclined");
    assert!(message.starts_with("operation error: invoke: function failed: "), "{message}");
}

#[tokio::test]
async fn what_cannot_be_invoked_is_an_error_of_the_call() {
    let nameless = run("invokes_or_fails", &json!({"function": "", "payload": null})).await;
    assert_eq!(error(&nameless).0, "InvalidArgumentError", "{:?}", error(&nameless));
    assert!(nameless.get_operations().is_empty(), "{:?}", names(&nameless));

    let unquotable = run("invokes_in_own_format", &json!("")).await;
    let (kind, message) = error(&unquotable);
    assert_eq!(kind, "InvokeError");
    assert!(message.contains("serialization failed: payload serdes: there is nothing to quote"), "{message}");
    assert!(unquotable.get_operations().is_empty(), "{:?}", names(&unquotable));
}

#[tokio::test]
async fn payload_and_result_may_have_formats_of_their_own() {
    let result = run("invokes_in_own_format", &json!("ab1")).await;
    assert_eq!(value(&result), json!(["b", "a"]));
    let started = serde_json::to_value(result.get_history_events()[1].as_ref()).unwrap();
    assert_eq!(started["ChainedInvokeStartedDetails"]["Input"]["Payload"], json!("\"<ab1>\""));
}

#[tokio::test]
async fn a_tenant_is_passed_on() {
    let event = json!({"function": "plain", "payload": 1, "tenant": "blue"});
    let result = run("invokes", &event).await;
    assert_eq!(value(&result), json!({"result": 2}));
    let started = serde_json::to_value(result.get_history_events()[1].as_ref()).unwrap();
    assert_eq!(started["ChainedInvokeStartedDetails"]["TenantId"], json!("blue"));
    let event = json!({"function": "plain", "payload": 1, "tenant": ""});
    assert_eq!(error(&run("invokes", &event).await).0, "InvalidArgumentError");
}

#[tokio::test]
async fn functions_run_at_the_same_time_and_in_each_other() {
    let call = |seconds: u64| json!({"function": "two_steps_and_wait", "payload": seconds});
    let missing = json!({"function": "nobody", "payload": null});
    let result = run("invokes_all", &json!([call(30), missing, call(10)])).await;
    let told = value(&result);
    assert_eq!((&told[0], &told[2]), (&json!({"result": [1, 2]}), &json!({"result": [1, 2]})));
    assert_eq!(told[1]["kind"], json!("not found"));
    assert_eq!(history(&result).last().unwrap(), "ExecutionSucceeded +30", "not one after the other");

    let result = run("counts_down", &json!(4)).await;
    assert_eq!(value(&result), json!(5));
    assert_eq!(history(&result).last().unwrap(), "ExecutionSucceeded +5");
}

#[tokio::test]
async fn a_condition_carries_its_state_from_check_to_check() {
    let result = run("polls", &json!({"needed": 3, "allowed": 9})).await;
    assert_eq!(value(&result), json!([0, 1, 2, 3]));
    assert_eq!(
        history(&result)[1..11],
        [
            "StepStarted poll +0",
            "StepSucceeded poll +0",
            "InvocationCompleted +0",
            "StepStarted poll +10",
            "StepSucceeded poll +10",
            "InvocationCompleted +10",
            "StepStarted poll +30",
            "StepSucceeded poll +30",
            "WaitStarted +30",
            "InvocationCompleted +30",
        ]
    );
    let events = result.get_history_events();
    let payload = |n: usize| {
        let event = serde_json::to_value(events[n].as_ref()).unwrap();
        assert_eq!(event["SubType"], json!("WaitForCondition"));
        let details = event["StepSucceededDetails"].clone();
        (details["Result"]["Payload"].clone(), details["RetryDetails"]["NextAttemptDelaySeconds"].clone())
    };
    assert_eq!(payload(2), (json!("[0,1]"), json!(10)));
    assert_eq!(payload(5), (json!("[0,1,2]"), json!(20)));
    assert_eq!(payload(8), (json!("[0,1,2,3]"), Value::Null));
    let lines: Vec<_> = result.get_log().iter().map(|line| line.message.as_str()).collect();
    assert_eq!(lines, ["check 1", "check 2", "check 3"], "no check runs twice");
}

#[tokio::test]
async fn a_condition_is_given_up_or_fails() {
    let result = run("polls", &json!({"needed": 9, "allowed": 2})).await;
    let exhausted = "WaitForCondition.MaxChecksExceeded";
    assert_eq!(value(&result), json!({"kind": "exhausted", "checks": 2, "type": exhausted}));
    assert_eq!(result.get_operation("poll").unwrap().status, OperationStatus::Failed);
    assert!(history(&result).contains(&"StepFailed poll +10".to_owned()), "{:#?}", history(&result));

    for fails in [1, 3] {
        let result = run("polls", &json!({"needed": 9, "allowed": 9, "fails": fails})).await;
        assert_eq!(value(&result), json!({"kind": "failed", "checks": 0, "type": "Unreachable"}));
        let checks = result.get_log().len();
        assert_eq!(checks, fails, "there is no retry");
    }
}

#[tokio::test]
async fn a_condition_that_is_met_at_once_does_not_suspend() {
    let result = run("polls", &json!({"needed": 0, "allowed": 1})).await;
    assert_eq!(value(&result), json!([0, 1]));
    assert_eq!(result.get_invocations().len(), 2, "the other is for the wait");
}

#[tokio::test]
async fn a_state_may_be_large_but_not_too_large() {
    let result = run("polls_much", &json!(3_000_000)).await;
    assert_eq!(value(&result), json!(3_000_000));
    assert_eq!(history(&result).last().unwrap(), "ExecutionSucceeded +2", "delays are rounded up");
    let result = run("polls_much", &json!(7_000_000)).await;
    let (kind, message) = error(&result);
    assert_eq!(kind, "InvalidArgumentError");
    assert!(message.contains("invalid next: has 7000002 bytes"), "{message}");
    assert_eq!(result.get_operation("poll").unwrap().status, OperationStatus::Failed, "it is on record");
}

#[tokio::test]
async fn a_block_is_repeated_in_contexts_of_its_own() {
    let result = run("block_with_retry", &json!({"from": 20, "attempts": 5})).await;
    // Attempts begin after 0, 11 and 22 seconds.
    assert_eq!(value(&result), json!({"seconds": 22}));
    let expected = [
        "start",
        "block",
        "attempt-1",
        "clock",
        "inner",
        "retry-delay-1",
        "attempt-2",
        "clock",
        "inner",
        "retry-delay-2",
        "attempt-3",
        "clock",
        "inner",
        "done",
    ];
    assert_eq!(names(&result), expected);
    let block = result.get_operation("block").unwrap();
    assert_eq!(
        (block.status, block.sub_type.as_deref()),
        (OperationStatus::Succeeded, Some("RunInChildContext"))
    );
    for (name, status) in [
        ("attempt-1", OperationStatus::Failed),
        ("attempt-2", OperationStatus::Failed),
        ("attempt-3", OperationStatus::Succeeded),
        ("retry-delay-1", OperationStatus::Succeeded),
    ] {
        let operation = result.get_operation(name).unwrap();
        assert_eq!((operation.status, operation.parent_id.as_ref()), (status, Some(&block.id)), "{name}");
    }
    let clocks: std::collections::BTreeSet<_> = result
        .get_operations()
        .iter()
        .filter(|operation| operation.name.as_deref() == Some("clock"))
        .map(|operation| (operation.id.clone(), operation.parent_id.clone()))
        .collect();
    assert_eq!(clocks.len(), 3, "each attempt has its own");
    assert_eq!(history(&result).last().unwrap(), "ExecutionSucceeded +24");
}

#[tokio::test]
async fn a_block_that_never_succeeds_says_how_often_it_was_tried() {
    let result = run("block_with_retry", &json!({"from": 1000, "attempts": 3})).await;
    let told = value(&result);
    let text = told["text"].as_str().unwrap();
    assert!(
        text.contains("retries exhausted after 3 attempts") && text.contains("22 seconds are too early"),
        "{text}"
    );
    assert_eq!(result.get_operation("block").unwrap().status, OperationStatus::Failed);
    assert!(result.get_operation("retry-delay-3").is_none());
}

#[tokio::test]
async fn only_errors_that_are_worth_it_are_retried() {
    let event = |fails_with: &str| json!({"fails_with": fails_with, "retryable": ["Throttled"]});
    let result = run("filtered_retries", &event("Throttled")).await;
    assert_eq!(
        (value(&result), history(&result).last().unwrap().as_str()),
        (json!(2), "ExecutionSucceeded +3")
    );
    let result = run("filtered_retries", &event("Declined")).await;
    assert_eq!((error(&result).0.as_str(), result.get_invocations().len()), ("Declined", 1));
    let event = json!({"fails_with": "once more", "retryable": []});
    assert_eq!(value(&run("filtered_retries", &event).await), json!(2), "the name is a part of the message");
}

/// The component, for an environment that grants directories.
fn component() -> Handler {
    let path = LocalDurableTestRunner::build(concat!(env!("CARGO_MANIFEST_DIR"), "/guests")).unwrap();
    let cache = durawasm_sandbox::default_cache_directory();
    let sandbox = Sandbox::new(SandboxOptions { cache, ..SandboxOptions::default() }).unwrap();
    sandbox.load(&fs::read(path).unwrap()).unwrap()
}

#[tokio::test]
async fn values_are_kept_in_files_and_found_again_by_later_instances() {
    let run = async |bytes: usize, disturbance: Option<Disturbance>| {
        let grants = FunctionGrants { scratch: true, ..FunctionGrants::default() };
        let options = EnvironmentOptions {
            grants,
            disturbances: disturbance.into_iter().collect(),
            seed: Some(0),
            ..EnvironmentOptions::default()
        };
        let environment =
            Environment::new(options, &[component()], Arc::new(LogBuffer::default())).await.unwrap();
        let start = StartExecution::new("keeps_files", Some(bytes.to_string()));
        environment.run(start).await.unwrap().view
    };
    let result = |view: &durawasm_core::server::ExecutionView| -> Value {
        assert_eq!(view.status, ExecutionStatus::Succeeded, "{:?}", view.error);
        serde_json::from_str(view.result.as_deref().unwrap()).unwrap()
    };
    let small = run(100, None).await;
    let large = run(2_000_000, None).await;
    let replayed = run(2_000_000, Some(Disturbance::ReplayAtEveryCheckpoint)).await;
    assert_eq!(result(&small)["lengths"], json!([100, 100, 200]));
    assert_eq!(result(&large)["lengths"], json!([2_000_000, 2_000_000, 4_000_000]));
    assert_eq!(result(&large), result(&replayed), "files shift nothing that the handler draws");
    for (view, file) in [(&small, false), (&large, true), (&replayed, true)] {
        for name in ["step", "child", "poll"] {
            let operation = view.operations.iter().find(|o| o.name.as_deref() == Some(name)).unwrap();
            let recorded: Value = serde_json::from_str(operation.result().unwrap()).unwrap();
            let kind = if file { "file" } else { "inline" };
            assert_eq!(recorded["__aws_durable_serdes"], json!({"version": 1, "kind": kind}), "{name}");
            assert_eq!(recorded["file"].is_string(), file, "{name}");
        }
    }
}

#[tokio::test]
async fn without_a_grant_there_is_no_file_to_keep_anything_in() {
    let result = handler("keeps_files").run(5000).await.unwrap();
    let (kind, message) = error(&result);
    assert_eq!(kind, "SerializationError");
    assert!(message.contains("the base path /scratch is no folder"), "{message}");
    assert_eq!(value(&handler("keeps_files").run(100).await.unwrap())["lengths"], json!([100, 100, 200]));
}

proptest! {
    #![proptest_config(random_cases(24))]

    /// A condition that needs n checks of at most m runs min(n, m) checks, each in its own invocation.
    #[test]
    fn any_number_of_checks(needed in 1_u32..8, allowed in 1_u32..8) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let event = json!({"needed": needed, "allowed": allowed});
        let result = runtime.block_on(handler("polls").run(event)).unwrap();
        let checks = needed.min(allowed);
        prop_assert_eq!(result.get_log().len(), checks as usize);
        prop_assert_eq!(result.get_invocations().len(), checks as usize + 1);
        prop_assert_eq!(value(&result).is_array(), needed <= allowed);
        let seconds = (1..checks).map(|check| 300.min(10 * 2_u64.pow(check - 1))).sum::<u64>() + 1;
        prop_assert_eq!(history(&result).last().unwrap().clone(), format!("ExecutionSucceeded +{seconds}"));
    }

    /// A block that succeeds from a time on has as many attempts as fit before it.
    #[test]
    fn any_number_of_attempts(from in 0_u64..60, attempts in 1_u32..6) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let event = json!({"from": from, "attempts": attempts});
        let result = runtime.block_on(handler("block_with_retry").run(event)).unwrap();
        let needed = from.div_ceil(11) + 1;
        let made = needed.min(u64::from(attempts));
        let tried = names(&result).iter().filter(|name| name.starts_with("attempt-")).count();
        prop_assert_eq!(tried as u64, made);
        prop_assert_eq!(value(&result)["seconds"].as_u64(), (needed <= u64::from(attempts)).then_some((needed - 1) * 11));
    }
}
