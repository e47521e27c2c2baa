//! What becomes of log lines and of printed text.
//!
//! The host drops lines that a replay repeats, and anywhere the level can change and the output can fail.

use std::io::Write as _;

use durawasm_guest::{BoxError, DurableContext};
use serde_json::Value;
use tracing::Level;

use crate::parts::{mark, seconds};

/// Runs a step if lines are logged: not replay-safe, because lines of replayed code are dropped, and the log says so.
pub(crate) async fn step_if_lines_are_logged(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    if tracing::enabled!(Level::INFO) {
        mark(&ctx, "audit").await?;
    }
    mark(&ctx, "work").await?;
    Ok(())
}

/// The same where lines of replays are kept: a plain replay runs the same step, and one with another level does not.
pub(crate) async fn step_if_kept_lines_are_logged(
    _event: Value,
    ctx: DurableContext,
) -> Result<(), BoxError> {
    ctx.keep_replayed_logs(true);
    mark(&ctx, if tracing::enabled!(Level::DEBUG) { "with-details" } else { "without-details" }).await?;
    Ok(())
}

/// Runs a step if a line cannot be printed: not replay-safe where output can fail.
pub(crate) async fn step_if_output_fails(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let mut output = std::io::stdout();
    let printed = writeln!(output, "begin").and_then(|()| output.flush());
    mark(&ctx, if printed.is_ok() { "printed" } else { "spool" }).await?;
    Ok(())
}

/// Prints and logs, with a level that is asked for first, and decides nothing by it: replay-safe.
pub(crate) async fn lines_everywhere(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    writeln!(std::io::stdout(), "begin").unwrap_or_default();
    tracing::info!(part = 1, "before the step");
    ctx.step(|step| async move {
        writeln!(std::io::stdout(), "in the body").unwrap_or_default();
        tracing::warn!(attempt = step.attempt(), "in the body");
        Ok(())
    })
    .name("work")
    .await?;
    if tracing::enabled!(Level::DEBUG) {
        tracing::debug!("after the step");
    }
    ctx.wait(seconds(1)).name("pause").await?;
    ctx.keep_replayed_logs(true);
    tracing::error!("after the wait");
    mark(&ctx, "end").await?;
    Ok(())
}
