//! The fan-out in the sandbox, in virtual time.

use std::time::Duration;

use durawasm_testing::{LocalDurableTestRunner, OperationStatus, TestError};
use serde_json::{Value, json};

const REGIONS: &str = include_str!("../events/regions.json");
const ONE_BROKEN: &str = include_str!("../events/one-broken.json");

#[tokio::test]
async fn two_at_a_time() -> Result<(), TestError> {
    let result = runner("release")?.run_text(REGIONS.into()).await?;
    assert_eq!(
        result.get_result_as::<Value>()?,
        json!({
            "released": ["paris", "oslo", "rome", "lima", "cairo"],
            "failed": [],
            "left": 0,
            "reason": "ALL_COMPLETED",
        })
    );
    // Five regions, two at a time, ten minutes each.
    assert_eq!(result.get_duration(), Duration::from_mins(30));
    Ok(())
}

#[tokio::test]
async fn one_failure_is_tolerated() -> Result<(), TestError> {
    let result = runner("release")?.run_text(ONE_BROKEN.into()).await?;
    let report: Value = result.get_result_as()?;
    assert_eq!(report["released"], json!(["paris", "rome", "lima"]));
    assert_eq!(report["reason"], json!("ALL_COMPLETED"));
    let failed = report["failed"][0].as_str().unwrap_or_default();
    assert!(
        failed.starts_with("broken-oslo: ") && failed.ends_with("NoCapacity: no machine is free"),
        "{failed}"
    );
    // Each item is a context with its own name; the failed one is recorded as failed.
    let broken = result.get_operation("broken-oslo").map(|operation| operation.status);
    assert_eq!(broken, Some(OperationStatus::Failed));
    Ok(())
}

#[tokio::test]
async fn a_second_failure_ends_it() -> Result<(), TestError> {
    let regions = ["paris", "broken-oslo", "broken-rome", "lima"];
    let result = runner("release")?.run(regions).await?;
    let report: Value = result.get_result_as()?;
    assert_eq!(report["reason"], json!("FAILURE_TOLERANCE_EXCEEDED"));
    assert_eq!(report["failed"].as_array().map(Vec::len), Some(2));
    // Paris was running, and was dropped; lima was never started.
    assert_eq!((&report["released"], &report["left"]), (&json!([]), &json!(2)));
    assert!(result.get_operation("paris").is_some() && result.get_operation("lima").is_none());
    Ok(())
}

#[tokio::test]
async fn the_first_two_offers_are_enough() -> Result<(), TestError> {
    let result = runner("quote")?.run("lamp").await?;
    assert_eq!(result.get_result_as::<Value>()?, json!({ "supplier": "south", "cents": 1100 }));
    assert_eq!(result.get_duration(), Duration::from_hours(3)); // and not two days
    let asked = result.get_log().iter().filter(|line| line.message == "asked").count();
    assert_eq!(asked, 3); // all of them, once
    Ok(())
}

fn runner(function: &str) -> Result<LocalDurableTestRunner, TestError> {
    Ok(LocalDurableTestRunner::from_crate(env!("CARGO_MANIFEST_DIR"))?.function(function))
}
