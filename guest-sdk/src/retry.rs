//! Decisions about another attempt.
//!
//! Always true here: a delay is made of whole seconds, at least one. Deciding uses no random source, so it takes nothing from
//! the random stream of the handler, which replays must find as it was on the first run.

use std::error::Error;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::builders::{JitterStrategy, RetryStrategyConfig};
use crate::engine::Engine;
use crate::error::{StepError, WireError};

/// What a retry strategy decides after a failed attempt.
///
/// # Examples
///
/// ```
/// use durawasm_guest::RetryDecision;
/// use std::time::Duration;
///
/// let patient = |attempt: u32| match attempt {
///     1..=9 => RetryDecision::Retry { delay: Duration::from_secs(60) },
///     _ => RetryDecision::Stop,
/// };
/// assert_eq!(patient(10), RetryDecision::Stop);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryDecision {
    /// Try again.
    Retry {
        /// After so long: rounded up to whole seconds, 1 second to 366 days. The execution is suspended meanwhile. A longer delay
        /// fails the operation, with an error of type `InvalidArgumentError` on record.
        delay: Duration,
    },
    /// Fail with the error.
    Stop,
}

type Decide = dyn Fn(&StepError, u32) -> RetryDecision + Send + Sync;

/// How a step decides.
pub(crate) enum RetryStrategy {
    Schedule(RetryStrategyConfig),
    Custom(Box<Decide>),
}

impl RetryStrategy {
    pub(crate) fn custom<R>(decide: R) -> Self
    where
        R: Fn(&StepError, u32) -> RetryDecision + Send + Sync + 'static,
    {
        Self::Custom(Box::new(decide))
    }

    /// Decides after the failure of an attempt, counted from 1. `moment` tells it apart from other failures.
    pub(crate) fn decide(
        &self,
        error: &StepError,
        attempt: u32,
        moment: impl FnOnce() -> Moment,
    ) -> RetryDecision {
        match self {
            Self::Custom(decide) => decide(error, attempt),
            Self::Schedule(config) => config.decide(error, attempt, || moment().fraction(attempt)),
        }
    }
}

impl Default for RetryStrategy {
    fn default() -> Self {
        Self::Schedule(RetryStrategyConfig::default())
    }
}

/// Delays that grow from attempt to attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) initial_delay: Duration,
    pub(crate) max_delay: Duration,
    pub(crate) backoff_rate: f64,
    /// What is added after each attempt, in place of multiplying.
    pub(crate) increment: Option<Duration>,
    pub(crate) jitter: JitterStrategy,
}

impl Schedule {
    /// Seconds to wait after an attempt, counted from 1, before they are rounded. `fraction` is asked for jitter, from 0 to
    /// below 1.
    pub(crate) fn delay(&self, attempt: u32, fraction: impl FnOnce() -> f64) -> f64 {
        let repeated = attempt.saturating_sub(1);
        let initial = self.initial_delay.as_secs_f64();
        let full = match self.increment {
            Some(increment) => initial + increment.as_secs_f64() * f64::from(repeated),
            None => initial * self.backoff_rate.powi(i32::try_from(repeated).unwrap_or(i32::MAX)),
        };
        let full = full.min(self.max_delay.as_secs_f64());
        match self.jitter {
            JitterStrategy::None => full,
            JitterStrategy::Half => full / 2.0 + full / 2.0 * fraction(),
            JitterStrategy::Full => full * fraction(),
        }
    }
}

impl RetryStrategyConfig {
    /// Decides by the filters and the schedule.
    fn decide(&self, error: &StepError, attempt: u32, fraction: impl FnOnce() -> f64) -> RetryDecision {
        if attempt >= self.max_attempts() || !self.filter().allows(error) {
            return RetryDecision::Stop;
        }
        let seconds = self.schedule().delay(attempt, fraction);
        // Full jitter rounds to the nearest second. The others round up: they never fire before the delay they promise.
        let seconds = match self.jitter() {
            JitterStrategy::Full => seconds.round(),
            JitterStrategy::None | JitterStrategy::Half => seconds.ceil(),
        };
        RetryDecision::Retry { delay: whole_seconds(seconds) }
    }
}

/// Which errors are worth another attempt: those that one of the rules fits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Without any, all errors.
    rules: Option<Vec<Rule>>,
}

#[derive(Clone)]
pub(crate) enum Rule {
    /// Errors that are recorded under this type.
    Type(String),
    /// Errors whose recorded message contains this.
    Message(String),
    /// Errors that this function accepts.
    Predicate(Arc<dyn Fn(&StepError) -> bool + Send + Sync>),
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(name) => f.debug_tuple("Type").field(name).finish(),
            Self::Message(part) => f.debug_tuple("Message").field(part).finish(),
            Self::Predicate(_) => f.debug_tuple("Predicate").finish_non_exhaustive(),
        }
    }
}

impl Filter {
    pub(crate) fn add(&mut self, rules: impl IntoIterator<Item = Rule>) {
        self.rules.get_or_insert_default().extend(rules);
    }

    fn allows(&self, error: &StepError) -> bool {
        let Some(rules) = &self.rules else { return true };
        let failure: &(dyn Error + 'static) = error.source().unwrap_or(error);
        let wire = WireError::of(failure, "Error");
        rules.iter().any(|rule| match rule {
            Rule::Type(name) => wire.error_type() == Some(name),
            Rule::Message(part) => wire.error_message().is_some_and(|message| message.contains(part)),
            Rule::Predicate(accepts) => accepts(error),
        })
    }
}

/// A delay of so many seconds, at least one.
pub(crate) fn whole_seconds(seconds: f64) -> Duration {
    // Casts saturate.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let seconds = seconds as u64;
    Duration::from_secs(seconds.max(1))
}

/// Whole seconds of a delay or timeout, rounded up.
pub(crate) fn seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// Where something failed, and when.
#[derive(Debug)]
pub(crate) struct Moment {
    place: String,
    now: SystemTime,
}

#[cfg(test)]
impl Moment {
    /// Of tests that look at no place and no time.
    pub(crate) fn any() -> Self {
        Self { place: String::new(), now: UNIX_EPOCH }
    }
}

impl Moment {
    /// Now, as the code that runs sees it, at an operation of this id.
    pub(crate) fn of(engine: &Engine, operation: &str) -> Self {
        Self { place: format!("{}/{operation}", engine.execution_arn()), now: engine.runtime().now() }
    }

    /// A number from 0 to below 1 that differs between executions, operations, attempts and moments.
    ///
    /// It is a hash of all four, so two failures never share their delays because they share an attempt number. It is no
    /// random source: reading one here would happen on the first run only, and shift what the handler reads next. It is
    /// the same wherever the handler runs.
    pub(crate) fn fraction(&self, attempt: u32) -> f64 {
        let since = self.now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        (&self.place, attempt, since.as_secs(), since.subsec_nanos()).hash(&mut hasher);
        #[allow(clippy::cast_precision_loss)] // 53 bits fit
        let bits = (hasher.finish() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builders::RetryPresets;
    use proptest::prelude::*;

    /// What the configuration decides about an error without a name.
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
    fn seconds_round_up() {
        assert_eq!(seconds(Duration::ZERO), 0);
        assert_eq!(seconds(Duration::from_nanos(1)), 1);
        assert_eq!(seconds(Duration::MAX), u64::MAX);
    }

    #[test]
    fn operations_that_fail_together_spread() {
        let moment = |n| Moment { place: format!("arn/{n}"), now: UNIX_EPOCH };
        let fractions: Vec<f64> = (0..1000).map(|n| moment(n).fraction(1)).collect();
        let low = fractions.iter().filter(|f| **f < 0.5).count();
        assert!((400..600).contains(&low), "{low}");
        assert!(fractions.iter().all(|f| (0.0..1.0).contains(f)));
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
    fn presets_are_what_their_docs_say() {
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
    fn filters_say_which_errors_are_worth_another_attempt() {
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
        // What is on record of another operation counts under its recorded type.
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
        fn delays_stay_within_their_bounds(
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
        fn the_last_attempt_is_the_last(max in 0..50_u32, attempt in 1..100_u32) {
            let config = RetryStrategyConfig::builder().max_attempts(max).build();
            prop_assert_eq!(decide(&config, attempt, 0.5) == RetryDecision::Stop, attempt >= max);
        }
    }
}
