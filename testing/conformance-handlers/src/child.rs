//! Child contexts: cases 3-x.

use std::time::Duration;

use durable::{BoxError, DurableContext};
use serde::Deserialize;
use serde_json::Value;

use crate::formats::Uppercase;
use crate::retries::{a_second_apart, never};

/// More than fits in a record: 256 KiB.
const LARGE: usize = 300 * 1024;

/// A child with one step, which returns the event.
pub async fn case_3_1(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let result = ctx
        .run_in_child_context(|child| async move { Ok(child.step(|_| async { Ok(event) }).await?) })
        .await?;
    Ok(result)
}

/// A name for a child, and what its step returns.
#[derive(Deserialize)]
pub struct Named {
    name: String,
    value: String,
}

/// A child under the event's name.
pub async fn case_3_2(event: Named, ctx: DurableContext) -> Result<String, BoxError> {
    let Named { name, value } = event;
    let result = ctx
        .run_in_child_context(|child| async move { Ok(child.step(|_| async { Ok(value) }).await?) })
        .name(name)
        .await?;
    Ok(result)
}

/// A child with two steps: the second returns what the first did.
pub async fn case_3_3(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let result = ctx
        .run_in_child_context(|child| async move {
            let first = child.step(|_| async { Ok(event) }).await?;
            Ok(child.step(|_| async { Ok(first) }).await?)
        })
        .name("two-steps")
        .await?;
    Ok(result)
}

/// A child whose step fails for good.
pub async fn case_3_4(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.run_in_child_context(|child| async move {
        child.step(|_| async { Err::<(), _>("the step failed".into()) }).retry_strategy(never).await?;
        Ok(())
    })
    .name("failing")
    .await?;
    Ok(())
}

/// A child whose step succeeds at its second attempt.
pub async fn case_3_7(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let result = ctx
        .run_in_child_context(|child| async move {
            let value = child
                .step(|step| async move {
                    if step.attempt() == 1 {
                        return Err("not yet".into());
                    }
                    Ok(event)
                })
                .retry_strategy_config(a_second_apart(3))
                .await?;
            Ok(value)
        })
        .name("retrying")
        .await?;
    Ok(result)
}

/// A child before a wait, so that a replay finds it finished.
pub async fn case_3_9(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let result = ctx
        .run_in_child_context(|child| async move { Ok(child.step(|_| async { Ok(event) }).await?) })
        .name("cached")
        .await?;
    ctx.wait(Duration::from_secs(1)).await?;
    Ok(result)
}

/// A child with a step and a wait.
pub async fn case_3_10(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let result = ctx
        .run_in_child_context(|child| async move {
            let value = child.step(|_| async { Ok(event) }).await?;
            child.wait(Duration::from_secs(1)).await?;
            Ok(value)
        })
        .name("step-and-wait")
        .await?;
    Ok(result)
}

/// A child with a result too large to be recorded, from a step with a small one. It logs the event, also when it is
/// replayed. Then a wait. The result is how large the child's was.
pub async fn case_3_11(event: String, ctx: DurableContext) -> Result<usize, BoxError> {
    durable::logging::keep_replayed(true);
    let large = ctx
        .run_in_child_context(|child| async move {
            tracing::info!("in the child: {event}");
            let small = child.step(|_| async { Ok("x".to_owned()) }).await?;
            Ok(small.repeat(LARGE))
        })
        .name("large")
        .await?;
    ctx.wait(Duration::from_secs(1)).await?;
    Ok(large.len())
}

/// A child with a serdes that records its result in upper case.
pub async fn case_3_14(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let result = ctx
        .run_in_child_context(|child| async move { Ok(child.step(|_| async { Ok(event) }).await?) })
        .name("uppercase")
        .serdes(Uppercase)
        .await?;
    Ok(result)
}

/// A child that fails without an operation of its own.
pub async fn case_3_15(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.run_in_child_context(|_child| async move { Err::<(), _>("the child failed".into()) })
        .name("failing")
        .await?;
    Ok(())
}

/// A child that only logs the event, with lines of replays kept, before a wait.
pub async fn case_3_17(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    durable::logging::keep_replayed(true);
    let result = ctx
        .run_in_child_context(|_child| async move {
            tracing::info!("in the child: {event}");
            Ok(event)
        })
        .name("logging")
        .await?;
    ctx.wait(Duration::from_secs(1)).await?;
    Ok(result)
}
