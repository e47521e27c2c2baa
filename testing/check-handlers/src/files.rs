//! Files, in the execution's own directory.
//!
//! Replays do not undo what was written, and a body that was interrupted runs again unless it is at-most-once.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};

use durawasm_guest::builders::{RetryStrategyConfig, StepBuilder};
use durawasm_guest::serdes::{FileSystemSerdes, FileSystemSerdesConfig, FileSystemSerdesMode};
use durawasm_guest::{BoxError, DurableContext, StepSemantics};
use serde_json::Value;

use crate::parts::mark;

const JOURNAL: &str = "/scratch/journal";

/// Adds a line to the journal. Returns how many it has.
fn add_line() -> Result<usize, BoxError> {
    writeln!(OpenOptions::new().create(true).append(true).open(JOURNAL)?, "a line")?;
    lines()
}

/// How many lines the journal has.
fn lines() -> Result<usize, BoxError> {
    match fs::read_to_string(JOURNAL) {
        Ok(text) => Ok(text.lines().count()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Runs once at most, with a single attempt.
fn once<O, F, Fut>(step: StepBuilder<O, F, Fut>) -> StepBuilder<O, F, Fut>
where
    O: Send + 'static,
    F: FnOnce(durawasm_guest::StepContext) -> Fut + Send + 'static,
    Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
{
    step.semantics(StepSemantics::AtMostOncePerRetry).retry_strategy_config(RetryStrategyConfig::none())
}

/// Adds a line to a file in an at-least-once body: replay-safe, but the line is there twice if the body is interrupted
/// after it.
pub(crate) async fn line_added_at_least_once(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async { add_line().map(|_| ()) }).name("append").await?;
    mark(&ctx, "work").await?;
    Ok(())
}

/// The same in an at-most-once body: the line is there once at most.
pub(crate) async fn line_added_at_most_once(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    once(ctx.step(|_| async { add_line().map(|_| ()) })).name("append").await?;
    mark(&ctx, "work").await?;
    Ok(())
}

/// Creates a folder whose name is a key of the context, if it is not there: an at-least-once body with one effect in
/// all, however often it runs.
pub(crate) async fn folder_made_under_a_key(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let folder = format!("/scratch/{}", ctx.uuid());
    ctx.step(move |_| async move {
        if !fs::exists(&folder)? {
            fs::create_dir(&folder)?;
        }
        Ok(())
    })
    .name("make")
    .await?;
    mark(&ctx, "work").await?;
    Ok(())
}

/// Adds a line in an at-least-once body and returns how many there are: it runs twice, and returns another number.
pub(crate) async fn lines_counted_at_least_once(
    _event: Value,
    ctx: DurableContext,
) -> Result<usize, BoxError> {
    Ok(ctx.step(|_| async { add_line() }).name("append").await?)
}

/// Adds a line in an at-least-once body, and counts the lines outside of it: not replay-safe, because the number of
/// lines tells how often the body ran.
pub(crate) async fn runs_of_a_body_counted_in_a_file(
    _event: Value,
    ctx: DurableContext,
) -> Result<(), BoxError> {
    ctx.step(|_| async { add_line().map(|_| ()) }).name("append").await?;
    mark(&ctx, format!("lines-{}", lines()?)).await?;
    Ok(())
}

/// Adds a line at the start of each invocation, and runs another step if there was one before: not replay-safe.
pub(crate) async fn invocations_counted_in_a_file(
    _event: Value,
    ctx: DurableContext,
) -> Result<(), BoxError> {
    let starts = add_line()?;
    mark(&ctx, if starts == 1 { "first" } else { "again" }).await?;
    mark(&ctx, "work").await?;
    Ok(())
}

/// Names a step by a file that a later step writes: not replay-safe, because a replay after that step reads another
/// name.
pub(crate) async fn file_read_before_it_is_written(
    _event: Value,
    ctx: DurableContext,
) -> Result<(), BoxError> {
    let mode = fs::read_to_string("/scratch/mode").unwrap_or_else(|_| "none".to_owned());
    mark(&ctx, format!("mode-{mode}")).await?;
    once(ctx.step(|_| async { Ok(fs::write("/scratch/mode", "fast")?) })).name("set-mode").await?;
    mark(&ctx, "work").await?;
    Ok(())
}

/// Reads the file in a step, and writes it in a later one: replay-safe.
pub(crate) async fn file_read_in_a_step(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let mode = ctx
        .step(|_| async { Ok(fs::read_to_string("/scratch/mode").unwrap_or_else(|_| "none".to_owned())) })
        .name("get-mode")
        .await?;
    mark(&ctx, format!("mode-{mode}")).await?;
    once(ctx.step(|_| async { Ok(fs::write("/scratch/mode", "fast")?) })).name("set-mode").await?;
    mark(&ctx, "work").await?;
    Ok(())
}

/// A step whose result is kept in a file, which replays read outside of the body: replay-safe, because the file is never
/// written again.
pub(crate) async fn result_kept_in_a_file(_event: Value, ctx: DurableContext) -> Result<usize, BoxError> {
    let all = FileSystemSerdesConfig::builder().storage_mode(FileSystemSerdesMode::Always).build();
    let report: String = once(ctx.step(|_| async { Ok("line ".repeat(100)) }))
        .name("report")
        .serdes(FileSystemSerdes::with_config("/scratch", all))
        .await?;
    mark(&ctx, format!("words-{}", report.split_whitespace().count())).await?;
    Ok(report.len())
}
