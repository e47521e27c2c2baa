//! Handlers with deliberate errors: each implements a case with one mistake, and must fail that case.
//!
//! They show that the cases and the runner detect mistakes. The documentation of each names the mistake.

use std::time::Duration;

use durable::builders::JitterStrategy;
use durable::builders::map_parallel::CompletionConfig;
use durable::builders::wait_for_condition::WaitStrategy;
use durable::{BoxError, DurableContext, StepSemantics};
use serde_json::Value;

use crate::invoke::{OfTenant, echo};
use crate::parallel::{failing, outcome, returning};
use crate::retries::{a_second_apart, never};
use crate::step::crash;

/// Case 1-13 with two attempts for the default's six: gives up where the default tries again.
pub async fn case_1_13(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    let outcome = ctx
        .step(|step| async move {
            match step.attempt() {
                1 | 2 => Err(format!("attempt {} failed", step.attempt()).into()),
                attempt => Ok(format!("attempt {attempt} succeeded")),
            }
        })
        .retry_strategy_config(a_second_apart(2))
        .await?;
    Ok(outcome)
}

/// Case 1-17 with a step that may run twice for one attempt: it logs, and crashes, again and again.
pub async fn case_1_17(event: String, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(move |_| async move {
        tracing::info!("{event}");
        crash()
    })
    .name("at_most_once_flaky_step")
    .semantics(StepSemantics::AtLeastOncePerRetry)
    .retry_strategy(never)
    .await?;
    Ok(())
}

/// Case 2-4 with seconds for minutes.
pub async fn case_2_4(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.wait(Duration::from_secs(1)).await?;
    Ok(())
}

/// Case 3-9 with the wait inside of the child, which is unfinished when it is replayed.
pub async fn case_3_9(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let result = ctx
        .run_in_child_context(|child| async move {
            let value = child.step(|_| async { Ok(event) }).await?;
            child.wait(Duration::from_secs(1)).await?;
            Ok(value)
        })
        .name("cached")
        .await?;
    Ok(result)
}

/// Case 3-17 with the child's line written by the handler, which a replay repeats.
pub async fn case_3_17(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    durable::logging::keep_replayed(true);
    tracing::info!("not in the child: {event}");
    let result = ctx.run_in_child_context(|_child| async move { Ok(event) }).name("logging").await?;
    ctx.wait(Duration::from_secs(1)).await?;
    Ok(result)
}

/// Case 4-14 without catching the timeout.
pub async fn case_4_14(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let callback = ctx.create_callback::<String>().name(event).timeout(Duration::from_secs(3)).await?;
    let answer = callback.result().await?;
    ctx.wait(Duration::from_secs(2)).await?;
    Ok(answer)
}

/// Case 5-8 without the tenant.
pub async fn case_5_8(event: OfTenant, ctx: DurableContext) -> Result<Value, BoxError> {
    Ok(ctx.invoke::<Value, _>(echo()?, event.payload).await?)
}

/// Case 6-5 with delays that double.
pub async fn case_6_5(event: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    let ever_longer = WaitStrategy::builder(move |state: &u32| *state >= event)
        .initial_delay(Duration::from_secs(2))
        .backoff_rate(2.0)
        .jitter(JitterStrategy::None)
        .build();
    let count = ctx
        .wait_for_condition(|_, state: u32| async move { Ok(state + 1) }, 0)
        .wait_strategy(ever_longer)
        .await?;
    Ok(count)
}

/// Case 7-7 with one attempt too many.
pub async fn case_7_7(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let answer = ctx
        .wait_for_callback::<String, _, _>(|_, _| async { Err("the submitter failed".into()) })
        .name(event)
        .submitter_retry_config(a_second_apart(3))
        .await?;
    Ok(answer)
}

/// Case 8-6 with a failure that is tolerated, so that the third branch runs.
pub async fn case_8_6(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let branches = [returning("b0", "ok"), failing("b1"), returning("b2", "late")];
    let batch = ctx
        .parallel(branches)
        .name("failfast")
        .max_concurrency(1)
        .completion(CompletionConfig::with_tolerated_failure_count(1))
        .await_batch()
        .await?;
    Ok(outcome(&batch))
}

/// Case 9-13 without the item namer.
pub async fn case_9_13(event: Vec<i64>, ctx: DurableContext) -> Result<Vec<i64>, BoxError> {
    let values = ctx
        .map(event, |_child, item, _index| async move { Ok(item * 10) })
        .name("named-items")
        .max_concurrency(1)
        .await?;
    Ok(values)
}
