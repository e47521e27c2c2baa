//! When a condition is met, and when it is checked again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::retry::{JitterSeed, JitterStrategy, Schedule, schedule_getters, schedule_setters, whole_seconds};

/// The decision of a wait strategy after a check.
///
/// # Examples
///
/// ```
/// use durawasm_guest::builders::wait_for_condition::WaitDecision;
/// use std::time::Duration;
///
/// let patient = |temperature: f64, check: u32| match (temperature, check) {
///     (..=4.0, _) => WaitDecision::complete(),
///     (_, 100..) => WaitDecision::exhausted("still warm after 100 checks"),
///     _ => WaitDecision::continue_with(Duration::from_secs(60)),
/// };
/// assert_eq!(patient(3.5, 1), WaitDecision::Complete);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitDecision {
    /// The condition is met. The state is the operation's result.
    Complete,
    /// The condition is not met. Check again, with the state that this check returned.
    Continue {
        /// The delay before the next check, rounded up to whole seconds: 1 second to 366 days. The execution is
        /// suspended during the delay. A longer delay fails the operation; the recorded error has the type
        /// `InvalidArgumentError`.
        delay: Duration,
    },
    /// Give up: the operation fails.
    Exhausted {
        /// The reason, for people.
        reason: String,
    },
}

impl WaitDecision {
    /// The condition is met.
    #[must_use]
    pub fn complete() -> Self {
        Self::Complete
    }

    /// The condition is not met: check again after this delay.
    #[must_use]
    pub fn continue_with(delay: Duration) -> Self {
        Self::Continue { delay }
    }

    /// Give up, for this reason.
    #[must_use]
    pub fn exhausted(reason: impl Into<String>) -> Self {
        Self::Exhausted { reason: reason.into() }
    }
}

type Decide<T> = dyn Fn(T, u32) -> WaitDecision + Send + Sync;

/// The wait strategy of a condition.
pub(crate) enum Polling<T> {
    /// One check, whatever its result.
    Once,
    Schedule(WaitStrategy<T>),
    Custom(Box<Decide<T>>),
}

impl<T> Polling<T> {
    pub(crate) fn decide(&self, state: T, attempt: u32, seed: impl FnOnce() -> JitterSeed) -> WaitDecision {
        match self {
            Self::Once => WaitDecision::Complete,
            Self::Schedule(strategy) => strategy.decide(&state, attempt, seed),
            Self::Custom(decide) => decide(state, attempt),
        }
    }
}

/// When a condition is met, and how often and when it is checked.
///
/// The predicate is evaluated first, so a condition that is met at the last check succeeds. After check `n` the delay
/// is `initial_delay * backoff_rate^(n - 1)`, limited to `max_delay`. Then jitter is applied, and the delay is rounded
/// up to whole seconds, at least one.
///
/// The defaults are 60 checks, 5 seconds, times 1.5 up to 5 minutes, full jitter.
///
/// # Examples
///
/// ```
/// use durawasm_guest::builders::wait_for_condition::WaitStrategy;
/// use std::time::Duration;
///
/// let strategy = WaitStrategy::builder(|state: &String| state == "READY").max_attempts(10).build();
/// assert_eq!((strategy.max_attempts(), strategy.max_delay()), (10, Duration::from_secs(300)));
/// ```
#[non_exhaustive]
pub struct WaitStrategy<S> {
    met: Arc<dyn Fn(&S) -> bool + Send + Sync>,
    max_attempts: u32,
    schedule: Schedule,
}

impl<S> fmt::Debug for WaitStrategy<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitStrategy")
            .field("max_attempts", &self.max_attempts)
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}

impl<S> Clone for WaitStrategy<S> {
    fn clone(&self) -> Self {
        Self { met: Arc::clone(&self.met), max_attempts: self.max_attempts, schedule: self.schedule }
    }
}

impl<S> WaitStrategy<S> {
    /// Returns a builder, with the predicate that decides whether the condition is met.
    pub fn builder<P>(completion_predicate: P) -> WaitStrategyBuilder<S>
    where
        P: Fn(&S) -> bool + Send + Sync + 'static,
    {
        let schedule = Schedule {
            initial_delay: Duration::from_secs(5),
            max_delay: Duration::from_mins(5),
            backoff_rate: 1.5,
            increment: None,
            jitter: JitterStrategy::Full,
        };
        let met = Arc::new(completion_predicate);
        WaitStrategyBuilder { strategy: WaitStrategy { met, max_attempts: 60, schedule } }
    }

    /// The maximum number of checks.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    schedule_getters!("check");

    /// Decides after a check, counted from 1. `seed` returns the seed of its jitter.
    pub(crate) fn decide(&self, state: &S, attempt: u32, seed: impl FnOnce() -> JitterSeed) -> WaitDecision {
        if (self.met)(state) {
            return WaitDecision::Complete;
        }
        if attempt >= self.max_attempts {
            let max = self.max_attempts;
            return WaitDecision::exhausted(format!(
                "the condition was not met in {attempt} of {max} checks"
            ));
        }
        let delay = self.schedule.delay(attempt, || seed().fraction(attempt)).ceil();
        WaitDecision::Continue { delay: whole_seconds(delay) }
    }
}

/// Builds a [`WaitStrategy`].
#[must_use = "builders do nothing unless .build() is called"]
#[non_exhaustive]
pub struct WaitStrategyBuilder<S> {
    strategy: WaitStrategy<S>,
}

impl<S> fmt::Debug for WaitStrategyBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitStrategyBuilder").field("strategy", &self.strategy).finish_non_exhaustive()
    }
}

impl<S> Clone for WaitStrategyBuilder<S> {
    fn clone(&self) -> Self {
        Self { strategy: self.strategy.clone() }
    }
}

impl<S> WaitStrategyBuilder<S> {
    /// Sets the maximum number of checks: with 1, the condition has to be met at the first.
    pub fn max_attempts(mut self, max_attempts: u32) -> Self {
        self.strategy.max_attempts = max_attempts;
        self
    }

    schedule_setters!(strategy, "check");

    /// Creates the strategy.
    #[must_use]
    pub fn build(self) -> WaitStrategy<S> {
        self.strategy
    }
}
