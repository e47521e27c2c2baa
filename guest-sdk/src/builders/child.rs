//! The builder of a child context.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;

use crate::context::{DurableContext, DurableFuture};
use crate::contract::Position;
use crate::error::{BoxError, ChildFnError, OperationError};
use crate::operations::child::{self, ChildRun};
use crate::serdes::{JsonSerdes, Serdes};

/// Builds a child context: see [`DurableContext::run_in_child_context`].
///
/// # Errors
///
/// The operation fails with an error of kind [`ChildContext`](crate::OperationErrorKind::ChildContext):
/// - [`ChildFailed`](crate::ChildContextErrorKind::ChildFailed) when the code returns an error. Its recorded type is
///   the name that a [`TypedError`](crate::TypedError) gives it, or the recorded type of an operation that failed in
///   the child, otherwise `ChildFnError`;
/// - [`Internal`](crate::ChildContextErrorKind::Internal) when the result cannot be serialized or deserialized.
#[must_use = "builders do nothing unless awaited or spawned"]
#[non_exhaustive]
pub struct ChildBuilder<O, F, Fut, S = JsonSerdes> {
    ctx: DurableContext,
    position: Position,
    name: Option<String>,
    serdes: S,
    body: F,
    _output: PhantomData<fn() -> (O, Fut)>,
}

impl<O, F, Fut, S> fmt::Debug for ChildBuilder<O, F, Fut, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<O, F, Fut> ChildBuilder<O, F, Fut> {
    pub(crate) fn new(ctx: DurableContext, position: Position, body: F) -> Self {
        Self { ctx, position, name: None, serdes: JsonSerdes, body, _output: PhantomData }
    }
}

impl<O, F, Fut, S> ChildBuilder<O, F, Fut, S>
where
    O: Send + 'static,
    F: FnOnce(DurableContext) -> Fut + Send + 'static,
    Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
{
    /// Names the child in the history: 1 to 256 printable ASCII characters, the same on every replay.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Serializes the result with another serdes than JSON.
    pub fn serdes<S2>(self, serdes: S2) -> ChildBuilder<O, F, Fut, S2>
    where
        S2: Serdes<O>,
    {
        let Self { ctx, position, name, body, .. } = self;
        ChildBuilder { ctx, position, name, serdes, body, _output: PhantomData }
    }

    /// The child as a future that runs it while polled.
    pub fn future(self) -> DurableFuture<O>
    where
        S: Serdes<O>,
    {
        self.into_future()
    }

    /// Starts the child now, concurrently with the code that follows.
    pub fn spawn(self) -> DurableFuture<O>
    where
        S: Serdes<O>,
    {
        let ctx = self.ctx.clone();
        self.into_future().spawned(&ctx)
    }
}

impl<O, F, Fut, S> IntoFuture for ChildBuilder<O, F, Fut, S>
where
    O: Send + 'static,
    F: FnOnce(DurableContext) -> Fut + Send + 'static,
    Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
    S: Serdes<O>,
{
    type Output = Result<O, OperationError>;
    type IntoFuture = DurableFuture<O>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { ctx, position, name, serdes, body, .. } = self;
        let place = ctx.place(position);
        let run = ChildRun {
            ctx,
            position,
            name,
            sub_type: None,
            serdes,
            record: child::record,
            failed: child::failed,
            body: |ctx| async move { body(ctx).await.map_err(ChildFnError) },
        };
        let name = run.name.clone();
        DurableFuture::lazy(place, run.execute()).named(name)
    }
}
