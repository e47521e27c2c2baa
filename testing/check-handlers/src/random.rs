//! Random numbers that are drawn between operations.
//!
//! The sandbox replays them, so a plain replay draws the same numbers. Elsewhere it does not.

use durawasm_guest::{BoxError, DurableContext};
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use serde_json::Value;
use uuid::Uuid;

use crate::parts::mark;

const HOUSES: [&str; 8] = ["ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "oak"];

/// Visits eight houses in an order that is shuffled with the thread's generator, which takes its seed from the system:
/// not replay-safe.
pub(crate) async fn order_shuffled_by_rand(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let mut houses = HOUSES;
    houses.shuffle(&mut rand::rng());
    for house in houses {
        mark(&ctx, house).await?;
    }
    Ok(())
}

/// The same with `ctx.random_u64()`: replay-safe.
pub(crate) async fn order_shuffled_by_context(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let mut houses = HOUSES.map(|house| (ctx.random_u64(), house));
    houses.sort_unstable();
    for (_, house) in houses {
        mark(&ctx, house).await?;
    }
    Ok(())
}

/// The same with a shuffle in a step: replay-safe. The body shuffles otherwise when it runs again, which is its right.
pub(crate) async fn order_shuffled_in_a_step(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let houses = ctx
        .step(|_| async {
            let mut houses = HOUSES.map(|house| (*Uuid::new_v4().as_bytes(), house));
            houses.sort_unstable();
            Ok(houses.map(|(_, house)| house.to_owned()))
        })
        .name("shuffle")
        .await?;
    for house in houses {
        mark(&ctx, house).await?;
    }
    Ok(())
}

/// Returns an id of the system's random numbers: the same operations on a replay, and another result.
pub(crate) async fn result_has_a_random_id(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    let id = Uuid::new_v4();
    mark(&ctx, "order").await?;
    Ok(id.to_string())
}

/// Returns an id of the context: replay-safe.
pub(crate) async fn result_has_an_id_of_the_context(
    _event: Value,
    ctx: DurableContext,
) -> Result<String, BoxError> {
    let id = ctx.uuid();
    mark(&ctx, "order").await?;
    Ok(id.to_string())
}

/// A body draws from the generator of the thread, and so does the handler after it: not replay-safe even in the
/// sandbox, because a replay does not make the body's draws, and finds the generator in another state.
pub(crate) async fn generator_shared_with_a_body(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async {
        let _: u64 = rand::rng().random();
        Ok(())
    })
    .name("sample")
    .await?;
    let mut houses = HOUSES;
    houses.shuffle(&mut rand::rng());
    for house in houses {
        mark(&ctx, house).await?;
    }
    Ok(())
}

/// A body draws from the generator of the thread, the handler from that of the context: replay-safe.
pub(crate) async fn generators_of_their_own(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async {
        let _: bool = rand::rng().random();
        Ok(())
    })
    .name("sample")
    .await?;
    let coin = if ctx.random() < 0.5 { "heads" } else { "tails" };
    mark(&ctx, coin).await?;
    Ok(())
}

/// Takes one of two ready branches sixteen times with a `select!` that is fair, and returns which: not replay-safe,
/// because fairness draws from a generator with a seed of the system's.
pub(crate) async fn fair_select_in_the_result(
    _event: Value,
    ctx: DurableContext,
) -> Result<String, BoxError> {
    mark(&ctx, "work").await?;
    let mut taken = String::new();
    for _ in 0..16 {
        taken.push(tokio::select! {
            () = std::future::ready(()) => 'a',
            () = std::future::ready(()) => 'b',
        });
    }
    Ok(taken)
}

/// The same with a biased `select!`: replay-safe.
pub(crate) async fn biased_select_in_the_result(
    _event: Value,
    ctx: DurableContext,
) -> Result<String, BoxError> {
    mark(&ctx, "work").await?;
    let mut taken = String::new();
    for _ in 0..16 {
        taken.push(tokio::select! {
            biased;
            () = std::future::ready(()) => 'a',
            () = std::future::ready(()) => 'b',
        });
    }
    Ok(taken)
}
