//! Random workflows of all operations, nested: without faults, replayed at every point, and with a crash at any point.

use std::collections::BTreeMap;

use crate::common::workflow::{ANSWERS, Kind, workflow};
use crate::common::{handler, history, random_cases};
use durawasm_testing::{Disturbance, LocalDurableTestRunner, TestResult};
use proptest::{prelude::*, test_runner::Config};
use serde_json::Value;

fn run(workflow: &[Value], disturbance: Option<Disturbance>) -> TestResult {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut runner: LocalDurableTestRunner = handler("workflow");
    if let Some(disturbance) = disturbance {
        runner = runner.disturb(disturbance);
    }
    for after in ANSWERS {
        runner = runner.answer("outside", after, after).unwrap();
    }
    runtime.block_on(runner.run(workflow)).unwrap()
}

/// The outcome of an execution.
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

/// How often the body of each attempt ran. Bodies of compensations are code of a child context, so no step is counted
/// for them.
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
    #![proptest_config(Config { max_shrink_iters: 300, ..random_cases(200) })]

    /// A fresh instance may take over at every point at which something is recorded.
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

    /// A crash takes time and repeats at most one attempt of an operation that may be repeated.
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
