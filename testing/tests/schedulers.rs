//! Schedulers decide when waits end: virtual time, a queue, or real timers.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::common::{handler, value};
use durawasm_core::orchestrator::{OnError, StartInvocation, UpdateCheckpoint};
use durawasm_guest::{BoxError, DurableContext};
use durawasm_testing::{
    ErrorObject, ExecutionStatus, FunctionStorage, LocalDurableTestRunner, QueueScheduler, Scheduler,
    SkipTimeConfig, TestEnvironmentConfig, TestError, TestExecutionOrchestrator, TestResult, TimerScheduler,
    Timestamp, WaitingOperationStatus, checkpoint_server::CheckpointWorkerManager, setup_test_environment,
    teardown_test_environment,
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

/// Waits, retries, answers, timeouts and invokes of a few seconds, so that they can run in real time.
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
    let expected = timeline(&skipped);
    for other in [in_real_time, with_timers] {
        let found = timeline(&other);
        let names = |timeline: &[(String, u128)]| {
            timeline.iter().map(|(what, _)| what.clone()).collect::<Vec<_>>().join("\n")
        };
        let diff = similar::TextDiff::from_lines(names(&expected), names(&found)).unified_diff().to_string();
        assert_eq!(diff, "");
        assert_eq!(skipped.get_invocations().len(), other.get_invocations().len());
        for ((what, at), (_, found)) in expected.iter().zip(&found) {
            // Real time is not exact: on a busy machine events are late.
            assert!((*at..at + 3000).contains(found), "{what}: {at} ms, in real time {found} ms");
        }
    }
}

/// The events with their times, in milliseconds since the start.
fn timeline(result: &TestResult) -> Vec<(String, u128)> {
    let events = result.get_history_events();
    let start = events[0].event_timestamp;
    let millis = events.iter().map(|event| event.event_timestamp.since(start).as_millis());
    let is_time = |word: &&str| word.starts_with(|c: char| c == '+' || c.is_ascii_digit());
    let what = |line: String| line.split(' ').skip_while(is_time).collect::<Vec<_>>().join(" ");
    result.get_history_lines().into_iter().map(what).zip(millis).collect()
}

/// Waits concurrently for a callback without an answer, for a function that does the same, and for a longer time.
async fn waits_beside((): (), ctx: DurableContext) -> Result<(bool, bool), BoxError> {
    let wait = ctx.wait(Duration::from_secs(4)).name("longer").future();
    let own = ctx.create_callback::<bool>().timeout(Duration::from_secs(1)).name("own").await?;
    let asks = ctx.invoke::<bool, _>("asks", 2_u64).name("asks").future();
    let (waited, own, asked) = tokio::join!(wait, own.result(), asks);
    waited?;
    Ok((own.is_ok(), asked?))
}

async fn asks(seconds: u64, ctx: DurableContext) -> Result<bool, BoxError> {
    let callback = ctx.create_callback::<bool>().timeout(Duration::from_secs(seconds)).await?;
    Ok(callback.result().await.is_ok())
}

#[tokio::test]
async fn timeouts_come_where_they_belong_under_each_scheduler() {
    let runner = || {
        let mut runner = LocalDurableTestRunner::new(waits_beside).typed();
        runner.register_durable_function("asks", asks);
        runner
    };
    let order = |result: &TestResult| -> Vec<String> {
        let ends = ["WaitSucceeded", "CallbackTimedOut", "ChainedInvokeSucceeded"];
        let lines = timeline(result).into_iter().map(|(what, _)| what.split(' ').next().unwrap().to_owned());
        lines.filter(|what| ends.contains(&what.as_str())).collect()
    };
    let by_time = ["CallbackTimedOut", "ChainedInvokeSucceeded", "WaitSucceeded"];
    let skipped = runner().run(()).await.unwrap();
    assert_eq!(order(&skipped), by_time);
    let timers = real(runner()).scheduler(TimerScheduler::new).run(()).await.unwrap();
    assert_eq!(order(&timers), by_time);
    // A queue fires timeouts only when nothing else is left, including those of invoked functions.
    let queued = runner().scheduler(QueueScheduler::new).run(()).await.unwrap();
    assert_eq!(order(&queued), ["WaitSucceeded", "CallbackTimedOut", "ChainedInvokeSucceeded"]);
}

/// A callback without an answer, concurrent with two consecutive waits.
async fn waits_twice((): (), ctx: DurableContext) -> Result<(), BoxError> {
    let callback = ctx.create_callback::<bool>().timeout(Duration::from_secs(1)).await?;
    let waits = async {
        ctx.wait(Duration::from_secs(5)).await?;
        ctx.wait(Duration::from_secs(5)).await
    };
    let (waited, _) = tokio::join!(waits, callback.result());
    Ok(waited?)
}

#[tokio::test]
async fn in_a_queue_a_timeout_waits_for_what_is_scheduled_later_as_well() {
    let runner: LocalDurableTestRunner = LocalDurableTestRunner::new(waits_twice).typed();
    let runner = runner.scheduler(QueueScheduler::new);
    let result = runner.run(()).await.unwrap();
    let ends: Vec<_> = timeline(&result)
        .into_iter()
        .map(|(what, _)| what)
        .filter(|what| what.starts_with("WaitSucceeded") || what.starts_with("CallbackTimedOut"))
        .collect();
    assert_eq!(ends, ["WaitSucceeded", "WaitSucceeded", "CallbackTimedOut"]);
}

#[tokio::test]
async fn an_execution_s_time_is_up_under_a_scheduler_as_well() {
    let event = json!([{"wait": ["w", 1]}, {"callback": ["never", 0]}]);
    for runner in [
        handler("sequence").scheduler(QueueScheduler::new),
        real(handler("sequence")).scheduler(TimerScheduler::new),
    ] {
        let result = runner.execution_timeout(Duration::from_secs(2)).run(&event).await.unwrap();
        assert_eq!(result.get_status(), ExecutionStatus::TimedOut);
    }
    // Also while an invocation runs.
    let sleeps = real(handler("sleeps_in_step")).scheduler(TimerScheduler::new);
    let result = sleeps.execution_timeout(Duration::from_secs(1)).run(3_u64).await.unwrap();
    assert_eq!(result.get_status(), ExecutionStatus::TimedOut);
}

#[tokio::test]
async fn a_scheduler_of_real_timers_is_refused_where_time_skips() {
    let refused = handler("sequence").scheduler(TimerScheduler::new).run(json!([])).await.unwrap_err();
    assert!(matches!(refused, TestError::TimeIsSkipped), "{refused}");
}

#[tokio::test]
async fn an_orchestrator_runs_one_execution_after_another_under_its_scheduler() {
    let manager = Arc::new(CheckpointWorkerManager::new(None));
    manager.setup().await.unwrap();
    let mut functions = FunctionStorage::new();
    functions.add_function(durawasm_testing::NativeHandler::durable("waits", waits).into_function());
    let storage = Arc::default();
    let skip = SkipTimeConfig { enabled: true };
    let mut orchestrator =
        TestExecutionOrchestrator::<u64>::new(None, Arc::clone(&storage), manager, functions, skip)
            .unwrap()
            .with_scheduler(Box::new(QueueScheduler::new()))
            .unwrap();
    for seconds in [5, 7] {
        let result = orchestrator.execute_handler(seconds).await.unwrap();
        assert_eq!(result.get_result(), Ok(&seconds));
        assert_eq!(storage.lock().unwrap().get_all().len(), 1);
    }
}

async fn waits(seconds: u64, ctx: DurableContext) -> Result<u64, BoxError> {
    ctx.wait(Duration::from_secs(seconds)).await?;
    Ok(seconds)
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
    // The callback times out after a minute and the waits take a day: in the queue the timeout comes after everything
    // else.
    let event = json!([{"spawned": ["callback", {"wait": 86_400}]}]);
    let result = handler("workflow").scheduler(QueueScheduler::new).run(&event).await.unwrap();
    let order: Vec<_> = result
        .get_history_lines()
        .into_iter()
        .filter(|line| line.contains("WaitSucceeded") || line.contains("CallbackTimedOut"))
        .collect();
    assert!(order[0].contains("WaitSucceeded") && order[1].contains("CallbackTimedOut"), "{order:?}");
    // A crashed invocation is retried, and an invoke receives its result.
    let crashes = handler("panics").scheduler(QueueScheduler::new).run(()).await.unwrap();
    assert_eq!(crashes.get_invocations().len(), 3);
    let error: &ErrorObject = crashes.get_error().unwrap();
    assert_eq!(error.error_type.as_deref(), Some("Runtime.ExitError"));
}

#[tokio::test(start_paused = true)]
async fn tokio_s_time_goes_along() {
    let started = tokio::time::Instant::now();
    let beside = async {
        tokio::time::sleep(Duration::from_hours(1)).await;
        tokio::time::Instant::now()
    };
    let runner = handler("sequence").tokio_time();
    let event = json!([{"wait": ["w", 7200]}, {"step": ["s", 1]}, {"wait": ["x", 60]}]);
    let (result, woken) = tokio::join!(runner.run(&event), beside);
    assert_eq!(value(&result.unwrap()), json!([7200, 1, 60]));
    assert!(woken.duration_since(started).as_secs() >= 3600);
    assert_eq!(started.elapsed().as_secs(), 7260);
}

#[tokio::test(start_paused = true)]
async fn an_environment_takes_tokio_s_time_along() {
    let started = tokio::time::Instant::now();
    setup_test_environment(TestEnvironmentConfig::default().with_tokio_time()).await.unwrap();
    for _ in 0..2 {
        let result = handler("sequence").run(&json!([{"wait": ["w", 7200]}])).await.unwrap();
        assert_eq!(value(&result), json!([7200]));
    }
    teardown_test_environment().await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 14_400);
}

#[tokio::test(start_paused = true)]
async fn a_test_that_advances_time_advances_tokio_s_as_well() {
    let started = tokio::time::Instant::now();
    let runner = handler("sequence").tokio_time();
    let handle = runner.operation("approval");
    let act = async {
        handle.wait_for_data(WaitingOperationStatus::Submitted).await.unwrap();
        runner.advance_time(Duration::from_hours(1)).await.unwrap();
        assert_eq!(started.elapsed(), Duration::from_hours(1));
        handle.send_callback_success("1").await.unwrap();
    };
    let event = json!([{"callback": ["approval", 86_400]}]);
    let (result, ()) = tokio::join!(runner.run(&event), act);
    assert_eq!(result.unwrap().get_duration(), Duration::from_hours(1));
}

#[tokio::test]
async fn tokio_s_time_has_to_be_paused_for_that() {
    let refused = handler("sequence").tokio_time().run(json!([])).await.unwrap_err();
    assert!(refused.to_string().contains("start_paused"), "{refused}");
}

/// A queue whose content can be inspected.
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
    // The wait of ten seconds wins; the wait of one second is still in the queue.
    let result = handler("races").scheduler(move || scheduler.clone()).run(()).await.unwrap();
    assert_eq!(value(&result), json!(10));
    assert_eq!(watched.0.lock().unwrap().1, [true], "flushed once, with something in it");
}
