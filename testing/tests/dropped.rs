//! Dropped operations and their compensations, in the sandbox and in virtual time: without faults, replayed at every
//! point, and with crashes at any point.

use crate::common::{handler, history, value};
use durawasm_testing::{Disturbance, LogSource, OperationStatus, TestResult};
use serde_json::{Value, json};

/// The number of runs of [`everywhere`] without a crash.
const UNHARMED: usize = 2;

/// Runs a handler without faults, with a replay at every checkpoint, and with a crash before and after each of the
/// first checkpoints.
async fn everywhere(function: &str, event: &Value) -> Vec<TestResult> {
    let mut results = vec![handler(function).run(event).await.unwrap()];
    let deaths =
        (1..8).flat_map(|at| [Disturbance::DieBeforeCheckpoint(at), Disturbance::DieAfterCheckpoint(at)]);
    for disturbance in [Disturbance::ReplayAtEveryCheckpoint].into_iter().chain(deaths) {
        results.push(handler(function).disturb(disturbance).run(event).await.unwrap());
    }
    results
}

/// How often a line was printed, including replays.
fn printed(result: &TestResult, line: &str) -> usize {
    let lines = result.get_log().iter().filter(|l| l.source == LogSource::Stdout);
    lines.filter(|l| l.message == line).count()
}

const WORK: [&str; 8] = ["step", "once", "condition", "child", "map", "submitter", "block", "booking"];

#[tokio::test]
async fn nothing_of_a_dropped_operation_runs_again() {
    for work in WORK {
        for way in ["select", "spawned", "race", "select_ok", "try_join_all"] {
            let bodies = if work == "map" { 3 } else { 1 };
            for (at, result) in everywhere("drops", &json!([work, way])).await.iter().enumerate() {
                let history = history(result).join("\n");
                assert_eq!(value(result), json!(false), "{work} {way}\n{history}");
                assert_eq!(printed(result, "body 2"), 0, "{work} {way}\n{history}");
                // A crash repeats at most the running attempt, or omits it.
                let allowed = if at < UNHARMED { bodies..=bodies } else { 0..=2 * bodies };
                assert!(allowed.contains(&printed(result, "body 1")), "{work} {way}\n{history}");
            }
        }
    }
}

#[tokio::test]
async fn a_dropped_operation_stays_as_it_is_on_record() {
    let result = handler("drops").run(&json!(["step", "select"])).await.unwrap();
    let step = result.get_operation("work").unwrap();
    assert_eq!((step.status, step.step_details.as_ref().unwrap().attempt), (OperationStatus::Ready, 1));
    assert_eq!(history(&result).last().unwrap(), "ExecutionSucceeded +70");
}

#[tokio::test]
async fn what_succeeded_is_undone_whoever_holds_or_drops_it() {
    for join in ["try_join_all", "tokio_try_join", "spawned", "race", "select_ok", "held"] {
        for mode in ["batched", "eager", "optimistic"] {
            for fails in 0..4_u32 {
                let names: Vec<_> = (0..3).filter(|n| *n != fails).map(|n| n.to_string()).collect();
                for (at, result) in
                    everywhere("books_together", &json!([mode, join, fails])).await.iter().enumerate()
                {
                    let told = value(result);
                    let items = told["undone"]["items"].as_array().unwrap();
                    let undone: Vec<_> =
                        items.iter().rev().map(|item| item["name"].as_str().unwrap()).collect();
                    let history = history(result);
                    // An operation that was interrupted and then dropped has not succeeded.
                    let succeeded = history.iter().filter_map(|line| line.strip_prefix("StepSucceeded "));
                    let succeeded: Vec<_> = succeeded.filter_map(|rest| rest.split(' ').next()).collect();
                    let history = history.join("\n");
                    assert_eq!(undone, succeeded, "{join} {mode} {fails}\n{history}");
                    assert!(at >= UNHARMED || undone == names, "{join} {mode} {fails}\n{history}");
                    assert_eq!(told["undone"]["all_succeeded"], json!(true));
                    assert_eq!(told["left"], json!(0));
                    if join != "held" {
                        assert_eq!(told["registered"], json!(undone), "{join} {mode} {fails}\n{history}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_rollback_that_was_dropped_is_told_of_by_the_next() {
    for result in everywhere("drops_rollback", &json!(null)).await {
        let told = value(&result);
        let items = told["items"].as_array().unwrap().iter();
        let items: Vec<_> =
            items.map(|i| (i["name"].as_str().unwrap(), i["status"].as_str().unwrap())).collect();
        assert_eq!(items, [("car", "FAILED"), ("flight", "FAILED"), ("hotel", "SUCCEEDED")], "{told}");
        assert_eq!(told["all_succeeded"], json!(false));
        assert_eq!(told["items"][1]["error"], json!("the rollback was dropped while this compensation ran"));
    }
}
