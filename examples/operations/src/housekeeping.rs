//! Checkpoint modes, logging, plugins and deterministic values.

use std::time::Duration;

use durawasm_guest::plugin::OperationEndInfo;
use durawasm_guest::{BoxError, CheckpointMode, DurableContext, Plugin, Uuid};
use serde::Serialize;
use tracing::{info, warn};

/// When checkpoints are sent. Eager: before a body runs and after it. Batched, the default: when the handler waits for
/// an outcome, which is one request per step. In each mode, everything is recorded before a suspension.
pub async fn checkpoint_modes(eager: bool, ctx: DurableContext) -> Result<(), BoxError> {
    // The mode applies to one invocation, so it is set where every replay executes it.
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

/// Lines appear once, however often the function is replayed: those of `tracing`, with level and fields, and of
/// `println!`.
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

/// Observes without any effect: whatever a plugin does, and even if it fails, the execution is the same.
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

/// Observed by the plugin, which is registered in the list of handlers.
pub async fn plugin(_event: (), ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async { Ok(()) }).name("first").await?;
    ctx.step(|_| async { Ok(()) }).name("second").await?;
    Ok(())
}

/// Values that are the same on every replay.
#[derive(Serialize)]
pub struct Drawn {
    id: Uuid,
    number: f64,
    millis: u64,
}

/// Ids, random numbers and the time, drawn between operations: they need no step.
pub async fn values(_event: (), ctx: DurableContext) -> Result<Drawn, BoxError> {
    let drawn = Drawn { id: ctx.uuid(), number: ctx.random(), millis: ctx.now_millis() };
    ctx.wait(Duration::from_mins(1)).name(drawn.id.to_string()).await?; // on the replay, the same name
    Ok(drawn)
}
