//! Rollbacks, checkpoint modes and deterministic values: compiled handlers, in the sandbox, in virtual time.

use std::collections::BTreeSet;

use crate::common::{error, handler, history, value};
use durawasm_testing::{
    Disturbance, ErrorObject, EventType, ExecutionStatus, LocalDurableTestRunner, LogLevel, LogSource,
    OperationStatus, OperationType, TestResult,
};
use serde_json::{Value, json};

fn disturbed(function: &str, disturbance: Disturbance) -> LocalDurableTestRunner {
    handler(function).disturb(disturbance)
}

/// What the handler printed, in order.
fn printed(result: &TestResult) -> Vec<String> {
    let lines = result.get_log().iter().filter(|line| line.source == LogSource::Stdout);
    lines.map(|line| line.message.clone()).collect()
}

/// The name, status and error of each compensation, as returned to the handler.
fn undone(result: &TestResult) -> Vec<(String, String, Option<String>)> {
    let items = value(result)["undone"]["items"].clone();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let items = items.as_array().unwrap().iter();
    items.map(|i| (text(&i["name"]).unwrap(), text(&i["status"]).unwrap(), text(&i["error"]))).collect()
}

fn succeeded(name: &str) -> (String, String, Option<String>) {
    (name.to_owned(), "SUCCEEDED".to_owned(), None)
}

#[tokio::test]
async fn a_rollback_is_last_in_first_out_each_a_context_of_its_own() {
    let event = json!({"steps": [["hotel", "ok"], ["flight", "ok"], ["car", "ok"]]});
    let result = handler("saga").run(&event).await.unwrap();
    let told = value(&result);
    assert_eq!(undone(&result), [succeeded("car"), succeeded("flight"), succeeded("hotel")]);
    assert_eq!(told["undone"]["all_succeeded"], json!(true));
    assert_eq!(told["registered"], json!(["hotel", "flight", "car"]), "not the step that failed");
    assert_eq!((&told["refused"], &told["left"]), (&json!(true), &json!(0)));
    assert_eq!(printed(&result), ["undo CAR", "undo FLIGHT", "undo HOTEL"]);
    assert_eq!(
        history(&result)[7..],
        [
            "StepStarted payment +0",
            "StepFailed payment +0",
            "ContextStarted car +0",
            "ContextSucceeded car +0",
            "ContextStarted flight +0",
            "ContextSucceeded flight +0",
            "ContextStarted hotel +0",
            "ContextSucceeded hotel +0",
            "StepStarted apologize +0",
            "StepSucceeded apologize +0",
            "InvocationCompleted +0",
            "ExecutionSucceeded +0",
        ]
    );
    let contexts: Vec<_> =
        result.get_operations().iter().filter(|o| o.kind == OperationType::Context).collect();
    assert_eq!(contexts.len(), 3);
    for context in contexts {
        assert_eq!(context.sub_type.as_ref().unwrap().to_string(), "Compensation");
        assert_eq!((context.status, &context.parent_id), (OperationStatus::Succeeded, &None));
    }
}

#[tokio::test]
async fn nothing_to_undo_is_undone_at_once() {
    let result = handler("saga").run(json!({"steps": []})).await.unwrap();
    assert_eq!(value(&result)["undone"], json!({"items": [], "all_succeeded": true}));
    assert!(result.get_operations().iter().all(|o| o.kind == OperationType::Step));
}

#[tokio::test]
async fn a_failing_compensation_stops_nothing() {
    let event = json!({"steps": [["hotel", "ok"], ["flight", "fails"], ["car", "ok"]]});
    let result = handler("saga").run(&event).await.unwrap();
    let failed = ("flight".to_owned(), "FAILED".to_owned(), Some("Stuck: FLIGHT stays".to_owned()));
    assert_eq!(undone(&result), [succeeded("car"), failed, succeeded("hotel")]);
    assert_eq!(value(&result)["undone"]["all_succeeded"], json!(false));
    assert_eq!(printed(&result), ["undo CAR", "undo FLIGHT", "undo HOTEL"]);
    assert!(history(&result).contains(&"ContextFailed flight +0".to_owned()), "{:#?}", history(&result));
    let flight = result.get_operations_by_status(OperationStatus::Failed).pop().unwrap();
    let error = flight.context_details.clone().unwrap().error.unwrap();
    assert_eq!(error.error_type.unwrap(), "Stuck");
}

#[tokio::test]
async fn a_rollback_that_is_suspended_goes_on_where_it_stopped() {
    for mode in ["batched", "eager", "optimistic"] {
        let event = json!({"mode": mode, "steps": [["hotel", "waits"], ["flight", "fails"], ["car", "waits"], ["bus", "ok"]]});
        let result = handler("saga").run(&event).await.unwrap();
        assert_eq!(result.get_invocations().len(), 3, "{mode} {:#?}", history(&result));
        assert_eq!(history(&result).last().unwrap(), "ExecutionSucceeded +20");
        let statuses: Vec<_> =
            undone(&result).into_iter().map(|(name, status, _)| format!("{name} {status}")).collect();
        assert_eq!(statuses, ["bus SUCCEEDED", "car SUCCEEDED", "flight FAILED", "hotel SUCCEEDED"]);
        // A compensation that waits begins again on the replay after its wait. A finished one does not run again.
        assert_eq!(
            printed(&result),
            [
                "undo BUS",
                "undo CAR",
                "undo CAR",
                "undone CAR",
                "undo FLIGHT",
                "undo HOTEL",
                "undo HOTEL",
                "undone HOTEL"
            ],
            "{mode}"
        );
        let settle = result.get_operations().iter().filter(|o| o.name.as_deref() == Some("settle"));
        let parents: BTreeSet<_> = settle.map(|o| o.parent_id.clone().unwrap()).collect();
        assert_eq!(parents.len(), 2, "each under its compensation");
    }
}

#[tokio::test]
async fn a_rollback_that_is_interrupted_goes_on_where_it_stopped() {
    let event = json!({"steps": [["hotel", "ok"], ["flight", "traps"], ["car", "ok"]]});
    let result = handler("saga").run(&event).await.unwrap();
    assert_eq!(undone(&result), [succeeded("car"), succeeded("flight"), succeeded("hotel")]);
    assert_eq!(printed(&result), ["undo CAR", "undo FLIGHT", "undo FLIGHT", "undo HOTEL"]);
    let crashed = result.get_invocations().iter().filter(|i| i.error.is_some()).count();
    assert_eq!((crashed, result.get_invocations().len()), (1, 2));
    let starts = result.get_history_events().iter();
    let starts = starts.filter(|e| e.event_type == EventType::ContextStarted).count();
    assert_eq!(starts, 3, "none begins twice on record");
}

#[tokio::test]
async fn wherever_the_instance_dies_each_compensation_ends_once() {
    let event = json!({"steps": [["hotel", "ok"], ["flight", "fails"], ["car", "waits"]]});
    let plain = handler("saga").run(&event).await.unwrap();
    let kinds = |result: &TestResult| {
        let contexts = result.get_history_events().iter().filter(|e| {
            matches!(
                e.event_type,
                EventType::ContextStarted | EventType::ContextSucceeded | EventType::ContextFailed
            )
        });
        contexts.map(|e| format!("{:?} {}", e.event_type, e.name.clone().unwrap())).collect::<Vec<_>>()
    };
    let checkpoints = plain.get_checkpoints();
    assert!(checkpoints > 5, "{checkpoints}");
    for at in 1..=checkpoints {
        for disturbance in [Disturbance::DieBeforeCheckpoint(at), Disturbance::DieAfterCheckpoint(at)] {
            let result = disturbed("saga", disturbance).run(&event).await.unwrap();
            assert_eq!(value(&result), value(&plain), "{disturbance:?}");
            assert_eq!(kinds(&result), kinds(&plain), "{disturbance:?}");
        }
    }
    let replayed = disturbed("saga", Disturbance::ReplayAtEveryCheckpoint).run(&event).await.unwrap();
    assert_eq!(value(&replayed), value(&plain));
    assert_eq!(replayed.get_history_events(), plain.get_history_events());
}

#[tokio::test]
async fn a_child_inherits_no_compensation_and_leaves_none() {
    let result = handler("saga_in_child").run(()).await.unwrap();
    assert_eq!(value(&result), json!([0, 1, 1]));
    assert_eq!(printed(&result), ["undo INNER", "undo INNER", "undone INNER", "undo OUTER"]);
    let child = result.get_operation("child").unwrap();
    let compensations: Vec<_> = result
        .get_operations()
        .iter()
        .filter(|o| o.sub_type.as_ref().is_some_and(|s| s.to_string() == "Compensation"))
        .map(|o| (o.name.as_deref().unwrap().to_owned(), o.parent_id.clone()))
        .collect();
    assert_eq!(compensations, [("inner".to_owned(), Some(child.id.clone())), ("outer".to_owned(), None)]);
}

#[tokio::test]
async fn steps_in_combinators_are_undone_after_a_replay_too() {
    for runner in [
        handler("saga_of_many"),
        disturbed("saga_of_many", Disturbance::ReplayAtEveryCheckpoint),
        disturbed("saga_of_many", Disturbance::DieAfterCheckpoint(3)),
    ] {
        let result = runner.run(()).await.unwrap();
        assert_eq!(value(&result), json!(["HOTEL", "FLIGHT", "CAR"]), "{:#?}", history(&result));
        assert_eq!(printed(&result), ["undo CAR", "undo FLIGHT", "undo HOTEL"]);
    }
}

#[tokio::test]
async fn each_mode_has_its_price() {
    let run = async |event: Value| {
        let result = handler("checkpoint_costs").run(&event).await.unwrap();
        (result.get_checkpoints(), value(&result))
    };
    assert_eq!(run(json!({"mode": "batched", "steps": 10})).await, (10, json!([45, 0])));
    assert_eq!(run(json!({"mode": "eager", "steps": 10})).await, (20, json!([45, 0])));
    assert_eq!(run(json!({"mode": "optimistic", "steps": 10})).await, (1, json!([45, 20])));
    assert_eq!(run(json!({"mode": "optimistic", "steps": 10, "flush_every": 5})).await, (2, json!([45, 10])));
    // The wait sends the batch gathered so far; the step after it is sent at the end.
    let waited = run(json!({"mode": "optimistic", "steps": 10, "wait": 60})).await;
    assert_eq!(waited, (2, json!([1045, 0])), "the second invocation reports only what is new");
}

#[tokio::test]
async fn a_record_of_several_pages_is_replayed_whole() {
    let event = json!({"mode": "optimistic", "steps": 2500, "wait": 60});
    let result = handler("checkpoint_costs").run(&event).await.unwrap();
    assert_eq!(value(&result)[0], json!(2500 * 2499 / 2 + 1000));
    assert_eq!((printed(&result).len(), result.get_invocations().len()), (2500, 2), "no body runs twice");
    assert!(result.get_checkpoints() < 30, "{}", result.get_checkpoints());
}

#[tokio::test]
async fn what_a_batch_had_not_sent_runs_again_and_what_it_had_sent_does_not() {
    let event = json!({"mode": "optimistic", "steps": 6, "flush_every": 3});
    let bodies = async |disturbance| {
        let result = disturbed("checkpoint_costs", disturbance).run(&event).await.unwrap();
        assert_eq!(value(&result)[0], json!(15));
        printed(&result).len()
    };
    assert_eq!(bodies(Disturbance::DieBeforeCheckpoint(2)).await, 6 + 3);
    assert_eq!(bodies(Disturbance::DieAfterCheckpoint(2)).await, 6);
    let eager = json!({"mode": "eager", "steps": 6});
    let result =
        disturbed("checkpoint_costs", Disturbance::DieBeforeCheckpoint(4)).run(&eager).await.unwrap();
    assert_eq!(printed(&result).len(), 6 + 1, "eager loses one body at most");
}

#[tokio::test]
async fn drawn_values_are_the_same_on_every_replay_and_whatever_ends_first() {
    // Operations are named after the drawn values, so a replay that draws others fails.
    let ids = |result: &TestResult| {
        let drawn = value(result).as_array().unwrap().clone();
        drawn
            .iter()
            .map(|d| (d["id"].to_string(), d["fraction"].to_string(), d["number"].to_string()))
            .collect::<Vec<_>>()
    };
    let (slow, fast) =
        (handler("draws").run((9, 1)).await.unwrap(), handler("draws").run((1, 9)).await.unwrap());
    assert_eq!(slow.get_invocations().len(), 4, "{:?} {:#?}", slow.get_error(), history(&slow));
    assert_eq!(ids(&slow), ids(&fast), "branches do not meet");
    let distinct: BTreeSet<_> = ids(&slow).into_iter().flat_map(|(a, b, c)| [a, b, c]).collect();
    assert_eq!(distinct.len(), 7 * 3);
    let replayed = disturbed("draws", Disturbance::ReplayAtEveryCheckpoint).run((9, 1)).await.unwrap();
    assert_eq!(value(&replayed), value(&slow));
    let times: Vec<_> =
        value(&slow).as_array().unwrap().iter().map(|d| d["millis"].as_u64().unwrap()).collect();
    let start = times[0];
    let seconds: Vec<_> = times.iter().map(|millis| (millis - start) / 1000).collect();
    assert_eq!(seconds, [0, 0, 9, 0, 1, 9, 10], "the time is that of the latest outcome");
    let other = handler("draws").seed(Some(1));
    assert_ne!(ids(&other.run((9, 1)).await.unwrap()), ids(&slow), "another execution, other values");
}

#[tokio::test]
async fn a_context_tells_where_it_is() {
    let result = handler("tells").run(()).await.unwrap();
    let told = value(&result);
    let arn = told["arn"].as_str().unwrap();
    let (function, _) = arn.split_once("/durable-execution/").unwrap();
    assert_eq!(told["function"], json!(["tells", "$LATEST", function]));
    assert!(function.ends_with(":function:tells:$LATEST"), "{function}");
    let last = result.get_invocations().last().unwrap();
    assert_eq!(told["request_id"], json!(last.request_id.as_deref().unwrap()));
    assert!(told["deadline"].as_u64() > told["now"].as_u64());
    let child = result.get_operation("child").unwrap();
    assert_eq!(told["ids"], json!([null, child.id.to_string()]));
    assert_eq!((&told["replaying"], &told["mode"]), (&json!([true, false]), &json!("Executing")));
}

#[tokio::test]
async fn lines_have_levels_fields_and_operations() {
    let result = handler("logs").run(()).await.unwrap();
    let lines: Vec<_> = result.get_log().iter().map(|l| (l.level, &*l.message)).collect();
    let expected = [
        (LogLevel::Trace, "trace"),
        (LogLevel::Debug, "debug"),
        (LogLevel::Info, "info"),
        (LogLevel::Warn, "warn"),
        (LogLevel::Error, "error"),
        (LogLevel::Info, "in the step"),
        (LogLevel::Info, "in the child"),
        (LogLevel::Info, "kept"),
    ];
    assert_eq!(lines, expected, "and the rest of the replay is not repeated");
    let fields = |message: &str| {
        let line = result.get_log().iter().find(|l| l.message == message).unwrap();
        let fields = line.fields.iter().map(|(name, value)| format!("{name}={value}"));
        (fields.collect::<Vec<_>>().join(" "), line.operation.clone())
    };
    assert_eq!(fields("debug"), ("number=-7".to_owned(), None));
    assert_eq!(fields("info").0, "truth=true ratio=0.5");
    assert_eq!(fields("warn").0, "text=a b");
    assert_eq!(fields("error").0, "list=[1, 2] shown=c");
    let id = |name: &str| Some(result.get_operation(name).unwrap().id.clone());
    assert_eq!(fields("in the step"), ("own=1 operation-name=log attempt=1".to_owned(), id("log")));
    assert_eq!(fields("in the child"), ("operation-name=child".to_owned(), id("child")));
    let invocations: BTreeSet<_> = result.get_log().iter().map(|l| l.invocation_id.clone()).collect();
    assert_eq!(invocations.len(), 2);
}

#[tokio::test]
async fn a_divergence_cannot_be_hidden() {
    let result = handler("hides_divergence").run(()).await.unwrap();
    assert_eq!(result.get_status(), ExecutionStatus::Failed);
    let (kind, message) = error(&result);
    assert_eq!(kind, "NonDeterministicExecutionError");
    assert!(message.contains("STEP") && message.contains("CALLBACK"), "{message}");
}

#[tokio::test]
async fn a_callback_has_its_id_although_it_timed_out_or_failed_long_ago() {
    let runner = handler("callback");
    let event = json!({"name": "reply", "timeout": 60});
    let failure = ErrorObject::new("Rejected", "no money");
    let failed = runner.clone().answer_failure("reply", "30s", failure).unwrap().run(&event).await.unwrap();
    let late = runner.run(&event).await.unwrap();
    for (result, kind) in [(&failed, "ExternalFailure"), (&late, "TimedOut")] {
        let told = value(result);
        assert_eq!(told["failed"], json!(kind));
        let details = result.get_operation("reply").unwrap().callback_details.clone().unwrap();
        assert_eq!(told["id"], json!(details.callback_id.unwrap().to_string()));
    }
}
