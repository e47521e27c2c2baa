//! Branches side by side: cases 8-x.

use durable::builders::map_parallel::{BatchResult, CompletionConfig, NestingMode};
use durable::{BoxError, Branch, DurableContext};
use serde_json::{Value, json};

use crate::formats::Envelope;

/// A branch that returns a text.
pub fn returning(name: &str, value: &'static str) -> Branch<String> {
    Branch::new(name, move |_| async move { Ok(value.to_owned()) })
}

/// A branch with a step that returns a text.
fn stepping(name: &str, value: &'static str) -> Branch<String> {
    Branch::new(name, move |child: DurableContext| async move {
        Ok(child.step(move |_| async move { Ok(value.to_owned()) }).await?)
    })
}

/// A branch that fails.
pub fn failing(name: &str) -> Branch<String> {
    Branch::new(name, |_| async { Err("the branch failed".into()) })
}

/// All that the cases ask of a batch's outcome.
pub fn outcome<O>(batch: &BatchResult<O>) -> Value {
    json!({
        "completionReason": batch.reason.as_str(),
        "status": batch.status().as_str(),
        "successCount": batch.success_count(),
        "failureCount": batch.failure_count(),
        "totalCount": batch.total_count(),
    })
}

/// Two branches with a step each, one after the other.
pub async fn case_8_1(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let branches = [stepping("branch-0", "task-1"), stepping("branch-1", "task-2")];
    Ok(ctx.parallel(branches).name("parallel").max_concurrency(1).await?)
}

/// Two branches without operations, and no name.
pub async fn case_8_2(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let branches = [returning("branch-0", "alpha"), returning("branch-1", "beta")];
    Ok(ctx.parallel(branches).max_concurrency(1).await?)
}

/// No branches.
pub async fn case_8_5(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let none: [Branch<String>; 0] = [];
    Ok(ctx.parallel(none).name("empty").await?)
}

/// Three branches that end with the first failure, that of the second.
pub async fn case_8_6(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let branches = [returning("b0", "ok"), failing("b1"), returning("b2", "never")];
    let batch = ctx
        .parallel(branches)
        .name("failfast")
        .max_concurrency(1)
        .completion(CompletionConfig::with_tolerated_failure_count(0))
        .await_batch()
        .await?;
    Ok(outcome(&batch))
}

/// Two branches, of which the first fails; the batch's failure becomes the handler's.
pub async fn case_8_7(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let branches = [failing("b0"), returning("b1", "never")];
    let batch = ctx
        .parallel(branches)
        .name("throwing")
        .max_concurrency(1)
        .completion(CompletionConfig::with_tolerated_failure_count(0))
        .await_batch()
        .await?;
    batch.throw_if_error()?;
    Ok(())
}

/// Four branches, of which two successes are enough.
pub async fn case_8_8(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let branches = [returning("b0", "a"), returning("b1", "b"), returning("b2", "c"), returning("b3", "d")];
    let batch = ctx
        .parallel(branches)
        .name("min-successful")
        .max_concurrency(1)
        .completion(CompletionConfig::with_min_successful(2))
        .await_batch()
        .await?;
    Ok(json!({
        "completionReason": batch.reason.as_str(),
        "successCount": batch.success_count(),
        "totalCount": batch.total_count(),
    }))
}

/// Three branches, of which one may fail and does.
pub async fn case_8_9(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let branches = [returning("b0", "a"), failing("b1"), returning("b2", "c")];
    let batch = ctx
        .parallel(branches)
        .name("tolerated")
        .max_concurrency(1)
        .completion(CompletionConfig::with_tolerated_failure_count(1))
        .await_batch()
        .await?;
    Ok(outcome(&batch))
}

/// Three branches, two at a time.
pub async fn case_8_11(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let branches = [returning("b0", "r0"), returning("b1", "r1"), returning("b2", "r2")];
    Ok(ctx.parallel(branches).name("concurrent").max_concurrency(2).await?)
}

/// Two branches without contexts of their own.
pub async fn case_8_12(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let branches = [stepping("b0", "fa"), stepping("b1", "fb")];
    Ok(ctx.parallel(branches).name("flat").max_concurrency(1).nesting(NestingMode::Flat).await?)
}

/// Four branches, of which a quarter may fail and half do.
pub async fn case_8_13(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let branches = [failing("b0"), failing("b1"), returning("b2", "never"), returning("b3", "never")];
    let batch = ctx
        .parallel(branches)
        .name("tolerated-pct")
        .max_concurrency(1)
        .completion(CompletionConfig::with_tolerated_failure_percentage(25))
        .await_batch()
        .await?;
    Ok(json!({
        "completionReason": batch.reason.as_str(),
        "successCount": batch.success_count(),
        "failureCount": batch.failure_count(),
        "totalCount": batch.total_count(),
    }))
}

/// Two branches with a serdes that wraps what each returns.
pub async fn case_8_15(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let branches = [returning("b0", "x"), returning("b1", "y")];
    Ok(ctx.parallel(branches).name("serde").max_concurrency(1).serdes(Envelope).await?)
}

/// Three branches that all should succeed; one fails.
pub async fn case_8_17(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let branches = [returning("b0", "a"), failing("b1"), returning("b2", "c")];
    let batch = ctx
        .parallel(branches)
        .name("min-not-reached")
        .max_concurrency(1)
        .completion(CompletionConfig::with_min_successful(3))
        .await_batch()
        .await?;
    Ok(outcome(&batch))
}

/// Two branches, none at a time: refused.
pub async fn case_8_19(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let branches = [returning("b0", "a"), returning("b1", "b")];
    Ok(ctx.parallel(branches).name("bad-concurrency").max_concurrency(0).await?)
}
