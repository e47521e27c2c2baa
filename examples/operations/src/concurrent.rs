//! Concurrent operations as futures: `spawn()` starts one at once, `future()` when it is first polled.

use std::time::Duration;

use durawasm_guest::builders::RetryPresets;
use durawasm_guest::{BoxError, DurableContext, DurableFuture, Settled};

/// Spawned operations run concurrently with the code that follows.
pub async fn spawn(_event: (), ctx: DurableContext) -> Result<u32, BoxError> {
    let pause = ctx.wait(Duration::from_mins(1)).name("pause").spawn();
    let work = ctx.step(|_| async { Ok(42) }).name("work").spawn();
    let (pause, work) = tokio::join!(pause, work);
    pause?;
    Ok(work?)
}

/// A step that succeeds, or fails at once.
fn one(ctx: &DurableContext, name: &str, result: Result<u32, &'static str>) -> DurableFuture<u32> {
    let step = ctx.step(move |_| async move { result.map_err(Into::into) });
    step.name(name).retry_strategy_config(RetryPresets::none()).future()
}

/// A wait in a child context, so that it has a value.
fn after(ctx: &DurableContext, seconds: u64) -> DurableFuture<u64> {
    let wait = ctx.run_in_child_context(move |ctx| async move {
        ctx.wait(Duration::from_secs(seconds)).await?;
        Ok(seconds)
    });
    wait.name(format!("after-{seconds}")).future()
}

/// All values, or the first failure.
pub async fn try_join_all(_event: (), ctx: DurableContext) -> Result<Vec<u32>, BoxError> {
    let all = [one(&ctx, "a", Ok(1)), one(&ctx, "b", Ok(2))];
    Ok(ctx.try_join_all(all).name("all").await?)
}

/// The outcome of each. It does not fail.
pub async fn join_all(_event: (), ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let all = [one(&ctx, "good", Ok(1)), one(&ctx, "bad", Err("broken"))];
    let ends = ctx.join_all(all).name("ends").await?;
    let line = |end| match end {
        Settled::Fulfilled(value) => format!("value {value}"),
        // The recorded message.
        Settled::Rejected(error) => error.wire().map(ToString::to_string).unwrap_or_default(),
        _ => String::new(),
    };
    Ok(ends.into_iter().map(line).collect())
}

/// The first that succeeds.
pub async fn select_ok(_event: (), ctx: DurableContext) -> Result<u32, BoxError> {
    let sources = [one(&ctx, "primary", Err("down")), one(&ctx, "fallback", Ok(2))];
    Ok(ctx.select_ok(sources).name("either").await?)
}

/// The first that ends, in any way. The winner is recorded: it wins again on each replay, although the others have
/// ended by then.
pub async fn race(_event: (), ctx: DurableContext) -> Result<u64, BoxError> {
    let winner = ctx.race([after(&ctx, 10), after(&ctx, 1)]).name("race").await?;
    ctx.wait(Duration::from_mins(1)).await?; // a replay follows, with both waits long over
    Ok(winner)
}
