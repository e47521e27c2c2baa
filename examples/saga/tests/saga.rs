//! The saga in the sandbox, in virtual time.

use durawasm_testing::{Disturbance, LocalDurableTestRunner, OperationStatus, TestError, TestResult};
use serde_json::{Value, json};

const GOOD: &str = include_str!("../events/good.json");
const NO_CAR: &str = include_str!("../events/no-car.json");
const NO_REFUND: &str = include_str!("../events/no-refund.json");

#[tokio::test]
async fn a_trip_is_booked() -> Result<(), TestError> {
    let result = runner()?.run_text(GOOD.into()).await?;
    assert_eq!(
        result.get_result_as::<Value>()?,
        json!({ "status": "booked", "bookings": ["seaview#1", "LX202-busy#1", "cabrio#1"] })
    );
    // Nothing is rolled back without a call of `run_compensations`.
    assert_eq!(operations(&result), ["STEP book-hotel", "STEP book-flight", "STEP book-car"]);
    Ok(())
}

#[tokio::test]
async fn without_a_car_the_flight_goes_first_and_then_the_hotel() -> Result<(), TestError> {
    let result = runner()?.run_text(NO_CAR.into()).await?;
    assert_eq!(
        result.get_result_as::<Value>()?,
        json!({
            "status": "rolled_back",
            "reason": "SoldOut: no cabrio-sold-out left",
            "undone": ["book-flight", "book-hotel"],
            "stuck": [],
        })
    );
    // Each compensation is a context with the name of its step. The car has none, because it was never booked.
    assert_eq!(
        operations(&result),
        ["STEP book-hotel", "STEP book-flight", "STEP book-car", "CONTEXT book-flight", "CONTEXT book-hotel"]
    );
    assert_eq!(printed(&result), ["booked", "booked", "cancelled", "cancelled"]);
    Ok(())
}

#[tokio::test]
async fn a_flight_that_cannot_be_cancelled_does_not_keep_the_hotel() -> Result<(), TestError> {
    let result = runner()?.run_text(NO_REFUND.into()).await?;
    let told: Value = result.get_result_as()?;
    assert_eq!(told["undone"], json!(["book-hotel"]));
    assert_eq!(told["stuck"], json!(["book-flight: NoRefund: LX202-no-refund#1 cannot be cancelled"]));
    let failed: Vec<_> = result.get_operations_by_status(OperationStatus::Failed);
    assert_eq!(failed.len(), 2); // the car's step, and the flight's compensation
    Ok(())
}

#[tokio::test]
async fn a_rollback_survives_a_crash_at_any_point() -> Result<(), TestError> {
    let undisturbed = runner()?.run_text(NO_REFUND.into()).await?;
    for at in 1..=undisturbed.get_checkpoints() {
        // The instance crashes as soon as this checkpoint is recorded. The next instance continues from there.
        let disturbance = Disturbance::DieAfterCheckpoint(at);
        let result = runner()?.disturb(disturbance).run_text(NO_REFUND.into()).await?;
        assert_eq!(result.get_result_as::<Value>()?, undisturbed.get_result_as::<Value>()?);
        assert_eq!(operations(&result), operations(&undisturbed));
    }
    Ok(())
}

fn runner() -> Result<LocalDurableTestRunner, TestError> {
    LocalDurableTestRunner::from_crate(env!("CARGO_MANIFEST_DIR"))
}

fn operations(result: &TestResult) -> Vec<String> {
    let line = |operation: &durawasm_testing::Operation| {
        format!("{} {}", operation.kind.as_str(), operation.name.as_deref().unwrap_or("-"))
    };
    result.get_operations().iter().map(line).collect()
}

fn printed(result: &TestResult) -> Vec<&str> {
    result.get_log().iter().map(|line| line.message.as_str()).collect()
}
