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

/// Builds a step: see [`DurableContext::step`].
///
/// Without a retry strategy, a failed body is retried as specified by [`RetryStrategyConfig::default`]. The serialized
/// result may have up to 6 MiB.
///
/// # Errors
///
/// The operation fails with an error of kind [`Step`](crate::OperationErrorKind::Step):
/// - [`RetriesExhausted`](crate::StepErrorKind::RetriesExhausted) when the strategy stops, with the error of the last
///   attempt as its source; also, without further attempts, when the result is too large (recorded type
///   `ResultTooLarge`);
/// - [`SerializationFailed`](crate::StepErrorKind::SerializationFailed), without further attempts, when the result
///   cannot be serialized or deserialized.
///
/// A name or a timeout that is not allowed is an error of kind
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
    /// The compensation of the step.
    compensation: Option<CompensationFn<DurableContext, O>>,
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
        Self { run, compensation: None, _output: PhantomData }
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

    /// Decides with a function what follows a failed attempt. The function gets the error, whose source is the error
    /// that the body returned, and the number of the attempt, from 1. It is called once per attempt, and never on a
    /// replay of the attempt.
    pub fn retry_strategy<R>(mut self, strategy: R) -> Self
    where
        R: Fn(&StepError, u32) -> RetryDecision + Send + Sync + 'static,
    {
        self.run.strategy = RetryStrategy::custom(strategy);
        self
    }

    /// Decides with a schedule what follows a failed attempt.
    pub fn retry_strategy_config(mut self, config: RetryStrategyConfig) -> Self {
        self.run.strategy = RetryStrategy::Schedule(config);
        self
    }

    /// Serializes the result with another serdes than JSON.
    pub fn serdes<S2>(self, serdes: S2) -> StepBuilder<O, F, Fut, S2>
    where
        S2: Serdes<O>,
    {
        let StepRun { ctx, position, name, strategy, options, body, .. } = self.run;
        let run = StepRun { ctx, position, name, strategy, options, serdes, body };
        StepBuilder { run, compensation: self.compensation, _output: PhantomData }
    }

    /// Limits the duration of the body of one attempt: 1 millisecond or more, rounded up to milliseconds. A body that
    /// takes longer is stopped, even if it never yields; the attempt fails with an error of type `StepTimeout`, and the
    /// retry strategy decides. Without a timeout, only the limits of the invocation apply, which end the invocation.
    ///
    /// Computation is measured in real time, and sleep in the body in the time of the execution, which a test may skip.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        let millis = timeout.as_nanos().div_ceil(1_000_000);
        self.run.options.timeout_ms = Some(u64::try_from(millis).unwrap_or(u64::MAX));
        self
    }

    pub(super) fn with_compensation(mut self, compensation: CompensationFn<DurableContext, O>) -> Self {
        self.compensation = Some(compensation);
        self
    }

    /// Sets what happens when the body is interrupted.
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

    /// Starts the step now, concurrently with the code that follows.
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
        let has_compensation = self.compensation.is_some();
        let name = self.run.name.clone();
        let step = DurableFuture::lazy(place, self.run.execute(self.compensation)).named(name);
        if has_compensation { step.changing_context() } else { step }
    }
}
