//! A schedule of retries, from numbers.

use std::time::Duration;

/// How a delay is spread, so that what failed together is not tried again together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum JitterStrategy {
    /// The delay as computed.
    None,
    /// From half the delay to all of it.
    Half,
    /// From nothing (so 1 second) to all of the delay.
    #[default]
    Full,
}

/// How often and when a failed step is tried again.
///
/// After attempt `n` the delay is `initial_delay * backoff_rate^(n - 1)`, at most `max_delay`, then spread by the
/// jitter and made whole seconds, at least one: rounded to the nearest with full jitter, up otherwise.
///
/// The default makes 6 attempts, starts at 5 seconds, doubles up to 60 seconds and uses full jitter.
///
/// # Examples
///
/// ```
/// use durawasm_guest::builders::{JitterStrategy, RetryStrategyConfig};
/// use std::time::Duration;
///
/// let three_quick_ones = RetryStrategyConfig::builder()
///     .max_attempts(3)
///     .initial_delay(Duration::from_secs(1))
///     .jitter(JitterStrategy::None)
///     .build();
/// assert_eq!(three_quick_ones.max_attempts(), 3);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RetryStrategyConfig {
    max_attempts: u32,
    initial_delay: Duration,
    max_delay: Duration,
    backoff_rate: f64,
    jitter: JitterStrategy,
}

impl Default for RetryStrategyConfig {
    fn default() -> Self {
        Self {
            max_attempts: 6,
            initial_delay: Duration::from_secs(5),
            max_delay: Duration::from_mins(1),
            backoff_rate: 2.0,
            jitter: JitterStrategy::Full,
        }
    }
}

impl RetryStrategyConfig {
    /// A builder that starts from the default.
    pub fn builder() -> RetryStrategyConfigBuilder {
        RetryStrategyConfigBuilder::default()
    }

    /// How many attempts there are in all, the first included.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    /// The delay after the first attempt, before jitter.
    #[must_use]
    pub fn initial_delay(&self) -> Duration {
        self.initial_delay
    }

    /// The longest delay, before jitter.
    #[must_use]
    pub fn max_delay(&self) -> Duration {
        self.max_delay
    }

    /// What the delay is multiplied with after each attempt.
    #[must_use]
    pub fn backoff_rate(&self) -> f64 {
        self.backoff_rate
    }

    /// How delays are spread.
    #[must_use]
    pub fn jitter(&self) -> JitterStrategy {
        self.jitter
    }
}

/// Builds a [`RetryStrategyConfig`]. What is not set is as in the default.
#[derive(Debug, Clone, Default)]
#[must_use = "builders do nothing unless .build() is called"]
#[non_exhaustive]
pub struct RetryStrategyConfigBuilder {
    config: RetryStrategyConfig,
}

impl RetryStrategyConfigBuilder {
    /// Sets how many attempts there are in all: with 1, none is repeated.
    pub fn max_attempts(mut self, max_attempts: u32) -> Self {
        self.config.max_attempts = max_attempts;
        self
    }

    /// Sets the delay after the first attempt, before jitter.
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.config.initial_delay = delay;
        self
    }

    /// Sets the longest delay, before jitter.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.config.max_delay = delay;
        self
    }

    /// Sets what the delay is multiplied with after each attempt.
    pub fn backoff_rate(mut self, rate: f64) -> Self {
        self.config.backoff_rate = rate;
        self
    }

    /// Sets how delays are spread.
    pub fn jitter(mut self, jitter: JitterStrategy) -> Self {
        self.config.jitter = jitter;
        self
    }

    /// Makes the configuration.
    #[must_use]
    pub fn build(self) -> RetryStrategyConfig {
        self.config
    }
}
