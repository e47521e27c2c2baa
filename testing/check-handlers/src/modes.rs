//! When updates are sent.
//!
//! The record is the same in every mode. How many updates are buffered at some point is not.

use durawasm_guest::{BoxError, CheckpointMode, DurableContext};
use serde_json::Value;

use crate::parts::mark;

/// Names a step by the checkpoint mode that it finds: not replay-safe where an invocation begins with another mode.
pub(crate) async fn step_named_by_the_mode(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    mark(&ctx, if ctx.checkpoint_mode() == CheckpointMode::Batched { "batched" } else { "other" }).await?;
    Ok(())
}

/// Names a step by the number of buffered updates: not replay-safe, because a replay finds them on record.
pub(crate) async fn step_named_by_pending_updates(
    _event: Value,
    ctx: DurableContext,
) -> Result<(), BoxError> {
    ctx.enable_batch_mode();
    mark(&ctx, "row").await?;
    mark(&ctx, format!("pending-{}", ctx.pending_update_count())).await?;
    Ok(())
}

/// Prints the number, and flushes by a number of its own: replay-safe.
pub(crate) async fn flush_by_number_of_rows(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.enable_batch_mode();
    for row in 1..=6 {
        mark(&ctx, format!("row-{row}")).await?;
        println!("{} updates are buffered", ctx.pending_update_count());
        if row % 3 == 0 {
            ctx.flush_batch().await?;
        }
    }
    Ok(())
}
