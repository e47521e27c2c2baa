//! Retries a block of operations as a whole.
//!
//! Invariants:
//! - All state between attempts is recorded: each attempt is its own child context (`attempt-1`, `attempt-2`, ...),
//!   each delay a wait (`retry-delay-1`, ...), all in the context of the block.
//! - The strategy is called again on each replay, with the recorded error. The recorded delay applies.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::child::{self, ChildRun};
use super::wait;
use crate::context::DurableContext;
use crate::error::{BoxError, ChildFnError, Framed, StepError, StepErrorKind};
use crate::policy::{RetryDecision, RetryStrategy, seconds};
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
        let name = format!("attempt-{attempt}");
        let run = ChildRun {
            ctx: block.clone(),
            position: block.scope().claim(),
            name: Some(name.clone()),
            sub_type: None,
            serdes: Arc::clone(&serdes),
            record: child::record,
            failed: child::failed,
            body: |ctx| async move { body(ctx).await.map_err(ChildFnError) },
        };
        let error: BoxError = match run.execute().await {
            Ok(value) => return Ok(value),
            Err(error) => error.named(Some(&name)).into(),
        };
        let error = StepError::new(StepErrorKind::ExecutionFailed, Some(error));
        match decide(&block, &strategy, &error, attempt) {
            RetryDecision::Retry { delay } => {
                let name = format!("retry-delay-{attempt}");
                let delay = seconds(delay.max(Duration::from_secs(1)));
                let wait = wait::execute(block.clone(), block.scope().claim(), Some(name.clone()), delay);
                wait.await.map_err(|error| {
                    Framed::boxed("the delay before the next attempt failed", error.named(Some(&name)))
                })?;
                attempt += 1;
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
    strategy.decide(error, attempt, || block.engine().jitter_seed(id))
}
