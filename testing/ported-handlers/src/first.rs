//! "Your first durable function", "The handler and the context", and "Testing a handler locally".

use std::time::Duration;

use durawasm_guest as durable;

pub async fn handler(
    _event: serde_json::Value,
    ctx: durable::DurableContext,
) -> Result<String, durable::BoxError> {
    let name = ctx.step(|_| async { Ok("world".to_owned()) }).name("fetch-name").await?;

    ctx.wait(Duration::from_secs(2)).name("cooldown").await?;

    let greeting = ctx.step(move |_| async move { Ok(format!("hello, {name}")) }).name("format").await?;

    Ok(greeting)
}

pub async fn spawn(
    _event: serde_json::Value,
    ctx: durable::DurableContext,
) -> Result<i32, durable::BoxError> {
    let wait = ctx.wait(Duration::from_secs(5)).name("timer").spawn();
    let work = ctx.step(|_| async { Ok(42_i32) }).name("compute").spawn();

    let (timer, result) = tokio::join!(wait, work);
    timer?;
    let value = result?;
    Ok(value)
}

pub async fn increment(n: u32, ctx: durable::DurableContext) -> Result<u32, durable::BoxError> {
    let v = ctx.step(move |_| async move { Ok(n + 1) }).await?;
    Ok::<_, durable::BoxError>(v)
}
