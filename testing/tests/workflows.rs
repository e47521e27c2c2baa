//! Random workflows of all operations, nested: straight through, replayed at every point, and killed at any.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;

use std::collections::BTreeMap;

use common::{handler, history};
use durawasm_testing::{Disturbance, LocalDurableTestRunner, TestResult};
use proptest::{collection::vec, prelude::*, test_runner::Config};
use serde_json::{Value, json};

/// Which workflows are made.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Of everything.
    Any,
    /// Without what depends on how long things take, so that a death, which costs time, changes no result.
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
        1 => Just(json!("probe")),
    ]
    .boxed()
}

fn node(kind: Kind) -> impl Strategy<Value = Value> {
    leaf(kind).prop_recursive(3, 20, 4, move |inner| {
        let nodes = || vec(inner.clone(), 1..4);
        let enough = if kind == Kind::Any { proptest::option::of(1..3_usize).boxed() } else { Just(None).boxed() };
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
        ]
        .boxed()
    })
}

/// A whole workflow: its checkpoint mode comes first, where every replay finds it.
fn workflow(kind: Kind) -> impl Strategy<Value = Vec<Value>> {
    (0..3_u32, vec(node(kind), 1..4)).prop_map(|(mode, mut nodes)| {
        nodes.insert(0, json!({ "mode": mode }));
        nodes
    })
}

fn run(workflow: &[Value], disturbance: Option<Disturbance>) -> TestResult {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut runner: LocalDurableTestRunner = handler("workflow");
    if let Some(disturbance) = disturbance {
        runner = runner.disturb(disturbance);
    }
    for after in ["0s", "5s", "1s", "7s", "70s", "2s"] {
        runner = runner.answer("outside", after, after).unwrap();
    }
    runtime.block_on(runner.run(workflow)).unwrap()
}

/// What an execution came to.
fn outcome(result: &TestResult) -> (String, Option<Value>, Option<String>) {
    let error = result.get_error().ok().map(ToString::to_string);
    (format!("{:?}", result.get_status()), result.get_result_as().ok(), error)
}

fn lines(result: &TestResult) -> Vec<(String, Option<String>)> {
    let line = |line: &durawasm_testing::LogLine| {
        (line.message.clone(), line.operation.as_ref().map(ToString::to_string))
    };
    result.get_log().iter().map(line).collect()
}

/// How often each attempt's body ran. What a compensation does is a child's code, and belongs to no step.
fn bodies(result: &TestResult) -> BTreeMap<(String, Option<String>), u32> {
    let mut bodies = BTreeMap::new();
    for line in lines(result).into_iter().filter(|(_, operation)| operation.is_some()) {
        *bodies.entry(line).or_default() += 1;
    }
    bodies
}

fn any_once(workflow: &[Value]) -> bool {
    workflow.iter().any(|node| node.to_string().contains("\"once\":true"))
}

proptest! {
    #![proptest_config(Config { cases: 200, max_shrink_iters: 300, failure_persistence: None, ..Config::default() })]

    /// Every point at which something is recorded is one at which a fresh instance may take over.
    #[test]
    fn a_replay_at_every_point_changes_nothing(workflow in workflow(Kind::Any)) {
        let straight = run(&workflow, None);
        let replayed = run(&workflow, Some(Disturbance::ReplayAtEveryCheckpoint));
        prop_assert_eq!(outcome(&straight), outcome(&replayed));
        prop_assert_eq!(straight.get_operations(), replayed.get_operations());
        let (one, other) = (history(&straight).join("\n"), history(&replayed).join("\n"));
        prop_assert_eq!(straight.get_history_events(), replayed.get_history_events(), "{}\n\n{}", one, other);
        prop_assert_eq!(lines(&straight), lines(&replayed));
        for (body, times) in bodies(&straight) {
            prop_assert_eq!(times, 1, "{:?}", body);
        }
    }

    /// A death costs time and repeats at most one attempt of what may be repeated.
    #[test]
    fn a_death_at_any_checkpoint_changes_no_result(
        workflow in workflow(Kind::Calm),
        at in 1..30_u64,
        before in any::<bool>(),
    ) {
        let straight = run(&workflow, None);
        let death = if before { Disturbance::DieBeforeCheckpoint } else { Disturbance::DieAfterCheckpoint };
        let killed = run(&workflow, Some(death(at)));
        if !any_once(&workflow) {
            prop_assert_eq!(outcome(&straight), outcome(&killed), "{}", history(&killed).join("\n"));
        }
        for ((line, operation), times) in bodies(&killed) {
            let allowed = if line.starts_with("once") { 1 } else { 2 };
            prop_assert!(times <= allowed, "{} ran {} times in {:?}", line, times, operation);
        }
    }
}
