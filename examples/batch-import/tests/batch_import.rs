//! The import in the real host, in virtual time.

use durawasm_testing::{LocalDurableTestRunner, Operation, TestError, TestResult};
use serde_json::{Value, json};

const CUSTOMERS: &str = include_str!("../events/customers.json");

#[tokio::test]
async fn five_thousand_rows_are_fifty_operations() -> Result<(), TestError> {
    let result = runner()?.run_text(CUSTOMERS.into()).await?;
    let summary: Value = result.get_result()?;
    assert_eq!(summary["imported"], json!(4800));
    assert_eq!(summary["refused"], json!(["rows-from-1201: CorruptRow", "rows-from-4301: CorruptRow",]));
    assert_eq!(summary["reason"], json!("ALL_COMPLETED"));
    assert_eq!(named(&result, "send"), 50);
    // The receipts are 400 KiB, and came through the wait after the map. No row was sent twice for it.
    assert!(
        summary["last_receipt"]
            .as_str()
            .is_some_and(|receipt| receipt.starts_with("customers.csv/00005000/"))
    );
    assert_eq!(result.get_log().len(), 48);
    Ok(())
}

#[tokio::test]
async fn what_is_too_large_for_the_record_is_put_together_again() -> Result<(), TestError> {
    let result = runner()?.run_text(CUSTOMERS.into()).await?;
    let context = |name: &str| result.get_operation(name).and_then(|map| map.context_details.clone());
    let map = context("import").ok_or(TestError::Duration("no map".into()))?;
    assert!(map.replay_children && map.result.is_none_or(|recorded| recorded.len() < 10_000));
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_mostly_wrong_is_not_tried_to_its_end() -> Result<(), TestError> {
    let corrupt: Vec<u32> = (0..50).map(|batch| batch * 100 + 1).collect();
    let result = runner()?.run(json!({ "name": "noise.csv", "rows": 5000, "corrupt": corrupt })).await?;
    let summary: Value = result.get_result()?;
    assert_eq!((&summary["imported"], &summary["reason"]), (&json!(0), &json!("FAILURE_TOLERANCE_EXCEEDED")));
    // A tenth of fifty batches are five: the sixth failure is one too many.
    assert_eq!(summary["refused"].as_array().map(Vec::len), Some(6));
    Ok(())
}

#[tokio::test]
async fn an_empty_file_is_no_trouble() -> Result<(), TestError> {
    let result = runner()?.run(json!({ "name": "empty.csv", "rows": 0 })).await?;
    assert_eq!(result.get_result::<Value>()?["imported"], json!(0));
    Ok(())
}

fn runner() -> Result<LocalDurableTestRunner, TestError> {
    LocalDurableTestRunner::from_crate(env!("CARGO_MANIFEST_DIR"))
}

fn named(result: &TestResult, name: &str) -> usize {
    let named = |operation: &&Operation| operation.name.as_deref() == Some(name);
    result.get_operations().into_iter().filter(named).count()
}
