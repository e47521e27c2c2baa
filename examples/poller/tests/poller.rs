//! The poller in the sandbox, in virtual time.

use durawasm_testing::{ExecutionStatus, LocalDurableTestRunner, TestError, TestResult};
use serde_json::{Value, json};

const JOB: &str = include_str!("../events/job.json");
const SLOW_JOB: &str = include_str!("../events/slow-job.json");

#[tokio::test]
async fn it_asks_ever_more_rarely_until_the_job_is_done() -> Result<(), TestError> {
    let result = runner()?.run_text(JOB.into()).await?;
    assert_eq!(result.get_result_as::<Value>()?, json!({ "outcome": "done", "checks": 4 }));
    assert_eq!(
        checked(&result),
        [(0, "30".into()), (10, "60".into()), (30, "90".into()), (70, "120".into())]
    );
    // One operation. Each check had its own instance; nothing stayed in memory between them.
    assert_eq!(result.get_operations().len(), 1);
    assert_eq!(result.get_invocations().len(), 4);
    Ok(())
}

#[tokio::test]
async fn it_gives_up() -> Result<(), TestError> {
    let result = runner()?.run_text(SLOW_JOB.into()).await?;
    assert_eq!(result.get_result_as::<Value>()?, json!({ "outcome": "gave_up" }));
    let times: Vec<u64> = checked(&result).into_iter().map(|(seconds, _)| seconds).collect();
    assert_eq!(times, [0, 10, 30, 70, 130, 190]); // a minute is the longest delay
    Ok(())
}

#[tokio::test]
async fn a_check_that_fails_ends_it() -> Result<(), TestError> {
    let result = runner()?.run(json!({ "id": "unknown-1", "percent_a_check": 1 })).await?;
    assert_eq!(result.get_status(), ExecutionStatus::Failed);
    assert_eq!(result.get_error().ok().and_then(|error| error.error_type.as_deref()), Some("UnknownJob"));
    Ok(())
}

fn runner() -> Result<LocalDurableTestRunner, TestError> {
    LocalDurableTestRunner::from_crate(env!("CARGO_MANIFEST_DIR"))
}

/// The time of each check, in seconds since the start, and the progress of the job.
fn checked(result: &TestResult) -> Vec<(u64, String)> {
    let Some(start) = result.get_history_events().first().map(|first| first.event_timestamp) else {
        return Vec::new();
    };
    let percent = |line: &durawasm_testing::LogLine| {
        let field = line.fields.iter().find(|(name, _)| name == "percent");
        field.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    result.get_log().iter().map(|line| (line.time.since(start).as_secs(), percent(line))).collect()
}
