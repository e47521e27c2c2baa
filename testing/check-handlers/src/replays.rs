//! Decisions by facts of the invocation, which are others on a replay.

use durawasm_guest::{BoxError, DurableContext, ExecutionMode};
use serde_json::{Value, json};

use crate::parts::{epoch, mark, seconds};

/// Returns at once on a replay, because "it has been done already": not replay-safe.
pub(crate) async fn early_return_on_a_replay(
    _event: Value,
    ctx: DurableContext,
) -> Result<&'static str, BoxError> {
    if ctx.is_replaying() {
        return Ok("done before");
    }
    mark(&ctx, "charge").await?;
    mark(&ctx, "ship").await?;
    Ok("done")
}

/// Starts another step on a replay: not replay-safe. The record must have the second step before a replay sees the
/// difference.
pub(crate) async fn branch_on_is_replaying(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    mark(&ctx, "init").await?;
    mark(&ctx, if ctx.is_replaying() { "resume" } else { "start" }).await?;
    mark(&ctx, "finish").await?;
    Ok(())
}

/// Returns whether it ran for the first time: the same operations on a replay, and another result.
pub(crate) async fn result_tells_the_mode(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let first = ctx.execution_mode() == ExecutionMode::Executing;
    mark(&ctx, "work").await?;
    Ok(json!({ "first": first }))
}

/// Prints one line on the first run only, and decides nothing by it: replay-safe.
pub(crate) async fn mode_for_a_log_line(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    if !ctx.is_replaying() {
        println!("for the first time");
    }
    mark(&ctx, "work").await?;
    ctx.wait(seconds(1)).name("pause").await?;
    Ok(())
}

/// Returns the id of the invocation: the same operations on a replay, and another result.
pub(crate) async fn result_has_the_request_id(
    _event: Value,
    ctx: DurableContext,
) -> Result<String, BoxError> {
    mark(&ctx, "work").await?;
    Ok(ctx.lambda_context().request_id.clone())
}

/// Returns facts of the execution, which no replay changes: replay-safe.
pub(crate) async fn result_has_the_execution(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    mark(&ctx, "work").await?;
    Ok(json!([ctx.execution_arn(), ctx.function_name(), ctx.function_version(), epoch(ctx.start_time()) > 0]))
}

/// Defers the work if the deadline of the invocation is long after the start of the execution: not replay-safe, because
/// the invocation after the wait has another deadline. The first run ends with that error.
pub(crate) async fn branch_on_the_deadline(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let deadline = i128::from(ctx.lambda_context().deadline);
    let defer = deadline - epoch(ctx.start_time()) > 24 * 3_600_000;
    mark(&ctx, if defer { "defer" } else { "work" }).await?;
    ctx.wait(seconds(2 * 24 * 3600)).name("two-days").await?;
    Ok(())
}
