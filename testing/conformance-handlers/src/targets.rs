//! What the cases of chained invokes invoke.

use durable::{BoxError, DurableContext};
use serde_json::{Value, json};

/// Returns the event.
pub async fn echo(event: Value, _ctx: DurableContext) -> Result<Value, BoxError> {
    Ok(event)
}

/// Fails.
pub async fn failing(_event: Value, _ctx: DurableContext) -> Result<Value, BoxError> {
    Err("the invoked function failed".into())
}

/// Tells how many characters the event has.
pub async fn measuring(event: String, _ctx: DurableContext) -> Result<Value, BoxError> {
    Ok(json!({ "characters": event.chars().count() }))
}
