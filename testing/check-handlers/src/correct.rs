//! Handlers without a fault, which use many operations together. Nothing may be found in them.

use std::env;
use std::time::{Duration, SystemTime};

use durawasm_guest::builders::map_parallel::{CompletionConfig, ItemBatcher, NestingMode};
use durawasm_guest::builders::wait_for_condition::WaitStrategy;
use durawasm_guest::builders::{JitterStrategy, RetryStrategyConfig};
use durawasm_guest::plugin::{InvocationEndInfo, OperationEndInfo};
use durawasm_guest::{
    BoxError, Branch, CallbackErrorKind, CheckpointMode, CompensationStatus, DurableContext, DurableFuture,
    OperationErrorKind, Plugin, RetryDecision, Settled, StepSemantics, TypedError,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::parts::{epoch, fail, mark, seconds};

/// An order.
#[derive(Deserialize)]
pub(crate) struct Order {
    id: String,
    cents: u64,
}

/// Event: an order. Reserves, charges at the third attempt, waits three days, asks for an approval, and ships at most
/// once: all decisions come from results.
pub(crate) async fn order(order: Order, ctx: DurableContext) -> Result<Value, BoxError> {
    let key = ctx.uuid().to_string();
    let reserve = ctx.step(|_| async { Ok(vec!["shelf-1".to_owned(), "shelf-7".to_owned()]) });
    let shelves = reserve.name("reserve").await?;
    let charge = ctx.step(move |step| async move {
        match step.attempt() {
            1 | 2 => Err(TypedError::with_type("Busy", "the bank is busy").into()),
            _ => Ok((order.cents + 250, key)),
        }
    });
    let (paid, key) = charge
        .name("charge")
        .timeout(seconds(20))
        .retry_strategy(|_, attempt| match attempt {
            1..5 => RetryDecision::Retry { delay: seconds(1 << attempt) },
            _ => RetryDecision::Stop,
        })
        .await?;
    ctx.wait(Duration::from_hours(72)).name("lead-time").await?;
    let approval = ctx.wait_for_callback::<Value, _, _>(|_, id| async move {
        println!("approve {id}");
        Ok(())
    });
    let approved = approval.name("approval").timeout(Duration::from_hours(168)).await?;
    if approved.get("ok") != Some(&Value::Bool(true)) {
        return Ok(json!({ "order": order.id, "status": "rejected" }));
    }
    let ship = ctx.step(|_| async { Ok("trk-1".to_owned()) });
    let tracking = ship
        .name("ship")
        .semantics(StepSemantics::AtMostOncePerRetry)
        .retry_strategy_config(RetryStrategyConfig::fixed(2, seconds(5)))
        .await?;
    Ok(
        json!({ "order": order.id, "shelves": shelves, "paid": paid, "same": !key.is_empty(), "tracking": tracking }),
    )
}

/// Books a hotel and a flight, finds no car, and undoes both: one compensation is a function, the other waits in a
/// context of its own and fails.
pub(crate) async fn trip_rolled_back(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    ctx.step(|_| async { Ok("h-1".to_owned()) })
        .name("hotel")
        .compensate_with(|hotel| async move {
            println!("cancel {hotel}");
            Ok(())
        })
        .await?;
    ctx.step(|_| async { Ok("f-1".to_owned()) })
        .name("flight")
        .compensate_in_context(|ctx, flight| async move {
            ctx.wait(seconds(60)).name("office-hours").await?;
            mark(&ctx, format!("cancel-{flight}")).await?;
            Err("no refund".into())
        })
        .await?;
    if fail(&ctx, "car").await.is_ok() {
        return Ok(Vec::new());
    }
    let undone = ctx.run_compensations().await?;
    mark(&ctx, "apologize").await?;
    let line = |done: bool, name: String| if done { name } else { format!("{name}, in vain") };
    let lines = undone.items.into_iter();
    Ok(lines.map(|item| line(item.status == CompensationStatus::Succeeded, item.name)).collect())
}

/// Event: regions. Releases to two regions at a time, tolerates one failure, and starts no more when three have
/// succeeded.
pub(crate) async fn regions_released(regions: Vec<String>, ctx: DurableContext) -> Result<Value, BoxError> {
    let names = regions.clone();
    let items = ctx.map(regions, |ctx, region, index| async move {
        if region.starts_with("broken") {
            fail(&ctx, "copy").await?;
        }
        mark(&ctx, "copy").await?;
        ctx.wait(Duration::from_mins(10 * (index as u64 + 1))).name("watch").await?;
        Ok(ctx.step(move |_| async move { Ok(region) }).name("enable").await?)
    });
    let batch = items
        .name("regions")
        .item_namer(move |index| names.get(index).cloned().unwrap_or_default())
        .max_concurrency(2)
        .completion(CompletionConfig::builder().min_successful(3).tolerated_failure_count(1).build()?)
        .await_batch()
        .await?;
    let failed: Vec<_> = batch.errors().iter().map(|error| error.name.to_string()).collect();
    Ok(json!({ "reason": batch.reason.as_str(), "failed": failed, "released": batch.into_results() }))
}

/// Takes the first two of three offers, which come one after another, and picks the cheaper one.
pub(crate) async fn offers_compared(_event: Value, ctx: DurableContext) -> Result<Option<u32>, BoxError> {
    let supplier = |name: &str, hours: u64, cents: u32| {
        Branch::new(name, move |ctx: DurableContext| async move {
            mark(&ctx, "ask").await?;
            ctx.wait(Duration::from_hours(hours)).name("their-time").await?;
            Ok(cents)
        })
    };
    let offers = ctx
        .parallel([supplier("north", 1, 1200), supplier("south", 3, 1100), supplier("east", 48, 900)])
        .name("offers")
        .completion(CompletionConfig::with_min_successful(2))
        .await?;
    mark(&ctx, "choose").await?;
    Ok(offers.into_iter().min())
}

/// A child that ends after some seconds, with its name or with an error.
fn after(ctx: &DurableContext, after: u64, name: &'static str) -> DurableFuture<String> {
    let child = ctx.run_in_child_context(move |ctx| async move {
        ctx.wait(seconds(after)).name("pause").await?;
        if name.starts_with("broken") { Err("it is broken".into()) } else { Ok(name.to_owned()) }
    });
    child.name(name).future()
}

/// A race, the first success, all outcomes and all values, one after another; no two inputs end at the same time.
pub(crate) async fn joins_and_races(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let race = ctx.race([after(&ctx, 10, "slow"), after(&ctx, 1, "quick")]).name("race").await?;
    let inputs = [after(&ctx, 1, "broken-early"), after(&ctx, 5, "good"), after(&ctx, 9, "late")];
    let select = ctx.select_ok(inputs).name("select").await?;
    let all = ctx.join_all([after(&ctx, 2, "fine"), after(&ctx, 3, "broken-too")]).name("all").await?;
    let good = all.iter().filter(|settled| matches!(settled, Settled::Fulfilled(_))).count();
    let tried = ctx.try_join_all([after(&ctx, 4, "one"), after(&ctx, 3, "two")]).name("try").await?;
    mark(&ctx, format!("then-{race}-{select}-{good}")).await?;
    Ok(json!([race, select, good, tried]))
}

/// Polls a job with growing delays until its state says that it is done.
pub(crate) async fn job_polled(needed: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    let strategy = WaitStrategy::builder(move |seen: &u32| *seen >= needed)
        .max_attempts(10)
        .initial_delay(seconds(10))
        .backoff_rate(2.0)
        .jitter(JitterStrategy::None)
        .build();
    let condition = ctx.wait_for_condition(|_, seen: u32| async move { Ok(seen + 1) }, 0);
    let checks = condition.name("job").wait_strategy(strategy).await?;
    mark(&ctx, format!("done-{checks}")).await?;
    Ok(checks)
}

/// Asks for an approval with a heartbeat, does other work in between, and takes the answer, a failure or a timeout.
pub(crate) async fn approval_awaited(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    let approval = ctx.create_callback::<Value>().name("approval");
    let approval = approval.timeout(Duration::from_hours(48)).heartbeat(Duration::from_hours(12)).await?;
    let id = approval.id().to_owned();
    let ask = ctx.step(move |_| async move {
        println!("answer to {id}");
        Ok(())
    });
    ask.name("ask").await?;
    let answer = match approval.result().await {
        Ok(answer) => answer.to_string(),
        Err(error) => match error.kind() {
            OperationErrorKind::Callback(callback)
                if matches!(callback.kind(), CallbackErrorKind::TimedOut { .. }) =>
            {
                "nobody".to_owned()
            }
            _ => error.wire().and_then(|wire| wire.error_type()).unwrap_or("unknown").to_owned(),
        },
    };
    mark(&ctx, "note").await?;
    Ok(answer)
}

/// Invokes a function that returns and one that fails, at the same time.
pub(crate) async fn functions_invoked(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let rate = ctx.invoke::<f64, _>("rate", json!({ "currency": "EUR" })).name("rate").spawn();
    let stock = ctx.invoke::<u32, _>("stock", json!(["ant", "bee"])).name("stock").spawn();
    let (rate, stock) = tokio::join!(rate, stock);
    let missing = stock.as_ref().err().and_then(|error| error.wire()?.error_type().map(str::to_owned));
    mark(&ctx, if missing.is_some() { "order-more" } else { "enough" }).await?;
    Ok(json!([rate?, missing]))
}

/// Contexts in each other, with steps before, in and after them and waits in each.
pub(crate) async fn contexts_in_contexts(_event: Value, ctx: DurableContext) -> Result<u32, BoxError> {
    let outer = ctx.run_in_child_context(|ctx| async move {
        let one = ctx.step(|_| async { Ok(1) }).name("one").await?;
        let middle = ctx.run_in_child_context(|ctx| async move {
            ctx.wait(seconds(2)).name("inside").await?;
            let inner = ctx.run_in_child_context(|ctx| async move {
                let two = ctx.step(|_| async { Ok(2) }).name("two").await?;
                ctx.wait(seconds(3)).name("deep-inside").await?;
                Ok(two)
            });
            Ok(inner.name("inner").await? + ctx.step(|_| async { Ok(3) }).name("three").await?)
        });
        let five: u32 = middle.name("middle").await?;
        ctx.wait(seconds(1)).name("outside").await?;
        Ok(one + five)
    });
    let six: u32 = outer.name("outer").await?;
    Ok(six + ctx.step(|_| async { Ok(4) }).name("four").await?)
}

/// A step that succeeds at its third attempt, with a growing delay.
pub(crate) async fn third_attempt(_event: Value, ctx: DurableContext) -> Result<u32, BoxError> {
    let step = ctx.step(|step| async move { third(step.attempt()) });
    let delays = RetryStrategyConfig::builder()
        .max_attempts(4)
        .initial_delay(seconds(2))
        .backoff_rate(3.0)
        .jitter(JitterStrategy::None)
        .retryable_error_types(["Busy"]);
    Ok(step.name("flaky").retry_strategy_config(delays.build()).await?)
}

/// A step that succeeds at its third attempt, with the default strategy, whose delays are random.
pub(crate) async fn third_attempt_by_default(_event: Value, ctx: DurableContext) -> Result<u32, BoxError> {
    let attempt = ctx.step(|step| async move { third(step.attempt()) }).name("flaky").await?;
    mark(&ctx, format!("after-{attempt}")).await?;
    Ok(attempt)
}

fn third(attempt: u32) -> Result<u32, BoxError> {
    if attempt < 3 { Err(TypedError::with_type("Busy", "not yet").into()) } else { Ok(attempt) }
}

/// A charge that runs once at most for each of two attempts, and a look into the account if it was interrupted.
pub(crate) async fn charge_at_most_once(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    let charge = ctx.step(|step| async move { Ok(format!("receipt {}", step.attempt())) });
    let charge = charge
        .name("charge")
        .semantics(StepSemantics::AtMostOncePerRetry)
        .retry_strategy_config(RetryStrategyConfig::none());
    let receipt = match charge.await {
        Ok(receipt) => receipt,
        Err(error) if error.wire().and_then(|wire| wire.error_type()) == Some("StepInterrupted") => {
            ctx.step(|_| async { Ok("unknown".to_owned()) }).name("look-into-account").await?
        }
        Err(error) => return Err(error.into()),
    };
    ctx.wait(seconds(1)).name("pause").await?;
    mark(&ctx, "file").await?;
    Ok(receipt)
}

/// Fails with an error of its own after a step, which is how it is meant to end.
pub(crate) async fn fails_on_purpose(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    mark(&ctx, "look").await?;
    ctx.wait(seconds(1)).name("pause").await?;
    Err(TypedError::with_type("OutOfStock", "nothing is left").into())
}

/// Fails with the error of a step in a child.
pub(crate) async fn fails_with_its_child(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let child = ctx.run_in_child_context(|ctx| async move {
        mark(&ctx, "begin").await?;
        Ok(fail(&ctx, "break").await?)
    });
    Ok(child.name("child").await?)
}

/// Fifty operations: ten rounds of three steps, one of them in a child, and a wait.
pub(crate) async fn fifty_operations(_event: Value, ctx: DurableContext) -> Result<u32, BoxError> {
    let mut sum = 0;
    for round in 0..10 {
        sum += ctx.step(move |_| async move { Ok(round) }).name(format!("a-{round}")).await?;
        sum += ctx.step(move |_| async move { Ok(1) }).name(format!("b-{round}")).await?;
        ctx.wait(seconds(60)).name(format!("pause-{round}")).await?;
        let child = ctx.run_in_child_context(move |ctx| async move {
            Ok(ctx.step(move |_| async move { Ok(round * 2) }).name("c").await?)
        });
        sum += child.name(format!("child-{round}")).await?;
    }
    Ok(sum)
}

/// Event: rows. Imports them in batches of two, with buffered updates that are sent at the end.
pub(crate) async fn rows_imported(rows: Vec<u64>, ctx: DurableContext) -> Result<Vec<u64>, BoxError> {
    ctx.set_checkpoint_mode(CheckpointMode::Optimistic);
    for line in 0..3_u32 {
        ctx.step(move |_| async move { Ok(line) }).name(format!("header-{line}")).await?;
    }
    let batcher = ItemBatcher::builder().max_items_per_batch(2).build()?;
    let sums = ctx.map_batched(rows, batcher, |ctx, rows, _| async move {
        Ok(ctx.step(move |_| async move { Ok(rows.iter().sum::<u64>()) }).name("import").await?)
    });
    let sums = sums.name("rows").await?;
    ctx.flush_batch().await?;
    Ok(sums)
}

/// A wait beside two spawned steps, and work that is dropped because it takes longer than a wait.
pub(crate) async fn work_beside_a_wait(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let pause = ctx.wait(seconds(60)).name("pause").spawn();
    let left = ctx.step(|_| async { Ok(1) }).name("left").spawn();
    let right = ctx.step(|_| async { Ok(2) }).name("right").spawn();
    let (pause, left, right) = tokio::join!(pause, left, right);
    pause?;
    let limit = ctx.wait(seconds(10)).name("limit").future();
    let long = ctx.run_in_child_context(|ctx| async move {
        mark(&ctx, "begin").await?;
        ctx.wait(seconds(100)).name("long").await?;
        Ok(mark(&ctx, "never").await?)
    });
    let ended = tokio::select! {
        biased;
        ended = long.name("work").future() => ended.map(|()| true)?,
        limit = limit => limit.map(|()| false)?,
    };
    mark(&ctx, if ended { "in-time" } else { "too-late" }).await?;
    Ok(json!([left?, right?, ended]))
}

/// Ids and random numbers of the root and of two children that run side by side, in the names of steps.
pub(crate) async fn values_of_contexts(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let draw = async |ctx: &DurableContext| -> Result<String, BoxError> {
        let name = format!("{} {}", ctx.uuid(), ctx.random_u64());
        mark(ctx, &*name).await?;
        Ok(name)
    };
    let mut all = vec![draw(&ctx).await?];
    let child = |name: &str, after: u64| {
        let child = ctx.run_in_child_context(move |ctx| async move {
            let first = format!("{}", ctx.random());
            mark(&ctx, &*first).await?;
            ctx.wait(seconds(after)).name("pause").await?;
            let second = ctx.uuid().to_string();
            mark(&ctx, &*second).await?;
            Ok(first + &second)
        });
        child.name(name).spawn()
    };
    let (left, right) = tokio::join!(child("left", 2), child("right", 1));
    all.extend([left?, right?, draw(&ctx).await?]);
    Ok(all)
}

/// A map in a flat map, with waits of different lengths.
pub(crate) async fn maps_in_a_map(_event: Value, ctx: DurableContext) -> Result<Vec<Vec<u64>>, BoxError> {
    let rows = ctx.map(vec![1_u64, 2], |ctx, row, _| async move {
        let cells = ctx.map(vec![1_u64, 2, 3], move |ctx, cell, _| async move {
            ctx.wait(seconds(row * 10 + cell)).name("pause").await?;
            Ok(ctx.step(move |_| async move { Ok(row * cell) }).name("multiply").await?)
        });
        Ok(cells.name(format!("row-{row}")).max_concurrency(2).await?)
    });
    Ok(rows.name("rows").nesting(NestingMode::Flat).await?)
}

/// A block that succeeds at its second attempt.
pub(crate) async fn block_at_second_attempt(_event: Value, ctx: DurableContext) -> Result<u64, BoxError> {
    let block = ctx.with_retry(|ctx| async move {
        let sold = ctx.step(|_| async { Ok(7_u64) }).name("offer").await?;
        // The time of the latest outcome: on record.
        let closed = epoch(ctx.now()) - epoch(ctx.start_time()) < 20_000;
        if closed {
            fail(&ctx, "accept").await?;
        }
        mark(&ctx, "accept").await?;
        Ok(sold)
    });
    let block = block.name("block").retry_strategy_config(RetryStrategyConfig::fixed(3, seconds(30)));
    Ok(block.await?)
}

/// A body that sleeps for longer than its timeout once, and another that measures the time it sleeps.
pub(crate) async fn bodies_that_sleep(_event: Value, ctx: DurableContext) -> Result<u64, BoxError> {
    let slow = ctx.step(|step| async move {
        std::thread::sleep(seconds(if step.attempt() == 1 { 60 } else { 1 }));
        Ok(())
    });
    slow.name("slow")
        .timeout(seconds(10))
        .retry_strategy_config(RetryStrategyConfig::fixed(2, seconds(5)))
        .await?;
    let measured = ctx.step(|_| async {
        let started = SystemTime::now();
        std::thread::sleep(seconds(3));
        Ok(u64::try_from((epoch(SystemTime::now()) - epoch(started)) / 1000)?)
    });
    Ok(measured.name("measure").await?)
}

/// Reads a variable in a step and in the check of a condition only.
pub(crate) async fn variable_in_bodies_only(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    let level = ctx.step(|_| async { Ok(env::var("LEVEL").unwrap_or_default()) }).name("level").await?;
    let condition = ctx.wait_for_condition(|_, _: bool| async { Ok(env::var("LEVEL").is_ok()) }, false);
    let known: bool = condition.name("known").await?;
    mark(&ctx, if known { "known" } else { "unknown" }).await?;
    Ok(level)
}

/// No operations at all.
pub(crate) async fn nothing_but_a_result(event: Value, _ctx: DurableContext) -> Result<Value, BoxError> {
    Ok(event)
}

/// A result of the kind that a step returns in `structured_results`.
#[derive(Serialize, Deserialize, Clone, PartialEq)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Parcel {
    /// A letter.
    Letter { grams: f64 },
    /// A box, with what is in it.
    Box { holds: Vec<Self>, note: Option<String> },
}

/// Structured values with fractions, nothing and nesting pass through steps and a child.
pub(crate) async fn structured_results(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let letter = ctx.step(|_| async { Ok(Parcel::Letter { grams: 19.95 }) }).name("weigh").await?;
    let packed = ctx.run_in_child_context(move |ctx| async move {
        let holds = vec![letter.clone(), letter];
        Ok(ctx.step(|_| async { Ok(Parcel::Box { holds, note: None }) }).name("pack").await?)
    });
    let packed = packed.name("packing").await?;
    ctx.wait(seconds(1)).name("pause").await?;
    Ok(serde_json::to_value(packed)?)
}

/// Counts the operations that end, and prints how many there were in each invocation.
#[derive(Default)]
pub(crate) struct Counter(u32);

impl Plugin for Counter {
    fn on_operation_end(&mut self, _info: &OperationEndInfo) -> Result<(), BoxError> {
        self.0 += 1;
        Ok(())
    }

    fn on_invocation_end(&mut self, info: &InvocationEndInfo) -> Result<(), BoxError> {
        println!("{}: {} operations ended", info.status(), self.0);
        Ok(())
    }
}

/// Steps around a wait, watched by a plugin that counts for itself: see `Counter`.
pub(crate) async fn watched(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    mark(&ctx, "before").await?;
    ctx.wait(seconds(1)).name("pause").await?;
    mark(&ctx, "after").await?;
    Ok(())
}
