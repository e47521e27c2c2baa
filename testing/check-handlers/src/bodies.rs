//! Values that bodies pass to the handler by other ways than their results.
//!
//! On a replay the bodies do not run, and nothing comes by those ways.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use durawasm_guest::builders::RetryStrategyConfig;
use durawasm_guest::{BoxError, DurableContext, TypedError};
use serde_json::Value;

use crate::parts::mark;

/// Returns a captured variable that a body has set, instead of the body's result: the same operations on a replay, and
/// another result.
pub(crate) async fn result_from_a_captured_variable(
    _event: Value,
    ctx: DurableContext,
) -> Result<u32, BoxError> {
    let answer = Arc::new(AtomicU32::new(0));
    let inside = Arc::clone(&answer);
    ctx.step(move |_| async move {
        inside.store(42, Ordering::Relaxed);
        Ok(42)
    })
    .name("think")
    .await?;
    Ok(answer.load(Ordering::Relaxed))
}

/// Returns the body's result: replay-safe, although the body sets the variable as well.
pub(crate) async fn result_from_the_step(_event: Value, ctx: DurableContext) -> Result<u32, BoxError> {
    let answer = Arc::new(AtomicU32::new(0));
    let inside = Arc::clone(&answer);
    let thought = ctx
        .step(move |_| async move {
            inside.store(42, Ordering::Relaxed);
            Ok(42)
        })
        .name("think")
        .await?;
    Ok(thought)
}

/// A body sends parcels into a channel, and the handler ships what it finds there: not replay-safe, because the channel
/// is empty on a replay.
pub(crate) async fn channel_filled_by_a_body(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let (sender, parcels) = mpsc::channel();
    ctx.step(move |_| async move {
        for parcel in 1..=3 {
            sender.send(parcel)?;
        }
        Ok(())
    })
    .name("pack")
    .await?;
    let parcels: Vec<u32> = parcels.try_iter().collect();
    for parcel in parcels {
        mark(&ctx, format!("ship-{parcel}")).await?;
    }
    mark(&ctx, "invoice").await?;
    Ok(())
}

/// The step returns the parcels: replay-safe.
pub(crate) async fn parcels_returned_by_a_step(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let parcels: Vec<u32> = ctx.step(|_| async { Ok(vec![1, 2, 3]) }).name("pack").await?;
    for parcel in parcels {
        mark(&ctx, format!("ship-{parcel}")).await?;
    }
    mark(&ctx, "invoice").await?;
    Ok(())
}

/// Files are numbered by a counter that bodies increment: not replay-safe. The first name is right on every replay, the
/// second is not.
pub(crate) async fn names_counted_in_bodies(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let count = Arc::new(AtomicU32::new(0));
    for _ in 0..3 {
        let name = format!("file-{}", count.load(Ordering::Relaxed));
        let inside = Arc::clone(&count);
        ctx.step(move |_| async move {
            inside.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .name(name)
        .await?;
    }
    Ok(())
}

/// Files are numbered by the handler: replay-safe.
pub(crate) async fn names_counted_by_the_handler(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    for count in 0..3 {
        mark(&ctx, format!("file-{count}")).await?;
    }
    Ok(())
}

/// Ends with an audit if a body ran in this instance: not replay-safe, because the last operation is missing on a
/// replay.
pub(crate) async fn last_step_only_on_the_first_run(
    _event: Value,
    ctx: DurableContext,
) -> Result<(), BoxError> {
    if runs_body(&ctx).await? {
        mark(&ctx, "audit").await?;
    }
    Ok(())
}

/// Ends with a check if no body ran in this instance: not replay-safe, because a replay has one more operation.
pub(crate) async fn last_step_only_on_a_replay(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    if !runs_body(&ctx).await? {
        mark(&ctx, "recover").await?;
    }
    Ok(())
}

/// A step; whether its body ran here.
async fn runs_body(ctx: &DurableContext) -> Result<bool, BoxError> {
    let ran = Arc::new(AtomicBool::new(false));
    let inside = Arc::clone(&ran);
    ctx.step(move |_| async move {
        inside.store(true, Ordering::Relaxed);
        Ok(())
    })
    .name("work")
    .await?;
    Ok(ran.load(Ordering::Relaxed))
}

/// A body fails, and leaves the reason in a variable. The handler swallows the error only for that reason: not
/// replay-safe, because the reason is missing on a replay, and the error is returned.
pub(crate) async fn error_judged_by_a_variable(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let reason = Arc::new(Mutex::new(None));
    let inside = Arc::clone(&reason);
    let paid = ctx
        .step(move |_| async move {
            *inside.lock().unwrap_or_else(PoisonError::into_inner) = Some("no funds");
            Err::<(), BoxError>("declined".into())
        })
        .name("pay")
        .retry_strategy_config(RetryStrategyConfig::none())
        .await;
    if let Err(error) = paid {
        if *reason.lock().unwrap_or_else(PoisonError::into_inner) != Some("no funds") {
            return Err(error.into());
        }
        mark(&ctx, "remind").await?;
    }
    Ok(())
}

/// The reason is the recorded type of the error: replay-safe.
pub(crate) async fn error_judged_by_its_type(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let paid = ctx
        .step(|_| async { Err::<(), BoxError>(TypedError::with_type("NoFunds", "declined").into()) })
        .name("pay")
        .retry_strategy_config(RetryStrategyConfig::none())
        .await;
    if let Err(error) = paid {
        if error.wire().and_then(|wire| wire.error_type()) != Some("NoFunds") {
            return Err(error.into());
        }
        mark(&ctx, "remind").await?;
    }
    Ok(())
}
