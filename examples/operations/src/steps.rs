//! Steps: code that touches the world, and whose result is recorded.

use std::time::Duration;

use durawasm_guest::builders::{RetryPresets, RetryStrategyConfig};
use durawasm_guest::serdes::SerdesContext;
use durawasm_guest::{BoxError, DurableContext, RetryDecision, Serdes, StepSemantics, TypedError};

/// The body runs once. Each replay gets what it returned from the record.
pub async fn step(name: String, ctx: DurableContext) -> Result<String, BoxError> {
    // A body owns what it uses: `move` what is needed no more, and clone the rest. So does its result: it is read from
    // a record, so it is a `String` and not a `&str`.
    let greeting = ctx.step(move |_| async move { Ok(format!("Hello, {name}!")) }).name("greet").await?;
    ctx.wait(Duration::from_secs(1)).await?; // what follows runs in another instance
    Ok(greeting)
}

/// A strategy of one's own: given the error and the number of the attempt, from 1, it says when the next one is, if
/// any. The function is suspended meanwhile.
pub async fn retries(fails: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    let attempts = ctx
        .step(move |step| async move {
            if step.attempt() <= fails { Err("not yet".into()) } else { Ok(step.attempt()) }
        })
        .name("flaky")
        .retry_strategy(|_error, attempt| match attempt {
            1..4 => RetryDecision::Retry { delay: Duration::from_secs(u64::from(attempt) * 10) },
            _ => RetryDecision::Stop,
        })
        .await?;
    Ok(attempts)
}

/// A schedule from the shelf. Without any, a step has 6 attempts; `RetryPresets::none()` leaves it at one.
pub async fn retry_preset(fails: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    let attempts = ctx
        .step(move |step| async move {
            if step.attempt() <= fails { Err("not yet".into()) } else { Ok(step.attempt()) }
        })
        .name("flaky")
        .retry_strategy_config(RetryPresets::transient())
        .await?;
    Ok(attempts)
}

/// Only some errors are worth another attempt: those of a type, or with a text in their message.
pub async fn retry_filter(error: String, ctx: DurableContext) -> Result<u32, BoxError> {
    let filter = RetryStrategyConfig::builder()
        .max_attempts(3)
        .retryable_error_types(["Throttled"])
        .retryable_errors(["connection reset"])
        .build();
    let attempts = ctx
        .step(move |step| async move {
            match step.attempt() {
                1 => Err(TypedError::with_type(error, "no luck").into()),
                attempt => Ok(attempt),
            }
        })
        .name("picky")
        .retry_strategy_config(filter)
        .await?;
    Ok(attempts)
}

/// A body that takes longer is stopped, even one that never yields. That is an error like others, of type
/// `StepTimeout`.
pub async fn timeout(seconds: u64, ctx: DurableContext) -> Result<&'static str, BoxError> {
    let slow = ctx
        .step(move |_| async move {
            std::thread::sleep(Duration::from_secs(seconds));
            Ok(())
        })
        .name("slow")
        .timeout(Duration::from_secs(5))
        .retry_strategy_config(RetryPresets::none());
    match slow.await {
        Ok(()) => Ok("in time"),
        Err(error) if error.wire().and_then(|wire| wire.error_type()) == Some("StepTimeout") => {
            Ok("too late")
        }
        Err(error) => Err(error.into()),
    }
}

/// For what must not happen twice: an attempt that was interrupted, so that nobody knows how far it came, is a failure
/// of type `StepInterrupted`, and does not run again by itself. By default it does.
pub async fn at_most_once(_event: (), ctx: DurableContext) -> Result<&'static str, BoxError> {
    let charge = ctx
        .step(|_| async {
            println!("charged");
            Ok(())
        })
        .name("charge")
        .semantics(StepSemantics::AtMostOncePerRetry)
        .retry_strategy_config(RetryPresets::none());
    match charge.await {
        Ok(()) => Ok("charged"),
        Err(error) if error.wire().and_then(|wire| wire.error_type()) == Some("StepInterrupted") => {
            Ok("look into the account")
        }
        Err(error) => Err(error.into()),
    }
}

/// A format of one's own, for one type. An `Arc` of it can be shared; `impl<T> Serdes<T>` would be for all types.
struct Cents;

impl Serdes<f64> for Cents {
    async fn serialize(&self, value: f64, _context: SerdesContext) -> Result<String, BoxError> {
        Ok(format!("{:.0} cents", value * 100.0))
    }

    async fn deserialize(&self, wire: String, _context: SerdesContext) -> Result<f64, BoxError> {
        Ok(wire.trim_end_matches(" cents").parse::<f64>()? / 100.0)
    }
}

/// The result goes through the serdes both ways, on the first run as on a replay: what it drops is dropped at once.
pub async fn serdes(euros: f64, ctx: DurableContext) -> Result<f64, BoxError> {
    Ok(ctx.step(move |_| async move { Ok(euros) }).name("price").serdes(Cents).await?)
}
