//! Batches and combinators: real handlers, in the real sandbox, on a virtual clock.

use crate::common::{handler, history, random_cases, value};
use durawasm_testing::{Disturbance, ExecutionStatus, LocalDurableTestRunner, OperationStatus, TestResult};
use proptest::prelude::*;
use serde_json::{Value, json};

fn disturbed(function: &str, disturbance: Disturbance) -> LocalDurableTestRunner {
    handler(function).disturb(disturbance)
}

/// Runs a handler without faults, and with a fresh instance at every checkpoint. Both must give the same result.
async fn run(function: &str, event: &Value) -> TestResult {
    let straight = handler(function).run(event).await.unwrap();
    let replayed = disturbed(function, Disturbance::ReplayAtEveryCheckpoint).run(event).await.unwrap();
    assert_eq!(value(&replayed), value(&straight), "{event}");
    assert_eq!(history(&replayed), history(&straight), "{event}");
    assert_eq!(replayed.get_operations(), straight.get_operations(), "{event}");
    assert_eq!(lines(&replayed), lines(&straight), "{event}");
    straight
}

/// What was printed, sorted.
fn lines(result: &TestResult) -> Vec<String> {
    let mut lines: Vec<_> = result.get_log().iter().map(|line| line.message.clone()).collect();
    lines.sort();
    lines
}

/// Sub-types, names and statuses of the operations.
fn operations(result: &TestResult) -> Vec<String> {
    let line = |o: &durawasm_testing::Operation| {
        format!(
            "{} {} {:?}",
            o.sub_type.as_deref().unwrap_or_default(),
            o.name.as_deref().unwrap_or_default(),
            o.status
        )
    };
    result.get_operations().iter().map(line).collect()
}

#[tokio::test]
async fn items_wait_at_the_same_time_in_contexts_of_their_own() {
    let event = json!({"items": [{"waits": [3]}, {"waits": [1, 1]}, {}]});
    let result = run("batch", &event).await;
    assert_eq!(
        value(&result),
        json!([
            "ALL_COMPLETED",
            [[0, "SUCCEEDED", 1, null], [1, "SUCCEEDED", 1, null], [2, "SUCCEEDED", 1, null]]
        ])
    );
    assert_eq!(
        history(&result),
        [
            "ExecutionStarted +0",
            "ContextStarted batch +0",
            "ContextStarted item-0 +0",
            "WaitStarted +0",
            "ContextStarted item-1 +0",
            "WaitStarted +0",
            "ContextStarted item-2 +0",
            "ContextSucceeded item-2 +0",
            "InvocationCompleted +0",
            "WaitSucceeded +1",
            "StepStarted +1",
            "StepSucceeded +1",
            "WaitStarted +1",
            "InvocationCompleted +1",
            "WaitSucceeded +2",
            "StepStarted +2",
            "StepSucceeded +2",
            "ContextSucceeded item-1 +2",
            "InvocationCompleted +2",
            "WaitSucceeded +3",
            "StepStarted +3",
            "StepSucceeded +3",
            "ContextSucceeded item-0 +3",
            "ContextSucceeded batch +3",
            "WaitStarted after +3",
            "InvocationCompleted +3",
            "WaitSucceeded after +103",
            "InvocationCompleted +103",
            "ExecutionSucceeded +103",
        ]
    );
    let batch = result.get_operation("batch").unwrap();
    assert_eq!(batch.sub_type.as_deref(), Some("Map"));
    let payload = batch.context_details.as_ref().unwrap().result.as_deref().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(payload).unwrap(),
        json!({"reason": "ALL_COMPLETED", "results": [
            {"index": 0, "name": "item-0", "status": "SUCCEEDED", "result": "\"0\""},
            {"index": 1, "name": "item-1", "status": "SUCCEEDED", "result": "\"1\""},
            {"index": 2, "name": "item-2", "status": "SUCCEEDED", "result": "\"2\""},
        ]})
    );
}

#[tokio::test]
async fn a_fan_out_with_a_partial_failure_has_both() {
    let event = json!({
        "items": [{"waits": [1]}, {"fails": true}, {"waits": [2], "fails": true}, {}], "count": 2, "parallel": true,
    });
    let result = run("batch", &event).await;
    assert_eq!(
        value(&result),
        json!([
            "ALL_COMPLETED",
            [
                [0, "SUCCEEDED", 1, null],
                [1, "FAILED", null, "child function error: ItemFailed: item 1"],
                [2, "FAILED", null, "child function error: ItemFailed: item 2"],
                [3, "SUCCEEDED", 1, null],
            ]
        ])
    );
    let parallel = result.get_operation("batch").unwrap();
    assert_eq!(
        (parallel.sub_type.as_deref(), parallel.status),
        (Some("Parallel"), OperationStatus::Succeeded)
    );
    let branch = result.get_operation("branch-2").unwrap();
    assert_eq!(
        (branch.sub_type.as_deref(), branch.status),
        (Some("ParallelBranch"), OperationStatus::Failed)
    );
}

#[tokio::test]
async fn a_batch_that_has_enough_drops_what_runs_and_starts_no_more() {
    for flat in [false, true] {
        let items = json!([{"waits": [9, 9]}, {"waits": [1]}, {"waits": [5]}, {"waits": [1]}, {}]);
        let result = run("batch", &json!({"items": items, "limit": 3, "min": 1, "flat": flat})).await;
        let expected = json!([
            "MIN_SUCCESSFUL_REACHED",
            [[0, "STARTED", null, null], [1, "SUCCEEDED", 1, null], [2, "STARTED", null, null]]
        ]);
        assert_eq!(value(&result), expected);
        assert_eq!(lines(&result), ["item 1 step 0"], "what is dropped does not go on");
        assert!(history(&result).contains(&"ExecutionSucceeded +101".to_owned()), "{:#?}", history(&result));
        assert_eq!(result.get_operation("item-0").is_none(), flat);
    }
}

#[tokio::test]
async fn the_first_failure_ends_a_batch_and_a_tolerance_another() {
    let items = json!([{"waits": [2], "fails": true}, {"waits": [1]}, {"waits": [1]}, {"waits": [1]}]);
    let result = run("batch", &json!({"items": items, "limit": 2})).await;
    assert_eq!(value(&result)[0], "FAILURE_TOLERANCE_EXCEEDED");
    assert_eq!(
        value(&result)[1].as_array().unwrap().len(),
        3,
        "the fourth was not started: {}",
        value(&result)
    );
    let result = run("batch", &json!({"items": items, "limit": 2, "percentage": 25})).await;
    assert_eq!(value(&result)[0], "ALL_COMPLETED");
    assert_eq!(value(&result)[1][3], json!([3, "SUCCEEDED", 1, null]));
}

#[tokio::test]
async fn flat_items_leave_only_their_operations() {
    let result = run("batch", &json!({"items": [{"waits": [1]}, {"waits": [2]}], "flat": true})).await;
    assert_eq!(
        operations(&result),
        [
            "Map batch Succeeded",
            "Wait  Succeeded",
            "Wait  Succeeded",
            "Step  Succeeded",
            "Step  Succeeded",
            "Wait after Succeeded"
        ]
    );
    let operations = result.get_operations();
    assert!(operations[1..5].iter().all(|o| o.parent_id.as_ref() == Some(&operations[0].id)));
}

#[tokio::test]
async fn a_result_that_is_too_large_is_rebuilt_from_the_items() {
    for (flat, early) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut event = json!({"items": [
            {"waits": [1], "size": 150_000}, {"waits": [9], "size": 5}, {"waits": [2], "size": 150_000}, {"waits": [9]}, {},
        ], "limit": 3, "flat": flat});
        if early {
            event["min"] = json!(2);
        }
        let result = run("batch", &event).await;
        let (reason, left) =
            if early { ("MIN_SUCCESSFUL_REACHED", json!(null)) } else { ("ALL_COMPLETED", json!(5)) };
        let value = value(&result);
        assert_eq!((&value[0], &value[1][0]), (&json!(reason), &json!([0, "SUCCEEDED", 150_000, null])));
        assert_eq!(value[1][1][2], left, "{value}");
        let details = result.get_operation("batch").unwrap().context_details.as_ref().unwrap();
        assert!(details.replay_children);
        let decision: Value = serde_json::from_str(details.result.as_deref().unwrap()).unwrap();
        assert_eq!(decision["completionReason"], reason);
        assert_eq!(decision["startedIndexes"], if early { json!([1, 3]) } else { json!([]) });
    }
}

#[tokio::test]
async fn an_item_that_is_too_large_is_rebuilt_too() {
    let result = run("batch", &json!({"items": [{"waits": [1], "size": 400_000}, {"waits": [2]}]})).await;
    assert_eq!(value(&result)[1][0][2], 400_000);
    let item = result.get_operation("item-0").unwrap();
    assert!(item.context_details.as_ref().unwrap().replay_children);
}

#[tokio::test]
async fn maps_nest() {
    let result = run("nested_maps", &json!(3)).await;
    assert_eq!(value(&result), json!([1, 2, 3, 4, 5, 6, 7, 8]));
    assert_eq!(history(&result).last().unwrap(), "ExecutionSucceeded +8");
}

#[tokio::test]
async fn a_batch_that_is_not_allowed_is_refused_before_it_starts() {
    let result = handler("batch").run(json!({"items": [{}], "limit": 0})).await.unwrap();
    assert_eq!(result.get_status(), ExecutionStatus::Failed);
    assert!(
        crate::common::error(&result).1.contains("invalid max_concurrency"),
        "{:?}",
        crate::common::error(&result)
    );
    assert!(result.get_operations().is_empty());
}

#[tokio::test]
async fn thousands_of_items() {
    let result = handler("many_items").run(3000).await.unwrap();
    assert_eq!(value(&result), json!((0..3000_u64).sum::<u64>()));
    assert_eq!(result.get_operations().len(), 1 + 3 + 3 + 3000 * 2 + 1);
}

#[tokio::test]
async fn the_race_of_a_long_and_a_short_wait_is_won_by_the_short_one_on_every_replay() {
    for spawned in [false, true] {
        let inputs = json!([{"after": 10, "spawned": spawned}, {"after": 1, "spawned": spawned}]);
        let result = run("combine", &json!({"how": "race", "inputs": inputs})).await;
        assert_eq!(value(&result), json!("1"));
        assert_eq!(lines(&result), ["input 1"], "the loser does not go on, though its wait is over");
        assert_eq!(history(&result).last().unwrap(), "ExecutionSucceeded +51");
        let race = result.get_operation("combined").unwrap();
        assert_eq!(race.sub_type.as_deref(), Some("RunInChildContext"));
        assert_eq!(race.context_details.as_ref().unwrap().result.as_deref(), Some("\"1\""));
        assert_eq!(result.get_operation("wait-0").unwrap().status, OperationStatus::Succeeded);
        assert_eq!(result.get_operation("input-0").unwrap().status, OperationStatus::Started);
    }
}

#[tokio::test]
async fn a_loser_that_would_be_tried_again_is_not() {
    let result = run("races_a_retry", &json!(5)).await;
    assert_eq!(value(&result), json!("wait"));
    assert_eq!(lines(&result), ["tried"]);
    let result = run("races_a_retry", &json!(1)).await;
    assert!(["wait", "step"].contains(&value(&result).as_str().unwrap()));
}

#[tokio::test]
async fn select_ok_takes_the_first_success() {
    let inputs = json!([{"after": 5}, {"after": 1, "fails": true}, {"after": 2}, {"after": 3}]);
    let result = run("combine", &json!({"how": "select_ok", "inputs": inputs})).await;
    assert_eq!(value(&result), json!("2"));
    let inputs = json!([{"after": 2, "fails": true}, {"after": 1, "fails": true}]);
    let result = run("combine", &json!({"how": "select_ok", "inputs": inputs})).await;
    assert_eq!(value(&result)[0], json!({"all": 2}));
    assert_eq!(result.get_operation("combined").unwrap().status, OperationStatus::Failed);
}

#[tokio::test]
async fn joins_have_everything_or_the_first_failure() {
    let good = json!([{"after": 3}, {"after": 1, "spawned": true}, {"after": 2}]);
    let result = run("combine", &json!({"how": "try_join_all", "inputs": good})).await;
    assert_eq!(value(&result), json!(["0", "1", "2"]));
    let bad = json!([{"after": 3}, {"after": 1}, {"after": 2, "fails": true}]);
    let result = run("combine", &json!({"how": "try_join_all", "inputs": bad})).await;
    assert_eq!(value(&result)[0], json!({"join": 2, "failures": 1}));
    assert_eq!(lines(&result), ["input 1", "input 2"]);
    let result = run("combine", &json!({"how": "join_all", "inputs": bad})).await;
    assert_eq!(value(&result), json!(["0", "1", ["InputFailed"]]));
    for (how, nothing) in [("race", json!("empty")), ("try_join_all", json!(null))] {
        let result = run("combine", &json!({"how": how, "inputs": []})).await;
        assert_eq!(value(&result).get(0).cloned().unwrap_or_default(), nothing);
    }
}

#[tokio::test]
async fn a_winner_that_is_too_large_is_rebuilt() {
    let inputs = json!([{"after": 10, "size": 400_000}, {"after": 1, "size": 300_000}]);
    let result = run("combine", &json!({"how": "race", "inputs": inputs})).await;
    assert_eq!(value(&result), json!(300_000));
    let details = result.get_operation("combined").unwrap().context_details.clone().unwrap();
    assert_eq!((details.replay_children, details.result.as_deref()), (true, Some(r#"{"winner":1}"#)));
}

#[tokio::test]
async fn what_ends_with_one_checkpoint_ends_in_the_same_order_on_every_replay() {
    run("ends_together", &json!(null)).await;
}

fn items() -> impl Strategy<Value = Value> {
    let item = (prop::collection::vec(1..4_u64, 0..3), prop::bool::weighted(0.3))
        .prop_map(|(waits, fails)| json!({"waits": waits, "fails": fails}));
    prop::collection::vec(item, 0..6).prop_map(Value::from)
}

proptest! {
    #![proptest_config(random_cases(60))]

    #[test]
    fn a_fresh_instance_at_every_checkpoint_changes_no_batch(
        items in items(),
        limit in prop::option::of(1..4_usize),
        min in prop::option::weighted(0.3, 0..4_usize),
        count in prop::option::weighted(0.3, 0..4_usize),
        percentage in prop::option::weighted(0.3, 0..=100_usize),
        [parallel, flat] in any::<[bool; 2]>(),
    ) {
        let event = json!({
            "items": items, "limit": limit, "min": min, "count": count, "percentage": percentage, "parallel": parallel,
            "flat": flat,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let result = runtime.block_on(run("batch", &event));
        let mut bodies = lines(&result);
        let all = bodies.len();
        bodies.dedup();
        prop_assert_eq!(bodies.len(), all, "each body runs once");
    }
}
