//! Steps: code with external effects, whose result is recorded.

use std::time::Duration;

use durawasm_guest::builders::{RetryPresets, RetryStrategyConfig};
use durawasm_guest::serdes::SerdesContext;
use durawasm_guest::{BoxError, DurableContext, RetryDecision, Serdes, StepSemantics, TypedError};

/// The body runs once. Each replay returns the recorded result.
pub async fn step(name: String, ctx: DurableContext) -> Result<String, BoxError> {
    // A body owns what it uses: `move` what is not needed afterwards, and clone the rest. The result is owned too,
    // because it is read from a record: a `String`, not a `&str`.
    let greeting = ctx.step(move |_| async move { Ok(format!("Hello, {name}!")) }).name("greet").await?;
    ctx.wait(Duration::from_secs(1)).await?; // what follows runs in another instance
    Ok(greeting)
}

/// A custom strategy: given the error and the number of the attempt, counted from 1, it returns the delay of the next
/// attempt, if any. The function is suspended meanwhile.
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

/// A preset strategy. The default has 6 attempts; `RetryPresets::none()` has one.
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

/// Retries only some errors: those with a given type, or with a given text in their message.
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

/// A body that exceeds the timeout is stopped, even one that never yields. The attempt fails with an error of type
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

/// For effects that must not happen twice: an interrupted attempt, of which nobody knows how far it got, fails with
/// type `StepInterrupted`, and is not repeated automatically. By default it is.
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

/// A custom format for one type. An `Arc` of it can be shared; `impl<T> Serdes<T>` would apply to all types.
struct Cents;

impl Serdes<f64> for Cents {
    async fn serialize(&self, value: f64, _context: SerdesContext) -> Result<String, BoxError> {
        Ok(format!("{:.0} cents", value * 100.0))
    }

    async fn deserialize(&self, wire: String, _context: SerdesContext) -> Result<f64, BoxError> {
        Ok(wire.trim_end_matches(" cents").parse::<f64>()? / 100.0)
    }
}

/// The result passes through the serdes both ways, on the first run and on a replay, so what the serdes drops is
/// missing at once.
pub async fn serdes(euros: f64, ctx: DurableContext) -> Result<f64, BoxError> {
    Ok(ctx.step(move |_| async move { Ok(euros) }).name("price").serdes(Cents).await?)
}
