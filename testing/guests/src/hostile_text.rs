//! A handler whose text tries to control what shows it.

use std::time::Duration;

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

/// Event: what has a long name, and its bytes: a `step`, a function to `invoke`, an `error` with as long a message, a `child`
/// context, a `wait`, or a `line` of the log. Result: the first bytes of the error with which the operation is rejected.
pub async fn has_a_long_name(event: (String, usize), ctx: DurableContext) -> Result<String, BoxError> {
    let (what, bytes) = event;
    let name = "n".repeat(bytes);
    let rejected = match what.as_str() {
        "step" => ctx.step(|_| async { Ok(()) }).name(name).await,
        "invoke" => ctx.invoke::<(), _>(name, ()).await,
        "child" => ctx.run_in_child_context(|_| async { Ok(()) }).name(name).await,
        "wait" => ctx.wait(Duration::from_secs(1)).name(name).await,
        "error" => return Err(TypedError::with_type(name.clone(), name).into()),
        _ => {
            tracing::info!("{name}");
            Ok(())
        }
    };
    let error = rejected.err().map(|error| error.to_string()).unwrap_or_default();
    Ok(error.chars().take(60).collect())
}
