//! The builder of a rollback, and the part of a step's builder that says what undoes the step.

use std::fmt;
use std::future::{Future, IntoFuture};

use super::step::StepBuilder;
use crate::context::{CompensationResult, DurableContext, DurableFuture, StepContext};
use crate::contract::Position;
use crate::error::{BoxError, OperationError};
use crate::operations::saga;
use crate::policy::StepOptions;

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
        DurableFuture::lazy(place, saga::roll_back(self.ctx, self.position)).changing_context()
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
    /// It is registered when the step has succeeded, and only then, on each replay as on the first run, also if nobody
    /// holds the step's future any more. The result comes through the step's serdes. A second call replaces the first.
    ///
    /// It runs once, and again from its beginning if it is interrupted before its end is on record: it should be
    /// idempotent. It starts no operations, not even those of the contexts around it. One that needs some takes a
    /// context: [`compensate_in_context`](Self::compensate_in_context).
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
        self.with_compensation(Box::new(move |_, value| Box::pin(compensation(value))))
    }

    /// The same with a context, for a compensation that is a small workflow itself: it may wait, retry, invoke. Its
    /// operations are recorded under the compensation's, and replayed.
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
        self.with_compensation(Box::new(move |ctx, value| Box::pin(compensation(ctx, value))))
    }
}

impl DurableContext {
    /// A named step, and what undoes it: [`step`](Self::step) with [`name`](StepBuilder::name) and
    /// [`compensate_with`](StepBuilder::compensate_with).
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let booking: String = ctx
    ///     .step_with_compensation(
    ///         "book-hotel",
    ///         |_| async { Ok("B-123".to_owned()) },
    ///         |booking| async move { Ok(println!("cancel {booking}")) },
    ///     )
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn step_with_compensation<O, F, Fut, G, GFut>(
        &self,
        name: impl Into<String>,
        f: F,
        compensation: G,
    ) -> StepBuilder<O, F, Fut>
    where
        F: FnOnce(StepContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
        O: Send + 'static,
        G: FnOnce(O) -> GFut + Send + 'static,
        GFut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.step(f).name(name).compensate_with(compensation)
    }

    /// The same with options of the step.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_guest::StepOptions;
    ///
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let booking: String = ctx
    ///     .step_with_compensation_opts(
    ///         "book-hotel",
    ///         StepOptions::new().retries(3),
    ///         |_| async { Ok("B-123".to_owned()) },
    ///         |booking| async move { Ok(println!("cancel {booking}")) },
    ///     )
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn step_with_compensation_opts<O, F, Fut, G, GFut>(
        &self,
        name: impl Into<String>,
        options: StepOptions,
        f: F,
        compensation: G,
    ) -> StepBuilder<O, F, Fut>
    where
        F: FnOnce(StepContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
        O: Send + 'static,
        G: FnOnce(O) -> GFut + Send + 'static,
        GFut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let mut step = self.step_with_compensation(name, f, compensation);
        if let Some(schedule) = options.schedule() {
            step = step.retry_strategy_config(schedule);
        }
        match options.attempt_timeout() {
            Some(timeout) => step.timeout(timeout),
            None => step,
        }
    }

    /// Undoes what the steps of this context have done: runs the compensations of those that have succeeded, that of
    /// the latest success first, one after another, until none is left. It does not matter who holds the steps'
    /// futures, or dropped them: the success on record counts.
    ///
    /// Each is a context operation in the history, of sub-type `Compensation`, under its step's name. One that fails
    /// does not stop the others; the result tells what became of each. A rollback that is interrupted, or suspended by
    /// a compensation that waits, goes on where it stopped: compensations whose end is on record do not run again, and
    /// one that had only begun runs again from its beginning.
    ///
    /// A rollback that is dropped drops the compensation that it was at. The next one tells of that as failed, also
    /// where its end came too late to be told (its record says how it ended), and of those that had run, and then runs
    /// the others. A step whose future is still held when a rollback begins, and that succeeds while it runs, is left
    /// to the next one.
    ///
    /// Compensations of child contexts are not among them: a child rolls back itself, as do items, branches and
    /// attempts of [`with_retry`](Self::with_retry). What a context has not run when it ends never runs. Nothing runs
    /// that is not asked for: a handler that fails without calling this leaves everything as it is.
    ///
    /// A compensation that panics is not one that failed: it ends the instance, is come to again, and fails the
    /// execution if it always panics, and those that were to follow it do not run. Return an error instead.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # use durawasm_guest::CompensationStatus;
    /// # async fn book(ctx: &DurableContext) -> Result<(), BoxError> { Ok(()) }
    /// async fn trip(city: String, ctx: DurableContext) -> Result<(), BoxError> {
    ///     let hotel = ctx
    ///         .step(|_| async { Ok("H-1".to_owned()) })
    ///         .name("hotel")
    ///         .compensate_with(|id| async move { Ok(println!("cancel {id}")) });
    ///     hotel.await?;
    ///     let flight = ctx.step(|_| async { Err::<(), BoxError>("no seats".into()) }).name("flight");
    ///     if let Err(error) = flight.await {
    ///         let undone = ctx.run_compensations().await?;
    ///         for item in undone.items.iter().filter(|item| item.status == CompensationStatus::Failed) {
    ///             tracing::error!(step = item.name, error = item.error, "could not be undone");
    ///         }
    ///         return Err(error.into());
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn run_compensations(&self) -> RunCompensationsBuilder {
        RunCompensationsBuilder::new(self.clone(), self.scope().claim())
    }

    /// How many compensations the next [`run_compensations`](Self::run_compensations) has something to tell of: those
    /// of steps that have succeeded, delivered or dropped, and have not run, and those that ran in a rollback that was
    /// dropped. Where steps were dropped, what is still to be reported is sent, to know.
    #[must_use]
    pub fn compensation_count(&self) -> usize {
        self.registered_compensations().len()
    }

    /// The names of the steps of these compensations, in the order of their successes; empty for a step without a name.
    #[must_use]
    pub fn registered_compensations(&self) -> Vec<String> {
        self.state().compensations.names(self.engine().runtime())
    }
}
