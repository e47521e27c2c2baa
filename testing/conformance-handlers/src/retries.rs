//! Retry schedules that several cases use.

use std::time::Duration;

use durable::RetryDecision;
use durable::StepError;
use durable::builders::{JitterStrategy, RetryStrategyConfig};

/// So many attempts in all, a second apart.
pub fn a_second_apart(max_attempts: u32) -> RetryStrategyConfig {
    RetryStrategyConfig::builder()
        .max_attempts(max_attempts)
        .initial_delay(Duration::from_secs(1))
        .backoff_rate(1.0)
        .jitter(JitterStrategy::None)
        .build()
}

/// No second attempt.
pub fn never(_error: &StepError, _attempt: u32) -> RetryDecision {
    RetryDecision::Stop
}
