//! State that code leaves in the instance when it draws hash keys and random numbers, and its effect on later code.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use durawasm_guest::builders::map_parallel::NestingMode;
use durawasm_guest::builders::wait_for_condition::WaitDecision;
use durawasm_guest::{BoxError, DurableContext, RetryDecision};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Event: a text. Counts its words in the body of a step, and starts a step for each word in the order of the map, with
/// a wait of a second after it. Result: the words in that order.
pub async fn counts_words(text: String, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let counts: HashMap<String, u32> = ctx
        .step(move |_| async move {
            let mut counts = HashMap::new();
            for word in text.split_whitespace() {
                *counts.entry(word.to_owned()).or_insert(0) += 1;
            }
            Ok(counts)
        })
        .name("count")
        .await?;
    let mut words = Vec::new();
    for (word, count) in counts {
        let told = word.clone();
        ctx.step(move |_| async move { Ok(format!("{told}: {count}")) }).name(&word).await?;
        ctx.wait(Duration::from_secs(1)).await?;
        words.push(word);
    }
    Ok(words)
}

/// What is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Draw {
    /// Keys of a hash map: the order of what is in it.
    Map,
    /// Random numbers of the host.
    Uuid,
    /// Numbers of the generator that `rand` keeps for the thread.
    Rng,
    /// The branch that tokio's `select!` takes of two that are ready.
    Select,
    /// All of the first two, in one.
    Both,
}

pub(crate) async fn draw(what: Draw) -> String {
    match what {
        Draw::Map => map(),
        Draw::Uuid => Uuid::new_v4().to_string(),
        Draw::Rng => rand::rng().random::<u64>().to_string(),
        Draw::Select => {
            let mut taken = String::new();
            for _ in 0..16 {
                taken.push(tokio::select! {
                    () = std::future::ready(()) => 'a',
                    () = std::future::ready(()) => 'b',
                });
            }
            taken
        }
        Draw::Both => format!("{} {}", map(), Uuid::new_v4()),
    }
}

fn map() -> String {
    let map: HashSet<u32> = (0..12).collect();
    map.iter().map(|n| char::from_digit(*n, 36).unwrap_or('?')).collect()
}

/// A step whose name is what was drawn, so that a replay that draws something else is found. It draws in its body as
/// well, as often as it is told, and returns a map.
pub(crate) async fn named(
    ctx: &DurableContext,
    what: Draw,
    times: u32,
) -> Result<HashMap<u32, String>, BoxError> {
    let name = draw(what).await;
    let map = ctx
        .step(move |_| async move {
            let mut drawn = HashMap::new();
            for n in 0..times {
                drawn.insert(n, draw(what).await);
            }
            Ok(drawn)
        })
        .name(name)
        .await?;
    Ok(map)
}

/// A step whose name is the order of a map that was read from the record.
pub(crate) async fn ordered(ctx: &DurableContext, map: &HashMap<u32, String>) -> Result<(), BoxError> {
    let keys: Vec<String> = map.keys().map(u32::to_string).collect();
    ctx.step(|_| async { Ok(()) }).name(format!("order {}", keys.join("-"))).await?;
    Ok(())
}

/// Event: what to draw. Draws everywhere where a replay may leave code out: in bodies, children, items, inputs of
/// combinators, checks, strategies, compensations; and after each, in the handler's own code, for the name of a step.
pub async fn leaks(what: Draw, ctx: DurableContext) -> Result<(), BoxError> {
    let second = Duration::from_secs(1);
    // A body, and what it returns.
    let map = named(&ctx, what, 7).await?;
    ordered(&ctx, &map).await?;
    ctx.wait(second).await?;
    named(&ctx, what, 0).await?;
    // A child's own code.
    let map = ctx
        .run_in_child_context(move |child| async move {
            draw(what).await;
            child.wait(second).await?;
            let map = named(&child, what, 3).await?;
            ordered(&child, &map).await?;
            Ok(map)
        })
        .await?;
    ordered(&ctx, &map).await?;
    named(&ctx, what, 0).await?;
    ctx.wait(second).await?;
    // Attempts, and the strategy between them.
    ctx.step(move |step| async move {
        draw(what).await;
        if step.attempt() < 3 { Err("once more".into()) } else { Ok(()) }
    })
    .retry_strategy(|_, attempt| {
        let delay = Duration::from_secs(1 + map_length(attempt));
        if attempt < 3 { RetryDecision::Retry { delay } } else { RetryDecision::Stop }
    })
    .await?;
    named(&ctx, what, 0).await?;
    // Checks.
    let state: HashMap<u32, String> = ctx
        .wait_for_condition(
            move |_, mut state: HashMap<u32, String>| async move {
                let next = u32::try_from(state.len())?;
                state.insert(next, draw(what).await);
                Ok(state)
            },
            HashMap::new(),
        )
        .wait_strategy_fn(move |state: HashMap<u32, String>, _| match state.len() {
            3.. => WaitDecision::complete(),
            _ => WaitDecision::continue_with(second),
        })
        .await?;
    ordered(&ctx, &state).await?;
    named(&ctx, what, 0).await?;
    // A compensation.
    ctx.step(|_| async { Ok(HashMap::from([(1, 2), (3, 4)])) })
        .name("undone")
        .compensate_with(move |_| async move {
            draw(what).await;
            Ok(())
        })
        .await?;
    ctx.run_compensations().await?;
    named(&ctx, what, 0).await?;
    Ok(())
}

/// A delay that takes a hash map to find out.
fn map_length(n: u32) -> u64 {
    let map: HashMap<u32, u32> = (0..n).map(|n| (n, n)).collect();
    map.len() as u64
}

/// Event: what to draw. The same side by side: items of maps, nested and flat, and inputs of combinators, of which some
/// end while others go on.
pub async fn leaks_side_by_side(what: Draw, ctx: DurableContext) -> Result<(), BoxError> {
    for nesting in [NestingMode::Normal, NestingMode::Flat] {
        let maps: Vec<HashMap<u32, String>> = ctx
            .map(vec![3_u64, 1, 2], move |ctx, waits, index| async move {
                // First one, to reserve; then another, to use. Both are the item's own.
                let key = draw(what).await;
                let reserved = key.clone();
                ctx.step(move |_| async move { Ok(reserved) }).name(format!("reserve {key}")).await?;
                ctx.wait(Duration::from_secs(waits)).await?;
                let map = named(&ctx, what, u32::try_from(index)? + 2).await?;
                ordered(&ctx, &map).await?;
                ctx.step(|_| async { Ok(()) }).name(format!("use {key}")).await?;
                ctx.wait(Duration::from_secs(2)).await?;
                named(&ctx, what, 0).await?;
                Ok(map)
            })
            .nesting(nesting)
            .await?;
        for map in &maps {
            ordered(&ctx, map).await?;
        }
        named(&ctx, what, 0).await?;
    }
    let input = |n: u64| {
        ctx.run_in_child_context(move |ctx| async move {
            draw(what).await;
            ctx.wait(Duration::from_secs(n)).await?;
            named(&ctx, what, 1).await
        })
        .future()
    };
    let step = |n: u32| {
        ctx.step(move |_| async move { Ok((0..n).map(|n| (n, String::new())).collect::<HashMap<_, _>>()) })
            .future()
    };
    let raced = ctx.race([input(3), step(8), input(1)]).await?;
    ordered(&ctx, &raced).await?;
    named(&ctx, what, 0).await?;
    for map in ctx.try_join_all([input(2), step(5), input(1)]).await? {
        ordered(&ctx, &map).await?;
    }
    ctx.wait(Duration::from_secs(1)).await?;
    named(&ctx, what, 0).await?;
    let spawned = [
        ctx.run_in_child_context(move |ctx| async move { named(&ctx, what, 2).await }).spawn(),
        ctx.run_in_child_context(move |ctx| async move {
            ctx.wait(Duration::from_secs(1)).await?;
            named(&ctx, what, 2).await
        })
        .spawn(),
    ];
    named(&ctx, what, 0).await?;
    for map in spawned {
        ordered(&ctx, &map.await?).await?;
        named(&ctx, what, 0).await?;
    }
    Ok(())
}
