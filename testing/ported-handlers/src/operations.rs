//! From "step" to "with retry".

use std::time::Duration;

use durable::builders::wait_for_condition::{WaitDecision, WaitStrategy};
use durable::{BoxError, DurableContext, RetryDecision, StepSemantics};
use durawasm_guest as durable;

pub async fn step(_event: serde_json::Value, ctx: DurableContext) -> Result<String, BoxError> {
    let value = ctx.step(|_| async { Ok("step completed".to_owned()) }).await?;
    Ok(value)
}

pub async fn step_retry_strategy(_event: serde_json::Value, ctx: DurableContext) -> Result<String, BoxError> {
    let result = ctx
        .step(|step_ctx| async move {
            let attempt = step_ctx.attempt();
            if attempt < 3 {
                return Err(format!("transient failure on attempt {attempt}").into());
            }
            Ok(format!("succeeded on attempt {attempt}"))
        })
        .name("flaky-call")
        .retry_strategy(|_err, attempt| {
            if attempt >= 3 {
                RetryDecision::Stop
            } else {
                RetryDecision::Retry { delay: Duration::from_secs(u64::from(attempt)) }
            }
        })
        .semantics(StepSemantics::AtMostOncePerRetry)
        .await?;
    Ok(result)
}

pub async fn wait(_event: serde_json::Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.wait(Duration::from_secs(60)).name("cooldown").await?;
    Ok(())
}

/// Event: what the target, `increment`, is to be given.
pub async fn invoke(event: serde_json::Value, ctx: DurableContext) -> Result<serde_json::Value, BoxError> {
    let target_function_name = "increment".to_owned();
    let receipt = ctx.invoke::<serde_json::Value, _>(&target_function_name, event).name("delegate").await?;
    Ok(receipt)
}

/// Event: the threshold.
pub async fn wait_strategy_fn(threshold: i32, ctx: DurableContext) -> Result<i32, BoxError> {
    let count = ctx
        .wait_for_condition(|_ctx, state: i32| async move { Ok(state + 1) }, 0)
        .wait_strategy_fn(move |state: i32, _attempt| {
            if state >= threshold {
                WaitDecision::complete()
            } else {
                WaitDecision::continue_with(Duration::from_secs(1))
            }
        })
        .name("poll-until-ready")
        .await?;
    Ok(count)
}

/// The README has this one in prose. Event: the threshold.
pub async fn wait_strategy(threshold: i32, ctx: DurableContext) -> Result<i32, BoxError> {
    let count = ctx
        .wait_for_condition(|_ctx, state: i32| async move { Ok(state + 1) }, 0)
        .wait_strategy(
            WaitStrategy::builder(move |state: &i32| *state >= threshold)
                .max_attempts(5)
                .initial_delay(Duration::from_secs(2))
                .max_delay(Duration::from_secs(60))
                .backoff_rate(2.0)
                .jitter(durable::builders::JitterStrategy::None)
                .build(),
        )
        .name("poll-until-ready")
        .await?;
    Ok(count)
}

pub async fn create_callback(_event: serde_json::Value, ctx: DurableContext) -> Result<String, BoxError> {
    let cb = ctx.create_callback::<String>().name("approval").await?;
    tracing::info!(callback_id = %cb.id(), "awaiting external completion");
    let approval = cb.result().await?;
    Ok(approval)
}

pub async fn wait_for_callback(_event: serde_json::Value, ctx: DurableContext) -> Result<String, BoxError> {
    let approval: String = ctx
        .wait_for_callback::<String, _, _>(|_step_ctx, callback_id| async move {
            publish_approval_request(callback_id).await?;
            Ok(())
        })
        .name("await-approval")
        .await?;
    Ok(approval)
}

/// What the README leaves out.
async fn publish_approval_request(callback_id: String) -> Result<(), std::io::Error> {
    if callback_id.is_empty() {
        return Err(std::io::Error::other("no id"));
    }
    tracing::info!("published");
    std::future::ready(Ok(())).await
}

pub async fn child_context(_event: serde_json::Value, ctx: DurableContext) -> Result<String, BoxError> {
    let greeting = ctx
        .run_in_child_context(|child| async move {
            let name = child.step(|_| async { Ok("world".to_owned()) }).name("fetch-name").await?;
            Ok(format!("hello, {name}"))
        })
        .name("greet")
        .await?;
    Ok(greeting)
}

pub async fn with_retry(_event: serde_json::Value, ctx: DurableContext) -> Result<String, BoxError> {
    let receipt = ctx
        .with_retry(|child| async move {
            let quote = child.step(|_| async { Ok(fetch_quote().await?) }).name("fetch-quote").await?;
            let receipt = child.step(move |_| async move { Ok(book(quote).await?) }).name("book").await?;
            Ok(receipt)
        })
        .name("quote-and-book")
        .retry_strategy(|_err, attempt| {
            if attempt >= 3 {
                RetryDecision::Stop
            } else {
                RetryDecision::Retry { delay: Duration::from_secs(5) }
            }
        })
        .await?;
    Ok(receipt)
}

/// What the README leaves out: a price, which the first five seconds of the hour get too low. A step's body sees the
/// live clock.
async fn fetch_quote() -> Result<u32, std::time::SystemTimeError> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    std::future::ready(Ok(if now.as_secs() % 3600 < 5 { 10 } else { 100 })).await
}

/// What the README leaves out: nothing is booked at too low a price, however often the step is tried.
async fn book(quote: u32) -> Result<String, BoxError> {
    if quote < 100 {
        return Err("the quote is not valid".into());
    }
    std::future::ready(Ok(format!("booked for {quote}"))).await
}
