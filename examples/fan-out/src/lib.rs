//! Concurrent work of which some fails: a release to many regions, and quotes from three suppliers.
//!
//! Each item and each branch has its own context in the history. Its completed work is recorded even if others fail,
//! wait or are dropped.
#![forbid(unsafe_code)]

use std::time::Duration;

use durawasm_guest::builders::RetryStrategyConfig;
use durawasm_guest::builders::map_parallel::{BatchResult, CompletionConfig};
use durawasm_guest::{BoxError, Branch, DurableContext, TypedError, durable_handlers};
use serde::{Deserialize, Serialize};
use tracing::info;

durable_handlers! { release, quote }

/// The outcome of a release.
#[derive(Serialize)]
struct Report {
    released: Vec<String>,
    failed: Vec<String>,
    /// How many regions were not started, or were running when the release ended.
    left: usize,
    /// Why the map ended.
    reason: &'static str,
}

/// Event: regions. The release runs in two of them at a time. One failure is tolerated; a second one ends the release.
async fn release(regions: Vec<String>, ctx: DurableContext) -> Result<Report, BoxError> {
    let total = regions.len();
    let names = regions.clone();
    let batch: BatchResult<String> = ctx
        .map(regions, |ctx, region, _index| async move { release_to(region, ctx).await })
        .name("release")
        .item_namer(move |index| names.get(index).cloned().unwrap_or_default())
        .max_concurrency(2)
        .completion(CompletionConfig::with_tolerated_failure_count(1))
        // Returns the outcome of each item, whereas `.await` would return an error for too many failures.
        .await_batch()
        .await?;

    // For each failure the index and the name of the item, and a message with the whole chain of causes.
    let failed = batch.errors();
    Ok(Report {
        failed: failed.iter().map(|error| format!("{}: {}", error.name, error.message)).collect(),
        left: total - batch.success_count() - batch.failure_count(),
        reason: batch.reason.as_str(),
        released: batch.into_results(),
    })
}

/// The work for each region. It may use all operations: here a step, a wait, and another step.
async fn release_to(region: String, ctx: DurableContext) -> Result<String, BoxError> {
    let name = region.clone();
    ctx.step(move |_| async move { copy(&name) })
        .name("copy")
        .retry_strategy_config(RetryStrategyConfig::none()) // a failure is one at once
        .await?;
    ctx.wait(Duration::from_mins(10)).name("watch").await?;
    let enable = ctx.step(move |_| async move {
        info!(region, "released");
        Ok(region)
    });
    Ok(enable.name("enable").await?)
}

/// The simulated regions: those whose names begin with `broken` reject the release.
fn copy(region: &str) -> Result<(), BoxError> {
    if region.starts_with("broken") {
        return Err(TypedError::with_type("NoCapacity", "no machine is free").into());
    }
    Ok(())
}

/// A supplier's price.
#[derive(Serialize, Deserialize)]
struct Offer {
    supplier: String,
    cents: u32,
}

/// Event: an article. Requests quotes from three suppliers, takes the first two, and returns the better one. It does
/// not wait for the third.
async fn quote(article: String, ctx: DurableContext) -> Result<Option<Offer>, BoxError> {
    let offers = ctx
        .parallel([
            supplier("north", 1, 1200, &article),
            supplier("south", 3, 1100, &article),
            supplier("east", 48, 900, &article), // the best price, in two days
        ])
        .name("offers")
        .completion(CompletionConfig::with_min_successful(2))
        .await?;
    Ok(offers.into_iter().min_by_key(|offer| offer.cents))
}

/// A branch: a supplier that answers after some hours.
fn supplier(name: &'static str, hours: u64, cents: u32, article: &str) -> Branch<Offer> {
    let article = article.to_owned();
    Branch::new(name, move |ctx: DurableContext| async move {
        let ask = ctx.step(move |_| async move {
            info!(article, supplier = name, "asked");
            Ok(())
        });
        ask.name("ask").await?;
        ctx.wait(Duration::from_hours(hours)).name("their-time").await?;
        Ok(Offer { supplier: name.to_owned(), cents })
    })
}
