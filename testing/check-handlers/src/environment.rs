//! Environment variables and arguments that are read between operations.
//!
//! The sandbox grants the same ones to every invocation. Elsewhere they change with a deployment.

use std::env;

use durawasm_guest::{BoxError, DurableContext};
use serde_json::Value;

use crate::parts::mark;

/// Names a step by a variable: not replay-safe, because an execution can outlive the variable's value.
pub(crate) async fn step_named_by_a_variable(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let mode = env::var("MODE").unwrap_or_default();
    mark(&ctx, format!("mode-{mode}")).await?;
    Ok(())
}

/// Reads the variable in a step, and names the next one by the recorded value: replay-safe.
pub(crate) async fn variable_read_in_a_step(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let mode = ctx.step(|_| async { Ok(env::var("MODE")?) }).name("read-mode").await?;
    mark(&ctx, format!("mode-{mode}")).await?;
    Ok(())
}

/// Runs an audit if a variable switches it on: not replay-safe, because the last operation is missing when it has been
/// switched off.
pub(crate) async fn step_switched_on_by_a_variable(
    _event: Value,
    ctx: DurableContext,
) -> Result<(), BoxError> {
    mark(&ctx, "work").await?;
    if env::var("AUDIT").is_ok_and(|audit| audit == "on") {
        mark(&ctx, "audit").await?;
    }
    Ok(())
}

/// Returns its arguments: none here, others elsewhere. The operations are the same on a replay, the result is not.
pub(crate) async fn result_has_the_arguments(
    _event: Value,
    ctx: DurableContext,
) -> Result<Vec<String>, BoxError> {
    mark(&ctx, "work").await?;
    Ok(env::args().collect())
}
