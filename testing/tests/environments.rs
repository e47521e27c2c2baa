//! Environments and checkpoint servers: setup, sharing, crashes and teardown, with many at the same time.

use std::time::Duration;

use crate::common::{handler, history, value};
use durawasm_core::server::StartExecution;
use durawasm_testing::{
    Disturbance, ExecutionStatus, LocalDurableTestRunner, TestEnvironmentConfig, TestError,
    WaitingOperationStatus,
    checkpoint_server::{
        CheckpointWorkerManager, CheckpointWorkerParams, GetExecution, PollCheckpointData,
        StartDurableExecution,
    },
};
use serde_json::json;

const SKIP: TestEnvironmentConfig = TestEnvironmentConfig { skip_time: true, checkpoint_delay: None };

#[tokio::test]
async fn runners_of_an_environment_share_its_time_and_end_with_it() {
    LocalDurableTestRunner::setup_test_environment(SKIP).await.unwrap();
    let (one, other) = (handler("sequence"), handler("sequence"));
    let event = json!([{"wait": ["a-day", 86_400]}]);
    let first = one.run(&event).await.unwrap();
    let second = other.run(&event).await.unwrap();
    let start = |result: &durawasm_testing::TestResult| result.get_history_events()[0].event_timestamp;
    assert_eq!(start(&second).since(start(&first)), Duration::from_hours(24), "time goes on");
    LocalDurableTestRunner::teardown_test_environment().await.unwrap();
    assert!(matches!(one.run(&event).await, Err(TestError::EnvironmentNotSetUp)));
    let again = LocalDurableTestRunner::teardown_test_environment().await;
    assert!(matches!(again, Err(TestError::EnvironmentNotSetUp)));
    // Without an environment each run starts with a new server.
    let alone = handler("sequence").run(&event).await.unwrap();
    assert_eq!(start(&alone), start(&first));
}

#[tokio::test]
async fn without_time_skipping_waits_take_their_time() {
    let config = TestEnvironmentConfig { skip_time: false, checkpoint_delay: None };
    LocalDurableTestRunner::setup_test_environment(config).await.unwrap();
    let started = std::time::Instant::now();
    handler("sequence").run(json!([{"wait": ["a-second", 1]}])).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    LocalDurableTestRunner::teardown_test_environment().await.unwrap();
}

#[tokio::test]
async fn a_checkpoint_delay_passes_in_the_environment_s_time() {
    let config = TestEnvironmentConfig { checkpoint_delay: Some(1500), ..SKIP };
    let result =
        handler("sequence").config(config).run(json!([{"step": ["a", 1]}, {"step": ["b", 2]}])).await;
    let result = result.unwrap();
    assert_eq!(value(&result), json!([1, 2]));
    assert_eq!(
        result.get_duration(),
        Duration::from_millis(1500) * u32::try_from(result.get_checkpoints()).unwrap()
    );
    let slow = handler("sequence").disturb(Disturbance::SlowCheckpoint(2, Duration::from_secs(7)));
    let result = slow.run(json!([{"step": ["a", 1]}, {"step": ["b", 2]}])).await.unwrap();
    assert_eq!(result.get_duration(), Duration::from_secs(7));
}

#[tokio::test]
async fn checkpoints_that_fail_or_are_lost_and_instances_that_die_change_no_result() {
    let event = json!([{"step": ["a", 1]}, {"wait": ["w", 60]}, {"child": ["c", [{"step": ["b", 2]}]]}]);
    let undisturbed = handler("sequence").run(&event).await.unwrap();
    let mut crashed = 0;
    for n in 1..=undisturbed.get_checkpoints() {
        for disturbance in [
            Disturbance::FailCheckpoint(n),
            Disturbance::LoseCheckpoint(n),
            Disturbance::DieAtOperation(n),
            Disturbance::DieBeforeCheckpoint(n),
            Disturbance::DieAfterCheckpoint(n),
        ] {
            let result = handler("sequence").disturb(disturbance).run(&event).await.unwrap();
            assert_eq!(value(&result), value(&undisturbed), "{disturbance:?}");
            let names = |result: &durawasm_testing::TestResult| {
                result.get_operations().iter().map(|o| o.id.clone()).collect::<Vec<_>>()
            };
            assert_eq!(names(&result), names(&undisturbed), "{disturbance:?}");
            crashed += result.get_invocations().iter().filter(|i| i.error.is_some()).count();
        }
    }
    // Each fault is injected once, except those whose operation number exceeds the number of operations.
    assert!(crashed as u64 >= 4 * undisturbed.get_checkpoints(), "{crashed}");
}

#[tokio::test]
async fn a_lost_checkpoint_is_an_error_of_its_invocation() {
    let lost = handler("sequence").disturb(Disturbance::LoseCheckpoint(1));
    let result = lost.run(json!([{"step": ["a", 1]}])).await.unwrap();
    let error = result.get_invocations()[0].error.clone().unwrap();
    assert_eq!(error.error_type.as_deref(), Some("Service.CheckpointFailed"));
    assert!(error.error_message.unwrap().contains("a failure was injected"));
}

/// Fifty runners, each with its own event, in as many tasks; then the same fifty one after another. The results are
/// equal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_runners_at_once_interfere_in_nothing() {
    let event = |n: u64| {
        json!([
            {"step": [format!("s{n}"), n]},
            {"wait": ["w", 60 + n]},
            {"callback": ["answered", 1000 + n]},
            {"invoke": ["i", "plain", 1]},
            {"child": ["c", [{"fails": "f"}, {"callback": ["timed-out", n + 1]}]]},
        ])
    };
    let runner = |n: u64| handler("sequence").answer("answered", &format!("{}s", n + 1), n).unwrap();
    let mut alone = Vec::new();
    for n in 0..50 {
        let result = runner(n).run(event(n)).await.unwrap();
        alone.push((value(&result), serde_json::to_string(result.get_history_events()).unwrap()));
    }
    let tasks: Vec<_> =
        (0..50).map(|n| tokio::spawn(async move { runner(n).run(event(n)).await.unwrap() })).collect();
    for (task, (expected, expected_history)) in tasks.into_iter().zip(alone) {
        let result = task.await.unwrap();
        assert_eq!(value(&result), expected);
        assert_eq!(serde_json::to_string(result.get_history_events()).unwrap(), expected_history);
    }
}

#[tokio::test]
async fn a_server_that_breaks_fails_all_who_wait_for_it() {
    let manager = CheckpointWorkerManager::new(None);
    let unborn = manager.send_api_request(GetExecution("arn".into())).await.unwrap_err();
    assert!(matches!(&unborn, TestError::CheckpointCommunicationError(why) if why.contains("not set up")));
    manager.setup().await.unwrap();
    let start = StartDurableExecution(StartExecution::new("f", None));
    let arn = manager.send_api_request(start.clone()).await.unwrap();
    assert!(manager.send_api_request(PollCheckpointData(arn.clone())).await.is_ok());
    let waiting = (0..20).map(|_| async {
        // A poll of an execution with a running invocation waits for changes.
        manager.send_api_request(PollCheckpointData(arn.clone())).await
    });
    let invocation = manager.backend().unwrap().server.start_invocation(&arn).await.unwrap();
    let all = futures_util::future::join_all(waiting);
    let (all, crash) = tokio::join!(all, async {
        tokio::task::yield_now().await;
        manager.crash("a test broke it")
    });
    crash.unwrap();
    for outcome in all {
        let error = outcome.unwrap_err().to_string();
        assert_eq!(error, "the checkpoint server cannot be reached: a test broke it");
    }
    drop(invocation);
    assert!(
        manager.send_api_request(start.clone()).await.unwrap_err().to_string().contains("a test broke it")
    );
    assert!(!manager.is_set_up());
    manager.setup().await.unwrap();
    assert!(manager.send_api_request(start.clone()).await.is_ok(), "another thread takes its place");
    manager.teardown().await.unwrap();
    let gone = manager.send_api_request(start.clone()).await.unwrap_err();
    assert!(
        matches!(&gone, TestError::CheckpointCommunicationError(why) if why.contains("shut down")),
        "{gone}"
    );
    manager.setup().await.unwrap();
    assert!(manager.send_api_request(start).await.is_ok());
}

#[tokio::test]
async fn a_server_that_breaks_under_a_run_ends_it_with_the_reason() {
    LocalDurableTestRunner::setup_test_environment(SKIP).await.unwrap();
    let runner = handler("sequence");
    let handle = runner.operation("never-answered");
    let breaks = async {
        handle.wait_for_data(WaitingOperationStatus::Submitted).await.unwrap();
        // The server of the runner, through the runner's own handle.
        runner.checkpoint_server().unwrap().crash("a test broke it").unwrap();
        handle.wait_for_data(WaitingOperationStatus::Completed).await
    };
    let event = json!([{"callback": ["never-answered", 0]}]);
    let (result, waited) = tokio::join!(runner.run(event), breaks);
    let error = result.unwrap_err();
    assert!(
        matches!(&error, TestError::CheckpointCommunicationError(why) if why.contains("a test broke it")),
        "{error}"
    );
    assert!(matches!(waited, Err(TestError::ExecutionCompletedEarly(..))), "{waited:?}");
    LocalDurableTestRunner::teardown_test_environment().await.unwrap();
}

#[tokio::test]
async fn who_polls_by_hand_is_told_when_a_wait_is_over() {
    use durawasm_core::protocol::{DurableServiceClient, InvocationResult, *};

    let params = CheckpointWorkerParams { checkpoint_delay: Some(2000), ..CheckpointWorkerParams::default() };
    let manager = CheckpointWorkerManager::new(Some(params));
    manager.setup().await.unwrap();
    let start = StartDurableExecution(StartExecution::new("f", None));
    let arn = manager.send_api_request(start).await.unwrap();
    let backend = manager.backend().unwrap();
    let began = backend.clock.now();
    let started = backend.server.start_invocation(&arn).await.unwrap();
    let mut wait = OperationUpdate::new("w".into(), OperationType::Wait, OperationAction::Start);
    wait.wait_options = Some(WaitOptions { wait_seconds: Some(60) });
    let token = started.input.checkpoint_token;
    DurableServiceClient::checkpoint(&manager, &arn, &token, vec![wait]).await.unwrap();
    assert_eq!(backend.clock.now().since(began), Duration::from_secs(2), "the delay");
    let pending = InvocationResult::Output(InvocationOutput::pending());
    backend.server.complete_invocation(&arn, &started.request_id, pending).await.unwrap();
    let next = manager.send_api_request(PollCheckpointData(arn)).await.unwrap();
    assert_eq!(next, durawasm_core::server::Next::Invoke);
    assert_eq!(backend.clock.now().since(began), Duration::from_secs(62));
}

#[tokio::test(start_paused = true)]
async fn tokio_s_paused_time_does_not_run_away_under_a_run() {
    let runner = handler("sequence");
    let handle = runner.operation("approval");
    let answer = async {
        let callback = handle.wait_for_data(WaitingOperationStatus::Submitted).await.unwrap();
        callback.send_callback_success("1").await.unwrap();
    };
    let event = json!([{"wait": ["w", 3600]}, {"callback": ["approval", 0]}]);
    let (result, ()) = tokio::join!(runner.run(event), answer);
    assert_eq!(value(&result.unwrap()), json!([3600, 1]));
}

#[tokio::test]
async fn instances_of_the_manager_belong_to_a_thread() {
    let one = CheckpointWorkerManager::get_instance(None).unwrap();
    let same = CheckpointWorkerManager::get_instance(None).unwrap();
    assert!(std::sync::Arc::ptr_eq(&one, &same));
    let alike = CheckpointWorkerManager::get_instance(Some(CheckpointWorkerParams::default())).unwrap();
    assert!(std::sync::Arc::ptr_eq(&one, &alike));
    let other = CheckpointWorkerParams { seed: Some(7), ..CheckpointWorkerParams::default() };
    assert!(CheckpointWorkerManager::get_instance(Some(other)).is_err());
    let elsewhere = std::thread::spawn(|| CheckpointWorkerManager::get_instance(None).unwrap());
    assert!(!std::sync::Arc::ptr_eq(&one, &elsewhere.join().unwrap()));
    CheckpointWorkerManager::reset_instance_for_testing();
    assert!(!std::sync::Arc::ptr_eq(&one, &CheckpointWorkerManager::get_instance(Some(other)).unwrap()));
}

#[tokio::test]
async fn a_history_is_the_same_in_every_run_but_for_what_is_random() {
    let event = json!([{"callback": ["answered", 0]}, {"wait": ["w", 5]}, {"fails": "f"}]);
    let run = async |seed| {
        let runner = handler("sequence").seed(seed).answer("answered", "1h", "yes").unwrap();
        runner.run(&event).await.unwrap()
    };
    let (one, other) = (run(None).await, run(None).await);
    assert_eq!(one.get_status(), ExecutionStatus::Succeeded);
    assert_ne!(one.get_execution_arn(), other.get_execution_arn());
    assert_eq!(one.get_normalized_history(), other.get_normalized_history());
    assert_eq!(history(&one), history(&other));
}
