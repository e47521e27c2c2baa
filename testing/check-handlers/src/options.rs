//! Options and payloads that a replay computes differently.
//!
//! The record is used, and the execution is the same: no divergence, but something to know about.

use std::env;
use std::time::SystemTime;

use durawasm_guest::{BoxError, DurableContext};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::parts::{epoch, mark, seconds};

/// Waits for 60 seconds and some more by the wall clock: another duration on a replay, where the recorded one counts.
pub(crate) async fn wait_computed_from_the_clock(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let more = u64::try_from(epoch(SystemTime::now()) / 1000 % 997)?;
    ctx.wait(seconds(60 + more)).name("pause").await?;
    mark(&ctx, "work").await?;
    Ok(())
}

/// The same by `ctx.now()`.
pub(crate) async fn wait_computed_from_recorded_time(
    _event: Value,
    ctx: DurableContext,
) -> Result<(), BoxError> {
    ctx.wait(seconds(60 + ctx.now_millis() / 1000 % 997)).name("pause").await?;
    mark(&ctx, "work").await?;
    Ok(())
}

/// Waits longer on a replay, where the recorded duration counts.
pub(crate) async fn wait_longer_on_a_replay(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let pause = if ctx.is_replaying() { 20 } else { 10 };
    ctx.wait(seconds(pause)).name("pause").await?;
    mark(&ctx, "work").await?;
    Ok(())
}

/// Invokes a function with a random id in its payload: another payload on a replay, which is not sent.
pub(crate) async fn payload_with_a_random_id(_event: Value, ctx: DurableContext) -> Result<u32, BoxError> {
    let payload = json!({ "id": Uuid::new_v4().to_string() });
    Ok(ctx.invoke::<u32, _>("price", payload).name("ask-price").await?)
}

/// The same with an id of the context.
pub(crate) async fn payload_with_an_id_of_the_context(
    _event: Value,
    ctx: DurableContext,
) -> Result<u32, BoxError> {
    let payload = json!({ "id": ctx.uuid().to_string() });
    Ok(ctx.invoke::<u32, _>("price", payload).name("ask-price").await?)
}

/// Creates a callback whose timeout comes from a variable: another timeout on a replay with other variables.
pub(crate) async fn timeout_from_a_variable(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let limit = env::var("LIMIT").ok().and_then(|limit| limit.parse().ok()).unwrap_or(300);
    let approval = ctx.create_callback::<Value>().name("approval").timeout(seconds(limit)).await?;
    Ok(approval.result().await?)
}

/// The same with a timeout from the event.
pub(crate) async fn timeout_from_the_event(limit: u64, ctx: DurableContext) -> Result<Value, BoxError> {
    let approval = ctx.create_callback::<Value>().name("approval").timeout(seconds(limit)).await?;
    Ok(approval.result().await?)
}
