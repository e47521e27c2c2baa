//! What is around the operations: checkpoints, log, plugins, values that repeat.

use std::time::Duration;

use durawasm_guest::plugin::OperationEndInfo;
use durawasm_guest::{BoxError, CheckpointMode, DurableContext, Plugin, Uuid};
use serde::Serialize;
use tracing::{info, warn};

/// When records are sent. Eager: before a body runs and after it. Batched, the default: when the handler waits for an
/// outcome, which is one request a step. All of it is on record at a wait in each mode.
pub async fn checkpoint_modes(eager: bool, ctx: DurableContext) -> Result<(), BoxError> {
    // It holds for one invocation, so it is set where each replay comes by.
    ctx.set_checkpoint_mode(if eager { CheckpointMode::Eager } else { CheckpointMode::Batched });
    for _ in 0..5 {
        ctx.step(|_| async { Ok(()) }).await?;
    }
    Ok(())
}

/// Many small steps that may run again: their records are sent together. What was not sent before an interruption is
/// repeated.
pub async fn batch_mode(rows: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    ctx.enable_batch_mode();
    let mut sum = 0;
    for row in 1..=rows {
        sum += ctx.step(move |_| async move { Ok(row) }).await?;
    }
    ctx.flush_batch().await?; // now it is on record
    Ok(sum)
}

/// Lines appear once, however often the function is replayed: those of `tracing` with level and fields, and `println!`.
pub async fn logging(_event: (), ctx: DurableContext) -> Result<(), BoxError> {
    info!(orders = 3, "started");
    ctx.step(|_| async {
        warn!("this line belongs to the step `work`");
        Ok(())
    })
    .name("work")
    .await?;
    ctx.wait(Duration::from_mins(1)).await?;
    println!("this is a line too");
    Ok(())
}

/// Watches, and changes nothing: whatever a plugin does or fails with, the execution is the same.
#[derive(Default)]
pub struct Counter {
    ended: u32,
}

impl Plugin for Counter {
    fn on_operation_end(&mut self, info: &OperationEndInfo) -> Result<(), BoxError> {
        self.ended += 1;
        println!("{}: {} {}", self.ended, info.name().unwrap_or("-"), info.status());
        Ok(())
    }
}

/// Watched by the plugin, which stands beside it in the list of handlers.
pub async fn plugin(_event: (), ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async { Ok(()) }).name("first").await?;
    ctx.step(|_| async { Ok(()) }).name("second").await?;
    Ok(())
}

/// What repeats on every replay.
#[derive(Serialize)]
pub struct Drawn {
    id: Uuid,
    number: f64,
    millis: u64,
}

/// Ids, random numbers and the time, drawn between operations: no step is needed for them.
pub async fn values(_event: (), ctx: DurableContext) -> Result<Drawn, BoxError> {
    let drawn = Drawn { id: ctx.uuid(), number: ctx.random(), millis: ctx.now_millis() };
    ctx.wait(Duration::from_mins(1)).name(drawn.id.to_string()).await?; // on the replay, the same name
    Ok(drawn)
}
