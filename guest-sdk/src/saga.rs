//! Compensations: what undoes steps that have succeeded.
//!
//! Always true here:
//! - A compensation is registered when its step's success is delivered, on each replay as on the first run, and so in the same
//!   order. It goes to the list of the context that the step was called on: clones share it, children have their own.
//! - A rollback takes compensations from the end of the list, one at a time, each into a context operation of its own. Whatever
//!   becomes of one, the next follows. What is on record as ended does not run again.
//! - What a rollback tells of a compensation is made from its record.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::BoxError;
use crate::builders::{RunCompensationsBuilder, StepBuilder, StepOptions};
use crate::checkpointing::CheckpointMode;
use crate::child::{self, ChildRun};
use crate::context::{DurableContext, StepContext};
use crate::error::{OperationError, SERIALIZATION_ERROR, TypedError, WireError};
use crate::runtime::Position;
use crate::serdes::{JsonSerdes, Serdes, SerdesContext};

/// The sub-type of the context around a compensation.
const COMPENSATION: &str = "Compensation";

type Undoing = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// What undoes a step, given the context to do it in and the step's result.
pub(crate) type Undo<O> = Box<dyn FnOnce(DurableContext, O) -> Undoing + Send>;

/// A step's success and what undoes it.
pub(crate) struct Compensation {
    name: Option<String>,
    run: Box<dyn FnOnce(DurableContext) -> Undoing + Send>,
}

impl Compensation {
    /// For a step whose recorded result is `payload`. It is read when the compensation runs: values need not be cloned.
    pub(crate) fn new<O, S>(
        name: Option<String>,
        payload: String,
        serdes: S,
        context: SerdesContext,
        undo: Undo<O>,
    ) -> Self
    where
        O: Send + 'static,
        S: Serdes<O>,
    {
        let run = Box::new(move |ctx| -> Undoing {
            Box::pin(async move {
                let value = serdes.deserialize(payload, context).await;
                let value = value.map_err(|error| TypedError::with_type(SERIALIZATION_ERROR, error))?;
                undo(ctx, value).await
            })
        });
        Self { name, run }
    }
}

/// The compensations of one context, in the order in which they were registered.
#[derive(Default)]
pub(crate) struct Compensations(Mutex<Vec<Compensation>>);

impl Compensations {
    fn list(&self) -> MutexGuard<'_, Vec<Compensation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn register(&self, compensation: Compensation) {
        self.list().push(compensation);
    }

    fn pop(&self) -> Option<Compensation> {
        self.list().pop()
    }
}

/// Runs the compensations of a context, at a place of it.
pub(crate) async fn roll_back(
    ctx: DurableContext,
    position: Position,
) -> Result<CompensationResult, OperationError> {
    let mut items = Vec::new();
    let mut places = None;
    while let Some(Compensation { name, run }) = ctx.own().compensations.pop() {
        // Their places are below the rollback's own, so what the context does next is where it is however many there are.
        let places = places.get_or_insert_with(|| ctx.nested(position, ctx.scope().flat(position)));
        let item = CompensationItem::new(name.clone(), compensate(places, name, run).await);
        items.push(item);
    }
    let all_succeeded = items.iter().all(|item| item.status == CompensationStatus::Succeeded);
    Ok(CompensationResult { items, all_succeeded })
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
    let runtime = places.engine().runtime();
    if runtime.checkpoint_mode() == CheckpointMode::Optimistic {
        // Steps may run again after an interruption. What was undone must not be undone twice.
        runtime.flush();
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

    /// Undoes what the steps of this context have done: runs the compensations that are registered, the last one first, one after
    /// another, until none is left.
    ///
    /// Each is a context operation in the history, of sub-type `Compensation`, under its step's name. One that fails does not
    /// stop the others; the result tells what became of each. A rollback that is interrupted, or suspended by a compensation that
    /// waits, goes on where it stopped: compensations whose end is on record do not run again, and one that had only begun
    /// runs again from its beginning.
    ///
    /// Compensations of child contexts are not among them: a child rolls back itself. Nothing runs that is not asked for: a
    /// handler that fails without calling this leaves everything as it is.
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

    /// How many compensations are registered in this context, and have not run.
    #[must_use]
    pub fn compensation_count(&self) -> usize {
        self.own().compensations.list().len()
    }

    /// The names of the steps whose compensations are registered in this context and have not run, in the order of their
    /// registration; empty for a step without a name.
    #[must_use]
    pub fn registered_compensations(&self) -> Vec<String> {
        let list = self.own().compensations.list();
        list.iter().map(|compensation| compensation.name.clone().unwrap_or_default()).collect()
    }
}

/// What became of a rollback: what [`DurableContext::run_compensations`] returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CompensationResult {
    /// The compensations, in the order in which they ran: that of the last step first.
    pub items: Vec<CompensationItem>,
    /// Whether none failed. True when there were none.
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
    /// It returned an error, or could not be started.
    Failed,
}

impl CompensationItem {
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
