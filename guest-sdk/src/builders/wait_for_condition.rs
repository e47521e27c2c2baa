//! The builder of a wait for a condition.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;

use crate::context::{DurableContext, DurableFuture, StepContext};
use crate::contract::Position;
use crate::error::{BoxError, OperationError};
use crate::operations::wait_for_condition::ConditionRun;
use crate::policy::Polling;
use crate::serdes::{JsonSerdes, Serdes};

pub use crate::policy::{WaitDecision, WaitStrategy, WaitStrategyBuilder};

/// Builds a wait for a condition: see [`DurableContext::wait_for_condition`].
///
/// The wait strategy decides after each check. **Without a strategy there is one check**, and its state is the result.
/// The payload of a state may have up to 6 MiB. A check that is interrupted runs again with the same state.
///
/// # Errors
///
/// The operation fails with an error of kind [`WaitForCondition`](crate::OperationErrorKind::WaitForCondition):
/// - [`CheckFailed`](crate::WaitForConditionErrorKind::CheckFailed) as soon as a check returns an error;
/// - [`MaxChecksExceeded`](crate::WaitForConditionErrorKind::MaxChecksExceeded) when the strategy gives up;
/// - [`SerializationFailed`](crate::WaitForConditionErrorKind::SerializationFailed) when a state cannot be serialized
///   or deserialized.
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

    /// Decides with a predicate and a schedule.
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

    /// Decides with a function. The function gets the state that the check returned, deserialized from its payload, and
    /// the number of the check, from 1. It is called once per check, and never on a replay of the check. It should end
    /// the wait at some time.
    pub fn wait_strategy_fn<W>(mut self, strategy: W) -> Self
    where
        W: Fn(S, u32) -> WaitDecision + Send + Sync + 'static,
    {
        self.run.polling = Polling::Custom(Box::new(strategy));
        self
    }

    /// Serializes the states with another serdes than JSON. The initial state is never serialized.
    pub fn serdes<SD2>(self, serdes: SD2) -> WaitForConditionBuilder<S, F, Fut, SD2>
    where
        SD2: Serdes<S>,
    {
        let ConditionRun { ctx, position, name, initial, polling, check, .. } = self.run;
        let run = ConditionRun { ctx, position, name, initial, polling, serdes, check };
        WaitForConditionBuilder { run, _future: PhantomData }
    }

    /// The operation as a future that runs it while polled.
    pub fn future(self) -> DurableFuture<S>
    where
        SD: Serdes<S>,
    {
        self.into_future()
    }

    /// Starts the operation now, concurrently with the code that follows.
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
