//! Repeats a block of operations as one.
//!
//! Always true here:
//! - Nothing is remembered between attempts but what is on record: each attempt is a child context of its own
//!   (`attempt-1`, `attempt-2`, ...), each delay a wait (`retry-delay-1`, ...), all in the context of the block.
//! - The strategy is asked again on each replay, with the recorded error. The recorded delay counts.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::BoxError;
use crate::context::DurableContext;
use crate::error::{Framed, StepError, StepErrorKind};
use crate::retry::{Moment, RetryDecision, RetryStrategy};
use crate::serdes::Serdes;

/// Runs attempts in the context of the block, until one succeeds or the strategy stops.
pub(crate) async fn attempts<O, F, Fut, S>(
    block: DurableContext,
    body: Arc<F>,
    strategy: RetryStrategy,
    serdes: Arc<S>,
) -> Result<O, BoxError>
where
    O: Send + 'static,
    F: Fn(DurableContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
    S: Serdes<O>,
{
    let mut attempt: u32 = 1;
    loop {
        let body = Arc::clone(&body);
        let result = block
            .run_in_child_context(move |ctx| body(ctx))
            .name(format!("attempt-{attempt}"))
            .serdes(Arc::clone(&serdes))
            .await;
        let error: BoxError = match result {
            Ok(value) => return Ok(value),
            Err(error) => error.into(),
        };
        let error = StepError::new(StepErrorKind::ExecutionFailed, Some(error));
        match decide(&block, &strategy, &error, attempt) {
            RetryDecision::Retry { delay } => {
                let wait =
                    block.wait(delay.max(Duration::from_secs(1))).name(format!("retry-delay-{attempt}"));
                wait.await
                    .map_err(|error| Framed::boxed("the delay before the next attempt failed", error))?;
                attempt = attempt.saturating_add(1);
            }
            RetryDecision::Stop => {
                let frame = format!("retries exhausted after {attempt} attempts");
                return Err(match error.into_source() {
                    Some(last) => Framed::boxed(frame, last),
                    None => frame.into(),
                });
            }
        }
    }
}

fn decide(
    block: &DurableContext,
    strategy: &RetryStrategy,
    error: &StepError,
    attempt: u32,
) -> RetryDecision {
    let id = block.scope_id().unwrap_or_default();
    strategy.decide(error, attempt, || Moment::of(block.engine(), id))
}
