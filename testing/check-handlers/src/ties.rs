//! Operations that end at the same time.
//!
//! The record has them in some order, and replays repeat it. Nothing promises which order that is.

use std::sync::{Arc, Mutex, PoisonError};

use durawasm_guest::{BoxError, DurableContext};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::parts::{mark, seconds};

/// Names a step by which of two waits of 5 seconds ends first: not replay-safe where ties are shown in another order.
pub(crate) async fn first_of_two_equal_waits(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let first = first_wait(&ctx, 5, 5).await?;
    mark(&ctx, format!("first-{first}")).await?;
    Ok(())
}

/// The same with waits of 5 and 6 seconds: replay-safe, because no tie decides.
pub(crate) async fn first_of_two_unequal_waits(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let first = first_wait(&ctx, 5, 6).await?;
    mark(&ctx, format!("first-{first}")).await?;
    Ok(())
}

async fn first_wait(ctx: &DurableContext, a: u64, b: u64) -> Result<&'static str, BoxError> {
    let a = ctx.wait(seconds(a)).name("a").spawn();
    let b = ctx.wait(seconds(b)).name("b").spawn();
    Ok(tokio::select! {
        biased;
        ended = a => ended.map(|()| "a")?,
        ended = b => ended.map(|()| "b")?,
    })
}

/// Three tasks wait for 5 seconds each and then sign a list. The result is the list: not replay-safe where ties are
/// shown in another order.
pub(crate) async fn list_signed_after_equal_waits(
    _event: Value,
    ctx: DurableContext,
) -> Result<Vec<String>, BoxError> {
    let list = Arc::new(Mutex::new(Vec::new()));
    let task = async |name: &str| -> Result<(), BoxError> {
        ctx.wait(seconds(5)).name(name).await?;
        list.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
        Ok(())
    };
    tokio::try_join!(task("a"), task("b"), task("c"))?;
    Ok(std::mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// The same, with the list sorted at the end: replay-safe.
pub(crate) async fn list_sorted_after_equal_waits(
    event: Value,
    ctx: DurableContext,
) -> Result<Vec<String>, BoxError> {
    let mut list = list_signed_after_equal_waits(event, ctx).await?;
    list.sort_unstable();
    Ok(list)
}

/// Two equal waits, and a step after each in a context of its own: replay-safe, because a tie decides neither the
/// operations of a context nor a result.
pub(crate) async fn steps_after_equal_waits(
    _event: Value,
    ctx: DurableContext,
) -> Result<Vec<String>, BoxError> {
    let branch = |name: &'static str| {
        ctx.run_in_child_context(move |ctx| async move {
            ctx.wait(seconds(5)).name("pause").await?;
            mark(&ctx, format!("step-{name}")).await?;
            Ok(name.to_owned())
        })
        .name(name)
        .spawn()
    };
    let (left, right) = (branch("left"), branch("right"));
    Ok(vec![left.await?, right.await?])
}

/// A task passes the result of each of its steps to another task, which runs a child for it. All of them end at the same
/// time: replay-safe, because a step never comes before the one that caused it, and the ties that remain decide nothing.
/// In particular, `make-2` is always called before `use-1`, so no position depends on a tie.
pub(crate) async fn steps_caused_by_steps(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let made = async {
        // The sender ends with the task.
        let sender = sender;
        for n in 0..3_u32 {
            sender.send(ctx.step(move |_| async move { Ok(n) }).name(format!("make-{n}")).await?)?;
        }
        Ok::<(), BoxError>(())
    };
    let used = async {
        while let Some(n) = receiver.recv().await {
            ctx.run_in_child_context(move |ctx| async move { Ok(mark(&ctx, format!("use-{n}")).await?) })
                .name(format!("use-{n}"))
                .await?;
        }
        Ok::<(), BoxError>(())
    };
    tokio::try_join!(made, used)?;
    Ok(())
}
