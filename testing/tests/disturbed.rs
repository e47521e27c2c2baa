//! Executions with injected faults: replayed at every checkpoint, and crashed at each.

use crate::common::{handler, history, value};
use durawasm_testing::{Disturbance, LocalDurableTestRunner, TestResult};
use serde_json::{Value, json};

fn disturbed(runner: LocalDurableTestRunner, disturbance: Disturbance) -> LocalDurableTestRunner {
    runner.disturb(disturbance)
}

fn lines(result: &TestResult) -> Vec<String> {
    result.get_log().iter().map(|line| line.message.clone()).collect()
}

#[tokio::test]
async fn a_replay_at_every_checkpoint_changes_nothing() {
    for (function, event) in [
        ("greet", json!("Ada")),
        ("two_steps_and_wait", json!(60)),
        ("flaky", json!({"failures": 2, "max_attempts": 5})),
        ("two_waits", json!([10, 1])),
        ("concurrent_children", json!(5)),
        ("nested_children", json!(3)),
        ("many_concurrent_steps", json!(300)),
        ("slow_body", json!(["sleeps", 2, true])),
    ] {
        let plain = handler(function).run(&event).await.unwrap();
        let replayed = disturbed(handler(function), Disturbance::ReplayAtEveryCheckpoint);
        let replayed = replayed.run(&event).await.unwrap();
        assert_eq!(value(&replayed), value(&plain), "{function}");
        assert_eq!(replayed.get_history_events(), plain.get_history_events(), "{function}");
        assert_eq!(lines(&replayed), lines(&plain), "{function}");
    }
}

#[tokio::test]
async fn an_instance_that_dies_at_a_checkpoint_is_followed_by_one_that_goes_on() {
    let expected: Value = json!([1, 2]);
    let deaths = [Disturbance::DieBeforeCheckpoint, Disturbance::DieAfterCheckpoint];
    for (death, at) in deaths.iter().flat_map(|death| (1..=3).map(move |at| (death, at))) {
        let result = disturbed(handler("two_steps_and_wait"), death(at)).run(60).await.unwrap();
        assert_eq!(value(&result), expected, "{at}");
        let crashed: Vec<_> = result.get_invocations().iter().filter_map(|i| i.error.as_ref()).collect();
        assert_eq!(crashed.len(), 1, "{at} {:#?}", history(&result));
        assert_eq!(crashed[0].error_type.as_deref(), Some("Runtime.Killed"));
    }
}
