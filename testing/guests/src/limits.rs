//! Handlers with many operations or large results.

use std::time::Duration;

use durawasm_guest::{BoxError, DurableContext};

/// Event: a number. So many steps one after another, each of which returns its number. Result: their sum.
pub async fn many_steps(count: u64, ctx: DurableContext) -> Result<u64, BoxError> {
    let mut sum = 0;
    for n in 0..count {
        sum += ctx.step(move |_| async move { Ok(n) }).await?;
    }
    Ok(sum)
}

/// Event: a number. So many spawned steps at the same time, each of which returns its number. Result: their sum.
pub async fn many_concurrent_steps(count: u64, ctx: DurableContext) -> Result<u64, BoxError> {
    let steps: Vec<_> = (0..count).map(|n| ctx.step(move |_| async move { Ok(n) }).spawn()).collect();
    let mut sum = 0;
    for step in steps {
        sum += step.await?;
    }
    Ok(sum)
}

/// Event: a number. So many waits of 1 second one after another. Result: the number.
pub async fn many_waits(count: u64, ctx: DurableContext) -> Result<u64, BoxError> {
    for _ in 0..count {
        ctx.wait(Duration::from_secs(1)).await?;
    }
    Ok(count)
}

/// Event: a number. A map over so many numbers, each in a context of its own with one step that returns it. Result:
/// their sum.
pub async fn map_of_steps(count: u64, ctx: DurableContext) -> Result<u64, BoxError> {
    let numbers = ctx
        .map(0..count, |ctx, n, _| async move { Ok(ctx.step(move |_| async move { Ok(n) }).await?) })
        .await?;
    Ok(numbers.into_iter().sum())
}

/// Event: a number of bytes. A child `big` with one step and a result of so many bytes (with its quotes), a wait of 1
/// second, and the same result from the handler.
pub async fn big_result(bytes: usize, ctx: DurableContext) -> Result<String, BoxError> {
    let big = ctx
        .run_in_child_context(move |ctx| async move {
            let letter = ctx.step(|_| async { Ok("x".to_owned()) }).name("letter").await?;
            Ok(letter.repeat(bytes.saturating_sub(2)))
        })
        .name("big")
        .await?;
    ctx.wait(Duration::from_secs(1)).await?;
    Ok(big)
}
