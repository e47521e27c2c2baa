//! A replay that differs from the first run ends the execution, even if no operation differs.

use crate::common::{error, handler, value};
use durawasm_testing::{Disturbance, LocalDurableTestRunner};
use serde_json::json;

fn runner() -> LocalDurableTestRunner {
    handler("diverges")
}

/// What the handler does differently on replays, and what the error message contains.
const CASES: [(&str, &[&str]); 8] = [
    ("waits once more between", &["a STEP (Step) named \"b\"", "waits for something else without"]),
    (
        "starts one more between",
        &[
            "is recorded as nothing, as a STEP (Step) named \"b\" comes next",
            "started a STEP (Step) named \"more\"",
        ],
    ),
    (
        "ends a child early",
        &["a STEP (Step) named \"b\"", "ended a CONTEXT (RunInChildContext) named \"short\""],
    ),
    ("fails a child early", &["a WAIT (Wait)", "ended a CONTEXT (RunInChildContext) named \"short\""]),
    ("ends a batch early", &["a WAIT (Wait)", "ended a CONTEXT (MapIteration)"]),
    ("decides a race early", &["a WAIT (Wait)", "ended a CONTEXT (RunInChildContext)"]),
    (
        "fails a rebuild",
        &["named \"large\" that succeeded with a result of more than 256 KiB", "failed: ", "not this time"],
    ),
    ("comes to less in a rebuild", &["named \"large\"", "came to one of 7 bytes"]),
];

#[tokio::test]
async fn what_is_done_otherwise_is_found_and_named() {
    for (how, said) in CASES {
        let (kind, message) = error(&runner().run(how).await.unwrap());
        assert_eq!(kind, "NonDeterministicExecutionError", "{how}: {message}");
        for part in said {
            assert!(message.contains(part), "{how}: {part}\n{message}");
        }
    }
}

#[tokio::test]
async fn what_starts_late_is_not_refused() {
    let late = "starts one more at the end";
    assert_eq!(value(&runner().run(late).await.unwrap()), json!("no divergence"));
    for at in 1..=5 {
        for death in [Disturbance::DieBeforeCheckpoint(at), Disturbance::DieAfterCheckpoint(at)] {
            let result = runner().disturb(death).run(late).await.unwrap();
            assert_eq!(value(&result), json!("no divergence"), "{death:?}");
        }
    }
}

#[tokio::test]
async fn arguments_of_what_is_on_record_do_not_count() {
    let result = runner().run("computes arguments that are not allowed").await.unwrap();
    assert_eq!(value(&result), json!("Hello, Ada"));
}
