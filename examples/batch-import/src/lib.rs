//! Imports thousands of rows into a system that accepts a limited number per request.
//!
//! One operation per row would be too many operations, and one operation for all rows would be too large. So a hundred
//! rows are one item of a map: a batch that succeeds or fails as a whole, and is not repeated after it has succeeded.
//!
//! The results together exceed the maximum size of a recorded result (256 KiB). The handler does not need to handle
//! that: the record then contains only how the map ended, and a replay assembles the result from those of the batches.
//! The result of the handler itself should still be a summary.
#![forbid(unsafe_code)]

use std::time::Duration;

use durawasm_guest::builders::RetryPresets;
use durawasm_guest::builders::map_parallel::{CompletionConfig, ItemBatcher};
use durawasm_guest::{BoxError, DurableContext, TypedError, durable_execution};
use serde::{Deserialize, Serialize};
use tracing::info;

/// The event: a simulated file. Its rows are numbered from 1; some of them may be corrupt.
#[derive(Deserialize)]
struct File {
    name: String,
    rows: u32,
    #[serde(default)]
    corrupt: Vec<u32>,
}

/// The receipt of the other system for a row.
#[derive(Serialize, Deserialize)]
struct Imported {
    row: u32,
    receipt: String,
}

/// The result: a summary, small for any number of rows.
#[derive(Serialize)]
struct Summary {
    imported: usize,
    last_receipt: Option<String>,
    /// The batches that were refused, with the reasons.
    refused: Vec<String>,
    /// Why the map ended.
    reason: &'static str,
}

#[durable_execution(name = "batch-import")]
async fn batch_import(file: File, ctx: DurableContext) -> Result<Summary, BoxError> {
    let File { name, rows, corrupt } = file;
    let batch = ctx
        // At most 100 rows per batch. `ItemBatcher::builder()` can limit their bytes as well.
        .map_batched(1..=rows, ItemBatcher::with_max_items(100), move |ctx, rows, _index| {
            let (name, corrupt) = (name.clone(), corrupt.clone());
            async move {
                let step = ctx.step(move |_| async move { import(&name, &rows, &corrupt) }).name("send");
                Ok(step.retry_strategy_config(RetryPresets::none()).await?)
            }
        })
        .name("import")
        .item_namer(|index| format!("rows-from-{}", index * 100 + 1))
        .max_concurrency(8)
        // A tenth of the batches may fail. If more do, the file is probably invalid, and the other batches are not
        // started.
        .completion(CompletionConfig::with_tolerated_failure_percentage(10))
        .await_batch()
        .await?;

    // The code after the wait runs after a replay, which does not run the batches again.
    ctx.wait(Duration::from_hours(1)).name("settle").await?;

    Ok(Summary {
        imported: batch.results().iter().map(|rows| rows.len()).sum(),
        last_receipt: batch.results().last().and_then(|rows| rows.last()).map(|last| last.receipt.clone()),
        refused: batch.errors().iter().map(|error| format!("{}: {}", error.name, error.message)).collect(),
        reason: batch.reason.as_str(),
    })
}

/// The simulated other system: it accepts all rows of a request or none.
fn import(file: &str, rows: &[u32], corrupt: &[u32]) -> Result<Vec<Imported>, BoxError> {
    if let Some(row) = rows.iter().find(|row| corrupt.contains(row)) {
        return Err(TypedError::with_type("CorruptRow", format!("row {row} cannot be read")).into());
    }
    info!(file, rows = rows.len(), "sent");
    let imported = |row: &u32| Imported { row: *row, receipt: format!("{file}/{row:08}/{:064x}", *row) };
    Ok(rows.iter().map(imported).collect())
}
