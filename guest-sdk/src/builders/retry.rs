//! A schedule of retries, from numbers, and which errors it is for.

use std::sync::Arc;
use std::time::Duration;

use crate::StepError;
use crate::retry::{Filter, Rule, Schedule};

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

/// How often and when a failed step is tried again, and for which errors.
///
/// **When**: after attempt `n` the delay is `initial_delay * backoff_rate^(n - 1)`, or `initial_delay + increment * (n - 1)`
/// if there is an increment; at most `max_delay`; then spread by the jitter and made whole seconds, at least one: rounded
/// to the nearest with full jitter, up otherwise.
///
/// **For which errors**: all, unless something is said of errors. Then for those that fit anything that is said.
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
///
/// let only_if_it_may_help = RetryStrategyConfig::linear()
///     .retryable_error_types(["Throttled", "StepTimeout"])
///     .retryable_errors(["connection reset"])
///     .build();
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RetryStrategyConfig {
    max_attempts: u32,
    schedule: Schedule,
    filter: Filter,
}

impl Default for RetryStrategyConfig {
    fn default() -> Self {
        let schedule = Schedule {
            initial_delay: Duration::from_secs(5),
            max_delay: Duration::from_mins(1),
            backoff_rate: 2.0,
            increment: None,
            jitter: JitterStrategy::Full,
        };
        Self { max_attempts: 6, schedule, filter: Filter::default() }
    }
}

impl RetryStrategyConfig {
    /// A builder that starts from the default: delays that multiply.
    pub fn builder() -> RetryStrategyConfigBuilder {
        RetryStrategyConfigBuilder::default()
    }

    /// A builder of delays that grow by the same from attempt to attempt. What is not set: 6 attempts, 1 second, 1 second more
    /// each time up to 5 minutes, full jitter.
    pub fn linear() -> RetryStrategyConfigBuilder {
        Self::builder()
            .initial_delay(Duration::from_secs(1))
            .increment(Duration::from_secs(1))
            .max_delay(Duration::from_mins(5))
    }

    /// So many attempts in all, with the same delay after each and no jitter.
    #[must_use]
    pub fn fixed(max_attempts: u32, delay: Duration) -> Self {
        Self::builder()
            .max_attempts(max_attempts)
            .initial_delay(delay)
            .max_delay(delay)
            .backoff_rate(1.0)
            .jitter(JitterStrategy::None)
            .build()
    }

    /// One attempt.
    #[must_use]
    pub fn none() -> Self {
        Self::builder().max_attempts(1).build()
    }

    /// How many attempts there are in all, the first included.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    /// The delay after the first attempt, before jitter.
    #[must_use]
    pub fn initial_delay(&self) -> Duration {
        self.schedule.initial_delay
    }

    /// The longest delay, before jitter.
    #[must_use]
    pub fn max_delay(&self) -> Duration {
        self.schedule.max_delay
    }

    /// What the delay is multiplied with after each attempt.
    #[must_use]
    pub fn backoff_rate(&self) -> f64 {
        self.schedule.backoff_rate
    }

    /// What is added to the delay after each attempt; none if delays multiply.
    #[must_use]
    pub fn increment(&self) -> Option<Duration> {
        self.schedule.increment
    }

    /// How delays are spread.
    #[must_use]
    pub fn jitter(&self) -> JitterStrategy {
        self.schedule.jitter
    }

    pub(crate) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    pub(crate) fn filter(&self) -> &Filter {
        &self.filter
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
        self.config.schedule.initial_delay = delay;
        self
    }

    /// Sets the longest delay, before jitter: up to 366 days.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.config.schedule.max_delay = delay;
        self
    }

    /// Sets what the delay is multiplied with after each attempt, unless there is an increment.
    pub fn backoff_rate(mut self, rate: f64) -> Self {
        self.config.schedule.backoff_rate = rate;
        self
    }

    /// Sets what is added to the delay after each attempt, in place of multiplying it.
    pub fn increment(mut self, increment: Duration) -> Self {
        self.config.schedule.increment = Some(increment);
        self
    }

    /// Sets how delays are spread.
    pub fn jitter(mut self, jitter: JitterStrategy) -> Self {
        self.config.schedule.jitter = jitter;
        self
    }

    /// Tries again after errors that are recorded under one of these types: the names given with
    /// [`TypedError`](crate::TypedError), `StepInterrupted`, `StepTimeout` and so on. An error without a name is of type `Error`.
    ///
    /// Names are compared whole. Without any, nothing is tried again.
    pub fn retryable_error_types<T>(mut self, types: T) -> Self
    where
        T: IntoIterator,
        T::Item: Into<String>,
    {
        self.config.filter.add(types.into_iter().map(|name| Rule::Type(name.into())));
        self
    }

    /// Tries again after errors whose message contains one of these texts. The message is the recorded one: that of the error
    /// and of all its causes.
    pub fn retryable_errors<T>(mut self, messages: T) -> Self
    where
        T: IntoIterator,
        T::Item: Into<String>,
    {
        self.config.filter.add(messages.into_iter().map(|part| Rule::Message(part.into())));
        self
    }

    /// Tries again after errors that the function accepts. The source of the error it gets is what the body returned.
    pub fn retry_if<P>(mut self, accepts: P) -> Self
    where
        P: Fn(&StepError) -> bool + Send + Sync + 'static,
    {
        self.config.filter.add([Rule::Predicate(Arc::new(accepts))]);
        self
    }

    /// Makes the configuration.
    #[must_use]
    pub fn build(self) -> RetryStrategyConfig {
        self.config
    }
}

/// Schedules for common needs, under the names that other SDKs have for them.
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

    /// What a step does without a strategy: 6 attempts, 5 seconds doubled up to 1 minute, full jitter.
    #[must_use]
    #[allow(clippy::should_implement_trait)] // the name that the other SDKs have for it
    pub fn default() -> RetryStrategyConfig {
        RetryStrategyConfig::default()
    }

    /// For what passes soon: 3 attempts, 5 seconds doubled up to 5 minutes, half jitter.
    #[must_use]
    pub fn transient() -> RetryStrategyConfig {
        RetryStrategyConfig::builder()
            .max_attempts(3)
            .max_delay(Duration::from_mins(5))
            .jitter(JitterStrategy::Half)
            .build()
    }

    /// For what has to become available: 5 attempts, 5 seconds doubled up to 5 minutes, full jitter.
    #[must_use]
    pub fn resource_availability() -> RetryStrategyConfig {
        RetryStrategyConfig::builder().max_attempts(5).max_delay(Duration::from_mins(5)).build()
    }

    /// For what must get through: 10 attempts, 1 second times 1.5 up to 1 minute, no jitter.
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
