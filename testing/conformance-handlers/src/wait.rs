//! Waits: cases 2-x.

use std::time::Duration;

use durable::{BoxError, DurableContext};
use serde_json::Value;

/// One wait of two seconds.
pub async fn case_2_1(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.wait(Duration::from_secs(2)).await?;
    Ok(())
}

/// The same with a name.
pub async fn case_2_2(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.wait(Duration::from_secs(2)).name("custom_wait_name").await?;
    Ok(())
}

/// A wait that is given in minutes.
pub async fn case_2_4(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.wait(Duration::from_mins(1)).await?;
    Ok(())
}
