//! The builder of a rollback, and the methods that register compensations.

use std::fmt;
use std::future::{Future, IntoFuture};

use super::step::StepBuilder;
use crate::context::{CompensationResult, DurableContext, DurableFuture, StepContext};
use crate::contract::Position;
use crate::error::{BoxError, OperationError};
use crate::operations::saga;
use crate::policy::StepOptions;

/// Builds a rollback: see [`DurableContext::run_compensations`].
///
/// A rollback is as many operations as there are compensations, so it has no name of its own.
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

    /// The rollback as a future that runs it while polled.
    pub fn future(self) -> DurableFuture<CompensationResult> {
        self.into_future()
    }

    /// Starts the rollback now, concurrently with the code that follows.
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
    /// Sets the compensation of the step: a function that gets the result of the step.
    /// [`DurableContext::run_compensations`] runs it.
    ///
    /// The compensation is registered only when the step has succeeded, on each replay as on the first run, even if the
    /// future of the step has been dropped. The step's serdes deserializes the result. A second call replaces the
    /// first.
    ///
    /// A compensation that is interrupted before its end is recorded runs again from its beginning: it should be
    /// idempotent. It must not start operations, not even those of the contexts around it. If it needs operations, use
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
        self.with_compensation(Box::new(move |_, value| Box::pin(compensation(value))))
    }

    /// The same for a compensation that gets a context: it may use all operations, such as waits, steps and invokes.
    /// They are recorded as children of the compensation, and replayed.
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
    /// A named step with a compensation: [`step`](Self::step) with [`name`](StepBuilder::name) and
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

    /// Runs the compensations of all steps of this context that have succeeded, one after another, starting with the
    /// compensation of the latest success. A success counts as soon as it is recorded, even if the future of the step
    /// is still held or has been dropped.
    ///
    /// Each compensation is a context operation in the history, of sub-type `Compensation`, under the name of its step.
    /// If one fails, the others still run; the result has an item for each. A rollback that is interrupted, or
    /// suspended by a compensation that waits, continues: compensations whose end is recorded do not run again, and a
    /// compensation that had only started runs again from its beginning.
    ///
    /// If the future of a rollback is dropped, the compensation that runs at that moment is dropped too. The next
    /// rollback reports it as failed, even if its end was recorded later (its history entry shows the actual end),
    /// reports those that had run, and then runs the rest. If the future of a step is still held when a rollback
    /// starts, and the step succeeds during the rollback, its compensation is left to the next rollback.
    ///
    /// Compensations of child contexts are not included: a child has to roll back itself, as do items, branches and
    /// attempts of [`with_retry`](Self::with_retry). Compensations that have not run when their context ends never run.
    /// Rollbacks are explicit: a handler that fails without calling this method runs no compensations.
    ///
    /// A panic in a compensation does not count as a failure of it: the panic ends the instance, the compensation is
    /// run again, and if it always panics, the execution fails and the remaining compensations do not run. Return an
    /// error instead.
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

    /// The number of compensations that the next [`run_compensations`](Self::run_compensations) reports: those of steps
    /// that have succeeded and whose compensation has not run, and those that ran in a rollback that was dropped. If
    /// futures of steps were dropped, this method sends buffered updates, to learn the outcomes of these steps.
    #[must_use]
    pub fn compensation_count(&self) -> usize {
        self.registered_compensations().len()
    }

    /// The names of the steps of these compensations, in the order in which the steps succeeded; empty for a step
    /// without a name.
    #[must_use]
    pub fn registered_compensations(&self) -> Vec<String> {
        self.state().compensations.names(self.engine().runtime())
    }
}
