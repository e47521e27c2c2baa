//! Handlers that misbehave, each in one way. The host survives each, and reports a named error.
#![allow(clippy::panic)] // that is what some of them are for

use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use durawasm_guest::{BoxError, DurableContext, RetryDecision, StepSemantics};
use serde_json::Value;

/// Event: anything. Step `before`, then a panic.
pub async fn panics(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async { Ok(()) }).name("before").await?;
    panic!("the handler panics");
}

/// Event: anything. Step `boom` panics.
pub async fn panics_in_step(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async { boom("the step panics") }).name("boom").await?;
    Ok(())
}

/// Event: anything. At-most-once step `boom` panics, and is not tried again: the execution fails with
/// `StepInterrupted`.
pub async fn at_most_once_panics(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async { boom("the at-most-once step panics") })
        .name("boom")
        .semantics(StepSemantics::AtMostOncePerRetry)
        .retry_strategy(|_, _| RetryDecision::Stop)
        .await?;
    Ok(())
}

fn boom(message: &str) -> Result<(), BoxError> {
    panic!("{message}");
}

/// Event: anything. Step `before`, then an endless loop.
pub async fn spins(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async { Ok(()) }).name("before").await?;
    spin();
    Ok(())
}

/// Event: anything. Step `spin` loops for ever.
pub async fn spins_in_step(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async {
        spin();
        Ok(())
    })
    .name("spin")
    .await?;
    Ok(())
}

fn spin() {
    let mut turns = 0_u64;
    while std::hint::black_box(turns) < u64::MAX {
        turns = turns.wrapping_add(1) % 1_000_000_007;
    }
}

/// Event: anything. Step `before`, then takes memory, a mebibyte at a time, for ever.
pub async fn allocates(_event: Value, ctx: DurableContext) -> Result<usize, BoxError> {
    ctx.step(|_| async { Ok(()) }).name("before").await?;
    let mut memory: Vec<Vec<u8>> = Vec::new();
    loop {
        memory.push(vec![1; 1 << 20]);
        std::hint::black_box(&memory);
        if memory.len() == usize::MAX {
            return Ok(memory.len());
        }
    }
}

/// Event: anything. Step `before`, then exits with code 3.
pub async fn exits(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async { Ok(()) }).name("before").await?;
    std::process::exit(3);
}

/// Event: anything. Step `before`, then an abort without a message.
pub async fn aborts(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async { Ok(()) }).name("before").await?;
    std::process::abort();
}

/// Event: anything. Step `before`, then an exit with code 0, as if all were well.
pub async fn exits_well(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async { Ok(()) }).name("before").await?;
    std::process::exit(0);
}

/// Event: anything. Step `live` on the first run and `replayed` on a replay, then a wait of 1 second: not
/// deterministic.
pub async fn divergent(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let name = if ctx.is_replaying() { "replayed" } else { "live" };
    ctx.step(|_| async { Ok(()) }).name(name).await?;
    ctx.wait(Duration::from_secs(1)).await?;
    Ok(())
}

/// Event: anything. Step `before`, then awaits what never completes. Ends with `HandlerStalled`.
pub async fn hangs_on_foreign_future(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async { Ok(()) }).name("before").await?;
    std::future::pending().await
}

/// Event: anything. Step `hang` awaits what never completes, beside a wait of an hour; it is not tried again. Ends with
/// `StepStalled` in the first invocation.
pub async fn hangs_in_step(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let hour = ctx.wait(Duration::from_hours(1)).name("hour").spawn();
    ctx.step(|_| async { std::future::pending::<Result<(), BoxError>>().await })
        .name("hang")
        .retry_strategy(|_, _| RetryDecision::Stop)
        .await?;
    hour.await?;
    Ok(())
}

/// Event: which stack: "calls", or "memory" for the one in the guest's memory. A recursion without an end.
pub async fn recurses(stack: String, _ctx: DurableContext) -> Result<u64, BoxError> {
    Ok(if stack == "memory" { deep_in_memory(1) } else { deep_in_calls(1) })
}

fn deep_in_calls(depth: u64) -> u64 {
    if black_box(depth) == 0 { 0 } else { black_box(deep_in_calls(depth + 1)) + 1 }
}

fn deep_in_memory(depth: u64) -> u64 {
    let large = black_box([depth; 512]);
    let below = if large.first() == Some(&0) { 0 } else { deep_in_memory(depth + 1) };
    black_box(large).iter().sum::<u64>() + below
}

/// Event: anything. Blocks on a durable operation inside of the handler, instead of awaiting it.
pub async fn blocks_on(_event: Value, ctx: DurableContext) -> Result<u32, BoxError> {
    Ok(block_on(ctx.step(|_| async { Ok(1) }).future())?)
}

/// As executors of their own do it.
#[inline(never)]
fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = Pin::new(&mut future).poll(&mut context) {
            return output;
        }
    }
}

/// Event: anything. Step `sleep` sleeps with tokio's timer, which has no runtime here.
pub async fn sleeps_with_tokio(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let sleep = |_| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    };
    Ok(ctx.step(sleep).name("sleep").await?)
}

/// Event: anything. Step `thread` starts a thread, which a guest cannot.
pub async fn starts_a_thread(_event: Value, ctx: DurableContext) -> Result<u32, BoxError> {
    let thread = |_| async { std::thread::spawn(|| 1).join().map_err(|_| "the thread panicked".into()) };
    Ok(ctx.step(thread).name("thread").await?)
}
