//! Handlers that waste time.

use std::hint::black_box;
use std::time::Duration;

use durawasm_guest::{BoxError, DurableContext, RetryDecision};
use serde_json::Value;

/// Event: how often to sleep, and whether in the body of a step. Sleeps that often for 584 years.
pub async fn sleeps_for_ages(event: (u32, bool), ctx: DurableContext) -> Result<u32, BoxError> {
    let (times, in_step) = event;
    let sleep = move || {
        for _ in 0..times {
            std::thread::sleep(Duration::from_nanos(u64::MAX));
        }
    };
    if in_step {
        let body = move |_| async move {
            sleep();
            Ok(())
        };
        ctx.step(body).name("ages").await?;
    } else {
        sleep();
    }
    Ok(times)
}

/// Event: how many steps. Each has a timeout of an hour and a body that never ends, and is not tried again. Result: how
/// many were stopped.
pub async fn many_bodies_that_spin(steps: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    let mut stopped = 0;
    for _ in 0..steps {
        let body = ctx.step(|_| never_ends());
        let body = body.timeout(Duration::from_hours(1)).retry_strategy(|_, _| RetryDecision::Stop);
        stopped += u32::from(body.await.is_err());
    }
    Ok(stopped)
}

#[expect(clippy::unused_async, reason = "a body is a future")]
async fn never_ends() -> Result<(), BoxError> {
    loop {
        black_box(());
    }
}

/// Event: anything. Fills 64 MiB of memory, again and again.
pub async fn fills_memory(_event: Value, _ctx: DurableContext) -> Result<u8, BoxError> {
    let mut memory = vec![0_u8; 64 << 20];
    let mut value = 0_u8;
    loop {
        value = value.wrapping_add(1);
        black_box(&mut memory).fill(value);
    }
}

/// Event: what to ask the host for without an end, after a wait of a second: `random` numbers, the `time`, or `sleep`s of
/// no time.
pub async fn asks_without_end(what: String, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.wait(Duration::from_secs(1)).await?;
    loop {
        match what.as_str() {
            "random" => drop(black_box(ctx.random_u64())),
            "time" => drop(black_box(std::time::SystemTime::now())),
            _ => std::thread::sleep(Duration::ZERO),
        }
    }
}
