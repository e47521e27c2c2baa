//! Tests of the accessors of a batch's result.

use crate::builders::map_parallel::{BatchItem, BatchItemStatus, BatchResult, BatchStatus, CompletionReason};

fn item(index: usize, status: BatchItemStatus) -> BatchItem<u32> {
    let failed = status == BatchItemStatus::Failed;
    let result = (status == BatchItemStatus::Succeeded).then_some(7);
    let (message, kind) = (failed.then(|| format!("no {index}")), failed.then(|| "Declined".to_owned()));
    BatchItem::new(index, format!("item{index}"), status, result, message, kind)
}

#[test]
fn a_result_tells_values_failures_and_counts() {
    use BatchItemStatus::{Failed, Started, Succeeded};
    let statuses = [Failed, Succeeded, Started, Succeeded, Failed, Succeeded];
    let items = statuses.into_iter().enumerate().map(|(index, status)| item(index, status)).collect();
    let batch = BatchResult::new(items, CompletionReason::AllCompleted);
    let counts = [batch.success_count(), batch.failure_count(), batch.started_count(), batch.total_count()];
    assert_eq!(counts, [3, 2, 1, 6]);
    assert_eq!(batch.results(), [&7, &7, &7]);
    let indexes = |items: Vec<&BatchItem<u32>>| items.into_iter().map(|item| item.index).collect::<Vec<_>>();
    assert_eq!(indexes(batch.succeeded().collect()), [1, 3, 5]);
    assert_eq!(indexes(batch.failed().collect()), [0, 4]);
    assert_eq!(indexes(batch.started().collect()), [2]);
    let errors = batch.errors();
    let outline = errors.iter().map(|e| (e.index, e.name, e.message, e.error_type)).collect::<Vec<_>>();
    let expected = [(0, "item0", "no 0", Some("Declined")), (4, "item4", "no 4", Some("Declined"))];
    assert_eq!(outline.as_slice(), expected);
    assert!(batch.has_failure());
    assert_eq!((batch.status(), batch.status().to_string()), (BatchStatus::Failed, "FAILED".to_owned()));
    assert!(batch.throw_if_error().is_err());
    assert_eq!(batch.into_results(), [7, 7, 7]);
}

#[test]
fn a_result_without_failures_has_succeeded() {
    for items in [vec![], vec![item(0, BatchItemStatus::Succeeded), item(1, BatchItemStatus::Started)]] {
        let batch = BatchResult::new(items, CompletionReason::MinSuccessfulReached);
        assert!(!batch.has_failure() && batch.errors().is_empty() && batch.throw_if_error().is_ok());
        assert_eq!(
            (batch.status(), batch.status().to_string()),
            (BatchStatus::Succeeded, "SUCCEEDED".to_owned())
        );
    }
}
