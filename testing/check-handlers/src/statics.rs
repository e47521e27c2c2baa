//! State of the instance that bodies change.
//!
//! A replay does not run bodies, and each invocation has fresh memory: what a body left there is missing.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use durawasm_guest::{BoxError, DurableContext};
use serde_json::Value;

use crate::parts::{mark, seconds};

/// A step's body counts in a static, which names the next step: not replay-safe.
pub(crate) async fn counter_bumped_in_a_body(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    static PARTS: AtomicU32 = AtomicU32::new(0);
    ctx.step(|_| async {
        PARTS.fetch_add(1, Ordering::Relaxed);
        Ok(())
    })
    .name("count")
    .await?;
    mark(&ctx, format!("part-{}", PARTS.load(Ordering::Relaxed))).await?;
    Ok(())
}

/// The step returns what it counted: replay-safe.
pub(crate) async fn counter_returned_by_a_step(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let parts: u32 = ctx.step(|_| async { Ok(1) }).name("count").await?;
    mark(&ctx, format!("part-{parts}")).await?;
    Ok(())
}

/// A body fills a cache, and the handler converts only if the cache is full: not replay-safe, because a replay finds it
/// empty. The wait makes the first run find that out by itself.
pub(crate) async fn cache_filled_in_a_body(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    static RATE: OnceLock<u32> = OnceLock::new();
    ctx.step(|_| async {
        RATE.get_or_init(|| 117);
        Ok(())
    })
    .name("load-rate")
    .await?;
    mark(&ctx, if RATE.get().is_some() { "convert" } else { "skip" }).await?;
    ctx.wait(seconds(1)).name("pause").await?;
    Ok(())
}

/// The cache is filled with the step's result, outside of the body: replay-safe, because replays fill it as well.
pub(crate) async fn cache_filled_from_a_result(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    static RATE: OnceLock<u32> = OnceLock::new();
    let rate = ctx.step(|_| async { Ok(117) }).name("load-rate").await?;
    RATE.get_or_init(|| rate);
    mark(&ctx, if RATE.get().is_some() { "convert" } else { "skip" }).await?;
    ctx.wait(seconds(1)).name("pause").await?;
    Ok(())
}

/// Bodies add to a total in a static, and the handler returns it: the operations are the same on a replay, the result
/// is not.
pub(crate) async fn total_in_a_static(_event: Value, ctx: DurableContext) -> Result<u32, BoxError> {
    static TOTAL: AtomicU32 = AtomicU32::new(0);
    for price in [3, 4, 5] {
        ctx.step(move |_| async move {
            TOTAL.fetch_add(price, Ordering::Relaxed);
            Ok(())
        })
        .name("add")
        .await?;
    }
    Ok(TOTAL.load(Ordering::Relaxed))
}

/// The handler adds up what the steps return, in a static: replay-safe, because replays add up as well, in fresh
/// memory.
pub(crate) async fn total_of_results(_event: Value, ctx: DurableContext) -> Result<u32, BoxError> {
    static TOTAL: AtomicU32 = AtomicU32::new(0);
    for price in [3, 4, 5] {
        let price = ctx.step(move |_| async move { Ok(price) }).name("add").await?;
        TOTAL.fetch_add(price, Ordering::Relaxed);
    }
    Ok(TOTAL.load(Ordering::Relaxed))
}

/// A body leaves a list with the thread, and the handler runs a step for each entry: not replay-safe, because a replay
/// finds no entries and ends without those steps.
pub(crate) async fn list_left_with_the_thread(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    thread_local! {
        static RECIPIENTS: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
    }
    ctx.step(|_| async {
        RECIPIENTS.with_borrow_mut(|list| list.extend(["kim", "lee"]));
        Ok(())
    })
    .name("find")
    .await?;
    for recipient in RECIPIENTS.take() {
        mark(&ctx, format!("mail-{recipient}")).await?;
    }
    Ok(())
}

/// The step returns the list: replay-safe.
pub(crate) async fn list_returned_by_a_step(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let recipients =
        ctx.step(|_| async { Ok(vec!["kim".to_owned(), "lee".to_owned()]) }).name("find").await?;
    for recipient in recipients {
        mark(&ctx, format!("mail-{recipient}")).await?;
    }
    Ok(())
}
