//! The handlers in the README of AWS's Rust SDK run here; the result and the main events of each are checked.

use crate::common::{history, value};
use durawasm_testing::{Disturbance, LocalDurableTestRunner, TestResult};
use serde::Serialize;
use serde_json::{Value, json};

const PORTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/ported-handlers");

fn ported(function: &str) -> LocalDurableTestRunner {
    LocalDurableTestRunner::from_crate(PORTED).unwrap().function(function)
}

/// Runs a handler without faults, and with a replay at every checkpoint; both must be equal. Returns the result, and
/// the history without the ends of invocations.
async fn run(runner: LocalDurableTestRunner, event: impl Serialize) -> (Value, Vec<String>) {
    let runner = runner.scratch();
    let result = runner.run(&event).await.unwrap();
    let replayed = runner.disturb(Disturbance::ReplayAtEveryCheckpoint).run(&event).await.unwrap();
    assert_eq!((value(&replayed), events(&replayed)), (value(&result), events(&result)));
    (value(&result), events(&result))
}

fn events(result: &TestResult) -> Vec<String> {
    let all = history(result);
    let within = all.iter().filter(|e| !e.starts_with("Invocation") && !e.starts_with("Execution"));
    within.cloned().collect()
}

#[tokio::test]
async fn the_first_durable_function() {
    let (result, events) = run(ported("first-durable-function"), json!({})).await;
    assert_eq!(result, json!("hello, world"));
    assert_eq!(
        events,
        [
            "StepStarted fetch-name +0",
            "StepSucceeded fetch-name +0",
            "WaitStarted cooldown +0",
            "WaitSucceeded cooldown +2",
            "StepStarted format +2",
            "StepSucceeded format +2",
        ]
    );
}

#[tokio::test]
async fn spawned_operations_and_join() {
    let (result, events) = run(ported("spawn"), json!({})).await;
    assert_eq!(result, json!(42));
    assert!(events.contains(&"StepSucceeded compute +0".to_owned()), "{events:?}");
    assert_eq!(events.last().unwrap(), "WaitSucceeded timer +5");
}

#[tokio::test]
async fn steps() {
    let (result, events) = run(ported("step"), json!({})).await;
    assert_eq!(
        (result, &*events),
        (json!("step completed"), &["StepStarted +0".into(), "StepSucceeded +0".into()][..])
    );
    let (result, events) = run(ported("step-retry-strategy"), json!({})).await;
    assert_eq!(result, json!("succeeded on attempt 3"));
    assert_eq!(
        events.iter().filter(|e| !e.starts_with("StepStarted")).collect::<Vec<_>>(),
        ["StepFailed flaky-call +0", "StepFailed flaky-call +1", "StepSucceeded flaky-call +3"]
    );
    assert_eq!(run(ported("increment"), 41).await.0, json!(42));
}

#[tokio::test]
async fn waits() {
    let (result, events) = run(ported("wait"), json!({})).await;
    assert_eq!(result, json!(null));
    assert_eq!(events, ["WaitStarted cooldown +0", "WaitSucceeded cooldown +60"]);
}

#[tokio::test]
async fn invokes() {
    let (result, events) = run(ported("invoke"), 6).await;
    assert_eq!(result, json!(7));
    assert_eq!(events, ["ChainedInvokeStarted delegate +0", "ChainedInvokeSucceeded delegate +0"]);
}

#[tokio::test]
async fn conditions() {
    let (result, events) = run(ported("wait-strategy-fn"), 3).await;
    assert_eq!(result, json!(3));
    assert_eq!(events.last().unwrap(), "StepSucceeded poll-until-ready +2");
    let (result, events) = run(ported("wait-strategy"), 3).await;
    assert_eq!(result, json!(3));
    assert_eq!(events.last().unwrap(), "StepSucceeded poll-until-ready +6");
    let result = ported("wait-strategy").run(100).await.unwrap();
    let (kind, message) = crate::common::error(&result);
    assert!(message.contains("max checks exceeded"), "{kind} {message}");
}

#[tokio::test]
async fn callbacks() {
    let answered = ported("create-callback").answer("approval", "1h", "granted").unwrap();
    let (result, events) = run(answered, json!({})).await;
    assert_eq!(result, json!("granted"));
    assert_eq!(events, ["CallbackStarted approval +0", "CallbackSucceeded approval +3600"]);
    let answered = ported("wait-for-callback").answer("await-approval", "1h", "granted").unwrap();
    let (result, events) = run(answered, json!({})).await;
    assert_eq!(result, json!("granted"));
    assert_eq!(
        events,
        [
            "ContextStarted await-approval +0",
            "CallbackStarted +0",
            "StepStarted +0",
            "StepSucceeded +0",
            "CallbackSucceeded +3600",
            "ContextSucceeded await-approval +3600",
        ]
    );
}

#[tokio::test]
async fn child_contexts() {
    let (result, events) = run(ported("child-context"), json!({})).await;
    assert_eq!(result, json!("hello, world"));
    assert_eq!(
        events,
        [
            "ContextStarted greet +0",
            "StepStarted fetch-name +0",
            "StepSucceeded fetch-name +0",
            "ContextSucceeded greet +0",
        ]
    );
}

#[tokio::test]
async fn blocks_that_are_tried_again() {
    let (result, events) = run(ported("with-retry"), json!({})).await;
    assert_eq!(result, json!("booked for 100"));
    // The step has six attempts, the default of steps; then the whole block runs once more, with its own quote.
    let times = |event: &str| events.iter().filter(|e| e.starts_with(event)).count();
    assert_eq!((times("StepFailed book"), times("StepSucceeded book")), (6, 1), "{events:#?}");
    assert_eq!(times("StepSucceeded fetch-quote"), 2);
    assert!(events.last().unwrap().starts_with("ContextSucceeded quote-and-book"));
}

#[tokio::test]
async fn batches() {
    let (result, events) = run(ported("map"), ["a", "b", "c", "d", "e"]).await;
    assert_eq!(result, json!(["item-0:a", "item-1:b", "item-2:c", "item-3:d", "item-4:e"]));
    assert_eq!(events.first().unwrap(), "ContextStarted process-all +0");
    assert_eq!(events.iter().filter(|e| e.starts_with("StepSucceeded process")).count(), 5);
    assert_eq!(events.last().unwrap(), "ContextSucceeded process-all +0");
    let (result, events) = run(ported("parallel"), json!({})).await;
    assert_eq!(result, json!([42, 100]));
    assert!(events.contains(&"ContextSucceeded double +0".to_owned()), "{events:#?}");
    assert!(events.contains(&"ContextSucceeded wait-then-value +1".to_owned()), "{events:#?}");
    assert_eq!(events.last().unwrap(), "ContextSucceeded fan-out +1");
    let (result, _) = run(ported("await-batch"), [2, 3, 4, 6, 8]).await;
    assert_eq!(
        result,
        json!(["true", "PredicateMatched", ["1 Some(\"ChildFnError\") child function error: odd"]])
    );
}

#[tokio::test]
async fn combinators() {
    let (result, events) = run(ported("try-join-all"), json!({})).await;
    assert_eq!(result, json!([1, 2, 3]));
    assert_eq!(events.last().unwrap(), "ContextSucceeded gather +0", "{events:#?}");
    let (result, events) = run(ported("join-all"), json!({})).await;
    assert_eq!(result, json!(2));
    assert!(events.contains(&"StepFailed bad +0".to_owned()), "{events:#?}");
    let (result, events) = run(ported("select-ok"), json!({})).await;
    assert_eq!((result, events.last().unwrap().as_str()), (json!(42), "ContextSucceeded first-ok +0"));
    let (result, events) = run(ported("race"), json!({})).await;
    assert_eq!((result, events.last().unwrap().as_str()), (json!("first"), "ContextSucceeded fastest +0"));
    let log = ported("join-all").run(json!({})).await.unwrap();
    let lines: Vec<_> = log.get_log().iter().map(|line| line.message.clone()).collect();
    assert!(lines.len() == 2 && lines[0] == "ok: 1" && lines[1].starts_with("err: "), "{lines:?}");
}

#[tokio::test]
async fn other_formats() {
    let (result, _) = run(ported("custom-serdes"), json!({})).await;
    assert_eq!(result, json!(["a", 7]));
    let result = ported("custom-serdes").run(json!({})).await.unwrap();
    let recorded =
        |at: usize| result.get_operations()[at].step_details.clone().unwrap().result.unwrap().to_string();
    assert_eq!((recorded(0), recorded(1)), ("ImEi".to_owned(), "Nw==".to_owned()));
}

#[tokio::test]
async fn values_in_files() {
    for (length, kind) in [(10, "inline"), (300_000, "file")] {
        assert_eq!(run(ported("file-system-serdes"), ("/scratch", length)).await.0, json!(length));
        let result = ported("file-system-serdes").scratch().run(("/scratch", length)).await.unwrap();
        let recorded = result.get_operation("large").unwrap().step_details.clone().unwrap().result.unwrap();
        assert!(recorded.len() < 1000 && recorded.contains(kind), "{recorded}");
    }
}
