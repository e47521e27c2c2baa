//! Handlers with many items at once, and with futures of which not all are needed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use durawasm_guest::builders::map_parallel::{BatchResult, CompletionConfig, ItemBatcher, NestingMode};
use durawasm_guest::{
    BoxError, Branch, CombinatorErrorKind, DurableContext, DurableFuture, OperationError, OperationErrorKind,
    RetryDecision, Settled, TypedError,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// What an item does.
#[derive(Clone, Deserialize)]
pub struct Item {
    /// Waits of so many seconds, each with a step after it.
    #[serde(default)]
    waits: Vec<u64>,
    /// It fails at its end.
    #[serde(default)]
    fails: bool,
    /// How long its result is.
    #[serde(default)]
    size: usize,
}

impl Item {
    async fn run(self, ctx: DurableContext, index: usize) -> Result<String, BoxError> {
        for (at, seconds) in self.waits.into_iter().enumerate() {
            ctx.wait(Duration::from_secs(seconds)).await?;
            let body = move |_| async move {
                println!("item {index} step {at}");
                Ok(())
            };
            ctx.step(body).await?;
        }
        if self.fails {
            return Err(TypedError::with_type("ItemFailed", format!("item {index}")).into());
        }
        Ok(index.to_string().repeat(self.size.max(1)))
    }
}

/// A batch.
#[derive(Deserialize)]
pub struct Batch {
    items: Vec<Item>,
    #[serde(default)]
    parallel: bool,
    #[serde(default)]
    flat: bool,
    limit: Option<usize>,
    min: Option<usize>,
    count: Option<usize>,
    percentage: Option<usize>,
}

/// A map `batch` (items `item-0`, ...) or a parallel `batch` (branches `branch-0`, ...) of these items, then a wait of
/// 100 seconds. Result: the reason, and for each item its index, status, the length of its result and its error's
/// message.
pub async fn batch(event: Batch, ctx: DurableContext) -> Result<Value, BoxError> {
    let result = run_batch(event, &ctx).await?;
    ctx.wait(Duration::from_secs(100)).name("after").await?;
    let items = result.items.iter().map(|item| {
        json!([item.index, item.status.as_str(), item.result.as_ref().map(String::len), item.error_message])
    });
    Ok(json!([result.reason.as_str(), items.collect::<Vec<_>>()]))
}

async fn run_batch(event: Batch, ctx: &DurableContext) -> Result<BatchResult<String>, BoxError> {
    let Batch { items, parallel, flat, limit, min, count, percentage } = event;
    let mut completion = CompletionConfig::builder();
    if let Some(min) = min {
        completion = completion.min_successful(min);
    }
    if let Some(count) = count {
        completion = completion.tolerated_failure_count(count);
    }
    if let Some(percentage) = percentage {
        completion = completion.tolerated_failure_percentage(percentage);
    }
    let completion = completion.build()?;
    let nesting = if flat { NestingMode::Flat } else { NestingMode::Normal };
    let limit = limit.unwrap_or(usize::MAX);
    if parallel {
        let branch = |(index, item): (usize, Item)| {
            Branch::new(format!("branch-{index}"), move |ctx: DurableContext| item.run(ctx, index))
        };
        let parallel = ctx.parallel(items.into_iter().enumerate().map(branch)).name("batch");
        return Ok(parallel
            .max_concurrency(limit)
            .completion(completion)
            .nesting(nesting)
            .await_batch()
            .await?);
    }
    let map = ctx.map(items, |ctx, item, index| item.run(ctx, index)).name("batch");
    let map = map.item_namer(|index| format!("item-{index}")).max_concurrency(limit);
    Ok(map.completion(completion).nesting(nesting).await_batch().await?)
}

/// Event: how many items. A map `many` with a step for each, in batches of at most 1000. Result: their sum.
pub async fn many_items(count: u64, ctx: DurableContext) -> Result<u64, BoxError> {
    let sums = ctx
        .map_batched(0..count, ItemBatcher::with_max_items(1000), |ctx, items, _index| async move {
            let map =
                ctx.map(
                    items,
                    |ctx, n, _index| async move { Ok(ctx.step(move |_| async move { Ok(n) }).await?) },
                );
            Ok(map.await?.into_iter().sum::<u64>())
        })
        .name("many")
        .await?;
    ctx.wait(Duration::from_secs(1)).await?;
    Ok(sums.into_iter().sum())
}

/// Event: depth. A map of two items in each of which there is a map, and so on; at the bottom a wait of as many seconds
/// as the item's number, from 1. Result: the numbers, from the left.
pub async fn nested_maps(depth: u32, ctx: DurableContext) -> Result<Vec<u64>, BoxError> {
    nested(ctx, depth, 0).await
}

fn nested(
    ctx: DurableContext,
    depth: u32,
    before: u64,
) -> std::pin::Pin<Box<dyn Future<Output = Result<Vec<u64>, BoxError>> + Send>> {
    Box::pin(async move {
        if depth == 0 {
            ctx.wait(Duration::from_secs(before + 1)).await?;
            return Ok(vec![before + 1]);
        }
        let half = 1 << (depth - 1);
        let map = ctx.map([before, before + half], move |ctx, before, _index| nested(ctx, depth - 1, before));
        Ok(map.await?.concat())
    })
}

/// What an input of `combine` does.
#[derive(Deserialize)]
pub struct Input {
    /// Waits of so many seconds.
    after: u64,
    #[serde(default)]
    fails: bool,
    #[serde(default)]
    spawned: bool,
    /// How long its result is.
    #[serde(default)]
    size: usize,
}

impl Input {
    fn future(self, ctx: &DurableContext, index: usize) -> DurableFuture<String> {
        let Self { after, fails, spawned, size } = self;
        let child = ctx.run_in_child_context(move |ctx| async move {
            ctx.wait(Duration::from_secs(after)).name(format!("wait-{index}")).await?;
            let body = move |_| async move {
                println!("input {index}");
                Ok(())
            };
            ctx.step(body).await?;
            if fails {
                Err(TypedError::with_type("InputFailed", format!("input {index}")).into())
            } else {
                Ok(index.to_string().repeat(size.max(1)))
            }
        });
        let child = child.name(format!("input-{index}"));
        if spawned { child.spawn() } else { child.future() }
    }
}

/// A combinator `combined`: `race`, `select_ok`, `try_join_all` or `join_all`.
#[derive(Deserialize)]
pub struct Combine {
    how: String,
    inputs: Vec<Input>,
}

/// Combines inputs, each a child context `input-N` with a wait and a step. Then waits 5 times, 10 seconds each. Result:
/// what came of it: a value, a list or the error's kind, with the length of what is longer than 10.
pub async fn combine(event: Combine, ctx: DurableContext) -> Result<Value, BoxError> {
    let Combine { how, inputs } = event;
    let inputs = inputs.into_iter().enumerate().map(|(index, input)| input.future(&ctx, index));
    let short = |text: String| if text.len() > 10 { json!(text.len()) } else { json!(text) };
    let result = match &*how {
        "race" => ctx.race(inputs).name("combined").await.map(short),
        "select_ok" => ctx.select_ok(inputs).name("combined").await.map(short),
        "try_join_all" => {
            ctx.try_join_all(inputs).name("combined").await.map(|all| all.into_iter().map(short).collect())
        }
        _ => ctx.join_all(inputs).name("combined").await.map(|all| all.into_iter().map(settled).collect()),
    };
    let result = result.unwrap_or_else(|error| json!([kind(&error), format!("{error:#}")]));
    for _ in 0..5 {
        ctx.wait(Duration::from_secs(10)).await?;
    }
    Ok(result)
}

fn settled(settled: Settled<String>) -> Value {
    match settled {
        Settled::Fulfilled(value) => json!(value),
        Settled::Rejected(error) => json!([error.wire().and_then(|wire| wire.error_type())]),
        _ => Value::Null,
    }
}

fn kind(error: &OperationError) -> Value {
    let OperationErrorKind::Combinator(combinator) = error.kind() else { return Value::Null };
    let failures = combinator.failures().len();
    match combinator.kind() {
        CombinatorErrorKind::JoinFailed(details) => {
            json!({ "join": details.failed_index(), "failures": failures })
        }
        CombinatorErrorKind::AllFailed { .. } => json!({ "all": failures }),
        CombinatorErrorKind::FirstSettledFailed { .. } => json!({ "first": failures }),
        CombinatorErrorKind::EmptyInput { .. } => json!("empty"),
        _ => Value::Null,
    }
}

/// Event: seconds. A race of a step that fails at first and is to be tried again after so many seconds, against a wait
/// of one second in a child; then a wait of 10 seconds. A body prints `tried`. Result: who won.
pub async fn races_a_retry(seconds: u64, ctx: DurableContext) -> Result<String, BoxError> {
    let flaky = ctx
        .step(|step| async move {
            println!("tried");
            if step.attempt() == 1 { Err("not yet".into()) } else { Ok("step".to_owned()) }
        })
        .retry_strategy(move |_, _| RetryDecision::Retry { delay: Duration::from_secs(seconds) });
    let wait = ctx.run_in_child_context(|ctx| async move {
        ctx.wait(Duration::from_secs(1)).await?;
        Ok("wait".to_owned())
    });
    let winner = ctx.race([flaky.future(), wait.future()]).await?;
    ctx.wait(Duration::from_secs(10)).await?;
    Ok(winner)
}

/// Event: anything. Two child contexts, `late` with a wait of 2 seconds and `early` with one of 1 second, and a step
/// that sleeps for 5 seconds in its body, so that both waits are over before either child is seen to end. Then a step
/// with the name of the one that ended first, and a wait of 1 second. Result: the order in which they ended.
pub async fn ends_together(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let order = Arc::new(Mutex::new(Vec::new()));
    let child = |name: &'static str, seconds: u64| {
        let (child, order) = (
            ctx.run_in_child_context(move |ctx| async move {
                ctx.wait(Duration::from_secs(seconds)).await?;
                Ok(())
            }),
            Arc::clone(&order),
        );
        async move {
            child.name(name).await?;
            order.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
            Ok::<_, OperationError>(())
        }
    };
    let sleep = ctx.step(|_| async {
        std::thread::sleep(Duration::from_secs(5));
        Ok(())
    });
    let (late, early, slept) = tokio::join!(child("late", 2), child("early", 1), sleep.future());
    late?;
    early?;
    slept?;
    let order = order.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let first = order.first().cloned().unwrap_or_default();
    ctx.step(|_| async { Ok(()) }).name(first).await?;
    ctx.wait(Duration::from_secs(1)).await?;
    Ok(order)
}
