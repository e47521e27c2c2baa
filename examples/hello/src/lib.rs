//! The smallest durable handler: one step, one wait.

use std::time::Duration;

use durawasm_guest::{BoxError, DurableContext, durable_execution};

/// Event: a name. Result: a greeting, a minute later.
#[durable_execution]
async fn hello(name: String, ctx: DurableContext) -> Result<String, BoxError> {
    let greeting = ctx.step(move |_| async move { Ok(format!("Hello, {name}!")) }).name("greet").await?;
    ctx.wait(Duration::from_mins(1)).name("a-minute").await?;
    Ok(greeting)
}
