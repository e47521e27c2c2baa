//! Callbacks: cases 4-x.

use std::time::Duration;

use chrono::DateTime;
use durable::serdes::SerdesContext;
use durable::{BoxError, CallbackErrorKind, DurableContext, OperationError, OperationErrorKind, Serdes};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A callback under the event's name, and its answer.
pub async fn case_4_1(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let callback = ctx.create_callback::<String>().name(event).await?;
    Ok(callback.result().await?)
}

/// The same under a fixed name.
pub async fn case_4_2(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    let callback = ctx.create_callback::<String>().name("approval").await?;
    Ok(callback.result().await?)
}

/// A callback with a timeout of five seconds.
pub async fn case_4_3(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let callback = ctx.create_callback::<String>().name(event).timeout(Duration::from_secs(5)).await?;
    Ok(callback.result().await?)
}

/// A callback that wants a heartbeat every ten seconds.
pub async fn case_4_5(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let callback = ctx.create_callback::<String>().name(event).heartbeat(Duration::from_secs(10)).await?;
    Ok(callback.result().await?)
}

/// A callback whose failure ends the handler.
pub async fn case_4_6(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let callback = ctx.create_callback::<String>().name(event).await?;
    Ok(callback.result().await?)
}

/// A callback with a timeout, a step, and only then the wait for the answer.
pub async fn case_4_8(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let callback = ctx.create_callback::<String>().name(event).timeout(Duration::from_secs(5)).await?;
    ctx.step(|_| async { Ok("submitted".to_owned()) }).await?;
    Ok(callback.result().await?)
}

/// A callback, a wait of five seconds, and then the wait for the answer.
pub async fn case_4_9(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let callback = ctx.create_callback::<String>().name(event).await?;
    ctx.wait(Duration::from_secs(5)).await?;
    Ok(callback.result().await?)
}

/// A callback, its answer, and a wait of two seconds.
pub async fn case_4_12(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let callback = ctx.create_callback::<String>().name(event).await?;
    let answer = callback.result().await?;
    ctx.wait(Duration::from_secs(2)).await?;
    Ok(answer)
}

fn timed_out(error: &OperationError) -> bool {
    let OperationErrorKind::Callback(callback) = error.kind() else { return false };
    matches!(callback.kind(), CallbackErrorKind::TimedOut { .. })
}

/// A callback whose timeout is caught, and a wait of two seconds.
pub async fn case_4_14(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let callback = ctx.create_callback::<String>().name(event).timeout(Duration::from_secs(3)).await?;
    let outcome = match callback.result().await {
        Err(error) if timed_out(&error) => format!("no answer: {error:#}"),
        answer => answer?,
    };
    ctx.wait(Duration::from_secs(2)).await?;
    Ok(outcome)
}

/// A message as it arrives.
#[derive(Deserialize)]
struct Arrived {
    id: String,
    message: String,
    timestamp: String,
}

/// A message with its time in seconds since 1970.
#[derive(Serialize)]
pub struct Message {
    id: String,
    message: String,
    timestamp: i64,
}

/// Reads a message and its time.
struct MessageFormat;

impl Serdes<Message> for MessageFormat {
    async fn serialize(&self, value: Message, _context: SerdesContext) -> Result<String, BoxError> {
        Ok(serde_json::to_string(&value)?)
    }

    async fn deserialize(&self, wire: String, _context: SerdesContext) -> Result<Message, BoxError> {
        let Arrived { id, message, timestamp } = serde_json::from_str(&wire)?;
        let timestamp = DateTime::parse_from_rfc3339(&timestamp)?.timestamp();
        Ok(Message { id, message, timestamp })
    }
}

/// What was received.
#[derive(Serialize)]
pub struct Received {
    received: Message,
}

/// A callback whose answer is read by a custom serdes.
pub async fn case_4_15(event: String, ctx: DurableContext) -> Result<Received, BoxError> {
    let callback = ctx.create_callback::<Message>().name(event).serdes(MessageFormat).await?;
    Ok(Received { received: callback.result().await? })
}

/// Two callbacks, awaited in the order in which they were made.
pub async fn case_4_18(event: (String, String), ctx: DurableContext) -> Result<(String, String), BoxError> {
    let a = ctx.create_callback::<String>().name(event.0).await?;
    let b = ctx.create_callback::<String>().name(event.1).await?;
    let a = a.result().await?;
    let b = b.result().await?;
    Ok((a, b))
}
