//! The builder of a step.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::time::Duration;

use crate::context::{CompensationFn, DurableContext, DurableFuture, StepContext};
use crate::contract::{Position, StepOptions, StepSemantics};
use crate::error::{BoxError, OperationError, StepError};
use crate::operations::step::StepRun;
use crate::policy::{RetryDecision, RetryStrategy, RetryStrategyConfig};
use crate::serdes::{JsonSerdes, Serdes};

/// A step to be: see [`DurableContext::step`].
///
/// Without a retry strategy, a failed body is tried again as [`RetryStrategyConfig::default`] says. The result may have
/// 6 MiB as text.
///
/// # Errors
///
/// The operation fails with an error of kind [`Step`](crate::OperationErrorKind::Step):
/// [`RetriesExhausted`](crate::StepErrorKind::RetriesExhausted) when the strategy stops, with the last attempt's error
/// as its source; the same at once when the result is too large (type `ResultTooLarge` on record);
/// [`SerializationFailed`](crate::StepErrorKind::SerializationFailed) at once when the result cannot be written or
/// read. A name or a timeout that is not allowed is an error of kind
/// [`InvalidArgument`](crate::OperationErrorKind::InvalidArgument), and nothing is started.
///
/// # Examples
///
/// ```
/// # use durawasm_guest::{BoxError, DurableContext};
/// use durawasm_guest::{RetryDecision, StepSemantics};
/// use std::time::Duration;
///
/// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
/// let receipt: String = ctx
///     .step(|step| async move { Ok(format!("paid at attempt {}", step.attempt())) })
///     .name("pay")
///     .semantics(StepSemantics::AtMostOncePerRetry)
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
pub struct StepBuilder<O, F, Fut, S = JsonSerdes> {
    run: StepRun<F, S>,
    /// What undoes it.
    undo: Option<CompensationFn<DurableContext, O>>,
    _output: PhantomData<fn() -> (O, Fut)>,
}

impl<O, F, Fut, S> fmt::Debug for StepBuilder<O, F, Fut, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepBuilder").field("name", &self.run.name).finish_non_exhaustive()
    }
}

impl<O, F, Fut> StepBuilder<O, F, Fut> {
    pub(crate) fn new(ctx: DurableContext, position: Position, body: F) -> Self {
        let run = StepRun {
            ctx,
            position,
            name: None,
            strategy: RetryStrategy::default(),
            options: StepOptions::default(),
            serdes: JsonSerdes,
            body,
        };
        Self { run, undo: None, _output: PhantomData }
    }
}

impl<O, F, Fut, S> StepBuilder<O, F, Fut, S>
where
    O: Send + 'static,
    F: FnOnce(StepContext) -> Fut + Send + 'static,
    Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
{
    /// Names the step in the history: 1 to 256 printable ASCII characters, the same on every replay.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.run.name = Some(name.into());
        self
    }

    /// Decides with a function what follows a failed attempt. It gets the error, whose source is what the body
    /// returned, and the number of the attempt, from 1. It is called once for an attempt, never on a replay of it.
    pub fn retry_strategy<R>(mut self, strategy: R) -> Self
    where
        R: Fn(&StepError, u32) -> RetryDecision + Send + Sync + 'static,
    {
        self.run.strategy = RetryStrategy::custom(strategy);
        self
    }

    /// Decides by a schedule what follows a failed attempt.
    pub fn retry_strategy_config(mut self, config: RetryStrategyConfig) -> Self {
        self.run.strategy = RetryStrategy::Schedule(config);
        self
    }

    /// Records the result in another format than JSON.
    pub fn serdes<S2>(self, serdes: S2) -> StepBuilder<O, F, Fut, S2>
    where
        S2: Serdes<O>,
    {
        let StepRun { ctx, position, name, strategy, options, body, .. } = self.run;
        let run = StepRun { ctx, position, name, strategy, options, serdes, body };
        StepBuilder { run, undo: self.undo, _output: PhantomData }
    }

    /// Limits the time that the body of one attempt may take: 1 millisecond or more, rounded up to milliseconds. A body
    /// that takes longer is stopped, also one that never yields; the attempt then failed with an error of type
    /// `StepTimeout`, and the retry strategy decides. Without it, the limits of the invocation count, which end it.
    ///
    /// Computing is measured in real time, and sleeping in the body in the execution's time, which a test may skip.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        let millis = timeout.as_nanos().div_ceil(1_000_000);
        self.run.options.timeout_ms = Some(u64::try_from(millis).unwrap_or(u64::MAX));
        self
    }

    pub(super) fn with_compensation(mut self, undo: CompensationFn<DurableContext, O>) -> Self {
        self.undo = Some(undo);
        self
    }

    /// Says what an interruption in the middle of the body leads to.
    pub fn semantics(mut self, semantics: StepSemantics) -> Self {
        self.run.options.semantics = semantics;
        self
    }
}

impl<O, F, Fut, S> StepBuilder<O, F, Fut, S>
where
    O: Send + 'static,
    F: FnOnce(StepContext) -> Fut + Send + 'static,
    Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
    S: Serdes<O>,
{
    /// The step as a future that starts it when polled.
    pub fn future(self) -> DurableFuture<O> {
        self.into_future()
    }

    /// Starts the step now, beside the code that follows.
    pub fn spawn(self) -> DurableFuture<O> {
        let ctx = self.run.ctx.clone();
        self.into_future().spawned(&ctx)
    }
}

impl<O, F, Fut, S> IntoFuture for StepBuilder<O, F, Fut, S>
where
    O: Send + 'static,
    F: FnOnce(StepContext) -> Fut + Send + 'static,
    Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
    S: Serdes<O>,
{
    type Output = Result<O, OperationError>;
    type IntoFuture = DurableFuture<O>;

    fn into_future(self) -> Self::IntoFuture {
        let place = self.run.ctx.place(self.run.position);
        let undone = self.undo.is_some();
        let name = self.run.name.clone();
        let step = DurableFuture::lazy(place, self.run.execute(self.undo)).named(name);
        if undone { step.changing_context() } else { step }
    }
}
