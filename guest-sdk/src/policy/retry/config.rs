//! The configuration of retries: their schedule, and the errors that they apply to.

use std::sync::Arc;
use std::time::Duration;

use super::decision::RetryDecision;
use super::filter::{Filter, Rule};
use super::schedule::{JitterStrategy, Schedule, schedule_getters, schedule_setters, whole_seconds};
use crate::error::StepError;

/// How often and when a failed step is retried, and for which errors.
///
/// **When**: after attempt `n` the delay is `initial_delay * backoff_rate^(n - 1)`, or
/// `initial_delay + increment * (n - 1)` if there is an increment, limited to `max_delay`. Then jitter is applied, and
/// the delay is rounded to whole seconds, at least one: to the nearest with full jitter, up otherwise.
///
/// **For which errors**: all, if no filter is set. Otherwise for errors that at least one filter accepts.
///
/// The default is 6 attempts, starting at 5 seconds and doubling up to 60 seconds, with full jitter.
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
    /// Returns a builder that starts from the default, an exponential schedule.
    pub fn builder() -> RetryStrategyConfigBuilder {
        RetryStrategyConfigBuilder::default()
    }

    /// Returns a builder of a linear schedule. Its defaults are 6 attempts, 1 second, an increment of 1 second up to 5
    /// minutes, full jitter.
    pub fn linear() -> RetryStrategyConfigBuilder {
        Self::builder()
            .initial_delay(Duration::from_secs(1))
            .increment(Duration::from_secs(1))
            .max_delay(Duration::from_mins(5))
    }

    /// The given number of attempts, with the same delay after each and no jitter.
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

    /// The number of attempts, including the first.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    schedule_getters!("attempt");

    /// The difference between the delays of successive attempts; `None` for an exponential schedule.
    #[must_use]
    pub fn increment(&self) -> Option<Duration> {
        self.schedule.increment
    }

    /// Decides according to the filters and the schedule.
    pub(super) fn decide(
        &self,
        error: &StepError,
        attempt: u32,
        fraction: impl FnOnce() -> f64,
    ) -> RetryDecision {
        if attempt >= self.max_attempts || !self.filter.allows(error) {
            return RetryDecision::Stop;
        }
        let seconds = self.schedule.delay(attempt, fraction);
        // Full jitter rounds to the nearest second. The others round up: they never fire before the computed delay.
        let seconds = match self.jitter() {
            JitterStrategy::Full => seconds.round(),
            JitterStrategy::None | JitterStrategy::Half => seconds.ceil(),
        };
        RetryDecision::Retry { delay: whole_seconds(seconds) }
    }
}

/// Builds a [`RetryStrategyConfig`]. Unset values are those of the default.
#[derive(Debug, Clone, Default)]
#[must_use = "builders do nothing unless .build() is called"]
#[non_exhaustive]
pub struct RetryStrategyConfigBuilder {
    config: RetryStrategyConfig,
}

impl RetryStrategyConfigBuilder {
    /// Sets the number of attempts, including the first: with 1, there are no retries.
    pub fn max_attempts(mut self, max_attempts: u32) -> Self {
        self.config.max_attempts = max_attempts;
        self
    }

    schedule_setters!(config, "attempt");

    /// Sets the difference between the delays of successive attempts, used in place of the factor.
    pub fn increment(mut self, increment: Duration) -> Self {
        self.config.schedule.increment = Some(increment);
        self
    }

    /// Retries errors that are recorded under one of these types: names given with [`TypedError`](crate::TypedError),
    /// `StepInterrupted`, `StepTimeout` and so on. An error without a name has the type `Error`.
    ///
    /// Names have to match completely. An empty list retries no errors.
    pub fn retryable_error_types<T>(mut self, types: T) -> Self
    where
        T: IntoIterator,
        T::Item: Into<String>,
    {
        self.config.filter.add(types.into_iter().map(|name| Rule::Type(name.into())));
        self
    }

    /// Retries errors whose message contains one of these texts. It is the recorded message, which includes all causes.
    pub fn retryable_errors<T>(mut self, messages: T) -> Self
    where
        T: IntoIterator,
        T::Item: Into<String>,
    {
        self.config.filter.add(messages.into_iter().map(|part| Rule::Message(part.into())));
        self
    }

    /// Retries errors that the function accepts. The source of its argument is the error that the body returned.
    pub fn retry_if<P>(mut self, accepts: P) -> Self
    where
        P: Fn(&StepError) -> bool + Send + Sync + 'static,
    {
        self.config.filter.add([Rule::Predicate(Arc::new(accepts))]);
        self
    }

    /// Creates the configuration.
    #[must_use]
    pub fn build(self) -> RetryStrategyConfig {
        self.config
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use proptest::prelude::*;

    use super::*;
    use crate::error::WireError;
    use crate::policy::{RetryPresets, seconds};

    /// The decision about an error without a name.
    fn decide(config: &RetryStrategyConfig, attempt: u32, fraction: f64) -> RetryDecision {
        config.decide(&failure("boom"), attempt, || fraction)
    }

    fn failure(error: impl Into<crate::BoxError>) -> StepError {
        StepError::new(crate::StepErrorKind::ExecutionFailed, Some(error.into()))
    }

    fn delay(decision: &RetryDecision) -> u64 {
        match decision {
            RetryDecision::Retry { delay } => delay.as_secs(),
            RetryDecision::Stop => panic!("stopped"),
        }
    }

    #[test]
    fn the_default_is_six_attempts_from_5_to_60_seconds() {
        let config = RetryStrategyConfig::default();
        let delays: Vec<u64> = (1..6).map(|attempt| delay(&decide(&config, attempt, 1.0))).collect();
        assert_eq!(delays, [5, 10, 20, 40, 60]);
        assert_eq!(decide(&config, 6, 1.0), RetryDecision::Stop);
        assert_eq!(delay(&decide(&config, 1, 0.0)), 1);
    }

    #[test]
    fn a_delay_without_jitter_never_fires_early() {
        let config = RetryStrategyConfig::builder()
            .initial_delay(Duration::from_millis(1100))
            .backoff_rate(1.0)
            .jitter(JitterStrategy::None)
            .build();
        assert_eq!(delay(&decide(&config, 1, 0.5)), 2);
    }

    #[test]
    fn linear_delays_grow_by_the_same_and_fixed_ones_do_not() {
        let delays = |config: &RetryStrategyConfig, attempts: u32| -> Vec<u64> {
            (1..attempts).map(|attempt| delay(&decide(config, attempt, 1.0))).collect()
        };
        let linear = RetryStrategyConfig::linear().initial_delay(Duration::from_secs(2)).build();
        assert_eq!(delays(&linear, 6), [2, 3, 4, 5, 6]);
        assert_eq!(decide(&linear, 6, 1.0), RetryDecision::Stop);
        let steep = RetryStrategyConfig::linear().increment(Duration::from_mins(2)).build();
        assert_eq!(delays(&steep, 5), [1, 121, 241, 300]);
        let fixed = RetryStrategyConfig::fixed(4, Duration::from_millis(6500));
        assert_eq!(delays(&fixed, 4), [7, 7, 7]);
        assert_eq!(decide(&fixed, 4, 0.0), RetryDecision::Stop);
        let long = RetryStrategyConfig::fixed(2, Duration::from_hours(1));
        assert_eq!(delays(&long, 2), [3600], "a fixed delay has no other bound");
        assert_eq!(decide(&RetryStrategyConfig::none(), 1, 0.0), RetryDecision::Stop);
    }

    #[test]
    fn presets_have_the_documented_values() {
        let shape = |c: &RetryStrategyConfig| {
            (c.max_attempts(), c.initial_delay().as_secs(), c.max_delay().as_secs(), c.jitter())
        };
        assert_eq!(shape(&RetryPresets::none()).0, 1);
        assert_eq!(shape(&RetryPresets::default()), (6, 5, 60, JitterStrategy::Full));
        assert_eq!(shape(&RetryPresets::transient()), (3, 5, 300, JitterStrategy::Half));
        assert_eq!(shape(&RetryPresets::resource_availability()), (5, 5, 300, JitterStrategy::Full));
        assert_eq!(shape(&RetryPresets::critical()), (10, 1, 60, JitterStrategy::None));
        let delays: Vec<u64> =
            (1..10).map(|attempt| delay(&decide(&RetryPresets::critical(), attempt, 0.0))).collect();
        assert_eq!(delays, [1, 2, 3, 4, 6, 8, 12, 18, 26]);
    }

    #[test]
    fn filters_select_the_errors_that_are_retried() {
        let retries = |config: &RetryStrategyConfig, error: crate::BoxError| {
            config.decide(&failure(error), 1, || 0.0) != RetryDecision::Stop
        };
        let typed = |name: &str| crate::TypedError::with_type(name, "the line is busy").into();
        let either = RetryStrategyConfig::builder()
            .retryable_error_types(["Throttled", "Timeout"])
            .retryable_errors(["temporarily"])
            .build();
        assert!(retries(&either, typed("Timeout")));
        assert!(retries(&either, "temporarily unavailable".into()));
        assert!(!retries(&either, typed("TimeoutOfMind")), "a type is compared whole");
        assert!(!retries(&either, "denied".into()));
        // The recorded error of another operation has its recorded type.
        let record = WireError::new("Throttled", "slow down");
        assert!(retries(&either, crate::ReplayedFailure::boxed(record)));

        let chain = RetryStrategyConfig::builder().retryable_errors(["busy"]).build();
        assert!(retries(&chain, typed("Declined")), "the message holds the causes");

        let io = RetryStrategyConfig::builder()
            .retry_if(|error| error.source().is_some_and(<dyn Error>::is::<std::io::Error>))
            .build();
        assert!(retries(&io, std::io::Error::other("disk").into()));
        assert!(!retries(&io, "disk".into()));

        let nothing = RetryStrategyConfig::builder().retryable_error_types([""; 0]).build();
        assert!(!retries(&nothing, "boom".into()));
        assert!(retries(&RetryStrategyConfig::default(), "boom".into()));
    }

    proptest! {
        #[test]
        fn delays_are_within_their_bounds(
            attempt in 1..10_000_u32,
            initial in 0..100_000_u64,
            max in 0..100_000_u64,
            rate in 0.0..10.0_f64,
            fraction in 0.0..1.0_f64,
            jitter in prop_oneof![Just(JitterStrategy::None), Just(JitterStrategy::Half), Just(JitterStrategy::Full)],
        ) {
            let config = RetryStrategyConfig::builder()
                .max_attempts(u32::MAX)
                .initial_delay(Duration::from_millis(initial))
                .max_delay(Duration::from_millis(max))
                .backoff_rate(rate)
                .jitter(jitter)
                .build();
            let delay = delay(&decide(&config, attempt, fraction));
            prop_assert!(delay >= 1);
            prop_assert!(delay <= seconds(Duration::from_millis(max)).max(1));
        }

        #[test]
        fn there_is_no_attempt_after_the_maximum(max in 0..50_u32, attempt in 1..100_u32) {
            let config = RetryStrategyConfig::builder().max_attempts(max).build();
            prop_assert_eq!(decide(&config, attempt, 0.5) == RetryDecision::Stop, attempt >= max);
        }
    }
}
