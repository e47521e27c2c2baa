//! Random workflows, as data for the handler `workflow` of the test guests.

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

/// The delays of the answers to the callbacks of a workflow, one after another.
pub const ANSWERS: [&str; 6] = ["0s", "5s", "1s", "7s", "70s", "2s"];

/// The kind of workflows to generate.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// All kinds of operations.
    Any,
    /// No access to clocks and randomness outside of operations, so that native and component runs are equal.
    Anywhere,
    /// Nothing that depends on durations, so that a crash, which takes time, changes no result.
    Calm,
}

fn leaf(kind: Kind) -> BoxedStrategy<Value> {
    let step =
        (0..=3_u32, any::<bool>()).prop_map(|(fails, once)| json!({"step": {"fails": fails, "once": once}}));
    let common = prop_oneof![
        4 => step,
        2 => (1..10_u64).prop_map(|n| json!({ "wait": n })),
        1 => any::<bool>().prop_map(|plain| json!({"invoke": {"plain": plain}})),
        1 => (1..4_u32).prop_map(|n| json!({ "condition": n })),
        1 => Just(json!({"caught": "fails"})),
    ];
    if kind == Kind::Calm {
        return common.boxed();
    }
    prop_oneof![
        6 => common,
        1 => Just(json!("callback")),
        1 => Just(json!("wait_for_callback")),
        1 => Just(json!(if kind == Kind::Any { "probe" } else { "draw" })),
    ]
    .boxed()
}

fn node(kind: Kind) -> impl Strategy<Value = Value> {
    leaf(kind).prop_recursive(3, 20, 4, move |inner| {
        let nodes = || vec(inner.clone(), 1..4);
        let enough = if kind == Kind::Calm { Just(None).boxed() } else { proptest::option::of(1..3_usize).boxed() };
        let batch = (nodes(), any::<[bool; 2]>(), proptest::option::of(1..3_usize), enough).prop_map(
            |(items, [parallel, flat], concurrency, enough)| {
                json!({"batch": {
                    "items": items, "parallel": parallel, "flat": flat, "concurrency": concurrency, "enough": enough,
                }})
            },
        );
        let common = prop_oneof![
            2 => nodes().prop_map(|nodes| json!({ "child": nodes })),
            1 => (0..6_u32, nodes()).prop_map(|(fails, body)| json!({"retry": {"fails": fails, "body": body}})),
            2 => batch,
            1 => nodes().prop_map(|nodes| json!({ "try_join": nodes })),
            1 => nodes().prop_map(|nodes| json!({ "join": nodes })),
            1 => nodes().prop_map(|nodes| json!({ "spawned": nodes })),
            1 => inner.clone().prop_map(|node| json!({ "caught": node })),
        ];
        if kind == Kind::Calm {
            return common.boxed();
        }
        prop_oneof![
            8 => common,
            1 => nodes().prop_map(|nodes| json!({ "select_ok": nodes })),
            2 => nodes().prop_map(|nodes| json!({ "race": nodes })),
            1 => (1..4_u32).prop_map(|steps| json!({ "saga": steps })),
            2 => (inner.clone(), 1..5_u64).prop_map(|(node, after)| json!({"dropped": {"node": node, "after": after}})),
            2 => (vec(0..3_u32, 1..4), 0..5_u32, 1..9_u64).prop_map(|(fails, join, after)| {
                json!({"undone": {"fails": fails, "join": join, "after": after}})
            }),
        ]
        .boxed()
    })
}

/// A complete workflow. Its checkpoint mode is the first item, so every replay sets it.
pub fn workflow(kind: Kind) -> impl Strategy<Value = Vec<Value>> {
    (0..3_u32, vec(node(kind), 1..4)).prop_map(|(mode, mut nodes)| {
        nodes.insert(0, json!({ "mode": mode }));
        nodes
    })
}
