//! The builder of a block that is retried as a whole.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::sync::Arc;

use super::child::ChildBuilder;
use crate::context::{DurableContext, DurableFuture};
use crate::contract::Position;
use crate::error::{BoxError, OperationError, StepError};
use crate::operations::with_retry::attempts;
use crate::policy::{RetryDecision, RetryStrategy, RetryStrategyConfig};
use crate::serdes::{JsonSerdes, Serdes};

/// Builds a block with retries: see [`DurableContext::with_retry`].
///
/// In the history the block is a child context that contains a child context for each attempt, named `attempt-1`,
/// `attempt-2` and so on, and a wait before each attempt but the first, named `retry-delay-1` and so on.
///
/// Without a retry strategy, a failed block is retried as specified by [`RetryStrategyConfig::default`].
///
/// # Errors
///
/// When the strategy stops, the operation fails with an error of kind
/// [`ChildContext`](crate::OperationErrorKind::ChildContext); its message has the number of attempts and the error of
/// the last attempt.
///
/// # Examples
///
/// ```
/// # use durawasm_guest::{BoxError, DurableContext};
/// use durawasm_guest::RetryDecision;
/// use std::time::Duration;
///
/// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
/// let seat: String = ctx
///     .with_retry(|ctx| async move {
///         let seat = ctx.step(|_| async { Ok("12A".to_owned()) }).name("find").await?;
///         ctx.wait(Duration::from_secs(60)).name("think").await?;
///         Ok(ctx.step(move |_| async move { Ok(seat) }).name("book").await?)
///     })
///     .name("seat")
///     .retry_strategy(|_error, attempt| match attempt {
///         1..3 => RetryDecision::Retry { delay: Duration::from_secs(10) },
///         _ => RetryDecision::Stop,
///     })
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "builders do nothing unless awaited or spawned"]
#[non_exhaustive]
pub struct WithRetryBuilder<O, F, Fut, S = JsonSerdes> {
    ctx: DurableContext,
    position: Position,
    name: Option<String>,
    strategy: RetryStrategy,
    serdes: S,
    body: F,
    _output: PhantomData<fn() -> (O, Fut)>,
}

impl<O, F, Fut, S> fmt::Debug for WithRetryBuilder<O, F, Fut, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithRetryBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<O, F, Fut> WithRetryBuilder<O, F, Fut> {
    pub(crate) fn new(ctx: DurableContext, position: Position, body: F) -> Self {
        let strategy = RetryStrategy::default();
        Self { ctx, position, name: None, strategy, serdes: JsonSerdes, body, _output: PhantomData }
    }
}

impl<O, F, Fut, S> WithRetryBuilder<O, F, Fut, S>
where
    O: Send + 'static,
    F: Fn(DurableContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
{
    /// Names the block in the history: 1 to 256 printable ASCII characters, the same on every replay.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Decides with a function what follows a failed attempt. The function gets the error, whose source is the
    /// attempt's [`OperationError`] as recorded, and the number of the attempt, from 1.
    ///
    /// The function is called again on each replay, and must return the same decision: it must depend on its arguments
    /// alone. The recorded delay applies: 1 second to 366 days.
    pub fn retry_strategy<R>(mut self, strategy: R) -> Self
    where
        R: Fn(&StepError, u32) -> RetryDecision + Send + Sync + 'static,
    {
        self.strategy = RetryStrategy::custom(strategy);
        self
    }

    /// Decides with a schedule what follows a failed attempt. Its filters see the error of the attempt, under the type
    /// of the error that failed in it if that has one, otherwise `ChildFnError`.
    pub fn retry_strategy_config(mut self, config: RetryStrategyConfig) -> Self {
        self.strategy = RetryStrategy::Schedule(config);
        self
    }

    /// Serializes the result, of the attempt and of the block, with another serdes than JSON.
    pub fn serdes<S2>(self, serdes: S2) -> WithRetryBuilder<O, F, Fut, S2>
    where
        S2: Serdes<O>,
    {
        let Self { ctx, position, name, strategy, body, .. } = self;
        WithRetryBuilder { ctx, position, name, strategy, serdes, body, _output: PhantomData }
    }

    /// The block as a future that runs it while polled.
    pub fn future(self) -> DurableFuture<O>
    where
        S: Serdes<O>,
    {
        self.into_future()
    }

    /// Starts the block now, concurrently with the code that follows.
    pub fn spawn(self) -> DurableFuture<O>
    where
        S: Serdes<O>,
    {
        let ctx = self.ctx.clone();
        self.into_future().spawned(&ctx)
    }
}

impl<O, F, Fut, S> IntoFuture for WithRetryBuilder<O, F, Fut, S>
where
    O: Send + 'static,
    F: Fn(DurableContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
    S: Serdes<O>,
{
    type Output = Result<O, OperationError>;
    type IntoFuture = DurableFuture<O>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { ctx, position, name, strategy, serdes, body, .. } = self;
        let (body, serdes) = (Arc::new(body), Arc::new(serdes));
        let shared = Arc::clone(&serdes);
        let mut block =
            ChildBuilder::new(ctx, position, move |ctx| attempts(ctx, body, strategy, shared)).serdes(serdes);
        if let Some(name) = name {
            block = block.name(name);
        }
        block.into_future()
    }
}
