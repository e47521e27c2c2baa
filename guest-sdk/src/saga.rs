//! Compensations: what undoes steps that have succeeded.
//!
//! Always true here:
//! - A context owns the compensation of a step from when the step starts, whoever holds the step's future: it is one that is
//!   to run as soon as the step's success is on record, delivered or not. It goes to the list of the context that the step was
//!   called on: clones share it, children have their own.
//! - A rollback takes compensations one at a time, that of the latest success on record first, each into a context operation of
//!   its own. Whatever becomes of one, the next follows. What is on record as ended does not run again.
//! - What a rollback takes is the same on each replay: of a step whose future was dropped, the record does not change any more.
//!   Of one whose future is held it may: so what counted is recorded.
//! - What a rollback tells of a compensation is made from its record. What a rollback that was dropped did not tell, the next one
//!   does.

mod owned;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::BoxError;
use crate::builders::{RunCompensationsBuilder, StepBuilder, StepOptions};
use crate::child::{self, ChildRun};
use crate::context::{DurableContext, StepContext};
use crate::error::{OperationError, WireError};
use crate::runtime::{Position, Step};
use crate::serdes::JsonSerdes;

pub(crate) use owned::{Compensation, Compensations, Registration, Undo};
use owned::{Entry, Standing, Undoing};

/// The sub-type of the context around a compensation.
const COMPENSATION: &str = "Compensation";

/// What the code of a rollback is called in errors.
const ROLLBACK: &str = "run_compensations";

/// The sub-type of the context that says which steps counted, where some are still waited for.
const SETTLED_STEPS: &str = "SettledSteps";

/// What a rollback has come to so far. Where it is dropped, the next one tells of it.
struct Progress<'a> {
    own: &'a Compensations,
    items: Vec<CompensationItem>,
    /// The name of the compensation that runs now; empty if its step has none.
    running: Option<String>,
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.items.extend(self.running.take().map(CompensationItem::interrupted));
        if !self.items.is_empty() {
            self.own.list().untold.append(&mut self.items);
        }
    }
}

/// Runs the compensations of a context, at a place of it.
pub(crate) async fn roll_back(
    ctx: DurableContext,
    position: Position,
) -> Result<CompensationResult, OperationError> {
    let own = &ctx.own().compensations;
    let runtime = ctx.engine().runtime();
    let items = std::mem::take(&mut own.list().untold);
    let mut progress = Progress { own, items, running: None };
    let mut places = None;
    // Their places are below the rollback's own, so what the context does next is where it is however many there are.
    let nested = || ctx.nested(position, ctx.scope().flat(position), Some(ROLLBACK.into()));
    let held = own.steps(|entry| entry.standing == Standing::Held);
    if !held.is_empty() {
        let places = places.get_or_insert_with(nested);
        let section = Arc::clone(places.section());
        own.settle(&section.run(which_succeeded(places, held)).await?);
    }
    while let Some(Entry { compensation: Compensation { name, run, .. }, success, .. }) = own.pop(runtime) {
        let places = places.get_or_insert_with(nested);
        let value = success.and_then(|success| success.value).unwrap_or_else(|| "null".to_owned());
        progress.running = Some(name.clone().unwrap_or_default());
        let section = Arc::clone(places.section());
        let outcome = section.run(compensate(places, name.clone(), |ctx| run(ctx, value))).await;
        progress.running = None;
        progress.items.push(CompensationItem::new(name, outcome));
    }
    let items = std::mem::take(&mut progress.items);
    let all_succeeded = items.iter().all(|item| item.status == CompensationStatus::Succeeded);
    Ok(CompensationResult { items, all_succeeded })
}

/// Which of these steps have succeeded. It is recorded: others of them may succeed while the rollback runs, and a replay is to
/// take the same.
async fn which_succeeded(
    places: &DurableContext,
    steps: Vec<(u64, Arc<dyn Step>)>,
) -> Result<Vec<u64>, OperationError> {
    let look = ChildRun {
        ctx: places.clone(),
        position: places.scope().claim(),
        name: None,
        sub_type: Some(SETTLED_STEPS),
        serdes: JsonSerdes,
        record,
        failed: child::failed,
        body: |ctx: DurableContext| async move {
            ctx.engine().runtime().flush();
            let succeeded = steps.into_iter().filter(|(_, step)| step.recorded_success().is_some());
            Ok(succeeded.map(|(number, _)| number).collect())
        },
    };
    look.execute().await
}

/// Runs one compensation.
async fn compensate(
    places: &DurableContext,
    name: Option<String>,
    run: impl FnOnce(DurableContext) -> Undoing + Send,
) -> Result<(), OperationError> {
    let child = ChildRun {
        ctx: places.clone(),
        position: places.scope().claim(),
        name,
        sub_type: Some(COMPENSATION),
        serdes: JsonSerdes,
        record,
        failed: child::failed,
        body: run,
    };
    let outcome = child.execute().await;
    let engine = places.engine();
    if engine.shows_early() {
        // Steps may run again after an interruption. What was undone must not be undone twice.
        engine.runtime().flush();
    }
    outcome
}

/// The record of a compensation that failed.
fn record(error: &BoxError) -> WireError {
    WireError::of(&**error, "CompensationError")
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

    /// Undoes what the steps of this context have done: runs the compensations of those that have succeeded, that of the latest
    /// success first, one after another, until none is left. It does not matter who holds the steps' futures, or dropped them: the
    /// success on record counts.
    ///
    /// Each is a context operation in the history, of sub-type `Compensation`, under its step's name. One that fails does not
    /// stop the others; the result tells what became of each. A rollback that is interrupted, or suspended by a compensation that
    /// waits, goes on where it stopped: compensations whose end is on record do not run again, and one that had only begun
    /// runs again from its beginning.
    ///
    /// A rollback that is dropped drops the compensation that it was at. The next one tells of that as failed, also where its end
    /// came too late to be told (its record says how it ended), and of those that had run, and then runs the others. A step whose
    /// future is still held when a rollback begins, and that succeeds while it runs, is left to the next one.
    ///
    /// Compensations of child contexts are not among them: a child rolls back itself, as do items, branches and attempts of
    /// [`with_retry`](Self::with_retry). What a context has not run when it ends never runs. Nothing runs that is not asked for: a
    /// handler that fails without calling this leaves everything as it is.
    ///
    /// A compensation that panics is not one that failed: it ends the instance, is come to again, and fails the execution if it
    /// always panics, and those that were to follow it do not run. Return an error instead.
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

    /// How many compensations the next [`run_compensations`](Self::run_compensations) has something to tell of: those of steps that
    /// have succeeded, delivered or dropped, and have not run, and those that ran in a rollback that was dropped. Where steps were dropped, what is still to be reported is sent, to know.
    #[must_use]
    pub fn compensation_count(&self) -> usize {
        self.registered_compensations().len()
    }

    /// The names of the steps of these compensations, in the order of their successes; empty for a step without a name.
    #[must_use]
    pub fn registered_compensations(&self) -> Vec<String> {
        self.own().compensations.names(self.engine().runtime())
    }
}

/// What became of a rollback: what [`DurableContext::run_compensations`] returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CompensationResult {
    /// The compensations, in the order in which they ran: that of the last step first.
    pub items: Vec<CompensationItem>,
    /// Whether none failed, nor was dropped while it ran. True when there were none.
    pub all_succeeded: bool,
}

/// What became of one compensation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CompensationItem {
    /// The step's name; empty if it has none.
    pub name: String,
    /// Whether it succeeded.
    pub status: CompensationStatus,
    /// What went wrong with one that failed: the message that is on record. [`wire`](Self::wire) has the error's type.
    pub error: Option<String>,
    #[serde(skip)]
    wire: Option<Arc<WireError>>,
}

/// How a compensation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CompensationStatus {
    /// It returned.
    Succeeded,
    /// It returned an error, could not be started, or its rollback was dropped while it ran.
    Failed,
}

impl CompensationItem {
    /// Of one whose rollback was dropped while it ran.
    fn interrupted(name: String) -> Self {
        let error = Some("the rollback was dropped while this compensation ran".to_owned());
        Self { name, status: CompensationStatus::Failed, error, wire: None }
    }

    fn new(name: Option<String>, outcome: Result<(), OperationError>) -> Self {
        let name = name.unwrap_or_default();
        match outcome {
            Ok(()) => Self { name, status: CompensationStatus::Succeeded, error: None, wire: None },
            Err(failure) => {
                let wire = failure.wire().cloned();
                let message = wire.as_ref().and_then(WireError::error_message);
                let error = message.map_or_else(|| format!("{failure:#}"), str::to_owned);
                let status = CompensationStatus::Failed;
                Self { name, status, error: Some(error), wire: wire.map(Arc::new) }
            }
        }
    }

    /// The error as it is on record; none for a compensation that succeeded, or could not be started, and for an item that was
    /// deserialized.
    #[must_use]
    pub fn wire(&self) -> Option<&WireError> {
        self.wire.as_deref()
    }
}

impl fmt::Display for CompensationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
        })
    }
}
