//! The order of hash maps and hash sets.
//!
//! The sandbox replays their keys, so a plain replay iterates in the same order. Elsewhere it does not.

use std::collections::{BTreeMap, HashMap, HashSet};

use durawasm_guest::{BoxError, DurableContext};
use serde_json::Value;

use crate::parts::mark;

const STOCK: [(&str, u32); 8] =
    [("ant", 1), ("bee", 2), ("cat", 3), ("dog", 4), ("elk", 5), ("fox", 6), ("gnu", 7), ("hen", 8)];

/// Runs a step for each entry of a hash map: not replay-safe, because the order is another one on every replay.
pub(crate) async fn steps_in_map_order(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let stock: HashMap<&str, u32> = HashMap::from(STOCK);
    for name in stock.keys() {
        mark(&ctx, *name).await?;
    }
    Ok(())
}

/// Sorts the keys of the hash map first: replay-safe.
pub(crate) async fn steps_in_sorted_order(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let stock: HashMap<&str, u32> = HashMap::from(STOCK);
    let mut names: Vec<&str> = stock.into_keys().collect();
    names.sort_unstable();
    for name in names {
        mark(&ctx, name).await?;
    }
    Ok(())
}

/// A step returns rows, which the handler groups in a hash map and sums up in its order: not replay-safe, although the
/// rows are on record.
pub(crate) async fn groups_in_map_order(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let rows =
        ctx.step(|_| async { Ok(STOCK.map(|(name, count)| (name.to_owned(), count))) }).name("rows").await?;
    let groups: HashMap<String, u32> = rows.into_iter().collect();
    for (name, count) in groups {
        ctx.step(move |_| async move { Ok(count) }).name(format!("sum-{name}")).await?;
    }
    Ok(())
}

/// Groups in a `BTreeMap`: replay-safe.
pub(crate) async fn groups_in_tree_order(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let rows =
        ctx.step(|_| async { Ok(STOCK.map(|(name, count)| (name.to_owned(), count))) }).name("rows").await?;
    let groups: BTreeMap<String, u32> = rows.into_iter().collect();
    for (name, count) in groups {
        ctx.step(move |_| async move { Ok(count) }).name(format!("sum-{name}")).await?;
    }
    Ok(())
}

/// Returns the members of a hash set as a list: the operations are the same on a replay, the result has another order.
pub(crate) async fn result_in_set_order(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let members: HashSet<String> = STOCK.iter().map(|(name, _)| (*name).to_owned()).collect();
    mark(&ctx, "begin").await?;
    Ok(members.into_iter().collect())
}

/// Looks up entries of a hash map, and asks for its length: replay-safe, because neither depends on the order.
pub(crate) async fn lookups_in_a_map(_event: Value, ctx: DurableContext) -> Result<usize, BoxError> {
    let stock: HashMap<&str, u32> = HashMap::from(STOCK);
    for name in ["dog", "ant"] {
        let count = stock.get(name).copied().unwrap_or_default();
        ctx.step(move |_| async move { Ok(count) }).name(format!("{name}-{count}")).await?;
    }
    Ok(stock.len())
}
