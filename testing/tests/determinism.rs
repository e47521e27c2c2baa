//! What a handler observes between operations is the same on every replay, and runs are repeatable.

use crate::common::{handler, history, value};
use durawasm_testing::{LocalDurableTestRunner, LogSource, TestEnvironmentConfig, TestResult};
use serde_json::{Value, json};

fn seeded(runner: LocalDurableTestRunner, seed: u64) -> LocalDurableTestRunner {
    runner.seed(Some(seed))
}

/// Everything that a run recorded, in the wire format.
fn record(result: &TestResult) -> String {
    serde_json::to_string(&(result.get_history_events(), result.get_operations())).unwrap()
}

#[tokio::test]
async fn clocks_random_and_hash_order_are_the_same_on_every_replay() {
    // The operations are named after the observed values, so a replay that observes others fails.
    let result = handler("nondeterminism_probe").run(5).await.unwrap();
    let seen = value(&result);
    let seen = seen.as_array().unwrap();
    assert_eq!((seen.len(), result.get_invocations().len()), (5, 6));
    let distinct: std::collections::BTreeSet<_> =
        seen.iter().map(|s| s["random"].as_u64().unwrap()).collect();
    assert_eq!(distinct.len(), 5, "random numbers are not all the same number");
    let times: Vec<_> = seen.iter().map(|s| s["epoch_ms"].as_u64().unwrap()).collect();
    assert!(times.windows(2).all(|w| w[1] >= w[0] + 1000), "a second passes with each wait: {times:?}");
}

#[tokio::test]
async fn the_same_seed_repeats_everything_and_another_does_not() {
    let runs = |seed| async move {
        let result = seeded(handler("nondeterminism_probe"), seed).run(3).await.unwrap();
        (record(&result), value(&result))
    };
    let (first, again, other) = (runs(7).await, runs(7).await, runs(8).await);
    assert_eq!(first, again);
    assert_ne!(first.0, other.0);
    assert_ne!(first.1[0]["random"], other.1[0]["random"]);
}

#[tokio::test]
async fn sleeping_in_a_step_takes_virtual_time_only() {
    let result = handler("sleeps_in_step").run(7200).await.unwrap();
    let measured = value(&result).as_u64().unwrap();
    assert!((7_200_000..7_201_000).contains(&measured), "{measured}");
    assert_eq!(history(&result).last().unwrap(), "ExecutionSucceeded +7200");
    // Two hours have passed in virtual time only; in real time the test would not have reached this line.
}

#[tokio::test]
async fn each_line_is_shown_once() {
    let result = handler("prints").run(()).await.unwrap();
    assert_eq!(result.get_invocations().len(), 2);
    let mut lines: Vec<_> = result.get_log().iter().map(|l| (l.source as u8, l.message.clone())).collect();
    let all = lines.len();
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), all, "nothing is repeated: {:#?}", result.get_log());
    for source in [LogSource::Log, LogSource::Stdout, LogSource::Stderr] {
        let count = result.get_log().iter().filter(|l| l.source == source).count();
        assert_eq!(count, 6, "{source:?}: {:#?}", result.get_log());
    }
    let in_step = result.get_log().iter().find(|l| l.message == "log in the step").unwrap();
    let step = result.get_operation("print").unwrap();
    assert_eq!(in_step.operation.as_ref(), Some(&step.id));
    assert!(in_step.fields.iter().any(|(name, value)| name == "number" && value == "7"), "{in_step:?}");
}

#[tokio::test]
async fn real_time_gives_the_same_history() {
    let real = TestEnvironmentConfig { skip_time: false, ..TestEnvironmentConfig::default() };
    let (skipped, real) = (
        handler("two_waits").run((2, 1)).await.unwrap(),
        handler("two_waits").config(real).run((2, 1)).await.unwrap(),
    );
    let kinds = |r: &TestResult| {
        r.get_history_events().iter().map(|e| (e.event_type, e.name.clone())).collect::<Vec<_>>()
    };
    let last = |r: &TestResult| value(r) == json!(["b", "a"]);
    assert!(last(&skipped) && last(&real));
    assert_eq!(kinds(&skipped)[1..kinds(&skipped).len() - 1], kinds(&real)[1..kinds(&real).len() - 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runners_side_by_side_do_not_meet() {
    let runs: Vec<_> = (0..50_u64)
        .map(|n| {
            let runner = seeded(handler("two_steps_and_wait"), n % 5);
            tokio::spawn(async move { (n % 5, runner.run(n + 1).await.unwrap()) })
        })
        .collect();
    for (n, run) in (0..).zip(runs) {
        let (_, result) = run.await.unwrap();
        assert_eq!(value(&result), json!([1, 2]));
        assert_eq!(history(&result).last().unwrap(), &format!("ExecutionSucceeded +{}", n + 1));
    }
}

#[tokio::test]
async fn invocations_share_nothing_but_the_record() {
    let value_of = |v: &Value| v.clone();
    let first = handler("nondeterminism_probe").run(1).await.unwrap();
    let second = handler("nondeterminism_probe").run(1).await.unwrap();
    assert_eq!(
        value_of(&value(&first)),
        value_of(&value(&second)),
        "a fresh instance knows nothing of the one before"
    );
}
