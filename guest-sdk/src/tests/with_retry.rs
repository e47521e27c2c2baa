//! Tests of blocks with retries, and of steps that exceed their timeout.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::fake::{World, run};
use super::{execute, second};
use crate::builders::RetryStrategyConfig;
use crate::entry::Function;
use crate::{
    BoxError, ChildContextErrorKind, DurableContext, OperationError, OperationErrorKind, RetryDecision,
    TypedError,
};

fn after(seconds: u64) -> RetryDecision {
    RetryDecision::Retry { delay: Duration::from_secs(seconds) }
}

#[test]
fn each_attempt_has_its_own_operations() {
    static BODIES: AtomicU32 = AtomicU32::new(0);
    let (world, outcome) = execute(|_, ctx| async move {
        let value = ctx
            .with_retry(|ctx| async move {
                let n =
                    ctx.step(|_| async { Ok(BODIES.fetch_add(1, Ordering::Relaxed)) }).name("count").await?;
                ctx.wait(second()).name("inner").await?;
                if n < 2 {
                    return Err(format!("{n} is too few").into());
                }
                Ok(n)
            })
            .name("block")
            .retry_strategy(|_, attempt| after(u64::from(attempt) * 7))
            .await?;
        ctx.wait(second()).await?;
        Ok(value.into())
    });
    assert_eq!(outcome.unwrap(), "2");
    assert_eq!(BODIES.load(Ordering::Relaxed), 3, "one for each attempt, however many replays");
    let world = world.lock().unwrap();
    let named = |id: &str| (world.records[id].kind, world.records[id].name.clone().unwrap_or_default());
    let expected = [
        ("/1", "child", "block"),
        ("/1/1", "child", "attempt-1"),
        ("/1/1/1", "step", "count"),
        ("/1/1/2", "wait", "inner"),
        ("/1/2", "wait", "retry-delay-1"),
        ("/1/3", "child", "attempt-2"),
        ("/1/4", "wait", "retry-delay-2"),
        ("/1/5", "child", "attempt-3"),
        ("/1/5/1", "step", "count"),
    ];
    for (id, kind, name) in expected {
        assert_eq!(named(id), (kind, name.to_owned()), "{id}");
    }
    let delays: Vec<u64> =
        world.passed.iter().filter(|(id, _)| id.matches('/').count() == 2).map(|(_, due)| *due).collect();
    assert_eq!(delays, [7, 14]);
}

#[test]
fn the_strategy_gets_the_recorded_error() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&seen);
    let (world, outcome) = execute(move |_, ctx| {
        let seen = Arc::clone(&seen);
        async move {
            let error: OperationError = ctx
                .with_retry(|_| async { Err::<u32, _>(TypedError::with_type("Full", "no seats").into()) })
                .retry_strategy(move |error, attempt| {
                    let source = std::error::Error::source(error).unwrap();
                    let wire = source.downcast_ref::<OperationError>().unwrap().wire().unwrap();
                    seen.lock().unwrap().push((attempt, wire.error_type().unwrap().to_owned()));
                    if attempt < 3 { after(0) } else { RetryDecision::Stop }
                })
                .await
                .unwrap_err();
            let OperationErrorKind::ChildContext(child) = error.kind() else { panic!("{error:#}") };
            assert!(matches!(child.kind(), ChildContextErrorKind::ChildFailed));
            Err(error.into())
        }
    });
    let error = outcome.unwrap_err();
    assert!(error.contains("retries exhausted after 3 attempts: operation error: child_context"), "{error}");
    assert!(error.contains("no seats"), "{error}");
    assert_eq!(world.lock().unwrap().passed.len(), 2, "a delay is at least a second");
    let seen = all.lock().unwrap();
    let attempts: Vec<u32> = seen.iter().map(|(attempt, _)| *attempt).collect();
    assert_eq!(attempts, [1, 1, 2, 1, 2, 3], "asked again on each replay");
    assert!(seen.iter().all(|(_, name)| name == "Full"));
}

#[test]
fn a_block_is_retried_by_schedules_and_filters() {
    let (world, outcome) = execute(|_, ctx| async move {
        let only_busy = RetryStrategyConfig::linear().max_attempts(9).retryable_errors(["busy"]).build();
        let block = ctx.with_retry(|_| async { Err::<(), BoxError>("the line is busy".into()) });
        block.retry_strategy_config(only_busy).await?;
        Ok(Value::Null)
    });
    assert!(outcome.unwrap_err().contains("retries exhausted after 9 attempts"));
    assert_eq!(world.lock().unwrap().passed.len(), 8);

    let (world, outcome) = execute(|_, ctx| async move {
        let only_busy = RetryStrategyConfig::builder().retryable_errors(["busy"]).build();
        ctx.with_retry(|_| async { Err::<(), BoxError>("gone".into()) })
            .retry_strategy_config(only_busy)
            .await?;
        Ok(Value::Null)
    });
    assert!(outcome.unwrap_err().contains("retries exhausted after 1 attempts"));
    assert!(world.lock().unwrap().passed.is_empty());
}

#[test]
fn a_large_result_of_a_block_is_rebuilt() {
    static BODIES: AtomicU32 = AtomicU32::new(0);
    let (_, outcome) = execute(|_, ctx| async move {
        let text = ctx
            .with_retry(|ctx| async move {
                let n = ctx.step(|_| async { Ok(BODIES.fetch_add(1, Ordering::Relaxed)) }).await?;
                if n == 0 { Err("first".into()) } else { Ok("x".repeat(300_000)) }
            })
            .await?;
        ctx.wait(second()).await?;
        Ok(text.len().into())
    });
    assert_eq!(outcome.unwrap(), "300000");
    assert_eq!(BODIES.load(Ordering::Relaxed), 2);
}

#[test]
fn a_step_that_exceeds_its_timeout_is_retried_by_the_strategy() {
    let run_slow = |strategy: fn(&crate::StepError, u32) -> RetryDecision| {
        let world = Arc::new(Mutex::new(World::default()));
        world.lock().unwrap().slow_steps.insert("/1".to_owned());
        let handler = move |_: Value, ctx: DurableContext| async move {
            let step = ctx.step(|step| async move { Ok(step.attempt()) }).name("slow");
            Ok::<_, BoxError>(step.timeout(Duration::from_micros(1500)).retry_strategy(strategy).await?)
        };
        (run(&world, || Function::durable("test", handler), "null"), world)
    };
    let (outcome, world) = run_slow(|error, attempt| {
        let source = std::error::Error::source(error).unwrap();
        assert_eq!((attempt, source.downcast_ref::<TypedError>().unwrap().error_type()), (1, "StepTimeout"));
        after(3)
    });
    assert_eq!(outcome.unwrap().unwrap(), "2", "the next attempt runs");
    assert_eq!(world.lock().unwrap().passed, [("/1".to_owned(), 3)]);

    let (outcome, _) = run_slow(|_, _| RetryDecision::Stop);
    let error = outcome.unwrap_err();
    assert_eq!(error.error_type(), Some("StepTimeout"));
    assert!(error.error_message().unwrap().contains("longer than the step's timeout"), "{error}");
}
