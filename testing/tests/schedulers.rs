//! Who decides when waits end: virtual time, a queue, or real timers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;

use common::{handler, value};
use durawasm_testing::{
    ErrorObject, LocalDurableTestRunner, QueueScheduler, TestEnvironmentConfig, TestResult, TimerScheduler,
};
use serde_json::json;

fn real(runner: LocalDurableTestRunner) -> LocalDurableTestRunner {
    runner.config(TestEnvironmentConfig { skip_time: false, checkpoint_delay: None })
}

#[tokio::test]
async fn the_shorter_wait_wins_a_race_but_in_a_queue() {
    let result = handler("races").run(()).await.unwrap();
    assert_eq!((value(&result), result.get_duration().as_secs()), (json!(1), 1));
    let result = handler("races").scheduler(QueueScheduler::new).run(()).await.unwrap();
    assert_eq!(value(&result), json!(10), "the queue ends first what was started first");
    let result = real(handler("races")).scheduler(TimerScheduler::new).run(()).await.unwrap();
    assert_eq!(value(&result), json!(1));
    let result = real(handler("races")).run(()).await.unwrap();
    assert_eq!(value(&result), json!(1));
}

/// Waits, retries, answers, timeouts and calls, in seconds that can be waited for.
fn workflow() -> serde_json::Value {
    json!([
        {"step": {"fails": 1, "once": false}},
        {"spawned": [{"wait": 1}, {"wait": 3}, "wait_for_callback"]},
        {"condition": 2},
        {"invoke": {"plain": false}},
        {"child": [{"wait": 1}, {"step": {"fails": 0, "once": true}}]},
        {"caught": "fails"},
    ])
}

fn answered(runner: LocalDurableTestRunner) -> LocalDurableTestRunner {
    runner.answer("outside", "2s", "yes").unwrap()
}

#[tokio::test]
async fn the_history_is_the_same_however_time_passes() {
    let run = async |runner: LocalDurableTestRunner| -> TestResult {
        answered(runner).run(workflow()).await.unwrap()
    };
    let skipped = run(handler("workflow")).await;
    let (in_real_time, with_timers) = tokio::join!(
        run(real(handler("workflow"))),
        run(real(handler("workflow")).scheduler(TimerScheduler::new))
    );
    for other in [in_real_time, with_timers] {
        let diff = similar::TextDiff::from_lines(
            &skipped.get_history_lines().join("\n"),
            &other.get_history_lines().join("\n"),
        )
        .unified_diff()
        .to_string();
        assert_eq!(diff, "");
        assert_eq!(skipped.get_invocations().len(), other.get_invocations().len());
        assert_eq!(skipped.get_normalized_history(), other.get_normalized_history());
    }
}

#[tokio::test]
async fn callback_timeouts_and_heartbeats_are_skipped_as_well() {
    let event = json!({"name": "silent", "timeout": 7200, "heartbeat": 600});
    let result = handler("callback").run(&event).await.unwrap();
    assert_eq!((value(&result)["failed"].as_str(), result.get_duration().as_secs()), (Some("Timeout"), 600));
    let event = json!({"name": "silent", "timeout": 7200});
    let result = handler("callback").run(&event).await.unwrap();
    assert_eq!(result.get_duration().as_secs(), 7200);
}

#[tokio::test]
async fn a_queue_runs_whole_workflows_and_lets_timeouts_come_last() {
    let result = answered(handler("workflow")).scheduler(QueueScheduler::new).run(workflow()).await.unwrap();
    assert_eq!(value(&result), value(&answered(handler("workflow")).run(workflow()).await.unwrap()));
    // The callback times out after a minute, the waits take a day: in the queue the timeout waits for all else.
    let event = json!([{"spawned": ["callback", {"wait": 86_400}]}]);
    let result = handler("workflow").scheduler(QueueScheduler::new).run(&event).await.unwrap();
    let order: Vec<_> = result
        .get_history_lines()
        .into_iter()
        .filter(|line| line.contains("WaitSucceeded") || line.contains("CallbackTimedOut"))
        .collect();
    assert!(order[0].contains("WaitSucceeded") && order[1].contains("CallbackTimedOut"), "{order:?}");
    // What crashed is tried again, and what invokes something gets its result.
    let crashes = handler("panics").scheduler(QueueScheduler::new).run(()).await.unwrap();
    assert_eq!(crashes.get_invocations().len(), 3);
    let error: &ErrorObject = crashes.get_error().unwrap();
    assert_eq!(error.error_type.as_deref(), Some("Runtime.ExitError"));
}
