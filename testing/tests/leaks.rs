//! State that bodies and finished contexts leave in an instance does not affect later code.

use crate::common::{handler, history, value};
use durawasm_testing::{Disturbance, Isolation, LocalDurableTestRunner, TestResult};
use serde_json::{Value, json};

const SEEDS: u64 = 200;

fn runner(function: &str, seed: u64, isolation: Isolation) -> LocalDurableTestRunner {
    handler(function).seed(Some(seed)).isolation(isolation)
}

async fn run(runner: LocalDurableTestRunner, event: &Value) -> TestResult {
    let result = runner.run(event).await.unwrap();
    assert!(result.get_error().is_err(), "{:?}\n{}", result.get_error(), history(&result).join("\n"));
    result
}

/// The first line in which two histories differ, with the lines before it.
fn difference(one: &TestResult, other: &TestResult) -> Option<String> {
    let (one, other) = (history(one), history(other));
    let at = (0..one.len().max(other.len())).find(|at| one.get(*at) != other.get(*at))?;
    let before = one[at.saturating_sub(3)..at].join("\n");
    Some(format!("{before}\n- {:?}\n+ {:?}", one.get(at), other.get(at)))
}

/// Runs a handler without faults, with a fresh instance at every point, and with crashes at some points, for each seed.
async fn repeats(function: &str, event: Value, isolation: Isolation, seeds: u64) {
    for seed in 0..seeds {
        let straight = run(runner(function, seed, isolation), &event).await;
        let replayed = runner(function, seed, isolation).disturb(Disturbance::ReplayAtEveryCheckpoint);
        let replayed = run(replayed, &event).await;
        if let Some(difference) = difference(&straight, &replayed) {
            panic!("{function} {event} {seed}:\n{difference}");
        }
        assert!(straight.get_history_events() == replayed.get_history_events(), "{function} {event} {seed}");
        // Crashes take two more runs each: one seed in four is enough to cover all points.
        let at = 1 + (seed / 4) % 50;
        if seed % 4 != 0 {
            continue;
        }
        for death in [Disturbance::DieBeforeCheckpoint(at), Disturbance::DieAfterCheckpoint(at)] {
            let killed = run(runner(function, seed, isolation).disturb(death), &event).await;
            let same = |result: &TestResult| result.get_result_as::<Value>().unwrap();
            assert_eq!(same(&straight), same(&killed), "{function} {event} {seed} {death:?}");
        }
    }
}

#[tokio::test]
async fn counted_words_are_walked_in_the_same_order_under_every_seed() {
    let event = json!("the quick brown fox jumps over the lazy dog and runs away from the other fox");
    repeats("counts_words", event.clone(), Isolation::Invocation, SEEDS).await;
    // The order depends on the map's keys, and is not the same for all seeds.
    let first = value(&run(runner("counts_words", 0, Isolation::Invocation), &event).await);
    let second = value(&run(runner("counts_words", 1, Isolation::Invocation), &event).await);
    assert_ne!(first, second);
}

#[tokio::test]
async fn hash_keys_and_random_numbers_do_not_leak() {
    repeats("leaks", json!("both"), Isolation::Invocation, SEEDS).await;
}

#[tokio::test]
async fn hash_keys_and_random_numbers_do_not_leak_side_by_side() {
    repeats("leaks_side_by_side", json!("both"), Isolation::Invocation, SEEDS).await;
}

#[tokio::test]
async fn with_isolation_by_step_nothing_that_a_thread_keeps_leaks() {
    for what in ["rng", "select"] {
        repeats("leaks", json!(what), Isolation::Step, SEEDS).await;
    }
}

#[tokio::test]
async fn isolation_by_step_changes_no_history() {
    for (function, event) in [
        ("two_steps_and_wait", json!(60)),
        ("flaky", json!({"failures": 2, "max_attempts": 5})),
        ("concurrent_children", json!(5)),
        ("nested_children", json!(3)),
        ("map_of_steps", json!(30)),
        ("big_result", json!(300_000)),
        ("polls", json!({"needed": 3, "allowed": 9})),
        ("leaks", json!("both")),
    ] {
        let shared = run(runner(function, 0, Isolation::Invocation), &event).await;
        let isolated = run(runner(function, 0, Isolation::Step), &event).await;
        assert_eq!(difference(&shared, &isolated), None, "{function}");
        assert!(shared.get_history_events() == isolated.get_history_events(), "{function}");
        assert!(shared.get_operations() == isolated.get_operations(), "{function}");
    }
}
