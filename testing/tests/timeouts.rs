//! Steps with a timeout: a body that takes too long is stopped, whatever it does.

use std::time::Duration;

use crate::common::{bounded, handler, history, value};
use durawasm_testing::SandboxLimits;
use serde_json::json;

#[tokio::test]
async fn a_body_that_takes_too_long_is_stopped_and_tried_again() {
    for at_most_once in [false, true] {
        for slow in ["spins", "sleeps"] {
            let result = handler("slow_body").run((slow, 2, at_most_once)).await.unwrap();
            assert_eq!(value(&result), json!([3, null]), "{slow}");
            let log: Vec<&str> = result.get_log().iter().map(|line| &*line.message).collect();
            assert_eq!(log, ["before", "attempt 1", "attempt 2", "attempt 3"], "{slow} {at_most_once}");
            assert_eq!(result.get_invocations().len(), 3, "the timeout itself takes no further invocation");
            let failed = history(&result).iter().filter(|e| e.starts_with("StepFailed slow")).count();
            assert_eq!(failed, 2, "{:#?}", history(&result));
        }
    }
}

#[tokio::test]
async fn when_all_attempts_take_too_long_the_error_says_so() {
    let result = handler("slow_body").run(("spins", 9, false)).await.unwrap();
    assert_eq!(value(&result), json!([3, "StepTimeout"]));
    let details = result.get_operation("slow").unwrap().step_details.clone().unwrap();
    assert_eq!(details.attempt, 3);
    assert!(details.error.unwrap().error_message.unwrap().contains("longer than the step's timeout"));
}

#[tokio::test]
async fn a_body_that_waits_for_nothing_is_told_so_before_its_time_is_up() {
    let result = handler("slow_body").run(("waits", 9, false)).await.unwrap();
    assert_eq!(value(&result), json!([3, "StepStalled"]));
}

#[tokio::test]
async fn a_body_with_a_timeout_that_uses_up_all_computing_time_is_stopped_too() {
    let limits = SandboxLimits { cpu: Duration::from_millis(20), ..SandboxLimits::default() };
    let result = bounded("slow_body", &limits).run(("spins", 9, false)).await.unwrap();
    assert_eq!(value(&result), json!([3, "StepTimeout"]));
}
