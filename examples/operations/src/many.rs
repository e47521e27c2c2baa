//! Many concurrent operations, each in its own context.

use std::time::Duration;

use durawasm_guest::builders::map_parallel::CompletionConfig;
use durawasm_guest::{BoxError, Branch, DurableContext};

/// One function for many items. The results are in the order of the items, in whatever order they end.
pub async fn map(words: Vec<String>, ctx: DurableContext) -> Result<Vec<usize>, BoxError> {
    let lengths = ctx
        .map(words, |ctx, word, _index| async move {
            Ok(ctx.step(move |_| async move { Ok(word.len()) }).name("measure").await?)
        })
        .name("lengths")
        .max_concurrency(2)
        .await?;
    Ok(lengths)
}

/// Several concurrent branches of which one is enough. By default all must succeed.
pub async fn parallel(_event: (), ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let route = |name: &'static str, hours: u64| {
        Branch::new(name, move |ctx: DurableContext| async move {
            ctx.wait(Duration::from_hours(hours)).name("travel").await?;
            Ok(name.to_owned())
        })
    };
    let arrived = ctx
        .parallel([route("by-sea", 72), route("by-air", 8)])
        .name("routes")
        .completion(CompletionConfig::with_min_successful(1))
        .await?;
    Ok(arrived)
}
