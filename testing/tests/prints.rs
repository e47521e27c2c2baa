//! Printed output appears once, even if its last line is not terminated.

use crate::common::handler;
use durawasm_testing::{Disturbance, LogSource, TestResult};

fn lines(result: &TestResult, source: LogSource) -> Vec<String> {
    result.get_log().iter().filter(|line| line.source == source).map(|line| line.message.clone()).collect()
}

#[tokio::test]
async fn parts_of_lines_survive_a_suspension_and_the_end() {
    let result = handler("prints_parts").run("returns").await.unwrap();
    assert_eq!(result.get_invocations().len(), 2);
    assert_eq!(lines(&result, LogSource::Stdout), ["one", "in a body", ", two", "three", " and four"]);
    assert_eq!(lines(&result, LogSource::Stderr), ["first", "error in a body", "between"]);
}

#[tokio::test]
async fn a_fresh_instance_shows_nothing_twice_and_loses_nothing() {
    let result =
        handler("prints_parts").disturb(Disturbance::ReplayAtEveryCheckpoint).run("returns").await.unwrap();
    let printed = lines(&result, LogSource::Stdout).concat();
    assert_eq!(printed, "onein a body, twothree and four");
    assert_eq!(lines(&result, LogSource::Stderr).concat(), "firsterror in a bodybetween");
}

#[tokio::test]
async fn what_was_printed_before_a_panic_is_shown() {
    let result = handler("prints_parts").run("panics").await.unwrap();
    let printed = lines(&result, LogSource::Stdout);
    assert_eq!(printed[..2], ["one", "in a body"]);
    assert!(printed.iter().any(|line| line.ends_with(" and four, last words")), "{printed:?}");
    assert_eq!(lines(&result, LogSource::Stderr)[..2], ["first", "error in a body"]);
}

#[tokio::test]
async fn a_plain_function_loses_nothing() {
    let result = handler("plain_prints").run(false).await.unwrap();
    assert_eq!(lines(&result, LogSource::Stdout), ["no end"]);
    assert_eq!(lines(&result, LogSource::Stderr), ["no end of an error"]);
}

#[tokio::test]
async fn a_subscriber_of_the_handlers_own_can_leave_out_what_is_replayed() {
    let result = handler("subscribes").run(true).await.unwrap();
    assert_eq!(lines(&result, LogSource::Stdout), ["before", "in a body", "after"]);
    let result = handler("subscribes").run(false).await.unwrap();
    assert_eq!(lines(&result, LogSource::Stdout), ["before", "in a body", "before", "after"]);
}
