//! Steps: cases 1-x.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use durable::{BoxError, DurableContext, RetryDecision, StepError, StepSemantics, TypedError};
use serde_json::Value;

use crate::formats::Uppercase;
use crate::retries::{a_second_apart, never};

/// The greeting that many cases ask for.
pub fn greet(name: &str) -> String {
    format!("Hello, {name}!")
}

/// One step, without a name: greets the event.
pub async fn case_1_1(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    Ok(ctx.step(move |_| async move { Ok(greet(&event)) }).await?)
}

/// One step under a name of its own.
pub async fn case_1_2(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    Ok(ctx.step(move |_| async move { Ok(greet(&event)) }).name("custom_step_name").await?)
}

/// Two steps: the second adds to what the first returned.
pub async fn case_1_3(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    let first = ctx.step(|_| async { Ok("first".to_owned()) }).await?;
    Ok(ctx.step(move |_| async move { Ok(format!("{first}_second")) }).await?)
}

/// A step with a serdes that records its result in upper case.
pub async fn case_1_6(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    Ok(ctx.step(move |_| async move { Ok(event) }).serdes(Uppercase).await?)
}

/// A step that logs when it starts and when it has its result.
pub async fn case_1_7(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let greeting = ctx
        .step(move |_| async move {
            tracing::info!("Greeting step started for: {event}");
            let greeting = greet(&event);
            tracing::info!("Greeting step completed with: {greeting}");
            Ok(greeting)
        })
        .await?;
    Ok(greeting)
}

/// A step before a wait, so that a replay finds it finished.
pub async fn case_1_8(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    let computed = ctx.step(|_| async { Ok("computed".to_owned()) }).await?;
    ctx.wait(Duration::from_secs(2)).await?;
    Ok(computed)
}

/// A step whose first attempt fails.
pub async fn case_1_11(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    let outcome = ctx
        .step(|step| async move {
            if step.attempt() == 1 {
                return Err("Operation failed".into());
            }
            Ok("Operation succeeded".to_owned())
        })
        .retry_strategy_config(a_second_apart(3))
        .await?;
    Ok(outcome)
}

/// A step that never succeeds, with four attempts.
pub async fn case_1_12(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async { Err::<(), _>("always fails".into()) })
        .retry_strategy_config(a_second_apart(4))
        .await?;
    Ok(())
}

/// A step that fails twice, retried as the SDK does by default.
pub async fn case_1_13(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    let outcome = ctx
        .step(|step| async move {
            match step.attempt() {
                1 | 2 => Err(format!("attempt {} failed", step.attempt()).into()),
                attempt => Ok(format!("attempt {attempt} succeeded")),
            }
        })
        .await?;
    Ok(outcome)
}

/// A failure that will pass.
#[derive(Debug)]
struct TransientError;

impl fmt::Display for TransientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the service is busy")
    }
}

impl Error for TransientError {}

/// Tries again after a [`TransientError`], and only then.
fn retry_on_transient(error: &StepError, _attempt: u32) -> RetryDecision {
    let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
    if causes.any(<dyn Error>::is::<TransientError>) {
        RetryDecision::Retry { delay: Duration::from_secs(1) }
    } else {
        RetryDecision::Stop
    }
}

/// A step whose first attempt fails with a type of error that its strategy retries.
pub async fn case_1_15(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    let outcome = ctx
        .step(|step| async move {
            if step.attempt() == 1 {
                return Err(TypedError::new(TransientError).into());
            }
            Ok("recovered".to_owned())
        })
        .retry_strategy(retry_on_transient)
        .await?;
    Ok(outcome)
}

/// Ends the process, as far as a component is one.
pub fn crash() -> Result<(), BoxError> {
    std::process::exit(1)
}

/// A step that must not run twice and crashes after it logged the event. It has no further attempt.
pub async fn case_1_17(event: String, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(move |_| async move {
        tracing::info!("{event}");
        crash()
    })
    .name("at_most_once_flaky_step")
    .semantics(StepSemantics::AtMostOncePerRetry)
    .retry_strategy(never)
    .await?;
    Ok(())
}

/// A step that fails for good.
pub async fn case_1_19(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async { Err::<(), _>("always fails".into()) }).retry_strategy(never).await?;
    Ok(())
}
