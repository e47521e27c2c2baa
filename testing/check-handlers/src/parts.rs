//! Parts that many handlers are made of.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use durawasm_guest::builders::RetryStrategyConfig;
use durawasm_guest::{BoxError, DurableContext, OperationError};

/// Runs a step of this name whose body does nothing.
pub(crate) async fn mark(ctx: &DurableContext, name: impl Into<String>) -> Result<(), OperationError> {
    ctx.step(|_| async { Ok(()) }).name(name).await
}

/// Runs a step of this name that fails for good.
pub(crate) async fn fail(ctx: &DurableContext, name: &str) -> Result<(), OperationError> {
    ctx.step(|_| async { Err::<(), BoxError>("it is broken".into()) })
        .name(name)
        .retry_strategy_config(RetryStrategyConfig::none())
        .await
}

/// A duration of whole seconds.
pub(crate) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The milliseconds between two times: negative if the first is the later one.
pub(crate) fn between(from: SystemTime, to: SystemTime) -> i128 {
    epoch(to) - epoch(from)
}

/// The milliseconds since 1970.
pub(crate) fn epoch(time: SystemTime) -> i128 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_millis()).unwrap_or(i128::MAX)
}
