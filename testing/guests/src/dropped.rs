//! Handlers that drop unfinished operations, and roll back the work of dropped operations.

use std::time::Duration;

use durawasm_guest::builders::wait_for_condition::WaitDecision;
use durawasm_guest::{BoxError, DurableContext, DurableFuture, RetryDecision, StepContext, StepSemantics};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::saga::Mode;

/// What is dropped. Each runs a body that prints `body` and its attempt, and is to run again after 30 seconds.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A step.
    Step,
    /// An at-most-once step.
    Once,
    /// A condition.
    Condition,
    /// A step in a child in a child.
    Child,
    /// Three steps in a map.
    Map,
    /// The submitter of a wait for a callback.
    Submitter,
    /// A block that is tried again.
    Block,
    /// A step with a compensation.
    Booking,
}

/// How it is dropped, after 10 seconds.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// By a `select!`.
    Select,
    /// The operation was spawned, and runs until it is dropped.
    Spawned,
    /// It loses a race.
    Race,
    /// Another has succeeded.
    SelectOk,
    /// Another has failed.
    TryJoinAll,
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

async fn body(step: StepContext) -> Result<Value, BoxError> {
    println!("body {}", step.attempt());
    Err("not yet".into())
}

fn start(work: Work, ctx: &DurableContext) -> DurableFuture<Value> {
    let again = |_: &durawasm_guest::StepError, _| RetryDecision::Retry { delay: seconds(30) };
    let step = ctx.step(body).name("work").retry_strategy(again);
    match work {
        Work::Step => step.future(),
        Work::Once => step.semantics(StepSemantics::AtMostOncePerRetry).future(),
        Work::Booking => step.compensate_with(|_| async { Ok(()) }).future(),
        Work::Condition => ctx
            .wait_for_condition(
                |step, state: Value| async move {
                    println!("body {}", step.attempt());
                    Ok(state)
                },
                Value::Null,
            )
            .wait_strategy_fn(|_: Value, _| WaitDecision::continue_with(seconds(30)))
            .future(),
        Work::Child => ctx
            .run_in_child_context(|ctx| async move {
                let inner = ctx.run_in_child_context(|ctx| async move { Ok(start(Work::Step, &ctx).await?) });
                Ok(inner.await?)
            })
            .future(),
        Work::Map => ctx
            .run_in_child_context(|ctx| async move {
                let all =
                    ctx.map(vec![1, 2, 3], |ctx, _, _| async move { Ok(start(Work::Step, &ctx).await?) });
                Ok(json!(all.await?))
            })
            .future(),
        Work::Submitter => ctx
            .wait_for_callback::<Value, _, _>(|step, _| async move { body(step).await.map(drop) })
            .submitter_retry(again)
            .future(),
        Work::Block => ctx
            .with_retry(|ctx| async move {
                ctx.step(body).retry_strategy(|_, _| RetryDecision::Stop).await?;
                Ok(Value::Null)
            })
            .retry_strategy(|_, _| RetryDecision::Retry { delay: seconds(30) })
            .future(),
    }
}

/// Event: what is dropped, and how. Then a wait of a minute, and a step. Result: whether the work ended first.
pub async fn drops((kind, way): (Work, Way), ctx: DurableContext) -> Result<bool, BoxError> {
    let work = start(kind, &ctx);
    let over = |succeeds: bool| {
        let over = ctx.run_in_child_context(move |ctx| async move {
            ctx.wait(seconds(10)).await?;
            if succeeds { Ok(json!("over")) } else { Err("over".into()) }
        });
        over.name("over").future()
    };
    let first = match way {
        Way::Select => tokio::select! {
            biased;
            _ = work => true,
            _ = over(true) => false,
        },
        Way::Spawned => {
            let work =
                ctx.run_in_child_context(move |ctx| async move { Ok(start(kind, &ctx).await?) }).spawn();
            over(true).await?;
            drop(work);
            false
        }
        Way::Race => ctx.race([work, over(true)]).await? != "over",
        Way::SelectOk => ctx.select_ok([work, over(true)]).await? != "over",
        Way::TryJoinAll => ctx.try_join_all([work, over(false)]).await.is_ok(),
    };
    ctx.wait(seconds(60)).name("after").await?;
    ctx.step(|_| async { Ok(()) }).name("end").await?;
    Ok(first)
}

/// How three steps with compensations are awaited.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    TryJoinAll,
    /// By `tokio::try_join!`.
    #[serde(rename = "tokio_try_join")]
    Tokio,
    Spawned,
    Race,
    SelectOk,
    /// By a `select!` that borrows them: they exist while the rollback runs.
    Held,
}

/// Event: a checkpoint mode, how the steps are awaited, and which of the steps `0`, `1` and `2` fails. Rolls back those
/// that succeeded. Result: the registered compensations, their outcomes, and how many are left.
pub async fn books_together(
    (mode, join, fails): (Mode, Join, u32),
    ctx: DurableContext,
) -> Result<Value, BoxError> {
    ctx.set_checkpoint_mode(mode.into());
    let step = |number: u32| {
        let step =
            ctx.step(move |_| async move { if number == fails { Err("no".into()) } else { Ok(number) } });
        let step = step.name(number.to_string()).retry_strategy(|_, _| RetryDecision::Stop);
        step.compensate_with(|number| async move {
            println!("undo {number}");
            Ok(())
        })
    };
    let [zero, one, two] = [0, 1, 2].map(step);
    let mut held = None;
    match join {
        Join::TryJoinAll => drop(ctx.try_join_all([zero.future(), one.future(), two.future()]).await),
        Join::Tokio => drop(tokio::try_join!(zero.future(), one.future(), two.future())),
        Join::Spawned => {
            let all = [zero, one, two].map(durawasm_guest::builders::StepBuilder::spawn);
            for step in all {
                if step.await.is_err() {
                    break;
                }
            }
        }
        Join::Race => drop(ctx.race([zero.future(), one.future(), two.future()]).await),
        Join::SelectOk => drop(ctx.select_ok([zero.future(), one.future(), two.future()]).await),
        Join::Held => {
            let [mut zero, mut one, mut two] =
                [zero, one, two].map(durawasm_guest::builders::StepBuilder::future);
            tokio::select! {
                biased;
                _ = &mut zero => {}
                _ = &mut one => {}
                _ = &mut two => {}
            }
            held = Some([zero, one, two]);
        }
    }
    let registered = ctx.registered_compensations();
    let undone = ctx.run_compensations().await?;
    drop(held);
    ctx.wait(seconds(1)).await?;
    Ok(json!({ "registered": registered, "undone": undone, "left": ctx.compensation_count() }))
}

/// Event: anything. Runs three steps, and drops their rollback after 5 seconds: the compensation of `hotel` has not
/// started, that of `flight` waits for 10 seconds, that of `car` has failed. Rolls back again, then waits. Result: the
/// outcome of the second rollback.
pub async fn drops_rollback(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    for name in ["hotel", "flight", "car"] {
        let step = ctx.step(|_| async { Ok(()) }).name(name);
        let step = step.compensate_in_context(move |ctx, ()| async move {
            match name {
                "flight" => Ok(ctx.wait(seconds(10)).name("settle").await?),
                "car" => Err("stuck".into()),
                _ => Ok(()),
            }
        });
        step.await?;
    }
    tokio::select! {
        biased;
        _ = ctx.run_compensations().future() => return Err("it was not dropped".into()),
        _ = ctx.wait(seconds(5)).future() => {}
    }
    let undone = ctx.run_compensations().await?;
    ctx.wait(seconds(20)).await?;
    Ok(json!(undone))
}
