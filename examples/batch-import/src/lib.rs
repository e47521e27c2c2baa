//! Thousands of rows go into a system that takes some at a time.
//!
//! A row is too little for an operation of its own, and all of them are too much for one. So a hundred rows are one
//! item of a map: a batch that succeeds or fails as a whole, and is not repeated once it has succeeded.
//!
//! Together the results are larger than what an operation may have on record (256 KiB). That needs no care: the record
//! then says only how the map ended, and a replay puts the result together from those of the batches. What a handler
//! returns should still be a summary.
#![forbid(unsafe_code)]

use std::time::Duration;

use durawasm_guest::builders::RetryPresets;
use durawasm_guest::builders::map_parallel::{CompletionConfig, ItemBatcher};
use durawasm_guest::{BoxError, DurableContext, TypedError, durable_execution};
use serde::{Deserialize, Serialize};
use tracing::info;

/// The event: a file, pretended. Its rows have the numbers from 1; some of them may be corrupt.
#[derive(Deserialize)]
struct File {
    name: String,
    rows: u32,
    #[serde(default)]
    corrupt: Vec<u32>,
}

/// What the other system says of a row.
#[derive(Serialize, Deserialize)]
struct Imported {
    row: u32,
    receipt: String,
}

/// The result: small, however many rows there are.
#[derive(Serialize)]
struct Summary {
    imported: usize,
    last_receipt: Option<String>,
    /// The batches that were refused, and why.
    refused: Vec<String>,
    /// Why it was over.
    reason: &'static str,
}

#[durable_execution(name = "batch-import")]
async fn batch_import(file: File, ctx: DurableContext) -> Result<Summary, BoxError> {
    let File { name, rows, corrupt } = file;
    let batch = ctx
        // At most 100 rows a batch. `ItemBatcher::builder()` can limit their bytes as well.
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
        // A tenth of the batches may fail. With more, something is wrong with the file, and the rest is not tried.
        .completion(CompletionConfig::with_tolerated_failure_percentage(10))
        .await_batch()
        .await?;

    // Whatever follows runs after a replay. The batches do not run again for it.
    ctx.wait(Duration::from_hours(1)).name("settle").await?;

    Ok(Summary {
        imported: batch.results().iter().map(|rows| rows.len()).sum(),
        last_receipt: batch.results().last().and_then(|rows| rows.last()).map(|last| last.receipt.clone()),
        refused: batch.errors().iter().map(|error| format!("{}: {}", error.name, error.message)).collect(),
        reason: batch.reason.as_str(),
    })
}

/// The other system, pretended: it takes all rows of a request or none.
fn import(file: &str, rows: &[u32], corrupt: &[u32]) -> Result<Vec<Imported>, BoxError> {
    if let Some(row) = rows.iter().find(|row| corrupt.contains(row)) {
        return Err(TypedError::with_type("CorruptRow", format!("row {row} cannot be read")).into());
    }
    info!(file, rows = rows.len(), "sent");
    let imported = |row: &u32| Imported { row: *row, receipt: format!("{file}/{row:08}/{:064x}", *row) };
    Ok(rows.iter().map(imported).collect())
}
