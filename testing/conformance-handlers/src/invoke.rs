//! Chained invokes: cases 5-x. Which functions they invoke is told by environment variables.

use std::env;
use std::time::Duration;

use durable::{BoxError, DurableContext};
use serde::Deserialize;
use serde_json::Value;

use crate::formats::UppercaseOnReceipt;

/// A little less than what an operation's input may have, 256 KiB.
const NEAR_THE_LIMIT: usize = 250 * 1024;

/// The name of a function that returns its event.
pub fn echo() -> Result<String, BoxError> {
    function("ECHO_FUNCTION")
}

fn function(variable: &str) -> Result<String, BoxError> {
    env::var(variable).map_err(|error| format!("{variable} must name a function: {error}").into())
}

/// Invokes with the event and returns the result.
pub async fn case_5_1(event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    Ok(ctx.invoke::<Value, _>(echo()?, event).await?)
}

/// A name for an invoke, and its input.
#[derive(Deserialize)]
pub struct Named {
    name: String,
    payload: Value,
}

/// Invokes under the event's name.
pub async fn case_5_2(event: Named, ctx: DurableContext) -> Result<Value, BoxError> {
    Ok(ctx.invoke::<Value, _>(echo()?, event.payload).name(event.name).await?)
}

/// Invokes with a nested event.
pub async fn case_5_3(event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    Ok(ctx.invoke::<Value, _>(echo()?, event).await?)
}

/// Invokes a function that fails.
pub async fn case_5_5(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    Ok(ctx.invoke::<Value, _>(function("FAILING_FUNCTION")?, ()).await?)
}

/// Invokes with an input near the limit.
pub async fn case_5_7(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let large = "x".repeat(NEAR_THE_LIMIT);
    Ok(ctx.invoke::<Value, _>(function("MEASURING_FUNCTION")?, large).await?)
}

/// A tenant, and an invoke's input.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfTenant {
    /// On whose behalf.
    pub tenant_id: String,
    /// What is sent.
    pub payload: Value,
}

/// Invokes for the event's tenant.
pub async fn case_5_8(event: OfTenant, ctx: DurableContext) -> Result<Value, BoxError> {
    Ok(ctx.invoke::<Value, _>(echo()?, event.payload).tenant_id(event.tenant_id).await?)
}

/// Invokes, then waits, so that a replay finds the invoke finished.
pub async fn case_5_9(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let result = ctx.invoke::<Value, _>(echo()?, ()).await?;
    ctx.wait(Duration::from_secs(1)).await?;
    Ok(result)
}

/// A step, whose result is an invoke's input.
pub async fn case_5_11(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    let prepared = ctx.step(|_| async { Ok("prepared".to_owned()) }).await?;
    Ok(ctx.invoke::<String, _>(echo()?, prepared).await?)
}

/// An invoke in a child context.
pub async fn case_5_13(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let echo = echo()?;
    let result = ctx
        .run_in_child_context(|child| async move { Ok(child.invoke::<Value, _>(echo, ()).await?) })
        .await?;
    Ok(result)
}

/// An invoke whose result is read by a custom serdes.
pub async fn case_5_16(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    Ok(ctx.invoke::<String, _>(echo()?, event).serdes(UppercaseOnReceipt).await?)
}
