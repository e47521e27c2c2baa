//! The builder of a rollback, and the part of a step's builder that says what undoes the step.

use std::fmt;
use std::future::{Future, IntoFuture};

use super::StepBuilder;
use crate::context::{DurableContext, StepContext};
use crate::future::DurableFuture;
use crate::runtime::Position;
use crate::saga::{self, CompensationResult};
use crate::{BoxError, OperationError};

/// A rollback to be: see [`DurableContext::run_compensations`].
///
/// It stands for as many operations as there are compensations, and so has no name of its own.
#[must_use = "builders do nothing unless awaited or spawned"]
#[non_exhaustive]
pub struct RunCompensationsBuilder {
    ctx: DurableContext,
    position: Position,
}

impl fmt::Debug for RunCompensationsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunCompensationsBuilder").finish_non_exhaustive()
    }
}

impl RunCompensationsBuilder {
    pub(crate) fn new(ctx: DurableContext, position: Position) -> Self {
        Self { ctx, position }
    }

    /// The rollback as a future that runs it while it is polled.
    pub fn future(self) -> DurableFuture<CompensationResult> {
        self.into_future()
    }

    /// Starts the rollback now, beside the code that follows.
    pub fn spawn(self) -> DurableFuture<CompensationResult> {
        let ctx = self.ctx.clone();
        self.into_future().spawned(&ctx)
    }
}

impl IntoFuture for RunCompensationsBuilder {
    type Output = Result<CompensationResult, OperationError>;
    type IntoFuture = DurableFuture<CompensationResult>;

    fn into_future(self) -> Self::IntoFuture {
        let place = self.ctx.place(self.position);
        DurableFuture::lazy(place, saga::roll_back(self.ctx, self.position)).lasting()
    }
}

impl<O, F, Fut, S> StepBuilder<O, F, Fut, S>
where
    O: Send + 'static,
    F: FnOnce(StepContext) -> Fut + Send + 'static,
    Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
{
    /// Says what undoes the step, given its result: [`DurableContext::run_compensations`] runs it.
    ///
    /// It is registered when the step has succeeded, and only then, on each replay as on the first run, also if nobody holds the
    /// step's future any more. The result comes through the step's serdes. A second call replaces the first.
    ///
    /// It runs once, and again from its beginning if it is interrupted before its end is on record: it should be idempotent.
    /// It starts no operations, not even those of the contexts around it. One that needs some takes a context:
    /// [`compensate_in_context`](Self::compensate_in_context).
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let charge: u32 = ctx
    ///     .step(|_| async { Ok(42) })
    ///     .name("charge")
    ///     .compensate_with(|amount| async move { Ok(println!("refund {amount}")) })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn compensate_with<G, GFut>(self, compensation: G) -> Self
    where
        G: FnOnce(O) -> GFut + Send + 'static,
        GFut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.undone_by(Box::new(move |_, value| Box::pin(compensation(value))))
    }

    /// The same with a context, for a compensation that is a small workflow itself: it may wait, retry, invoke. Its operations
    /// are recorded under the compensation's, and replayed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// use std::time::Duration;
    ///
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let charge: u32 = ctx
    ///     .step(|_| async { Ok(42) })
    ///     .name("charge")
    ///     .compensate_in_context(|ctx, amount| async move {
    ///         ctx.wait(Duration::from_secs(60)).name("settle").await?;
    ///         ctx.step(move |_| async move { Ok(println!("refund {amount}")) }).name("refund").await?;
    ///         Ok(())
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn compensate_in_context<G, GFut>(self, compensation: G) -> Self
    where
        G: FnOnce(DurableContext, O) -> GFut + Send + 'static,
        GFut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.undone_by(Box::new(move |ctx, value| Box::pin(compensation(ctx, value))))
    }
}
