//! Handlers that poll, retry, and store results in files.

use std::time::Duration;

use durawasm_guest::builders::wait_for_condition::{WaitDecision, WaitStrategy};
use durawasm_guest::builders::{JitterStrategy, RetryStrategyConfig};
use durawasm_guest::serdes::{FileSystemSerdes, FileSystemSerdesConfig, FileSystemSerdesMode};
use durawasm_guest::{
    BoxError, ChildContextErrorKind, DurableContext, OperationErrorKind, TypedError,
    WaitForConditionErrorKind,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// How many checks are needed, how many are allowed, and which one fails.
#[derive(Deserialize, Clone, Copy)]
pub struct Poll {
    needed: usize,
    allowed: u32,
    fails: Option<u32>,
}

/// Condition `poll`: each check adds its number to the state, `[0]` at first, until there are as many as needed; 10
/// seconds doubled after each, no jitter. Then a wait of 1 second. Result: the state, or how it failed:
/// `{"kind", "checks", "type"}`.
pub async fn polls(event: Poll, ctx: DurableContext) -> Result<Value, BoxError> {
    let strategy = WaitStrategy::builder(move |seen: &Vec<u32>| seen.len() > event.needed)
        .max_attempts(event.allowed)
        .initial_delay(Duration::from_secs(10))
        .backoff_rate(2.0)
        .jitter(JitterStrategy::None)
        .build();
    let polled = ctx
        .wait_for_condition(
            move |step, mut seen: Vec<u32>| async move {
                println!("check {}", step.attempt());
                if event.fails == Some(step.attempt()) {
                    return Err(TypedError::with_type("Unreachable", "no route").into());
                }
                seen.push(step.attempt());
                Ok(seen)
            },
            vec![0],
        )
        .name("poll")
        .wait_strategy(strategy)
        .await;
    let told = match polled {
        Ok(seen) => json!(seen),
        Err(error) => {
            let OperationErrorKind::WaitForCondition(wait) = error.kind() else { return Err(error.into()) };
            let (kind, checks) = match wait.kind() {
                WaitForConditionErrorKind::MaxChecksExceeded(details) => ("exhausted", details.checks()),
                WaitForConditionErrorKind::CheckFailed { .. } => ("failed", 0),
                _ => ("other", 0),
            };
            let error_type = error.wire().and_then(|wire| wire.error_type());
            json!({ "kind": kind, "checks": checks, "type": error_type })
        }
    };
    ctx.wait(Duration::from_secs(1)).await?;
    Ok(told)
}

/// Event: bytes. Condition `poll` whose state has so many; it continues once, after a delay of 2 seconds, then is met.
/// Result: how many bytes the last state has.
pub async fn polls_much(bytes: usize, ctx: DurableContext) -> Result<usize, BoxError> {
    let state = ctx
        .wait_for_condition(move |_, _: String| async move { Ok("x".repeat(bytes)) }, String::new())
        .name("poll")
        .wait_strategy_fn(|_, check| match check {
            1 => WaitDecision::continue_with(Duration::from_millis(1500)),
            _ => WaitDecision::complete(),
        })
        .await?;
    Ok(state.len())
}

/// Since when a block succeeds, in seconds from the start, and how many attempts it has.
#[derive(Deserialize, Clone, Copy)]
pub struct Block {
    from: u64,
    attempts: u32,
}

/// Step `start` and block `block`, tried again after 10 seconds: step `clock`, wait `inner` of 1 second, and step
/// `done` if it is time. Then a wait of 1 second. Result: `{"seconds"}` after which the attempt began that succeeded,
/// or `{"text"}`.
pub async fn block_with_retry(event: Block, ctx: DurableContext) -> Result<Value, BoxError> {
    let start = ctx.step(|_| async { now() }).name("start").await?;
    let block = ctx
        .with_retry(move |ctx| async move {
            let clock = ctx.step(|_| async { now() }).name("clock").await?;
            let seconds = clock.saturating_sub(start);
            ctx.wait(Duration::from_secs(1)).name("inner").await?;
            if seconds < event.from {
                return Err(format!("{seconds} seconds are too early").into());
            }
            Ok(ctx.step(move |_| async move { Ok(seconds) }).name("done").await?)
        })
        .name("block")
        .retry_strategy_config(RetryStrategyConfig::fixed(event.attempts, Duration::from_secs(10)));
    let told = match block.await {
        Ok(seconds) => json!({ "seconds": seconds }),
        Err(error) => match error.kind() {
            OperationErrorKind::ChildContext(child)
                if matches!(child.kind(), ChildContextErrorKind::ChildFailed { .. }) =>
            {
                json!({ "text": format!("{error:#}") })
            }
            _ => return Err(error.into()),
        },
    };
    ctx.wait(Duration::from_secs(1)).await?;
    Ok(told)
}

fn now() -> Result<u64, BoxError> {
    Ok(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs())
}

/// The type of the error of a step, and the types that are worth another attempt.
#[derive(Deserialize, Clone)]
pub struct Filtered {
    fails_with: String,
    retryable: Vec<String>,
}

/// Step `filtered` fails so on its first attempt; linear delays of 3 seconds, no jitter. Result: the attempt that
/// succeeded.
pub async fn filtered_retries(event: Filtered, ctx: DurableContext) -> Result<u32, BoxError> {
    let Filtered { fails_with, retryable } = event;
    let retries = RetryStrategyConfig::linear()
        .initial_delay(Duration::from_secs(3))
        .jitter(JitterStrategy::None)
        .retryable_error_types(retryable)
        .retryable_errors(["once more"])
        .build();
    let attempt = ctx
        .step(move |step| async move {
            match step.attempt() {
                1 => Err(TypedError::with_type(fails_with, "try me").into()),
                n => Ok(n),
            }
        })
        .name("filtered")
        .retry_strategy_config(retries)
        .await?;
    Ok(attempt)
}

/// Event: bytes. Step `step`, child `child` with a step in it, and condition `poll`, which has two checks; each result
/// is a text of so many bytes that is kept in `/scratch` when it is larger than 1,000 bytes. A wait of 1 second after
/// each, and random numbers in between. Result: the lengths, and the numbers.
pub async fn keeps_files(bytes: usize, ctx: DurableContext) -> Result<Value, BoxError> {
    let config = FileSystemSerdesConfig::builder()
        .storage_mode(FileSystemSerdesMode::Overflow)
        .overflow_threshold_bytes(1000)
        .build();
    let serdes = FileSystemSerdes::with_config("/scratch", config);
    let mut drawn = vec![draw()];
    let step = ctx.step(move |_| async move { Ok("s".repeat(bytes)) }).name("step");
    let step = step.serdes(serdes.clone()).await?;
    drawn.push(draw());
    ctx.wait(Duration::from_secs(1)).await?;
    let child = ctx
        .run_in_child_context(move |ctx| async move {
            let letter = ctx.step(|_| async { Ok("c".to_owned()) }).await?;
            Ok(letter.repeat(bytes))
        })
        .name("child")
        .serdes(serdes.clone());
    let child = child.await?;
    drawn.push(draw());
    ctx.wait(Duration::from_secs(1)).await?;
    let poll = ctx
        .wait_for_condition(
            move |_, state: String| async move { Ok(state + &"p".repeat(bytes)) },
            String::new(),
        )
        .name("poll")
        .serdes(serdes)
        .wait_strategy_fn(move |state, _| match state.len() / bytes {
            2 => WaitDecision::complete(),
            _ => WaitDecision::continue_with(Duration::from_secs(1)),
        })
        .await?;
    drawn.push(draw());
    Ok(json!({ "lengths": [step.len(), child.len(), poll.len()], "drawn": drawn }))
}

/// The next number of the handler's stream.
fn draw() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
