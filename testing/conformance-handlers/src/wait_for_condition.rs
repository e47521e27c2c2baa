//! Polling: cases 6-x.

use std::time::Duration;

use durable::builders::JitterStrategy;
use durable::builders::wait_for_condition::{WaitDecision, WaitStrategy};
use durable::{BoxError, DurableContext};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Goes on once a second until a number is reached.
fn until(threshold: u32) -> impl Fn(u32, u32) -> WaitDecision + Send + Sync + 'static {
    move |state, _attempt| {
        if state >= threshold {
            WaitDecision::complete()
        } else {
            WaitDecision::continue_with(Duration::from_secs(1))
        }
    }
}

/// Counts from 0 to the event.
pub async fn case_6_1(event: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    let count = ctx
        .wait_for_condition(|_, state: u32| async move { Ok(state + 1) }, 0)
        .wait_strategy_fn(until(event))
        .await?;
    Ok(count)
}

/// Starts at the event, where the condition is met.
pub async fn case_6_2(_event: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    let state = ctx
        .wait_for_condition(|_, state: u32| async move { Ok(state) }, 5)
        .wait_strategy_fn(until(5))
        .await?;
    Ok(state)
}

/// Counts from 0 to 2, under a name.
pub async fn case_6_3(_event: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    let count = ctx
        .wait_for_condition(|_, state: u32| async move { Ok(state + 1) }, 0)
        .wait_strategy_fn(until(2))
        .name("poll-status")
        .await?;
    Ok(count)
}

/// Counts from 0 to the event, every two seconds.
pub async fn case_6_5(event: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    let every_two_seconds = WaitStrategy::builder(move |state: &u32| *state >= event)
        .initial_delay(Duration::from_secs(2))
        .backoff_rate(1.0)
        .jitter(JitterStrategy::None)
        .build();
    let count = ctx
        .wait_for_condition(|_, state: u32| async move { Ok(state + 1) }, 0)
        .wait_strategy(every_two_seconds)
        .await?;
    Ok(count)
}

/// Counts, and never has enough: gives up after three checks.
pub async fn case_6_6(_event: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    let three_times = WaitStrategy::builder(|_: &u32| false)
        .max_attempts(3)
        .initial_delay(Duration::from_secs(1))
        .backoff_rate(1.0)
        .jitter(JitterStrategy::None)
        .build();
    let count = ctx
        .wait_for_condition(|_, state: u32| async move { Ok(state + 1) }, 0)
        .wait_strategy(three_times)
        .await?;
    Ok(count)
}

/// Fails at the first check.
pub async fn case_6_7(_event: Value, ctx: DurableContext) -> Result<u32, BoxError> {
    let state = ctx
        .wait_for_condition(|_, _: u32| async move { Err("the check failed".into()) }, 0)
        .wait_strategy_fn(until(1))
        .await?;
    Ok(state)
}

/// How far a job is.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Pending,
    Done,
}

/// A job as the last check saw it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Job {
    status: Status,
    attempts: u32,
}

/// Looks at a job until it is done, at the second check.
pub async fn case_6_9(_event: Value, ctx: DurableContext) -> Result<Job, BoxError> {
    let look = |_, job: Job| async move {
        let attempts = job.attempts + 1;
        let status = if attempts >= 2 { Status::Done } else { job.status };
        Ok(Job { status, attempts })
    };
    let job = ctx
        .wait_for_condition(look, Job { status: Status::Pending, attempts: 0 })
        .wait_strategy_fn(|job: Job, _attempt| match job.status {
            Status::Pending => WaitDecision::continue_with(Duration::from_secs(1)),
            Status::Done => WaitDecision::complete(),
        })
        .await?;
    Ok(job)
}

/// Counts from 0 to the event, and has a step multiply the result.
pub async fn case_6_12(event: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    let count = ctx
        .wait_for_condition(|_, state: u32| async move { Ok(state + 1) }, 0)
        .wait_strategy_fn(until(event))
        .await?;
    Ok(ctx.step(move |_| async move { Ok(count * 10) }).await?)
}
