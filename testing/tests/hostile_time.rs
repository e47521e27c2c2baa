//! Guests that waste time, and guests that use the contract in a wrong order: each ends with a named error, in time, and
//! others go on meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::common::{bounded, error, handler, history, value};
use durawasm_core::{
    invocation::LogBuffer,
    orchestrator::{Environment, EnvironmentOptions},
    protocol::Limits,
    server::{ExecutionView, StartExecution},
};
use durawasm_sandbox::{Sandbox, SandboxOptions, default_cache_directory};
use durawasm_testing::{
    ExecutionStatus, InvocationRetry, LocalDurableTestRunner, SandboxLimits, TestEnvironmentConfig,
};
use serde_json::json;

const ONCE: InvocationRetry = InvocationRetry { max_retries: 0, first_delay_seconds: 1 };

/// A runner that tries an invocation once.
fn once(function: &str, limits: &SandboxLimits) -> LocalDurableTestRunner {
    bounded(function, limits).invocation_retry(ONCE)
}

fn cpu(millis: u64) -> SandboxLimits {
    SandboxLimits { cpu: Duration::from_millis(millis), ..SandboxLimits::default() }
}

/// Runs `sleeps_for_ages` without any limit on the time of the execution.
async fn sleeps_for_ages(times: u32, in_step: bool) -> ExecutionView {
    let component = LocalDurableTestRunner::build(concat!(env!("CARGO_MANIFEST_DIR"), "/guests")).unwrap();
    let cache = default_cache_directory();
    let sandbox = Sandbox::new(SandboxOptions { cache, ..SandboxOptions::default() }).unwrap();
    let limits = Limits { longest_execution: None, ..Limits::default() };
    let options = EnvironmentOptions { limits, ..EnvironmentOptions::default() };
    let handler = sandbox.load_file(&component).unwrap();
    let environment = Environment::new(options, &[handler], Arc::new(LogBuffer::default())).await.unwrap();
    let event = json!([times, in_step]).to_string();
    let start = StartExecution::new("sleeps_for_ages", Some(event));
    environment.run(StartExecution { invocation_retry: ONCE, ..start }).await.unwrap().view
}

/// The clock ends in the year 262142. Nothing waits for what comes after that.
#[tokio::test]
async fn what_sleeps_past_the_end_of_the_clock_is_stopped() {
    for in_step in [false, true] {
        let view = sleeps_for_ages(1000, in_step).await;
        let error = view.error.unwrap();
        let message = error.error_message.unwrap();
        assert_eq!(error.error_type.as_deref(), Some("Sandbox.TimeLimitExceeded"), "{message}");
        assert!(message.contains("+262142-12-31"), "{message}");
        let view = sleeps_for_ages(400, in_step).await;
        assert_eq!(view.result.as_deref(), Some("400"), "before that, time passes: {:?}", view.error);
    }
}

#[tokio::test]
async fn an_execution_without_a_timeout_ends_after_a_year_although_an_invocation_is_running() {
    for in_step in [false, true] {
        let result = once("sleeps_for_ages", &SandboxLimits::default()).run((1, in_step)).await.unwrap();
        assert_eq!(result.get_status(), ExecutionStatus::TimedOut);
        let history = history(&result);
        assert_eq!(history.last().unwrap(), "ExecutionTimedOut +31622400", "{history:#?}");
    }
}

#[tokio::test]
async fn real_time_is_over_whatever_an_invocation_waits_for() {
    let limits = SandboxLimits { wall: Duration::from_millis(50), ..SandboxLimits::default() };
    let real = TestEnvironmentConfig { skip_time: false, ..TestEnvironmentConfig::default() };
    let result = once("sleeps_in_step", &limits).config(real).run(3600).await.unwrap();
    let (kind, message) = error(&result);
    assert_eq!(kind, "Sandbox.TimeLimitExceeded");
    assert!(message.contains("longer than 50ms of real time: "), "{message}");
}

/// The calls take most of the time, which no code of the guest's runs in.
#[tokio::test]
async fn the_work_of_the_host_for_a_guest_counts() {
    let result = once("polls_long_lists", &cpu(400)).run((450_000, 35)).await.unwrap();
    let (kind, message) = error(&result);
    assert_eq!(kind, "Sandbox.CpuLimitExceeded", "{message}");
    assert!(message.contains("of CPU time; the limit is 400ms"), "{message}");
    let result = once("fills_memory", &cpu(300)).run(()).await.unwrap();
    assert_eq!(error(&result).0, "Sandbox.CpuLimitExceeded");
}

#[tokio::test]
async fn one_call_is_bounded() {
    let result = once("polls_long_lists", &cpu(60_000)).run((600_000, 1)).await.unwrap();
    let (kind, message) = error(&result);
    assert_eq!(kind, "Sandbox.HandleLimitExceeded", "{message}");
    assert!(message.contains("600000 pollables at once; 500000 are allowed"), "{message}");
    // Frames are cut in linear time.
    let result = once("fails_with_frames", &cpu(10_000)).run(400_000).await.unwrap();
    assert_eq!(value(&result), json!(400_000));
    let step = &result.get_operations()[0];
    let recorded = step.step_details.clone().unwrap().error.unwrap();
    assert!((1..400).contains(&recorded.stack_trace.len()), "{}", recorded.stack_trace.len());
}

/// Each body is stopped by the limit on CPU time, which is the invocation's: there are no more bodies after the first.
#[tokio::test]
async fn bodies_with_timeouts_share_the_limit_of_the_invocation() {
    let result = once("many_bodies_that_spin", &cpu(100)).run(1000).await.unwrap();
    let (kind, message) = error(&result);
    assert_eq!(kind, "Sandbox.CpuLimitExceeded", "{message}");
    let stopped = history(&result).iter().filter(|event| event.starts_with("StepFailed")).count();
    assert!(stopped <= 2, "{stopped} of 1000 steps");
}

#[tokio::test]
async fn a_wrong_order_of_calls_breaks_the_contract() {
    for (rule, says) in [
        ("enter a step that is over", "attempt is over"),
        ("enter a step that is being closed", "attempt is over"),
        ("enter a step that waits", "not to run yet"),
        ("enter twice", "before the last one was left"),
        ("enter another", "before the last one was left"),
        ("enter a condition twice", "before the last one was left"),
        ("close another", "inside the body of another one"),
        ("retry another", "inside the body of another one"),
        ("close a child in a body", "inside the body of another one"),
        ("leave twice", "not running"),
        ("leave another", "not running"),
        ("leave after the end", "not running"),
        ("enter a hook twice", "before the last one was left"),
        ("leave a hook twice", "not running"),
        ("begin twice", "begun twice"),
        ("poll nothing", "empty list"),
        ("close twice", "closed before"),
        ("start in a context that is over", "in a context that is over"),
    ] {
        let result = once("breaks_the_contract", &SandboxLimits::default()).run(rule).await.unwrap();
        let (kind, message) = error(&result);
        assert!(kind == "Durable.ContractViolation" && message.contains(says), "{rule}: {kind}: {message}");
    }
}

#[tokio::test]
async fn another_use_of_a_recorded_place_is_not_deterministic() {
    let result = handler("opens_a_scope_over_a_child").run(()).await.unwrap();
    let (kind, message) = error(&result);
    assert_eq!(kind, "NonDeterministicExecutionError", "{message}");
    assert!(message.contains("opened a scope without an operation"), "{message}");
}

/// Executions that share a thread take turns: one that only waits is done before any of those that compute without end.
#[tokio::test]
async fn those_who_compute_share_their_thread() {
    const SPINNERS: usize = 20;
    let done = AtomicUsize::new(0);
    let limits = cpu(200);
    let spin = async || {
        let result = once("spins", &limits).run(()).await.unwrap();
        assert_eq!(error(&result).0, "Sandbox.CpuLimitExceeded");
        done.fetch_add(1, Ordering::Relaxed);
    };
    let short = async {
        let result = handler("two_steps_and_wait").run(5).await.unwrap();
        assert_eq!(result.get_status(), ExecutionStatus::Succeeded);
        done.load(Ordering::Relaxed)
    };
    let spinners = futures_util::future::join_all((0..SPINNERS).map(|_| spin()));
    let (_, before) = tokio::join!(spinners, short);
    assert_eq!(before, 0, "of {SPINNERS} that spin ended first");
    assert_eq!(done.into_inner(), SPINNERS);
}
