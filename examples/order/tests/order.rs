//! The order workflow in the sandbox, in virtual time: ten days pass in milliseconds.
//!
//! The first test builds the component, and each run has its own clock, server and history.

use std::time::Duration;

use durawasm_testing::{
    ErrorObject, ExecutionStatus, LocalDurableTestRunner, OperationStatus, TestError, TestResult,
};
use order::types::Outcome;
use serde_json::json;

const GOOD: &str = include_str!("../events/good.json");
const DECLINED_CARD: &str = include_str!("../events/declined-card.json");
const NO_APPROVAL: &str = include_str!("../events/no-approval.json");
const BAD: &str = include_str!("../events/bad.json");

#[tokio::test]
async fn a_good_order_is_shipped() -> Result<(), TestError> {
    let result = runner()?
        .answer("approval", "2h", json!({ "approved": true, "by": "kim" }))?
        .run_text(GOOD.into())
        .await?;
    assert!(
        matches!(result.get_result_as()?, Outcome::Shipped { paid_cents: 10_250, approved_by, .. } if approved_by == "kim")
    );

    // The operations in order. The callback and the step that passes on its id belong to the approval, and have no
    // names.
    assert_eq!(
        operations(&result),
        ["reserve-stock", "charge", "supplier-lead-time", "approval", "-", "-", "ship"]
    );
    assert_eq!(result.get_operations_by_status(OperationStatus::Succeeded).len(), 7);

    // The gateway failed twice: retries after 2 and 4 seconds, then 3 days for the supplier and 2 hours for kim.
    assert_eq!(attempts(&result, "charge"), Some(3));
    assert_eq!(result.get_duration(), days(3) + Duration::from_hours(2) + Duration::from_secs(2 + 4));

    // One invocation from the start, and one after each of: first retry, second retry, wait, answer.
    assert_eq!(result.get_invocations().len(), 5);
    Ok(())
}

#[tokio::test]
async fn a_declined_card_cancels_the_order_at_once() -> Result<(), TestError> {
    let result = runner()?.run_text(DECLINED_CARD.into()).await?;
    assert_eq!(result.get_result_as::<Outcome>()?, cancelled("o-1002", "the card was declined"));
    assert_eq!(operations(&result), ["reserve-stock", "charge", "undo", "release-stock"]);
    assert_eq!(attempts(&result, "charge"), Some(1)); // not tried again
    assert_eq!(result.get_duration(), Duration::ZERO);
    Ok(())
}

#[tokio::test]
async fn an_order_that_nobody_approves_is_undone_after_a_week() -> Result<(), TestError> {
    let result = runner()?.run_text(NO_APPROVAL.into()).await?;
    assert_eq!(result.get_result_as::<Outcome>()?, cancelled("o-1003", "nobody approved within 7 days"));
    assert_eq!(operations(&result).split_off(6), ["undo", "refund", "release-stock"]);
    assert_eq!(result.get_duration(), days(3 + 7));
    Ok(())
}

#[tokio::test]
async fn a_rejected_order_is_undone() -> Result<(), TestError> {
    let result = runner()?
        .answer("approval", "1h", json!({ "approved": false, "by": "kim" }))?
        .run_text(GOOD.into())
        .await?;
    assert_eq!(result.get_result_as::<Outcome>()?, cancelled("o-1001", "rejected by kim"));
    assert!(result.get_operation("refund").is_some() && result.get_operation("ship").is_none());
    Ok(())
}

#[tokio::test]
async fn an_approval_system_that_fails_is_no_approval() -> Result<(), TestError> {
    let broken = ErrorObject::new("NoApprover", "everybody is on holiday");
    let result = runner()?.answer_failure("approval", "1h", broken)?.run_text(GOOD.into()).await?;
    assert_eq!(
        result.get_result_as::<Outcome>()?,
        cancelled("o-1001", "no approval: NoApprover: everybody is on holiday")
    );
    assert!(result.get_operation("refund").is_some());
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_stays_down_fails_the_execution() -> Result<(), TestError> {
    let result = runner()?.run_text(GOOD.replace("card-flaky", "card-gateway-down")).await?;
    assert_eq!(
        (result.get_status(), error_type(&result)),
        (ExecutionStatus::Failed, Some("GatewayUnavailable"))
    );
    assert_eq!(attempts(&result, "charge"), Some(5));
    assert!(result.get_operation("release-stock").is_some()); // and still nothing stays reserved
    Ok(())
}

#[tokio::test]
async fn a_bad_order_fails_and_says_why() -> Result<(), TestError> {
    let result = runner()?.run_text(BAD.into()).await?;
    assert_eq!((result.get_status(), error_type(&result)), (ExecutionStatus::Failed, Some("InvalidOrder")));
    let message = error_message(&result);
    assert!(message.ends_with("customer is empty; items[0].quantity is 0, not 1 to 100"), "{message}");
    assert!(result.get_operations().is_empty()); // nothing was touched
    Ok(())
}

#[tokio::test]
async fn an_event_that_is_no_order_fails_and_says_where() -> Result<(), TestError> {
    let result =
        runner()?.run(json!({ "id": "o-1", "customer": "Ada", "items": [{ "sku": "lamp" }] })).await?;
    assert_eq!((result.get_status(), error_type(&result)), (ExecutionStatus::Failed, Some("InvalidEvent")));
    assert!(error_message(&result).contains("items[0]: missing field `quantity`"));
    Ok(())
}

fn runner() -> Result<LocalDurableTestRunner, TestError> {
    LocalDurableTestRunner::from_crate(env!("CARGO_MANIFEST_DIR"))
}

fn operations(result: &TestResult) -> Vec<&str> {
    result.get_operations().iter().map(|operation| operation.name.as_deref().unwrap_or("-")).collect()
}

fn attempts(result: &TestResult, step: &str) -> Option<u32> {
    Some(result.get_operation(step)?.step_details.as_ref()?.attempt)
}

fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}

fn error_type(result: &TestResult) -> Option<&str> {
    result.get_error().ok()?.error_type.as_deref()
}

fn error_message(result: &TestResult) -> &str {
    result.get_error().ok().and_then(|error| error.error_message.as_deref()).unwrap_or_default()
}

fn cancelled(order: &str, reason: &str) -> Outcome {
    Outcome::Cancelled { order: order.to_owned(), reason: reason.to_owned() }
}
