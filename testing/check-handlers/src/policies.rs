//! Strategies, conditions and compensations that look at more than their arguments.

use std::sync::atomic::{AtomicU32, Ordering};

use durawasm_guest::builders::RetryStrategyConfig;
use durawasm_guest::builders::wait_for_condition::WaitDecision;
use durawasm_guest::{
    BoxError, CheckpointMode, CompensationStatus, DurableContext, RetryDecision, StepSemantics,
};
use serde_json::Value;

use crate::parts::{fail, mark, seconds};

/// A block is tried again if a body has failed in this instance: not replay-safe, because the strategy is called again
/// on a replay, where no body has failed. The first run ends with that error.
pub(crate) async fn block_retried_by_a_static(_event: Value, ctx: DurableContext) -> Result<u32, BoxError> {
    static FAILURES: AtomicU32 = AtomicU32::new(0);
    let block = ctx.with_retry(|ctx| async move {
        let step = ctx.step(|_| async {
            FAILURES.fetch_add(1, Ordering::Relaxed);
            Err::<u32, BoxError>("the line is busy".into())
        });
        Ok(step.name("call").retry_strategy_config(RetryStrategyConfig::none()).await?)
    });
    let called = block.name("block").retry_strategy(|_, attempt| match attempt {
        1..3 if FAILURES.load(Ordering::Relaxed) > 0 => RetryDecision::Retry { delay: seconds(1) },
        _ => RetryDecision::Stop,
    });
    Ok(called.await.unwrap_or_default())
}

/// A block is tried again by the number of the attempt: replay-safe.
pub(crate) async fn block_retried_by_attempt(_event: Value, ctx: DurableContext) -> Result<u32, BoxError> {
    let block = ctx.with_retry(|ctx| async move {
        fail(&ctx, "call").await?;
        Ok(1)
    });
    let called = block.name("block").retry_strategy(|_, attempt| match attempt {
        1..3 => RetryDecision::Retry { delay: seconds(1) },
        _ => RetryDecision::Stop,
    });
    Ok(called.await.unwrap_or_default())
}

/// Two steps side by side share a budget of one retry, in a static: not replay-safe. The first failure uses it up, and
/// the second step fails for good, unless the instance ends in between: then it is tried again.
pub(crate) async fn retry_budget_in_a_static(
    _event: Value,
    ctx: DurableContext,
) -> Result<Vec<bool>, BoxError> {
    static SPENT: AtomicU32 = AtomicU32::new(0);
    ctx.set_checkpoint_mode(CheckpointMode::Eager);
    let step = |name: &str| {
        ctx.step(|step| async move {
            if step.attempt() == 1 { Err::<(), BoxError>("not yet".into()) } else { Ok(()) }
        })
        .name(name)
        .retry_strategy(|_, _| match SPENT.fetch_add(1, Ordering::Relaxed) {
            0 => RetryDecision::Retry { delay: seconds(1) },
            _ => RetryDecision::Stop,
        })
        .future()
    };
    let (left, right) = tokio::join!(step("left"), step("right"));
    Ok(vec![left.is_ok(), right.is_ok()])
}

/// Each of the two steps has a budget of its own, by the number of the attempt: replay-safe.
pub(crate) async fn retry_budget_of_each_step(
    _event: Value,
    ctx: DurableContext,
) -> Result<Vec<bool>, BoxError> {
    ctx.set_checkpoint_mode(CheckpointMode::Eager);
    let step = |name: &str| {
        ctx.step(|step| async move {
            if step.attempt() == 1 { Err::<(), BoxError>("not yet".into()) } else { Ok(()) }
        })
        .name(name)
        .retry_strategy(|_, attempt| match attempt {
            1 => RetryDecision::Retry { delay: seconds(1) },
            _ => RetryDecision::Stop,
        })
        .future()
    };
    let (left, right) = tokio::join!(step("left"), step("right"));
    Ok(vec![left.is_ok(), right.is_ok()])
}

/// Checks count themselves in a static, which names the next step: not replay-safe. The first run ends without an error,
/// because the last check runs in the invocation that starts that step.
pub(crate) async fn checks_counted_in_a_static(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    static CHECKS: AtomicU32 = AtomicU32::new(0);
    let condition = ctx.wait_for_condition(
        |_, seen: u32| async move {
            CHECKS.fetch_add(1, Ordering::Relaxed);
            Ok(seen + 1)
        },
        0,
    );
    condition.name("job").wait_strategy_fn(three_times).await?;
    mark(&ctx, format!("checks-{}", CHECKS.load(Ordering::Relaxed))).await?;
    Ok(())
}

/// Checks count themselves in the state: replay-safe.
pub(crate) async fn checks_counted_in_the_state(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let condition = ctx.wait_for_condition(|_, seen: u32| async move { Ok(seen + 1) }, 0);
    let checks = condition.name("job").wait_strategy_fn(three_times).await?;
    mark(&ctx, format!("checks-{checks}")).await?;
    Ok(())
}

fn three_times(seen: u32, _check: u32) -> WaitDecision {
    if seen >= 3 { WaitDecision::complete() } else { WaitDecision::continue_with(seconds(10)) }
}

/// A compensation whose step is named by a static that the body has set: not replay-safe.
pub(crate) async fn compensation_named_by_a_static(
    _event: Value,
    ctx: DurableContext,
) -> Result<(), BoxError> {
    static BOOKING: AtomicU32 = AtomicU32::new(0);
    ctx.step(|_| async {
        BOOKING.store(17, Ordering::Relaxed);
        Ok(17_u32)
    })
    .name("book")
    .compensate_in_context(|ctx, _booking| async move {
        Ok(mark(&ctx, format!("cancel-{}", BOOKING.load(Ordering::Relaxed))).await?)
    })
    .await?;
    if fail(&ctx, "pay").await.is_err() {
        ctx.run_compensations().await?;
    }
    Ok(())
}

/// The same by the step's result: replay-safe.
pub(crate) async fn compensation_named_by_the_result(
    _event: Value,
    ctx: DurableContext,
) -> Result<(), BoxError> {
    ctx.step(|_| async { Ok(17_u32) })
        .name("book")
        .compensate_in_context(
            |ctx, booking| async move { Ok(mark(&ctx, format!("cancel-{booking}")).await?) },
        )
        .await?;
    if fail(&ctx, "pay").await.is_err() {
        ctx.run_compensations().await?;
    }
    Ok(())
}

/// A rollback runs only if a body has failed in this instance: not replay-safe, because a replay returns the error
/// without it.
pub(crate) async fn rollback_decided_by_a_static(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    static DECLINED: AtomicU32 = AtomicU32::new(0);
    ctx.step(|_| async { Ok(17_u32) }).name("book").compensate_with(|_| async { Ok(()) }).await?;
    let pay = ctx.step(|_| async {
        DECLINED.store(1, Ordering::Relaxed);
        Err::<(), BoxError>("declined".into())
    });
    let paid = pay.name("pay").retry_strategy_config(RetryStrategyConfig::none()).await;
    if DECLINED.load(Ordering::Relaxed) == 1 {
        let undone = ctx.run_compensations().await?;
        mark(&ctx, format!("told-{}", undone.items.len())).await?;
        return Ok(());
    }
    Ok(paid?)
}

/// A rollback runs if the step's outcome is an error: replay-safe.
pub(crate) async fn rollback_decided_by_an_outcome(
    _event: Value,
    ctx: DurableContext,
) -> Result<(), BoxError> {
    ctx.step(|_| async { Ok(17_u32) }).name("book").compensate_with(|_| async { Ok(()) }).await?;
    if fail(&ctx, "pay").await.is_err() {
        let undone = ctx.run_compensations().await?;
        let good = undone.items.iter().filter(|item| item.status == CompensationStatus::Succeeded).count();
        mark(&ctx, format!("told-{good}")).await?;
    }
    Ok(())
}

/// An at-most-once payment. If it was interrupted, a body asks the bank and leaves the answer in a static, which names
/// the next step: not replay-safe, and only a crash inside the payment leads there.
pub(crate) async fn fault_after_an_interruption(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    if pay_once(&ctx).await {
        return Ok(());
    }
    ctx.step(|_| async {
        ASKED.store(1, Ordering::Relaxed);
        Ok(())
    })
    .name("ask-bank")
    .await?;
    mark(&ctx, format!("refund-{}", ASKED.load(Ordering::Relaxed))).await?;
    ctx.wait(seconds(1)).name("settle").await?;
    Ok(())
}

/// The same with the step's result: replay-safe, although a crash inside the payment leads to other operations.
pub(crate) async fn detour_after_an_interruption(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    if pay_once(&ctx).await {
        return Ok(());
    }
    let asked = ctx.step(|_| async { Ok(1) }).name("ask-bank").await?;
    mark(&ctx, format!("refund-{asked}")).await?;
    ctx.wait(seconds(1)).name("settle").await?;
    Ok(())
}

async fn pay_once(ctx: &DurableContext) -> bool {
    ctx.step(|_| async { Ok(()) })
        .name("pay")
        .semantics(StepSemantics::AtMostOncePerRetry)
        .retry_strategy_config(RetryStrategyConfig::none())
        .await
        .is_ok()
}
