//! A handler whose text tries to control what shows it.

use durawasm_guest::{BoxError, DurableContext, RetryDecision, TypedError};

/// Event: a text. It goes everywhere where a handler can write: the log, standard output and error, the result of step
/// `step`, the type and the message of an error. If `ENDS` is in it, the execution succeeds with it.
pub async fn says(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    tracing::warn!(field = %event, "{event}");
    println!("{event}");
    eprintln!("{event}");
    let text = event.clone();
    let text = ctx.step(move |_| async move { Ok(text) }).name("step").await?;
    if text.contains("ENDS") {
        return Ok(text);
    }
    let fails =
        ctx.step(move |_| async move { Err::<(), _>(TypedError::with_type(text.clone(), text).into()) });
    fails.name("fails").retry_strategy(|_, _| RetryDecision::Stop).await?;
    Ok(event)
}
