//! Waits for callbacks: cases 7-x.

use std::time::Duration;

use durable::{BoxError, DurableContext, JsonSerdes, StepContext};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::retries::a_second_apart;

/// A submitter that does nothing with the id.
async fn submit(_step: StepContext, _id: String) -> Result<(), BoxError> {
    Ok(())
}

/// Waits under the event's name.
pub async fn case_7_1(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    Ok(ctx.wait_for_callback::<String, _, _>(submit).name(event).await?)
}

/// Waits under a fixed name.
pub async fn case_7_2(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    Ok(ctx.wait_for_callback::<String, _, _>(submit).name("approval").await?)
}

/// Waits for an answer that is a failure, which ends the handler.
pub async fn case_7_4(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    Ok(ctx.wait_for_callback::<String, _, _>(submit).name(event).await?)
}

/// Waits for three seconds at most.
pub async fn case_7_5(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let answer =
        ctx.wait_for_callback::<String, _, _>(submit).name(event).timeout(Duration::from_secs(3)).await?;
    Ok(answer)
}

/// A submitter that fails at both of its attempts.
pub async fn case_7_7(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let answer = ctx
        .wait_for_callback::<String, _, _>(|_, _| async { Err("the submitter failed".into()) })
        .name(event)
        .submitter_retry_config(a_second_apart(2))
        .await?;
    Ok(answer)
}

/// A wait and a step before the wait for a callback.
pub async fn case_7_10(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    ctx.wait(Duration::from_secs(1)).await?;
    ctx.step(|_| async { Ok("prepared".to_owned()) }).await?;
    Ok(ctx.wait_for_callback::<String, _, _>(submit).name(event).await?)
}

/// An answer that is an object.
#[derive(Serialize, Deserialize)]
struct Decision {
    status: String,
}

/// Waits for an object and returns one of its fields.
pub async fn case_7_11(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let decision = ctx.wait_for_callback::<Decision, _, _>(submit).name(event).serdes(JsonSerdes).await?;
    Ok(decision.status)
}

/// Waits for five seconds at most between two heartbeats.
pub async fn case_7_12(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let answer =
        ctx.wait_for_callback::<String, _, _>(submit).name(event).heartbeat(Duration::from_secs(5)).await?;
    Ok(answer)
}

/// Waits for an answer without a value.
pub async fn case_7_15(event: String, ctx: DurableContext) -> Result<Option<String>, BoxError> {
    Ok(ctx.wait_for_callback::<Option<String>, _, _>(submit).name(event).await?)
}
