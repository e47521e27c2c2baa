//! Steps with a timeout.

use std::time::Duration;

use durawasm_guest::{
    BoxError, DurableContext, OperationErrorKind, RetryDecision, StepErrorKind, StepSemantics,
};
use serde::Deserialize;

/// What the body of `slow_body` does.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slow {
    /// It computes without end.
    Spins,
    /// It sleeps for an hour.
    Sleeps,
    /// It never completes.
    Waits,
}

/// Event: what the body does, on how many attempts (then it is quick), and whether at most once. Step `before`; step
/// `slow` with a timeout of 50 milliseconds, tried again after 1 second, 3 attempts in all; step `beside`, at the same
/// time. Result: the attempt that was quick, or how many attempts there were and the type of the error.
pub async fn slow_body(
    event: (Slow, u32, bool),
    ctx: DurableContext,
) -> Result<(u32, Option<String>), BoxError> {
    let (slow, times, at_most_once) = event;
    let before = ctx.step(|_| async {
        println!("before");
        Ok(())
    });
    before.name("before").await?;
    let beside = ctx.step(|_| async { Ok(()) }).name("beside").spawn();
    let semantics =
        if at_most_once { StepSemantics::AtMostOncePerRetry } else { StepSemantics::AtLeastOncePerRetry };
    let result = ctx
        .step(move |step| async move {
            println!("attempt {}", step.attempt());
            if step.attempt() <= times {
                match slow {
                    Slow::Spins => loop {
                        std::hint::black_box(());
                    },
                    Slow::Sleeps => std::thread::sleep(Duration::from_hours(1)),
                    Slow::Waits => std::future::pending().await,
                }
            }
            Ok(step.attempt())
        })
        .name("slow")
        .timeout(Duration::from_millis(50))
        .semantics(semantics)
        .retry_strategy(|_, attempt| match attempt {
            3.. => RetryDecision::Stop,
            _ => RetryDecision::Retry { delay: Duration::from_secs(1) },
        })
        .await;
    beside.await?;
    match result {
        Ok(attempt) => Ok((attempt, None)),
        Err(error) => match error.kind() {
            OperationErrorKind::Step(step) => match step.kind() {
                StepErrorKind::RetriesExhausted(details) => {
                    let name = error.wire().and_then(|wire| wire.error_type()).map(str::to_owned);
                    Ok((details.attempts(), name))
                }
                _ => Err(error.into()),
            },
            _ => Err(error.into()),
        },
    }
}
