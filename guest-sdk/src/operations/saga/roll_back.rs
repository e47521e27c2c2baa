//! Runs the compensations of a context.

use std::sync::Arc;

use crate::context::{
    Compensation, CompensationFuture, CompensationItem, CompensationResult, CompensationStatus,
    Compensations, Delivery, DurableContext, Entry,
};
use crate::contract::{Position, Step};
use crate::error::{BoxError, OperationError, WireError};
use crate::operations::child::{self, ChildRun};
use crate::serdes::JsonSerdes;

/// The sub-type of the context around a compensation.
const COMPENSATION: &str = "Compensation";

/// What the code of a rollback is called in errors.
const ROLLBACK: &str = "run_compensations";

/// The sub-type of the context that says which steps counted, where some are still waited for.
const SETTLED_STEPS: &str = "SettledSteps";

/// What a rollback has come to so far. Where it is dropped, the next one tells of it.
struct RollbackProgress<'a> {
    compensations: &'a Compensations<DurableContext>,
    items: Vec<CompensationItem>,
    /// The name of the compensation that runs now; empty if its step has none.
    running: Option<String>,
}

impl Drop for RollbackProgress<'_> {
    fn drop(&mut self) {
        self.items.extend(self.running.take().map(CompensationItem::interrupted));
        if !self.items.is_empty() {
            self.compensations.add_unreported(std::mem::take(&mut self.items));
        }
    }
}

/// Runs the compensations of a context, at a place of it.
pub(crate) async fn roll_back(
    ctx: DurableContext,
    position: Position,
) -> Result<CompensationResult, OperationError> {
    let compensations = &ctx.state().compensations;
    let runtime = ctx.engine().runtime();
    let items = compensations.take_unreported();
    let mut progress = RollbackProgress { compensations, items, running: None };
    let mut places = None;
    // Their places are below the rollback's own, so what the context does next is where it is however many there are.
    let nested = || ctx.nested(position, ctx.scope().flat(position), Some(ROLLBACK.into()));
    let held = compensations.steps(|entry| entry.delivery == Delivery::Pending);
    if !held.is_empty() {
        let places = places.get_or_insert_with(nested);
        let section = Arc::clone(places.section());
        compensations.settle(&section.run(which_succeeded(places, held)).await?);
    }
    while let Some(Entry { compensation: Compensation { name, run, .. }, success, .. }) =
        compensations.pop(runtime)
    {
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

/// Which of these steps have succeeded. It is recorded: others of them may succeed while the rollback runs, and a
/// replay is to take the same.
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
    run: impl FnOnce(DurableContext) -> CompensationFuture + Send,
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
    if engine.delivers_unrecorded() {
        // Steps may run again after an interruption. What was undone must not be undone twice.
        engine.runtime().flush();
    }
    outcome
}

/// The record of a compensation that failed.
fn record(error: &BoxError) -> WireError {
    WireError::of(&**error, "CompensationError")
}
