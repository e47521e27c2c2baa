//! The chain in the sandbox, in virtual time.

use std::time::Duration;

use durawasm_testing::{ExecutionStatus, LocalDurableTestRunner, OperationStatus, TestError};
use serde_json::{Value, json};

const ORDER: &str = include_str!("../events/order.json");

#[tokio::test]
async fn each_function_does_its_part() -> Result<(), TestError> {
    let result = runner("chain")?.run_text(ORDER.into()).await?;
    assert_eq!(
        result.get_result_as::<Value>()?,
        json!({ "cents": 17800, "parcel": "2x lamp", "not_announced": null })
    );
    // The operations of the invoked functions are not included: each function has its own history.
    let names: Vec<_> =
        result.get_operations().iter().filter_map(|operation| operation.name.as_deref()).collect();
    assert_eq!(names, ["price", "pack", "announce"]);
    assert_eq!(result.get_duration(), Duration::from_hours(20)); // until the morning
    Ok(())
}

#[tokio::test]
async fn a_failure_that_does_not_matter_is_noted() -> Result<(), TestError> {
    let result = runner("chain")?.run(json!({ "article": "lamp", "quantity": 1, "customer": "" })).await?;
    assert_eq!(result.get_result_as::<Value>()?["not_announced"], json!("NoAddress"));
    let announce = result.get_operation("announce").map(|operation| operation.status);
    assert_eq!(announce, Some(OperationStatus::Failed));
    Ok(())
}

#[tokio::test]
async fn a_failure_that_matters_ends_the_chain() -> Result<(), TestError> {
    let result =
        runner("chain")?.run(json!({ "article": "piano", "quantity": 1, "customer": "Ada" })).await?;
    assert_eq!(result.get_status(), ExecutionStatus::Failed);
    let error = result.get_error().ok().and_then(|error| error.error_message.clone()).unwrap_or_default();
    assert!(error.contains("piano is not for sale"), "{error}");
    assert!(result.get_operation("pack").is_none()); // nothing was packed
    Ok(())
}

#[tokio::test]
async fn a_link_of_the_chain_can_be_run_by_itself() -> Result<(), TestError> {
    let result = runner("pack")?.run_text(ORDER.into()).await?;
    assert_eq!(result.get_result_as::<String>()?, "2x lamp");
    Ok(())
}

fn runner(function: &str) -> Result<LocalDurableTestRunner, TestError> {
    Ok(LocalDurableTestRunner::from_crate(env!("CARGO_MANIFEST_DIR"))?.function(function))
}
