//! The builders of callbacks.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::{DurableContext, DurableFuture, StepContext};
use crate::contract::{CallbackOptions, Position};
use crate::error::{BoxError, OperationError, StepError};
use crate::operations::callback::CallbackRun;
use crate::operations::wait_for_callback::WaitForCallbackRun;
use crate::policy::{RetryDecision, RetryStrategy, RetryStrategyConfig, seconds};
use crate::serdes::{JsonSerdes, Serdes};

pub use crate::operations::callback::Callback;
pub use crate::values::CallbackId;

/// Builds a callback: see [`DurableContext::create_callback`].
///
/// # Errors
///
/// A name or a timeout that is not allowed is an error of kind
/// [`InvalidArgument`](crate::OperationErrorKind::InvalidArgument), and nothing is started. If the callback itself
/// fails, [`Callback::result`] returns the error.
#[must_use = "builders do nothing unless awaited or spawned"]
#[non_exhaustive]
pub struct CreateCallbackBuilder<O, S = JsonSerdes> {
    run: CallbackRun<S>,
    _output: PhantomData<fn() -> O>,
}

impl<O, S> fmt::Debug for CreateCallbackBuilder<O, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateCallbackBuilder").field("name", &self.run.name).finish_non_exhaustive()
    }
}

impl<O: Send + 'static> CreateCallbackBuilder<O> {
    pub(crate) fn new(ctx: DurableContext, position: Position) -> Self {
        let options = CallbackOptions::default();
        let run = CallbackRun { ctx, position, name: None, options, serdes: JsonSerdes };
        Self { run, _output: PhantomData }
    }
}

impl<O: Send + 'static, S> CreateCallbackBuilder<O, S> {
    /// Names the callback in the history: 1 to 256 printable ASCII characters, the same on every replay.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.run.name = Some(name.into());
        self
    }

    /// Limits the time until the answer: up to 99,999,999 seconds, rounded up to whole seconds. Zero, the default,
    /// means no limit.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.run.options.timeout = Some(seconds(timeout));
        self
    }

    /// Limits the time between two heartbeats of the external system. Same range.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.run.options.heartbeat_timeout = Some(seconds(interval));
        self
    }

    /// Deserializes the answer with another serdes than JSON. Only `deserialize` is used.
    pub fn serdes<S2>(self, serdes: S2) -> CreateCallbackBuilder<O, S2>
    where
        S2: Serdes<O>,
    {
        let CallbackRun { ctx, position, name, options, .. } = self.run;
        let run = CallbackRun { ctx, position, name, options, serdes };
        CreateCallbackBuilder { run, _output: PhantomData }
    }

    /// The callback as a future that creates it when polled.
    pub fn future(self) -> DurableFuture<Callback<O>>
    where
        S: Serdes<O>,
    {
        self.into_future()
    }

    /// Creates the callback now, concurrently with the code that follows.
    pub fn spawn(self) -> DurableFuture<Callback<O>>
    where
        S: Serdes<O>,
    {
        let ctx = self.run.ctx.clone();
        self.into_future().spawned(&ctx)
    }
}

impl<O, S> IntoFuture for CreateCallbackBuilder<O, S>
where
    O: Send + 'static,
    S: Serdes<O>,
{
    type Output = Result<Callback<O>, OperationError>;
    type IntoFuture = DurableFuture<Callback<O>>;

    fn into_future(self) -> Self::IntoFuture {
        let place = self.run.ctx.place(self.run.position);
        let name = self.run.name.clone();
        DurableFuture::lazy(place, self.run.execute()).named(name)
    }
}

/// Builds a wait for a callback: see [`DurableContext::wait_for_callback`].
///
/// The submitter is a step with at-least-once semantics: it may run more than once. Timeouts count from the creation of
/// the callback, before the first attempt of the submitter. An answer of more than 256 KiB is read again from the
/// callback on each replay.
///
/// # Errors
///
/// If the callback fails, the error is of kind [`Callback`](crate::OperationErrorKind::Callback), as in
/// [`Callback::result`], and has the id of the callback. If the submitter fails after its last attempt, the error is of
/// kind [`ChildContext`](crate::OperationErrorKind::ChildContext).
#[must_use = "builders do nothing unless awaited or spawned"]
#[non_exhaustive]
pub struct WaitForCallbackBuilder<O, F, Fut, S = JsonSerdes> {
    run: WaitForCallbackRun<F, S>,
    _output: PhantomData<fn() -> (O, Fut)>,
}

impl<O, F, Fut, S> fmt::Debug for WaitForCallbackBuilder<O, F, Fut, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForCallbackBuilder").field("name", &self.run.name).finish_non_exhaustive()
    }
}

impl<O, F, Fut> WaitForCallbackBuilder<O, F, Fut> {
    pub(crate) fn new(ctx: DurableContext, position: Position, submitter: F) -> Self {
        let run = WaitForCallbackRun {
            ctx,
            position,
            name: None,
            options: CallbackOptions::default(),
            submitter,
            submitter_retry: RetryStrategy::default(),
            serdes: JsonSerdes,
        };
        Self { run, _output: PhantomData }
    }
}

impl<O, F, Fut, S> WaitForCallbackBuilder<O, F, Fut, S>
where
    O: Send + 'static,
    F: FnOnce(StepContext, String) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    /// Names the operation in the history: 1 to 256 printable ASCII characters, the same on every replay.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.run.name = Some(name.into());
        self
    }

    /// Decides with a function what follows a failed attempt of the submitter, like
    /// [`StepBuilder::retry_strategy`](super::StepBuilder::retry_strategy).
    pub fn submitter_retry<R>(mut self, strategy: R) -> Self
    where
        R: Fn(&StepError, u32) -> RetryDecision + Send + Sync + 'static,
    {
        self.run.submitter_retry = RetryStrategy::custom(strategy);
        self
    }

    /// Decides with a schedule what follows a failed attempt of the submitter.
    pub fn submitter_retry_config(mut self, config: RetryStrategyConfig) -> Self {
        self.run.submitter_retry = RetryStrategy::Schedule(config);
        self
    }

    /// Limits the time until the answer: up to 99,999,999 seconds, rounded up to whole seconds. Zero, the default,
    /// means no limit.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.run.options.timeout = Some(seconds(timeout));
        self
    }

    /// Limits the time between two heartbeats of the external system. Same range.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.run.options.heartbeat_timeout = Some(seconds(interval));
        self
    }

    /// Deserializes the answer with another serdes than JSON. Only `deserialize` is used.
    pub fn serdes<S2>(self, serdes: S2) -> WaitForCallbackBuilder<O, F, Fut, S2>
    where
        S2: Serdes<O>,
    {
        let WaitForCallbackRun { ctx, position, name, options, submitter, submitter_retry, .. } = self.run;
        let run = WaitForCallbackRun { ctx, position, name, options, submitter, submitter_retry, serdes };
        WaitForCallbackBuilder { run, _output: PhantomData }
    }
}

impl<O, F, Fut, S> WaitForCallbackBuilder<O, F, Fut, S>
where
    O: Serialize + DeserializeOwned + Send + 'static,
    F: FnOnce(StepContext, String) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    S: Serdes<O>,
{
    /// The operation as a future that runs it while polled.
    pub fn future(self) -> DurableFuture<O> {
        self.into_future()
    }

    /// Starts the operation now, concurrently with the code that follows.
    pub fn spawn(self) -> DurableFuture<O> {
        let ctx = self.run.ctx.clone();
        self.into_future().spawned(&ctx)
    }
}

impl<O, F, Fut, S> IntoFuture for WaitForCallbackBuilder<O, F, Fut, S>
where
    O: Serialize + DeserializeOwned + Send + 'static,
    F: FnOnce(StepContext, String) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    S: Serdes<O>,
{
    type Output = Result<O, OperationError>;
    type IntoFuture = DurableFuture<O>;

    fn into_future(self) -> Self::IntoFuture {
        let place = self.run.ctx.place(self.run.position);
        let name = self.run.name.clone();
        DurableFuture::lazy(place, self.run.execute()).named(name)
    }
}
