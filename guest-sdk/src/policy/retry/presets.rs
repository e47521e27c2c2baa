//! Retry configurations for common cases.

use std::time::Duration;

use super::config::RetryStrategyConfig;
use super::schedule::JitterStrategy;

/// Retry configurations for common cases, with the names that other SDKs use.
///
/// # Examples
///
/// ```
/// # use durawasm_guest::{BoxError, DurableContext};
/// use durawasm_guest::builders::RetryPresets;
///
/// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
/// ctx.step(|_| async { Ok(()) }).name("audit").retry_strategy_config(RetryPresets::transient()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub enum RetryPresets {}

impl RetryPresets {
    /// One attempt.
    #[must_use]
    pub fn none() -> RetryStrategyConfig {
        RetryStrategyConfig::none()
    }

    /// The default of a step: 6 attempts, 5 seconds doubled up to 1 minute, full jitter.
    #[must_use]
    #[allow(clippy::should_implement_trait)] // the name that the other SDKs have for it
    pub fn default() -> RetryStrategyConfig {
        RetryStrategyConfig::default()
    }

    /// For short interruptions: 3 attempts, 5 seconds doubled up to 5 minutes, half jitter.
    #[must_use]
    pub fn transient() -> RetryStrategyConfig {
        RetryStrategyConfig::builder()
            .max_attempts(3)
            .max_delay(Duration::from_mins(5))
            .jitter(JitterStrategy::Half)
            .build()
    }

    /// For resources that become available later: 5 attempts, 5 seconds doubled up to 5 minutes, full jitter.
    #[must_use]
    pub fn resource_availability() -> RetryStrategyConfig {
        RetryStrategyConfig::builder().max_attempts(5).max_delay(Duration::from_mins(5)).build()
    }

    /// For critical operations: 10 attempts, 1 second times 1.5 up to 1 minute, no jitter.
    #[must_use]
    pub fn critical() -> RetryStrategyConfig {
        RetryStrategyConfig::builder()
            .max_attempts(10)
            .initial_delay(Duration::from_secs(1))
            .backoff_rate(1.5)
            .jitter(JitterStrategy::None)
            .build()
    }
}
