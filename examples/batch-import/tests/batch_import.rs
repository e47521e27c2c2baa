//! The import in the sandbox, in virtual time.

use durawasm_testing::{LocalDurableTestRunner, Operation, TestError, TestResult};
use serde_json::{Value, json};

const CUSTOMERS: &str = include_str!("../events/customers.json");

#[tokio::test]
async fn five_thousand_rows_are_fifty_operations() -> Result<(), TestError> {
    let result = runner()?.run_text(CUSTOMERS.into()).await?;
    let summary: Value = result.get_result_as()?;
    assert_eq!(summary["imported"], json!(4800));
    let refused: Vec<_> =
        summary["refused"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(matches!(refused[..], [first, second]
        if first.starts_with("rows-from-1201: ") && first.ends_with("CorruptRow: row 1234 cannot be read")
            && second.starts_with("rows-from-4301: ") && second.ends_with("CorruptRow: row 4321 cannot be read")));
    assert_eq!(summary["reason"], json!("ALL_COMPLETED"));
    assert_eq!(named(&result, "send"), 50);
    // The receipts, half a megabyte, are available after the wait, and no row was sent twice.
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
    let details = result.get_operation("import").and_then(|map| map.context_details.as_ref());
    assert!(details.is_some_and(|map| map.replay_children));
    assert!(details.and_then(|map| map.result.as_ref()).is_none_or(|recorded| recorded.len() < 10_000));
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_mostly_wrong_is_not_tried_to_its_end() -> Result<(), TestError> {
    let corrupt: Vec<u32> = (0..50).map(|batch| batch * 100 + 1).collect();
    let result = runner()?.run(json!({ "name": "noise.csv", "rows": 5000, "corrupt": corrupt })).await?;
    let summary: Value = result.get_result_as()?;
    assert_eq!((&summary["imported"], &summary["reason"]), (&json!(0), &json!("FAILURE_TOLERANCE_EXCEEDED")));
    // A tenth of fifty batches is five: the sixth failure exceeds the limit.
    assert_eq!(summary["refused"].as_array().map(Vec::len), Some(6));
    Ok(())
}

#[tokio::test]
async fn an_empty_file_is_no_trouble() -> Result<(), TestError> {
    let result = runner()?.run(json!({ "name": "empty.csv", "rows": 0 })).await?;
    assert_eq!(result.get_result_as::<Value>()?["imported"], json!(0));
    Ok(())
}

fn runner() -> Result<LocalDurableTestRunner, TestError> {
    LocalDurableTestRunner::from_crate(env!("CARGO_MANIFEST_DIR"))
}

fn named(result: &TestResult, name: &str) -> usize {
    let named = |operation: &&Operation| operation.name.as_deref() == Some(name);
    result.get_operations().iter().filter(named).count()
}
