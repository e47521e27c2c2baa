//! Handlers written as from the documents of other crates compile and run: see docs/porting.md.

use crate::common::{handler, value};
use durawasm_testing::{Disturbance, TestError, WaitingOperationStatus};
use serde_json::json;

#[tokio::test]
async fn a_saga_with_options_retries_and_rolls_back() {
    let expected =
        json!([3, 2, false, [["book_flight", "left", "no refund"], ["book_hotel", "undone", null]]]);
    let result = handler("ported_saga").run(&json!(null)).await.unwrap();
    assert_eq!(value(&result), expected);
    let replayed = handler("ported_saga").disturb(Disturbance::ReplayAtEveryCheckpoint);
    assert_eq!(value(&replayed.run(&json!(null)).await.unwrap()), expected);
}

#[tokio::test]
async fn a_callback_is_asked_for_through_a_shared_borrow() {
    let runner = handler("ported_callback");
    let approval = runner.operation("approval");
    let answer = async {
        let callback = approval.wait_for_data(WaitingOperationStatus::Submitted).await?;
        callback.send_callback_success("\"yes\"").await?;
        Ok::<_, TestError>(())
    };
    let (result, answered) = tokio::join!(runner.run(json!(null)), answer);
    answered.unwrap();
    assert_eq!(value(&result.unwrap()), json!(["yes", "yes", true, true]));
}
