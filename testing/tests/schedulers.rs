//! Who decides when waits end: virtual time, a queue, or real timers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;

use std::sync::{Arc, Mutex};

use common::{handler, value};
use durawasm_host::orchestrator::{OnError, StartInvocation, UpdateCheckpoint};
use durawasm_testing::{
    ErrorObject, LocalDurableTestRunner, QueueScheduler, Scheduler, TestEnvironmentConfig, TestResult,
    TimerScheduler, Timestamp,
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
            skipped.get_history_lines().join("\n"),
            other.get_history_lines().join("\n"),
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
    assert_eq!(
        (value(&result)["failed"].as_str(), result.get_duration().as_secs()),
        (Some("HeartbeatTimedOut"), 600)
    );
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

#[tokio::test(start_paused = true)]
async fn tokio_s_time_goes_along() {
    let started = tokio::time::Instant::now();
    let beside = async {
        tokio::time::sleep(std::time::Duration::from_hours(1)).await;
        tokio::time::Instant::now()
    };
    let runner = handler("sequence").tokio_time();
    let event = json!([{"wait": ["w", 7200]}, {"step": ["s", 1]}, {"wait": ["x", 60]}]);
    let (result, woken) = tokio::join!(runner.run(&event), beside);
    assert_eq!(value(&result.unwrap()), json!([7200, 1, 60]));
    assert!(woken.duration_since(started).as_secs() >= 3600);
    assert_eq!(started.elapsed().as_secs(), 7260);
}

#[tokio::test]
async fn tokio_s_time_has_to_be_paused_for_that() {
    let refused = handler("sequence").tokio_time().run(json!([])).await.unwrap_err();
    assert!(refused.to_string().contains("start_paused"), "{refused}");
}

/// A queue that can be looked into.
#[derive(Clone, Default)]
struct Watched(Arc<Mutex<(QueueScheduler, Vec<bool>)>>);

impl Scheduler for Watched {
    fn schedule_function(
        &mut self,
        start_invocation: StartInvocation,
        on_error: OnError,
        timestamp: Option<Timestamp>,
        update_checkpoint: Option<UpdateCheckpoint>,
    ) {
        let queue = &mut self.0.lock().unwrap().0;
        queue.schedule_function(start_invocation, on_error, timestamp, update_checkpoint);
    }

    fn has_scheduled_function(&self) -> bool {
        self.0.lock().unwrap().0.has_scheduled_function()
    }

    fn flush_timers(&mut self) {
        let (queue, left) = &mut *self.0.lock().unwrap();
        left.push(queue.has_scheduled_function());
        queue.flush_timers();
        assert!(!queue.has_scheduled_function());
    }
}

#[tokio::test]
async fn what_is_left_when_an_execution_ends_is_flushed() {
    let watched = Watched::default();
    let scheduler = watched.clone();
    // The wait of ten seconds wins; that of a second is still in the queue.
    let result = handler("races").scheduler(move || scheduler.clone()).run(()).await.unwrap();
    assert_eq!(value(&result), json!(10));
    assert_eq!(watched.0.lock().unwrap().1, [true], "flushed once, with something in it");
}
