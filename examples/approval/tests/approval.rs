//! The approval workflow in the sandbox, in virtual time: three days take milliseconds.

use std::time::Duration;

use durawasm_testing::{ErrorObject, LocalDurableTestRunner, TestError, TestResult, WaitingOperationStatus};
use serde_json::{Value, json};

const EXPENSE: &str = include_str!("../events/expense.json");

#[tokio::test]
async fn somebody_approves() -> Result<(), TestError> {
    let result = runner()?
        .answer("decision", "5h", json!({ "approved": true, "by": "kim" }))?
        .run_text(EXPENSE.into())
        .await?;
    assert_eq!(result.get_result_as::<Value>()?, json!({ "outcome": "approved", "by": "kim" }));
    // The first invocation sends the request, the second receives the answer. The request was sent once.
    assert_eq!(result.get_invocations().len(), 2);
    assert_eq!(requests(&result), 1);
    Ok(())
}

/// The test acts as the approval system: it receives the callback's id while the handler runs, and answers. Time does
/// not advance before it answers.
#[tokio::test]
async fn the_test_answers_while_the_handler_runs() -> Result<(), TestError> {
    let runner = runner()?;
    let decision = runner.operation("decision");
    let approve = async {
        let decision = decision.wait_for_data(WaitingOperationStatus::Submitted).await?;
        runner.advance_time(Duration::from_hours(23)).await?;
        decision.send_callback_heartbeat().await?;
        runner.advance_time(Duration::from_hours(23)).await?;
        decision.send_callback_success(r#"{ "approved": true, "by": "kim" }"#).await
    };
    let (result, approved) = tokio::join!(runner.run_text(EXPENSE.into()), approve);
    approved?;
    let result = result?;
    assert_eq!(result.get_result()?, &json!({ "outcome": "approved", "by": "kim" }));
    assert_eq!(result.get_duration(), Duration::from_hours(46));
    result.assert_history(
        "
        +0s        ExecutionStarted
        +0s        ContextStarted decision
        +0s        CallbackStarted
        +0s        StepStarted
        +0s        StepSucceeded (attempt 1)
        +0s        InvocationCompleted
        +1day 22h  CallbackSucceeded
        +1day 22h  ContextSucceeded decision
        +1day 22h  InvocationCompleted
        +1day 22h  ExecutionSucceeded
        ",
    );
    Ok(())
}

#[tokio::test]
async fn somebody_rejects() -> Result<(), TestError> {
    let result = runner()?
        .answer("decision", "5h", json!({ "approved": false, "by": "kim" }))?
        .run_text(EXPENSE.into())
        .await?;
    assert_eq!(result.get_result_as::<Value>()?, json!({ "outcome": "rejected", "by": "kim" }));
    Ok(())
}

#[tokio::test]
async fn nobody_answers() -> Result<(), TestError> {
    // The approval system sends heartbeats, but no answer.
    let result = runner()?
        .answer_heartbeat("decision", "20h")?
        .answer_heartbeat("decision", "40h")?
        .answer_heartbeat("decision", "60h")?
        .run_text(EXPENSE.into())
        .await?;
    assert_eq!(result.get_result_as::<Value>()?, json!({ "outcome": "nobody_answered" }));
    assert_eq!(result.get_duration(), Duration::from_hours(72));
    Ok(())
}

#[tokio::test]
async fn without_signs_of_life_it_is_given_up_sooner() -> Result<(), TestError> {
    let result = runner()?.answer_heartbeat("decision", "20h")?.run_text(EXPENSE.into()).await?;
    assert_eq!(result.get_result_as::<Value>()?, json!({ "outcome": "system_silent" }));
    assert_eq!(result.get_duration(), Duration::from_hours(20 + 24));
    Ok(())
}

#[tokio::test]
async fn the_other_side_fails() -> Result<(), TestError> {
    let broken = ErrorObject::new("NoApprover", "everybody is on holiday");
    let result = runner()?.answer_failure("decision", "1h", broken)?.run_text(EXPENSE.into()).await?;
    assert_eq!(
        result.get_result_as::<Value>()?,
        json!({ "outcome": "failed", "why": "everybody is on holiday" })
    );
    Ok(())
}

#[tokio::test]
async fn asking_is_tried_again() -> Result<(), TestError> {
    let result = runner()?
        .answer("decision", "5h", json!({ "approved": true, "by": "kim" }))?
        .run(json!({ "id": "e-busy", "cents": 100 }))
        .await?;
    assert_eq!(result.get_result_as::<Value>()?, json!({ "outcome": "approved", "by": "kim" }));
    assert_eq!(requests(&result), 1);
    assert_eq!(result.get_invocations().len(), 3); // the first failed to ask, the second asked
    Ok(())
}

fn runner() -> Result<LocalDurableTestRunner, TestError> {
    LocalDurableTestRunner::from_crate(env!("CARGO_MANIFEST_DIR"))
}

fn requests(result: &TestResult) -> usize {
    result.get_log().iter().filter(|line| line.message == "decision requested").count()
}
