//! Each operation in the sandbox, in virtual time: its result, and what is recorded.

use std::time::Duration;

use durawasm_testing::{
    Disturbance, ExecutionStatus, LocalDurableTestRunner, LogLevel, OperationStatus, OperationType,
    TestError, TestResult,
};
use serde_json::{Value, json};

#[tokio::test]
async fn step() -> Result<(), TestError> {
    let result = runner("step")?.run("Ada").await?;
    assert_eq!(result.get_result_as::<String>()?, "Hello, Ada!");
    assert_eq!(record(&result), ["STEP greet SUCCEEDED", "WAIT - SUCCEEDED"]);
    assert_eq!(result.get_invocations().len(), 2);
    Ok(())
}

#[tokio::test]
async fn step_retries() -> Result<(), TestError> {
    let result = runner("step-retries")?.run(2).await?;
    assert_eq!((result.get_result_as::<u32>()?, result.get_duration()), (3, Duration::from_secs(10 + 20)));
    let hopeless = runner("step-retries")?.run(9).await?;
    assert_eq!(hopeless.get_status(), ExecutionStatus::Failed);
    assert_eq!(hopeless.get_invocations().len(), 4);
    Ok(())
}

#[tokio::test]
async fn step_retry_preset() -> Result<(), TestError> {
    assert_eq!(runner("step-retry-preset")?.run(2).await?.get_result_as::<u32>()?, 3);
    assert_eq!(runner("step-retry-preset")?.run(3).await?.get_status(), ExecutionStatus::Failed);
    Ok(())
}

#[tokio::test]
async fn step_retry_filter() -> Result<(), TestError> {
    assert_eq!(runner("step-retry-filter")?.run("Throttled").await?.get_result_as::<u32>()?, 2);
    let result = runner("step-retry-filter")?.run("Forbidden").await?;
    assert_eq!((result.get_status(), result.get_invocations().len()), (ExecutionStatus::Failed, 1));
    Ok(())
}

#[tokio::test]
async fn step_timeout() -> Result<(), TestError> {
    assert_eq!(runner("step-timeout")?.run(1).await?.get_result_as::<String>()?, "in time");
    assert_eq!(runner("step-timeout")?.run(60).await?.get_result_as::<String>()?, "too late");
    Ok(())
}

#[tokio::test]
async fn step_at_most_once() -> Result<(), TestError> {
    let result = runner("step-at-most-once")?.run(()).await?;
    assert_eq!((result.get_result_as::<String>()?, lines(&result)), ("charged".into(), vec!["charged"]));
    // The instance crashes after the body has run, before its result is recorded. The body does not run again.
    let result = runner("step-at-most-once")?.disturb(Disturbance::DieBeforeCheckpoint(2)).run(()).await?;
    assert_eq!(result.get_result_as::<String>()?, "look into the account");
    assert_eq!(lines(&result), ["charged"]);
    Ok(())
}

#[tokio::test]
async fn step_serdes() -> Result<(), TestError> {
    let result = runner("step-serdes")?.run(12.999).await?;
    assert_eq!(result.get_result_as::<Value>()?, json!(13.0));
    let recorded = result.get_operation("price").and_then(|price| price.step_details.clone()?.result);
    assert_eq!(recorded.as_deref(), Some("1300 cents"));
    Ok(())
}

#[tokio::test]
async fn wait() -> Result<(), TestError> {
    let result = runner("wait")?.run(30).await?;
    assert_eq!(result.get_result_as::<String>()?, "good morning");
    assert_eq!(result.get_duration(), Duration::from_hours(24 * 30));
    Ok(())
}

#[tokio::test]
async fn create_callback() -> Result<(), TestError> {
    let result = runner("create-callback")?.answer("reply", "3h", 42)?.run(()).await?;
    assert_eq!(result.get_result_as::<u32>()?, 42);
    assert_eq!(record(&result), ["CALLBACK reply SUCCEEDED", "STEP send-letter SUCCEEDED"]);
    assert_eq!(lines(&result).len(), 1);
    Ok(())
}

#[tokio::test]
async fn wait_for_callback() -> Result<(), TestError> {
    let result = runner("wait-for-callback")?.answer("reply", "3h", 42)?.run(()).await?;
    assert_eq!(result.get_result_as::<u32>()?, 42);
    assert_eq!(record(&result), ["CONTEXT reply SUCCEEDED", "CALLBACK - SUCCEEDED", "STEP - SUCCEEDED"]);
    Ok(())
}

#[tokio::test]
async fn wait_for_condition() -> Result<(), TestError> {
    let result = runner("wait-for-condition")?.run(3).await?;
    assert_eq!((result.get_result_as::<u32>()?, result.get_duration()), (3, Duration::from_mins(1)));
    assert_eq!(record(&result), ["STEP enough SUCCEEDED"]);
    let never = runner("wait-for-condition")?.run(100).await?;
    assert_eq!((never.get_status(), never.get_invocations().len()), (ExecutionStatus::Failed, 10));
    Ok(())
}

#[tokio::test]
async fn invoke() -> Result<(), TestError> {
    let result = runner("invoke")?.run(21).await?;
    assert_eq!(result.get_result_as::<u32>()?, 42);
    assert_eq!(record(&result), ["CHAINED_INVOKE double SUCCEEDED"]);
    Ok(())
}

#[tokio::test]
async fn child_context() -> Result<(), TestError> {
    let result = runner("child-context")?.run("Ada").await?;
    assert_eq!(result.get_result_as::<String>()?, "Hello, Ada!");
    assert_eq!(
        record(&result),
        ["CONTEXT greet SUCCEEDED", "STEP word SUCCEEDED", "STEP sentence SUCCEEDED"]
    );
    Ok(())
}

#[tokio::test]
async fn with_retry() -> Result<(), TestError> {
    let result = runner("with-retry")?.run(()).await?;
    assert_eq!(result.get_result_as::<u32>()?, 100);
    let offers = result.get_operations().iter().filter(|o| o.name.as_deref() == Some("offer")).count();
    assert_eq!((offers, result.get_duration()), (3, Duration::from_secs(40))); // a new offer each time
    Ok(())
}

#[tokio::test]
async fn compensations() -> Result<(), TestError> {
    let result = runner("compensations")?.run(()).await?;
    let undone: Vec<String> = result.get_result_as()?;
    assert_eq!(undone, ["lamp SUCCEEDED", "chairs SUCCEEDED", "table SUCCEEDED"]);
    assert_eq!(lines(&result), ["lamp given back", "chairs given back", "table given back"]);
    Ok(())
}

#[tokio::test]
async fn map() -> Result<(), TestError> {
    let result = runner("map")?.run(["a", "bb", "ccc"]).await?;
    assert_eq!(result.get_result_as::<Vec<usize>>()?, [1, 2, 3]);
    let contexts = result.get_operations().iter().filter(|o| o.kind == OperationType::Context).count();
    assert_eq!(contexts, 1 + 3);
    Ok(())
}

#[tokio::test]
async fn parallel() -> Result<(), TestError> {
    let result = runner("parallel")?.run(()).await?;
    assert_eq!(result.get_result_as::<Vec<String>>()?, ["by-air"]);
    assert_eq!(result.get_duration(), Duration::from_hours(8));
    let sea = result.get_operation("by-sea").map(|operation| operation.status);
    assert_eq!(sea, Some(OperationStatus::Started)); // dropped
    Ok(())
}

#[tokio::test]
async fn spawn() -> Result<(), TestError> {
    let result = runner("spawn")?.run(()).await?;
    assert_eq!((result.get_result_as::<u32>()?, result.get_duration()), (42, Duration::from_mins(1)));
    Ok(())
}

#[tokio::test]
async fn try_join_all() -> Result<(), TestError> {
    assert_eq!(runner("try-join-all")?.run(()).await?.get_result_as::<Vec<u32>>()?, [1, 2]);
    Ok(())
}

#[tokio::test]
async fn join_all() -> Result<(), TestError> {
    let ends: Vec<String> = runner("join-all")?.run(()).await?.get_result_as()?;
    assert_eq!(ends, ["value 1", "Error: broken"]);
    Ok(())
}

#[tokio::test]
async fn select_ok() -> Result<(), TestError> {
    assert_eq!(runner("select-ok")?.run(()).await?.get_result_as::<u32>()?, 2);
    Ok(())
}

#[tokio::test]
async fn race() -> Result<(), TestError> {
    let result = runner("race")?.run(()).await?;
    assert_eq!(result.get_result_as::<u64>()?, 1);
    assert_eq!(result.get_duration(), Duration::from_secs(61));
    Ok(())
}

#[tokio::test]
async fn checkpoint_modes() -> Result<(), TestError> {
    assert_eq!(runner("checkpoint-modes")?.run(true).await?.get_checkpoints(), 10);
    assert_eq!(runner("checkpoint-modes")?.run(false).await?.get_checkpoints(), 5);
    Ok(())
}

#[tokio::test]
async fn batch_mode() -> Result<(), TestError> {
    let result = runner("batch-mode")?.run(50).await?;
    assert_eq!((result.get_result_as::<u32>()?, result.get_checkpoints()), (1275, 1));
    Ok(())
}

#[tokio::test]
async fn logging() -> Result<(), TestError> {
    let result = runner("logging")?.run(()).await?;
    let log: Vec<_> = result.get_log().iter().map(|line| (line.level, line.message.as_str())).collect();
    assert_eq!(
        log,
        [
            (LogLevel::Info, "started"),
            (LogLevel::Warn, "this line belongs to the step `work`"),
            (LogLevel::Info, "this is a line too"),
        ]
    );
    Ok(())
}

#[tokio::test]
async fn plugin() -> Result<(), TestError> {
    let result = runner("plugin")?.run(()).await?;
    assert_eq!(lines(&result), ["1: first SUCCEEDED", "2: second SUCCEEDED"]);
    Ok(())
}

#[tokio::test]
async fn values() -> Result<(), TestError> {
    let result = runner("values")?.run(()).await?;
    let drawn: Value = result.get_result_as()?;
    // A replay that drew another id would use another name, and fail.
    assert_eq!(result.get_invocations().len(), 2);
    assert!(drawn["id"].as_str().is_some_and(|id| result.get_operation(id).is_some()));
    assert!(drawn["number"].as_f64().is_some_and(|number| (0.0..1.0).contains(&number)));
    Ok(())
}

fn runner(function: &str) -> Result<LocalDurableTestRunner, TestError> {
    Ok(LocalDurableTestRunner::from_crate(env!("CARGO_MANIFEST_DIR"))?.function(function))
}

/// The operations in the order of their start: type, name, status.
fn record(result: &TestResult) -> Vec<String> {
    let line = |operation: &durawasm_testing::Operation| {
        let name = operation.name.as_deref().unwrap_or("-");
        format!("{} {name} {}", operation.kind.as_str(), operation.status.as_str())
    };
    result.get_operations().iter().map(line).collect()
}

fn lines(result: &TestResult) -> Vec<&str> {
    result.get_log().iter().map(|line| line.message.as_str()).collect()
}
