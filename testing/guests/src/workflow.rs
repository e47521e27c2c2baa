//! Workflows as data: any tree of operations, run by one handler.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use durawasm_guest::builders::StepBuilder;
use durawasm_guest::builders::map_parallel::{CompletionConfig, NestingMode};
use durawasm_guest::builders::wait_for_condition::WaitDecision;
use durawasm_guest::{
    BoxError, Branch, CheckpointMode, DurableContext, DurableFuture, RetryDecision, Settled, StepSemantics,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::leaks::{self, Draw};

/// A workflow, or a part of one.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// A step that fails so many times before it succeeds, with 2 seconds in between; 3 attempts in all.
    Step { fails: u32, once: bool },
    /// A wait of so many seconds.
    Wait(u64),
    /// A callback and a step beside it; the callback is named `outside`, and times out after 60 seconds.
    Callback,
    /// A wait for a callback named `outside`.
    WaitForCallback,
    /// A call of `greet`, or of `plain`.
    Invoke { plain: bool },
    /// A child context.
    Child(Vec<Self>),
    /// A block that fails in so many of ten cases after it has run.
    Retry { fails: u32, body: Vec<Self> },
    /// A condition that is met at this check.
    Condition(u32),
    /// A map, or a parallel, over these.
    Batch { items: Vec<Self>, parallel: bool, flat: bool, concurrency: Option<usize>, enough: Option<usize> },
    /// `try_join_all` of these.
    TryJoin(Vec<Self>),
    /// `join_all` of these.
    Join(Vec<Self>),
    /// `select_ok` of these.
    SelectOk(Vec<Self>),
    /// `race` of these.
    Race(Vec<Self>),
    /// These, all started at once and awaited in order.
    Spawned(Vec<Self>),
    /// So many steps with compensations, then the rollback.
    Saga(u32),
    /// A step that fails for good.
    Fails,
    /// Makes an error a value.
    Caught(Box<Self>),
    /// What replayed code must find the same: time, random numbers, ids, the order of hash maps; also as names of
    /// steps.
    Probe,
    /// What replayed code finds the same wherever it runs: the context's time, random numbers, ids.
    Draw,
    /// Changes the checkpoint mode: 0 batched, 1 eager, 2 optimistic.
    Mode(u32),
    /// This, dropped after so many seconds unless it has ended.
    Dropped { node: Box<Self>, after: u64 },
    /// Steps with compensations side by side, each with how often it fails first, under a join of this number; then the
    /// rollback, dropped after so many seconds unless it has ended, and another.
    Undone { fails: Vec<u32>, join: u32, after: u64 },
}

type Run = Pin<Box<dyn Future<Output = Result<Value, BoxError>> + Send>>;

/// Event: nodes. Runs them one after another. Result: what each came to. A body prints `again ATTEMPT` whenever it
/// runs, or `once ATTEMPT` where it is at-most-once.
pub async fn workflow(nodes: Vec<Node>, ctx: DurableContext) -> Result<Value, BoxError> {
    all(nodes, ctx).await
}

fn all(nodes: Vec<Node>, ctx: DurableContext) -> Run {
    Box::pin(async move {
        let mut values = Vec::new();
        for node in nodes {
            values.push(run(node, ctx.clone()).await?);
        }
        Ok(values.into())
    })
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[allow(clippy::too_many_lines)] // one kind of node after another
fn run(node: Node, ctx: DurableContext) -> Run {
    Box::pin(async move {
        // Draws outside of operations must not affect later values.
        leaks::draw(Draw::Both).await;
        match node {
            Node::Step { fails, once } => Ok(step(&ctx, fails, once).await?),
            Node::Wait(n) => {
                ctx.wait(seconds(n)).await?;
                Ok(json!(n))
            }
            Node::Callback => callback(ctx).await,
            Node::WaitForCallback => {
                let answer = ctx
                    .wait_for_callback::<Value, _, _>(|_, id| async move {
                        println!("again submits {}", id.len());
                        Ok(())
                    })
                    .name("outside")
                    .timeout(seconds(60))
                    .await;
                Ok(answer.unwrap_or_else(|error| json!(format!("{error:#}"))))
            }
            Node::Invoke { plain } => {
                Ok(ctx.invoke::<Value, _>(if plain { "plain" } else { "greet" }, json!("you")).await?)
            }
            Node::Child(nodes) => Ok(ctx.run_in_child_context(|ctx| all(nodes, ctx)).await?),
            Node::Retry { fails, body } => retry(ctx, fails, body).await,
            Node::Condition(met) => Ok(ctx
                .wait_for_condition(
                    |step, state: u32| async move {
                        println!("again {}", step.attempt());
                        Ok(state + 1)
                    },
                    0,
                )
                .wait_strategy_fn(move |state: u32, _| {
                    if state >= met {
                        WaitDecision::complete()
                    } else {
                        WaitDecision::continue_with(seconds(3))
                    }
                })
                .await?
                .into()),
            Node::Batch { items, parallel, flat, concurrency, enough } => {
                batch(ctx, items, parallel, flat, concurrency, enough).await
            }
            Node::TryJoin(nodes) => Ok(ctx.try_join_all(futures(nodes, &ctx)).await?.into()),
            Node::Join(nodes) => {
                let settled = ctx.join_all(futures(nodes, &ctx)).await?;
                Ok(settled
                    .into_iter()
                    .map(|settled| match settled {
                        Settled::Fulfilled(value) => value,
                        Settled::Rejected(error) => json!(error.to_string()),
                        _ => Value::Null,
                    })
                    .collect::<Vec<Value>>()
                    .into())
            }
            Node::SelectOk(nodes) => Ok(ctx.select_ok(futures(nodes, &ctx)).await?),
            Node::Race(nodes) => Ok(ctx.race(futures(nodes, &ctx)).await?),
            Node::Spawned(nodes) => {
                let spawned: Vec<DurableFuture<Value>> = nodes
                    .into_iter()
                    .map(|node| ctx.run_in_child_context(|ctx| run(node, ctx)).spawn())
                    .collect();
                let mut values = Vec::new();
                for future in spawned {
                    values.push(future.await?);
                }
                Ok(values.into())
            }
            Node::Saga(steps) => saga(ctx, steps).await,
            Node::Fails => Ok(ctx
                .step(|_| async { Err::<Value, BoxError>("no".into()) })
                .retry_strategy(|_, _| RetryDecision::Stop)
                .await?),
            Node::Caught(node) => match run(*node, ctx).await {
                Ok(value) => Ok(value),
                Err(error) => Ok(json!({ "caught": error.to_string() })),
            },
            Node::Probe => {
                let map = leaks::named(&ctx, Draw::Both, 3).await?;
                leaks::ordered(&ctx, &map).await?;
                Ok(json!([
                    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs(),
                    ctx.uuid().to_string(),
                    ctx.random_u64(),
                    leaks::draw(Draw::Both).await,
                ]))
            }
            Node::Draw => Ok(json!([ctx.now_millis(), ctx.uuid().to_string(), ctx.random_u64()])),
            Node::Mode(mode) => {
                ctx.set_checkpoint_mode(match mode {
                    0 => CheckpointMode::Batched,
                    1 => CheckpointMode::Eager,
                    _ => CheckpointMode::Optimistic,
                });
                Ok(Value::Null)
            }
            Node::Dropped { node, after } => dropped(ctx, *node, after).await,
            Node::Undone { fails, join, after } => undone(ctx, fails, join, after).await,
        }
    })
}

fn step(ctx: &DurableContext, fails: u32, once: bool) -> DurableFuture<Value> {
    let semantics = if once { StepSemantics::AtMostOncePerRetry } else { StepSemantics::AtLeastOncePerRetry };
    ctx.step(move |step| async move {
        println!("{} {}", if once { "once" } else { "again" }, step.attempt());
        leaks::draw(Draw::Both).await;
        if step.attempt() <= fails { Err("not yet".into()) } else { Ok(json!(step.attempt())) }
    })
    .semantics(semantics)
    .retry_strategy(|_, attempt| match attempt {
        3.. => RetryDecision::Stop,
        _ => RetryDecision::Retry { delay: seconds(2) },
    })
    .future()
}

async fn callback(ctx: DurableContext) -> Result<Value, BoxError> {
    let callback = ctx.create_callback::<Value>().name("outside").timeout(seconds(60)).await?;
    let beside = step(&ctx, 0, false).await?;
    let answer = callback.result().await.unwrap_or_else(|error| json!(format!("{error:#}")));
    Ok(json!([beside, answer]))
}

async fn retry(ctx: DurableContext, fails: u32, body: Vec<Node>) -> Result<Value, BoxError> {
    let value = ctx
        .with_retry(move |ctx| {
            let body = body.clone();
            async move {
                let value = all(body, ctx.clone()).await?;
                // The value is the same on every replay of an attempt, and differs between attempts.
                if ctx.random_u64() % 10 < u64::from(fails) { Err("once more".into()) } else { Ok(value) }
            }
        })
        .retry_strategy(|_, attempt| match attempt {
            4.. => RetryDecision::Stop,
            _ => RetryDecision::Retry { delay: seconds(2) },
        })
        .await;
    Ok(value.unwrap_or_else(|error| json!({ "gave up": error.to_string() })))
}

async fn batch(
    ctx: DurableContext,
    items: Vec<Node>,
    parallel: bool,
    flat: bool,
    concurrency: Option<usize>,
    enough: Option<usize>,
) -> Result<Value, BoxError> {
    let nesting = if flat { NestingMode::Flat } else { NestingMode::Normal };
    let completion = match enough {
        Some(enough) => CompletionConfig::with_min_successful(enough.clamp(1, items.len().max(1))),
        None => CompletionConfig::with_tolerated_failure_percentage(100),
    };
    let concurrency = concurrency.unwrap_or(usize::MAX).max(1);
    let results = if parallel {
        let branches = items
            .into_iter()
            .enumerate()
            .map(|(n, item)| Branch::new(format!("b{n}"), move |ctx| run(item, ctx)))
            .collect::<Vec<_>>();
        ctx.parallel(branches)
            .completion(completion)
            .max_concurrency(concurrency)
            .nesting(nesting)
            .await_batch()
            .await?
    } else {
        ctx.map(items, |ctx, item, _| run(item, ctx))
            .completion(completion)
            .max_concurrency(concurrency)
            .nesting(nesting)
            .await_batch()
            .await?
    };
    let reason = format!("{:?}", results.reason);
    Ok(json!([reason, results.into_results()]))
}

async fn saga(ctx: DurableContext, steps: u32) -> Result<Value, BoxError> {
    for n in 0..steps {
        ctx.step(move |_| async move { Ok(n) })
            .name(format!("s{n}"))
            .compensate_with(move |done| async move {
                println!("again undoes {done}");
                if n == 1 { Err("cannot be undone".into()) } else { Ok(()) }
            })
            .await?;
    }
    let undone = ctx.run_compensations().await?;
    Ok(json!(format!("{undone:?}")))
}

async fn dropped(ctx: DurableContext, node: Node, after: u64) -> Result<Value, BoxError> {
    let over = ctx.wait(seconds(after)).future();
    let Some(work) = futures(vec![node], &ctx).pop() else { return Ok(Value::Null) };
    tokio::select! {
        biased;
        value = work => Ok(value?),
        _ = over => Ok(json!("dropped")),
    }
}

async fn undone(ctx: DurableContext, fails: Vec<u32>, join: u32, after: u64) -> Result<Value, BoxError> {
    let steps = fails.into_iter().enumerate().map(|(n, fails)| {
        ctx.step(move |step| async move {
            println!("again {}", step.attempt());
            if step.attempt() <= fails { Err("not yet".into()) } else { Ok(n) }
        })
        .name(format!("u{n}"))
        .retry_strategy(|_, attempt| match attempt {
            2.. => RetryDecision::Stop,
            _ => RetryDecision::Retry { delay: seconds(2) },
        })
        .compensate_in_context(move |ctx, _| async move {
            println!("again undoes {n}");
            if n % 2 == 0 {
                ctx.wait(seconds(2)).await?;
                step(&ctx, 1, n % 3 == 0).await?;
            }
            Ok(())
        })
    });
    let joined = match join {
        0 => ctx.try_join_all(steps.map(StepBuilder::future)).await.is_ok(),
        1 => ctx.race(steps.map(StepBuilder::future)).await.is_ok(),
        2 => ctx.select_ok(steps.map(StepBuilder::future)).await.is_ok(),
        3 => {
            let spawned: Vec<_> = steps.map(StepBuilder::spawn).collect();
            let mut all = true;
            for step in spawned {
                all = all && step.await.is_ok();
            }
            all
        }
        _ => {
            // The unfinished steps exist while the rollback runs, and continue after it.
            let mut spawned: Vec<_> = steps.map(StepBuilder::spawn).collect();
            let first = spawned.remove(0).await.is_ok();
            let undone = ctx.run_compensations().await?;
            let mut rest = 0;
            for step in spawned {
                rest += u32::from(step.await.is_ok());
            }
            return Ok(json!([first, format!("{undone:?}"), rest, ctx.registered_compensations()]));
        }
    };
    let registered = ctx.registered_compensations();
    let over = ctx.wait(seconds(after)).future();
    let first = ctx.run_compensations().future();
    let first = tokio::select! {
        biased;
        undone = first => Some(undone?),
        _ = over => None,
    };
    let second = ctx.run_compensations().await?;
    Ok(json!([joined, registered, format!("{first:?} {second:?}")]))
}

fn futures(nodes: Vec<Node>, ctx: &DurableContext) -> Vec<DurableFuture<Value>> {
    let future = |node| match node {
        Node::Step { fails, once } => step(ctx, fails, once),
        node => ctx.run_in_child_context(|ctx| run(node, ctx)).future(),
    };
    nodes.into_iter().map(future).collect()
}
