//! Clocks that are read between operations.
//!
//! The sandbox replays them, so a plain replay sees the same times. Where nothing virtualizes the clock, it does not.

use std::time::{Instant, SystemTime};

use durawasm_guest::{BoxError, DurableContext};
use serde_json::Value;

use crate::parts::{between, epoch, mark, seconds};

/// Waits a minute, and names a step by the time that has passed since the start: not replay-safe, because the clock is
/// another one on every replay.
pub(crate) async fn step_named_by_clock(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.wait(seconds(60)).name("pause").await?;
    let passed = between(ctx.start_time(), SystemTime::now()) / 1000;
    mark(&ctx, format!("after-{passed}s")).await?;
    Ok(())
}

/// The same by `ctx.now()`: replay-safe, because that time is on record.
pub(crate) async fn step_named_by_recorded_time(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.wait(seconds(60)).name("pause").await?;
    let passed = between(ctx.start_time(), ctx.now()) / 1000;
    mark(&ctx, format!("after-{passed}s")).await?;
    Ok(())
}

/// Waits an hour, and charges a fee if that took longer by the wall clock: not replay-safe. A constant shift of the
/// clock makes no difference here; a faster clock, or one that jumps in between, does.
pub(crate) async fn late_fee_by_clock(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let started = SystemTime::now();
    ctx.wait(seconds(3600)).name("parking").await?;
    let late = between(started, SystemTime::now()) > 3_601_000;
    mark(&ctx, if late { "late-fee" } else { "open-gate" }).await?;
    Ok(())
}

/// The same by `ctx.now()`: replay-safe.
pub(crate) async fn late_fee_by_recorded_time(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let started = ctx.now();
    ctx.wait(seconds(3600)).name("parking").await?;
    // The margin is a minute, because an invocation that is repeated comes some seconds later.
    let late = between(started, ctx.now()) > 3_660_000;
    mark(&ctx, if late { "late-fee" } else { "open-gate" }).await?;
    Ok(())
}

/// Measures an hour's wait with the monotonic clock, and names a step by it: not replay-safe, because a replay waits
/// for nothing.
pub(crate) async fn lap_by_instant(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let started = Instant::now();
    ctx.wait(seconds(3600)).name("lap").await?;
    mark(&ctx, format!("lap-{}s", started.elapsed().as_secs())).await?;
    Ok(())
}

/// Returns the time at which it ended, by the wall clock: the operations are the same on every replay, the result is
/// not.
pub(crate) async fn result_has_the_time(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    mark(&ctx, "work").await?;
    Ok(format!("done at {}", epoch(SystemTime::now())))
}

/// The same by `ctx.now()`: replay-safe.
pub(crate) async fn result_has_the_recorded_time(
    _event: Value,
    ctx: DurableContext,
) -> Result<String, BoxError> {
    mark(&ctx, "work").await?;
    Ok(format!("done at {}", ctx.now_millis()))
}

/// Reads the clock in a step's body: replay-safe, because replays use the recorded result. The body returns another
/// time when it runs again, which is its right.
pub(crate) async fn clock_in_a_step(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    let now = ctx.step(|_| async { Ok(epoch(SystemTime::now()).to_string()) }).name("now").await?;
    mark(&ctx, "work").await?;
    Ok(now)
}

/// Reads both clocks between operations, and only prints what they say: replay-safe.
pub(crate) async fn clock_for_a_log_line(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let started = Instant::now();
    println!("started at {}", epoch(SystemTime::now()));
    mark(&ctx, "work").await?;
    ctx.wait(seconds(5)).name("pause").await?;
    println!("ended after {:?}", started.elapsed());
    Ok(())
}
