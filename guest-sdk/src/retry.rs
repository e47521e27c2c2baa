//! Decisions about another attempt.
//!
//! Always true here: a delay is made of whole seconds, at least one. Deciding uses no random source, so it takes nothing from
//! the random stream of the handler, which replays must find as it was on the first run.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime};

use crate::StepError;
use crate::builders::{JitterStrategy, RetryStrategyConfig};

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
        /// After so long: rounded up to whole seconds, 1 second to 366 days. The execution is suspended meanwhile.
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

    /// Decides after the failure of an attempt, counted from 1. `identity` tells apart what fails in the same moment.
    pub(crate) fn decide(
        &self,
        error: &StepError,
        attempt: u32,
        identity: impl FnOnce() -> String,
    ) -> RetryDecision {
        match self {
            Self::Custom(decide) => decide(error, attempt),
            Self::Schedule(schedule) => schedule.decide(attempt, || fraction(&identity(), attempt)),
        }
    }
}

impl Default for RetryStrategy {
    fn default() -> Self {
        Self::Schedule(RetryStrategyConfig::default())
    }
}

impl RetryStrategyConfig {
    /// Decides by the schedule. `fraction` is asked for jitter, from 0 to below 1.
    fn decide(&self, attempt: u32, fraction: impl FnOnce() -> f64) -> RetryDecision {
        if attempt >= self.max_attempts() {
            return RetryDecision::Stop;
        }
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let full = self.initial_delay().as_secs_f64() * self.backoff_rate().powi(exponent);
        let full = full.min(self.max_delay().as_secs_f64());
        // Full jitter rounds to the nearest second. The others round up: they never fire before the delay they promise.
        let seconds = match self.jitter() {
            JitterStrategy::None => full.ceil(),
            JitterStrategy::Half => (full / 2.0 + full / 2.0 * fraction()).ceil(),
            JitterStrategy::Full => (full * fraction()).round(),
        };
        // Casts saturate.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let seconds = seconds as u64;
        RetryDecision::Retry { delay: Duration::from_secs(seconds.max(1)) }
    }
}

/// Whole seconds of a delay or timeout, rounded up.
pub(crate) fn seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// A number from 0 to below 1 that differs between executions, operations, attempts and moments.
///
/// It is a hash of all four, so two failures never share their delays because they share an attempt number. It is no
/// random source: reading one here would happen on the first run only, and shift what the handler reads next.
fn fraction(identity: &str, attempt: u32) -> f64 {
    let mut hasher = DefaultHasher::new();
    (identity, attempt, SystemTime::now()).hash(&mut hasher);
    #[allow(clippy::cast_precision_loss)] // 53 bits fit
    let bits = (hasher.finish() >> 11) as f64;
    bits / 9_007_199_254_740_992.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn delay(decision: &RetryDecision) -> u64 {
        match decision {
            RetryDecision::Retry { delay } => delay.as_secs(),
            RetryDecision::Stop => panic!("stopped"),
        }
    }

    #[test]
    fn the_default_is_six_attempts_from_5_to_60_seconds() {
        let config = RetryStrategyConfig::default();
        let delays: Vec<u64> = (1..6).map(|attempt| delay(&config.decide(attempt, || 1.0))).collect();
        assert_eq!(delays, [5, 10, 20, 40, 60]);
        assert_eq!(config.decide(6, || 1.0), RetryDecision::Stop);
        assert_eq!(delay(&config.decide(1, || 0.0)), 1);
    }

    #[test]
    fn a_delay_without_jitter_never_fires_early() {
        let config = RetryStrategyConfig::builder()
            .initial_delay(Duration::from_millis(1100))
            .backoff_rate(1.0)
            .jitter(JitterStrategy::None)
            .build();
        assert_eq!(delay(&config.decide(1, || 0.5)), 2);
    }

    #[test]
    fn seconds_round_up() {
        assert_eq!(seconds(Duration::ZERO), 0);
        assert_eq!(seconds(Duration::from_nanos(1)), 1);
        assert_eq!(seconds(Duration::MAX), u64::MAX);
    }

    #[test]
    fn operations_that_fail_together_spread() {
        let fractions: Vec<f64> = (0..1000).map(|n| fraction(&format!("arn/{n}"), 1)).collect();
        let low = fractions.iter().filter(|f| **f < 0.5).count();
        assert!((400..600).contains(&low), "{low}");
        assert!(fractions.iter().all(|f| (0.0..1.0).contains(f)));
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
            let delay = delay(&config.decide(attempt, || fraction));
            prop_assert!(delay >= 1);
            prop_assert!(delay <= seconds(Duration::from_millis(max)).max(1));
        }

        #[test]
        fn the_last_attempt_is_the_last(max in 0..50_u32, attempt in 1..100_u32) {
            let config = RetryStrategyConfig::builder().max_attempts(max).build();
            prop_assert_eq!(config.decide(attempt, || 0.5) == RetryDecision::Stop, attempt >= max);
        }
    }
}
