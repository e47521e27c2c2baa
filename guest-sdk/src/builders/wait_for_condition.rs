//! The builder of a wait for a condition, and its strategy.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::JitterStrategy;
use crate::context::{DurableContext, StepContext};
use crate::future::DurableFuture;
use crate::retry::{Moment, Schedule};
use crate::runtime::Position;
use crate::serdes::{JsonSerdes, Serdes};
use crate::wait_for_condition::{ConditionRun, Polling};
use crate::{BoxError, OperationError};

pub use crate::wait_for_condition::WaitDecision;

/// A wait for a condition to be: see [`DurableContext::wait_for_condition`].
///
/// The wait strategy decides after each check. **Without one there is one check**, and its state is the result. A state may have
/// 6 MiB as text. A check that is interrupted runs again with the same state.
///
/// # Errors
///
/// The operation fails with an error of kind [`WaitForCondition`](crate::OperationErrorKind::WaitForCondition):
/// [`CheckFailed`](crate::WaitForConditionErrorKind::CheckFailed) as soon as a check returns an error,
/// [`MaxChecksExceeded`](crate::WaitForConditionErrorKind::MaxChecksExceeded) when the strategy gives up,
/// [`SerializationFailed`](crate::WaitForConditionErrorKind::SerializationFailed) when a state cannot be written or read.
///
/// # Examples
///
/// ```
/// # use durawasm_guest::{BoxError, DurableContext};
/// use durawasm_guest::builders::wait_for_condition::WaitDecision;
/// use std::time::Duration;
///
/// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
/// let found = ctx
///     .wait_for_condition(|_step, found: u32| async move { Ok(found + 1) }, 0)
///     .name("collect")
///     .wait_strategy_fn(|found, check| match (found, check) {
///         (3.., _) => WaitDecision::complete(),
///         (_, 10..) => WaitDecision::exhausted("nothing more came"),
///         _ => WaitDecision::continue_with(Duration::from_secs(30)),
///     })
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "builders do nothing unless awaited or spawned"]
#[non_exhaustive]
pub struct WaitForConditionBuilder<S, F, Fut, SD = JsonSerdes> {
    run: ConditionRun<S, F, SD>,
    _future: PhantomData<fn() -> Fut>,
}

impl<S, F, Fut, SD> fmt::Debug for WaitForConditionBuilder<S, F, Fut, SD> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForConditionBuilder").field("name", &self.run.name).finish_non_exhaustive()
    }
}

impl<S, F, Fut> WaitForConditionBuilder<S, F, Fut> {
    pub(crate) fn new(ctx: DurableContext, position: Position, initial: S, check: F) -> Self {
        let (polling, serdes) = (Polling::Once, JsonSerdes);
        let run = ConditionRun { ctx, position, name: None, initial, polling, serdes, check };
        Self { run, _future: PhantomData }
    }
}

impl<S, F, Fut, SD> WaitForConditionBuilder<S, F, Fut, SD>
where
    S: Clone + Send + Sync + 'static,
    F: Fn(StepContext, S) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<S, BoxError>> + Send + 'static,
{
    /// Names the operation in the history: 1 to 256 printable ASCII characters, the same on every replay.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.run.name = Some(name.into());
        self
    }

    /// Decides by a predicate and a schedule.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_guest::builders::wait_for_condition::WaitStrategy;
    /// use std::time::Duration;
    ///
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let strategy = WaitStrategy::builder(|count: &u32| *count >= 3).initial_delay(Duration::from_secs(2)).build();
    /// let count = ctx
    ///     .wait_for_condition(|_step, count: u32| async move { Ok(count + 1) }, 0)
    ///     .wait_strategy(strategy)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_strategy(mut self, strategy: WaitStrategy<S>) -> Self {
        self.run.polling = Polling::Schedule(strategy);
        self
    }

    /// Decides with a function. It gets the state that the check returned, as it was read back from its text, and the number
    /// of the check, from 1. It is called once for a check, never on a replay of it, and should end some time.
    pub fn wait_strategy_fn<W>(mut self, strategy: W) -> Self
    where
        W: Fn(S, u32) -> WaitDecision + Send + Sync + 'static,
    {
        self.run.polling = Polling::Custom(Box::new(strategy));
        self
    }

    /// Records the states in another format than JSON. The initial state is never serialized.
    pub fn serdes<SD2>(self, serdes: SD2) -> WaitForConditionBuilder<S, F, Fut, SD2>
    where
        SD2: Serdes<S>,
    {
        let ConditionRun { ctx, position, name, initial, polling, check, .. } = self.run;
        let run = ConditionRun { ctx, position, name, initial, polling, serdes, check };
        WaitForConditionBuilder { run, _future: PhantomData }
    }

    /// The operation as a future that runs it while it is polled.
    pub fn future(self) -> DurableFuture<S>
    where
        SD: Serdes<S>,
    {
        self.into_future()
    }

    /// Starts the operation now, beside the code that follows.
    pub fn spawn(self) -> DurableFuture<S>
    where
        SD: Serdes<S>,
    {
        let ctx = self.run.ctx.clone();
        self.into_future().spawned(&ctx)
    }
}

impl<S, F, Fut, SD> IntoFuture for WaitForConditionBuilder<S, F, Fut, SD>
where
    S: Clone + Send + Sync + 'static,
    F: Fn(StepContext, S) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<S, BoxError>> + Send + 'static,
    SD: Serdes<S>,
{
    type Output = Result<S, OperationError>;
    type IntoFuture = DurableFuture<S>;

    fn into_future(self) -> Self::IntoFuture {
        let place = self.run.ctx.place(self.run.position);
        let name = self.run.name.clone();
        DurableFuture::lazy(place, self.run.execute()).named(name)
    }
}

/// When a condition is met, and how often and when it is checked.
///
/// The predicate is asked first, so a condition that is met at the last check is met. After check `n` the delay is
/// `initial_delay * backoff_rate^(n - 1)`, at most `max_delay`, then spread by the jitter and rounded up to whole seconds, at
/// least one.
///
/// What is not set: 60 checks, 5 seconds, times 1.5 up to 5 minutes, full jitter.
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
    /// A builder, with the predicate that says whether the condition is met.
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

    /// How many checks there are in all.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    /// The delay after the first check, before jitter.
    #[must_use]
    pub fn initial_delay(&self) -> Duration {
        self.schedule.initial_delay
    }

    /// The longest delay, before jitter.
    #[must_use]
    pub fn max_delay(&self) -> Duration {
        self.schedule.max_delay
    }

    /// What the delay is multiplied with after each check.
    #[must_use]
    pub fn backoff_rate(&self) -> f64 {
        self.schedule.backoff_rate
    }

    /// How delays are spread.
    #[must_use]
    pub fn jitter(&self) -> JitterStrategy {
        self.schedule.jitter
    }

    /// Decides after a check, counted from 1. `moment` tells it apart from other checks.
    pub(crate) fn decide(&self, state: &S, attempt: u32, moment: impl FnOnce() -> Moment) -> WaitDecision {
        if (self.met)(state) {
            return WaitDecision::Complete;
        }
        if attempt >= self.max_attempts {
            let max = self.max_attempts;
            return WaitDecision::exhausted(format!(
                "the condition was not met in {attempt} of {max} checks"
            ));
        }
        let delay = self.schedule.delay(attempt, || moment().fraction(attempt)).ceil();
        WaitDecision::Continue { delay: crate::retry::whole_seconds(delay) }
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
    /// Sets how many checks there are in all: with 1, the condition has to be met at once.
    pub fn max_attempts(mut self, max_attempts: u32) -> Self {
        self.strategy.max_attempts = max_attempts;
        self
    }

    /// Sets the delay after the first check, before jitter.
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.strategy.schedule.initial_delay = delay;
        self
    }

    /// Sets the longest delay, before jitter.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.strategy.schedule.max_delay = delay;
        self
    }

    /// Sets what the delay is multiplied with after each check.
    pub fn backoff_rate(mut self, rate: f64) -> Self {
        self.strategy.schedule.backoff_rate = rate;
        self
    }

    /// Sets how delays are spread.
    pub fn jitter(mut self, jitter: JitterStrategy) -> Self {
        self.strategy.schedule.jitter = jitter;
        self
    }

    /// Makes the strategy.
    #[must_use]
    pub fn build(self) -> WaitStrategy<S> {
        self.strategy
    }
}
