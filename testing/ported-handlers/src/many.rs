//! "map and parallel" and "combinators".

use std::time::Duration;

use durable::builders::map_parallel::{BatchResult, BatchStatus, CompletionConfig};
use durable::{Branch, DurableContext};
use durawasm_guest as durable;

/// Event: the items.
pub async fn map(items: Vec<String>, ctx: DurableContext) -> Result<Vec<String>, durable::BoxError> {
    let results = ctx
        .map(items, |child, item, idx| async move {
            let out =
                child.step(move |_| async move { Ok(format!("item-{idx}:{item}")) }).name("process").await?;
            Ok(out)
        })
        .name("process-all")
        .max_concurrency(4)
        .await?;
    Ok(results)
}

pub async fn parallel(_event: serde_json::Value, ctx: DurableContext) -> Result<Vec<u32>, durable::BoxError> {
    let branches: Vec<Branch<u32>> = vec![
        Branch::new("double", |child| async move {
            let base = child.step(|_| async { Ok(21u32) }).name("compute").await?;
            Ok(base * 2)
        }),
        Branch::new("wait-then-value", |child| async move {
            child.wait(Duration::from_secs(1)).name("cooldown").await?;
            Ok(100u32)
        }),
    ];

    let results = ctx.parallel(branches).name("fan-out").await?;
    Ok(results)
}

pub async fn try_join_all(
    _event: serde_json::Value,
    ctx: DurableContext,
) -> Result<Vec<u32>, durable::BoxError> {
    let a = ctx.step(|_| async { Ok(1u32) }).name("a").future();
    let b = ctx.step(|_| async { Ok(2u32) }).name("b").future();
    let c = ctx.step(|_| async { Ok(3u32) }).name("c").future();

    let results: Vec<u32> = ctx.try_join_all([a, b, c]).name("gather").await?;
    Ok(results)
}

pub async fn join_all(_event: serde_json::Value, ctx: DurableContext) -> Result<usize, durable::BoxError> {
    let good = ctx.step(|_| async { Ok(1u32) }).name("good").future();
    let bad = ctx
        .step(|_| async { Err::<u32, durable::BoxError>("boom".into()) })
        .name("bad")
        .retry_strategy(|_err, _attempt| durable::RetryDecision::Stop)
        .future();

    let settled: Vec<durable::Settled<u32>> = ctx.join_all([good, bad]).name("collect").await?;
    for outcome in &settled {
        match outcome {
            durable::Settled::Fulfilled(value) => tracing::info!("ok: {value}"),
            durable::Settled::Rejected(err) => tracing::info!("err: {err}"),
            _ => {}
        }
    }
    Ok(settled.len())
}

pub async fn select_ok(_event: serde_json::Value, ctx: DurableContext) -> Result<u32, durable::BoxError> {
    let primary = ctx
        .step(|_| async { Err::<u32, durable::BoxError>("unavailable".into()) })
        .name("primary")
        .retry_strategy(|_err, _attempt| durable::RetryDecision::Stop)
        .future();
    let fallback = ctx.step(|_| async { Ok(42u32) }).name("fallback").future();

    let winner: u32 = ctx.select_ok([primary, fallback]).name("first-ok").await?;
    Ok(winner)
}

pub async fn race(_event: serde_json::Value, ctx: DurableContext) -> Result<String, durable::BoxError> {
    let first = ctx.step(|_| async { Ok("first".to_owned()) }).name("first").future();
    let second = ctx.step(|_| async { Ok("second".to_owned()) }).name("second").future();

    let winner: String = ctx.race([first, second]).name("fastest").await?;
    Ok(winner)
}

/// The README has this one in prose. Event: numbers, of which odd ones fail.
pub async fn await_batch(
    items: Vec<u32>,
    ctx: DurableContext,
) -> Result<(String, String, Vec<String>), durable::BoxError> {
    let completion: CompletionConfig = CompletionConfig::builder()
        .tolerated_failure_percentage(100)
        .completion_predicate(|stats| stats.succeeded() >= 3)
        .build()?;
    let batch: BatchResult<u32> =
        ctx.map(items, |_child, item, _idx| async move {
            if item % 2 == 0 { Ok(item) } else { Err("odd".into()) }
        })
        .completion(completion)
        .max_concurrency(1)
        .await_batch()
        .await?;
    let failed = batch.status() == BatchStatus::Failed;
    let errors = batch.errors();
    let errors =
        errors.iter().map(|error| format!("{} {:?} {}", error.index, error.error_type, error.message));
    Ok((failed.to_string(), format!("{:?}", batch.reason), errors.collect()))
}
