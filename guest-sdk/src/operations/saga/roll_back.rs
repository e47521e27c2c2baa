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

/// The name of the rollback's code in errors.
const ROLLBACK: &str = "run_compensations";

/// The sub-type of the context that records which steps had succeeded, if futures of steps are held.
const SETTLED_STEPS: &str = "SettledSteps";

/// The progress of a rollback. If it is dropped, its items are kept for the next rollback.
struct RollbackProgress<'a> {
    compensations: &'a Compensations<DurableContext>,
    items: Vec<CompensationItem>,
    /// The name of the compensation that runs; empty if its step has no name.
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

/// Runs the compensations of a context, at a position of it.
pub(crate) async fn roll_back(
    ctx: DurableContext,
    position: Position,
) -> Result<CompensationResult, OperationError> {
    let compensations = &ctx.state().compensations;
    let runtime = ctx.engine().runtime();
    let items = compensations.take_unreported();
    let mut progress = RollbackProgress { compensations, items, running: None };
    let mut rollback_ctx = None;
    // The compensations have positions below that of the rollback, so the later positions of the context do not depend
    // on their number.
    let create_ctx = || ctx.nested(position, ctx.scope().flat(position), Some(ROLLBACK.into()));
    let pending = compensations.steps(|entry| entry.delivery == Delivery::Pending);
    if !pending.is_empty() {
        let rollback_ctx = rollback_ctx.get_or_insert_with(create_ctx);
        let section = Arc::clone(rollback_ctx.section());
        compensations.settle(&section.run(which_succeeded(rollback_ctx, pending)).await?);
    }
    while let Some(Entry { compensation: Compensation { name, run, .. }, success, .. }) =
        compensations.pop(runtime)
    {
        let rollback_ctx = rollback_ctx.get_or_insert_with(create_ctx);
        let value = success.and_then(|success| success.value).unwrap_or_else(|| "null".to_owned());
        progress.running = Some(name.clone().unwrap_or_default());
        let section = Arc::clone(rollback_ctx.section());
        let outcome = section.run(compensate(rollback_ctx, name.clone(), |ctx| run(ctx, value))).await;
        progress.running = None;
        progress.items.push(CompensationItem::new(name, outcome));
    }
    let items = std::mem::take(&mut progress.items);
    let all_succeeded = items.iter().all(|item| item.status == CompensationStatus::Succeeded);
    Ok(CompensationResult { items, all_succeeded })
}

/// Returns which of these steps have succeeded, and records it: other steps may succeed during the rollback, and a
/// replay has to run the same compensations.
async fn which_succeeded(
    rollback_ctx: &DurableContext,
    steps: Vec<(u64, Arc<dyn Step>)>,
) -> Result<Vec<u64>, OperationError> {
    let run = ChildRun {
        ctx: rollback_ctx.clone(),
        position: rollback_ctx.scope().claim(),
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
    run.execute().await
}

/// Runs one compensation.
async fn compensate(
    rollback_ctx: &DurableContext,
    name: Option<String>,
    run: impl FnOnce(DurableContext) -> CompensationFuture + Send,
) -> Result<(), OperationError> {
    let child = ChildRun {
        ctx: rollback_ctx.clone(),
        position: rollback_ctx.scope().claim(),
        name,
        sub_type: Some(COMPENSATION),
        serdes: JsonSerdes,
        record,
        failed: child::failed,
        body: run,
    };
    let outcome = child.execute().await;
    let engine = rollback_ctx.engine();
    if engine.delivers_unrecorded() {
        // Without this, an interruption could run steps again, and later their compensations a second time.
        engine.runtime().flush();
    }
    outcome
}

/// The record of a compensation that failed.
fn record(error: &BoxError) -> WireError {
    WireError::of(&**error, "CompensationError")
}
