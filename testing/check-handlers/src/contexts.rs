//! Faults inside of child contexts, maps and parallels.
//!
//! When a context has ended on record, replays do not run its code: a fault inside shows only while it is open, or if
//! its result was too large for the record.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use durawasm_guest::builders::map_parallel::CompletionConfig;
use durawasm_guest::{BoxError, Branch, DurableContext};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::parts::{mark, seconds};

/// A step of this name that returns a number; and the number as its body has left it in a variable, 0 if the body did
/// not run.
async fn number(ctx: &DurableContext, name: &str, number: u32) -> Result<(u32, u32), BoxError> {
    let variable = Arc::new(AtomicU32::new(0));
    let inside = Arc::clone(&variable);
    let result = ctx
        .step(move |_| async move {
            inside.store(number, Ordering::Relaxed);
            Ok(number)
        })
        .name(name)
        .await?;
    Ok((result, variable.load(Ordering::Relaxed)))
}

/// In a child, a variable that a body has set names the next step: not replay-safe while the child is open.
pub(crate) async fn child_named_by_a_variable(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let child = ctx.run_in_child_context(|ctx| async move {
        let (_, variable) = number(&ctx, "count", 3).await?;
        Ok(mark(&ctx, format!("leaf-{variable}")).await?)
    });
    child.name("child").await?;
    mark(&ctx, "after").await?;
    Ok(())
}

/// The same by the step's result: replay-safe.
pub(crate) async fn child_named_by_a_result(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let child = ctx.run_in_child_context(|ctx| async move {
        let (result, _) = number(&ctx, "count", 3).await?;
        Ok(mark(&ctx, format!("leaf-{result}")).await?)
    });
    child.name("child").await?;
    mark(&ctx, "after").await?;
    Ok(())
}

/// Two contexts in each other. The result of the inner one is a variable that a body has set, and nothing uses it: not
/// replay-safe, and only the record of that context shows it.
pub(crate) async fn inner_result_from_a_variable(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let outer = ctx.run_in_child_context(|ctx| async move {
        let inner = ctx.run_in_child_context(|ctx| async move { Ok(number(&ctx, "count", 3).await?.1) });
        inner.name("inner").await?;
        Ok(mark(&ctx, "leaf").await?)
    });
    outer.name("outer").await?;
    Ok(())
}

/// The same with the step's result: replay-safe.
pub(crate) async fn inner_result_from_a_step(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let outer = ctx.run_in_child_context(|ctx| async move {
        let inner = ctx.run_in_child_context(|ctx| async move { Ok(number(&ctx, "count", 3).await?.0) });
        inner.name("inner").await?;
        Ok(mark(&ctx, "leaf").await?)
    });
    outer.name("outer").await?;
    Ok(())
}

/// In the items of a map, variables that bodies have set name the next steps: not replay-safe while an item is open.
pub(crate) async fn items_named_by_variables(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let items = ctx.map(vec![1, 2], |ctx, parcels, _| async move {
        let (_, variable) = number(&ctx, "pack", parcels).await?;
        Ok(mark(&ctx, format!("label-{variable}")).await?)
    });
    items.name("items").item_namer(|index| format!("item-{index}")).await?;
    Ok(())
}

/// The same by the steps' results: replay-safe.
pub(crate) async fn items_named_by_results(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let items = ctx.map(vec![1, 2], |ctx, parcels, _| async move {
        let (result, _) = number(&ctx, "pack", parcels).await?;
        Ok(mark(&ctx, format!("label-{result}")).await?)
    });
    items.name("items").item_namer(|index| format!("item-{index}")).await?;
    Ok(())
}

/// Branches whose bodies take numbers from one counter, and steps named by the numbers that the branches find in
/// variables: not replay-safe, because no body counts on a replay.
pub(crate) async fn branches_count_together(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let counter = Arc::new(AtomicU32::new(0));
    let branch = |name: &str| {
        let counter = Arc::clone(&counter);
        Branch::new(name, move |ctx: DurableContext| async move {
            let ticket = Arc::new(AtomicU32::new(0));
            let inside = Arc::clone(&ticket);
            ctx.step(move |_| async move {
                inside.store(counter.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                Ok(())
            })
            .name("take")
            .await?;
            Ok(mark(&ctx, format!("desk-{}", ticket.load(Ordering::Relaxed))).await?)
        })
    };
    ctx.parallel([branch("left"), branch("middle"), branch("right")]).name("queue").await?;
    Ok(())
}

/// Branches that get their numbers when they are created: replay-safe, because the handler creates them in the same
/// order on every replay.
pub(crate) async fn branches_numbered_by_the_handler(
    _event: Value,
    ctx: DurableContext,
) -> Result<(), BoxError> {
    let counter = Arc::new(AtomicU32::new(0));
    let branch = |name: &str| {
        let ticket = counter.fetch_add(1, Ordering::Relaxed) + 1;
        Branch::new(name, move |ctx: DurableContext| async move {
            mark(&ctx, "take").await?;
            Ok(mark(&ctx, format!("desk-{ticket}")).await?)
        })
    };
    ctx.parallel([branch("left"), branch("middle"), branch("right")]).name("queue").await?;
    Ok(())
}

/// A map that ends when two bodies have counted in a static: not replay-safe, because the predicate is called again on a
/// replay, where nothing has been counted.
pub(crate) async fn predicate_reads_a_static(_event: Value, ctx: DurableContext) -> Result<usize, BoxError> {
    static DONE: AtomicU32 = AtomicU32::new(0);
    let items = ctx.map(vec![1, 2, 3, 4], |ctx, _, _| async move {
        let step = ctx.step(|_| async {
            DONE.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        Ok(step.name("work").await?)
    });
    let batch = items
        .name("items")
        .item_namer(|index| format!("item-{index}"))
        .max_concurrency(1)
        .completion(CompletionConfig::with_completion_predicate(|_| DONE.load(Ordering::Relaxed) >= 2))
        .await_batch()
        .await?;
    Ok(batch.success_count())
}

/// A map that ends when the predicate's argument has two successes: replay-safe.
pub(crate) async fn predicate_reads_its_argument(
    _event: Value,
    ctx: DurableContext,
) -> Result<usize, BoxError> {
    let items = ctx.map(vec![1, 2, 3, 4], |ctx, _, _| async move { Ok(mark(&ctx, "work").await?) });
    let batch = items
        .name("items")
        .item_namer(|index| format!("item-{index}"))
        .max_concurrency(1)
        .completion(CompletionConfig::with_completion_predicate(|stats| stats.succeeded() >= 2))
        .await_batch()
        .await?;
    Ok(batch.success_count())
}

/// A child whose result is too large for the record, and depends on a variable that a body has set: not replay-safe even
/// after the child has ended, because replays run its code again for the result.
pub(crate) async fn large_result_from_a_variable(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let child = ctx.run_in_child_context(|ctx| async move {
        let (_, variable) = number(&ctx, "count", 3).await?;
        Ok(format!("{variable}{}", "x".repeat(300_000)))
    });
    let large = child.name("large").await?;
    mark(&ctx, format!("first-{}", large.chars().next().unwrap_or_default())).await?;
    Ok(())
}

/// The same with the step's result: replay-safe.
pub(crate) async fn large_result_from_a_step(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let child = ctx.run_in_child_context(|ctx| async move {
        let (result, _) = number(&ctx, "count", 3).await?;
        Ok(format!("{result}{}", "x".repeat(300_000)))
    });
    let large = child.name("large").await?;
    mark(&ctx, format!("first-{}", large.chars().next().unwrap_or_default())).await?;
    ctx.wait(seconds(1)).name("pause").await?;
    Ok(())
}

/// A child passes numbers to another child through a channel: not replay-safe. When the first has ended on record and
/// the second has not, a replay does not run the first, and the second finds the channel closed.
pub(crate) async fn channel_between_children(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let maker = ctx.run_in_child_context(move |ctx| async move {
        for n in 1..=2_u32 {
            sender.send(ctx.step(move |_| async move { Ok(n) }).name("make").await?)?;
        }
        Ok(())
    });
    let maker = maker.name("maker").spawn();
    let user = ctx.run_in_child_context(move |ctx| async move {
        while let Some(n) = receiver.recv().await {
            mark(&ctx, format!("use-{n}")).await?;
        }
        Ok(())
    });
    let user = user.name("user").spawn();
    tokio::try_join!(maker, user)?;
    Ok(())
}

/// The first child returns the numbers, and the second gets them from the handler: replay-safe.
pub(crate) async fn numbers_between_children(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let maker = ctx.run_in_child_context(|ctx| async move {
        let mut made = Vec::new();
        for n in 1..=2_u32 {
            made.push(ctx.step(move |_| async move { Ok(n) }).name("make").await?);
        }
        Ok(made)
    });
    let made = maker.name("maker").await?;
    let user = ctx.run_in_child_context(move |ctx| async move {
        ctx.wait(seconds(5)).name("settle").await?;
        for n in made {
            mark(&ctx, format!("use-{n}")).await?;
        }
        Ok(())
    });
    user.name("user").await?;
    Ok(())
}

/// An item of a map returns early on a replay: not replay-safe.
pub(crate) async fn item_returns_early_on_a_replay(
    _event: Value,
    ctx: DurableContext,
) -> Result<(), BoxError> {
    let items = ctx.map(vec![1_u64, 2], |ctx, n, _| async move {
        let again = ctx.is_replaying();
        mark(&ctx, "begin").await?;
        if again && n == 1 {
            return Ok(());
        }
        Ok(mark(&ctx, format!("end-{n}")).await?)
    });
    items.name("items").item_namer(|index| format!("item-{index}")).max_concurrency(1).await?;
    Ok(())
}
