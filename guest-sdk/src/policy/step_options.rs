//! The options of a step in one value.

use std::time::Duration;

use super::retry::RetryStrategyConfig;

/// Options for [`step_with_compensation_opts`](crate::DurableContext::step_with_compensation_opts), as in the crate
/// `durable-lambda-core`. [`StepBuilder`](crate::builders::StepBuilder) has a method for each of them, and more.
///
/// Without `retries`, a failed step is retried as specified by [`RetryStrategyConfig::default`].
///
/// # Examples
///
/// ```
/// use durawasm_guest::StepOptions;
///
/// let options = StepOptions::new().retries(3).backoff_seconds(10).timeout_seconds(30);
/// assert_eq!(options, StepOptions::new().timeout_seconds(30).backoff_seconds(10).retries(3));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepOptions {
    retries: Option<u32>,
    backoff: Option<Duration>,
    timeout: Option<Duration>,
}

impl StepOptions {
    /// No options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of retries: with 3, there are at most 4 attempts; with 0, the first failure fails the step.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Sets the delay before each retry, at least one second. The default is one second. Without `retries`, it changes
    /// the delay of the default's five retries.
    #[must_use]
    pub fn backoff(mut self, backoff: Duration) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// [`backoff`](Self::backoff), in seconds.
    #[must_use]
    pub fn backoff_seconds(self, seconds: u64) -> Self {
        self.backoff(Duration::from_secs(seconds))
    }

    /// Limits the duration of the body of one attempt: see
    /// [`StepBuilder::timeout`](crate::builders::StepBuilder::timeout).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// [`timeout`](Self::timeout), in seconds.
    #[must_use]
    pub fn timeout_seconds(self, seconds: u64) -> Self {
        self.timeout(Duration::from_secs(seconds))
    }

    /// The retry configuration, if retries or a backoff are set.
    pub(crate) fn schedule(&self) -> Option<RetryStrategyConfig> {
        if self.retries.is_none() && self.backoff.is_none() {
            return None;
        }
        let attempts = self.retries.map_or_else(
            || RetryStrategyConfig::default().max_attempts(),
            |retries| retries.saturating_add(1),
        );
        Some(RetryStrategyConfig::fixed(attempts, self.backoff.unwrap_or(Duration::from_secs(1))))
    }

    pub(crate) fn attempt_timeout(&self) -> Option<Duration> {
        self.timeout
    }
}
