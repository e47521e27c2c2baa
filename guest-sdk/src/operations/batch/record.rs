//! The record of a batch: a summary with all results, or, if that is too large, which items had ended.
//!
//! Invariants: a summary and its result are equivalent. A recorded end that does not match the input is an error.

use serde::{Deserialize, Serialize};

use super::result::{BatchItem, BatchResult};
use crate::error::{BoxError, WireError};
use crate::operations::child::INLINE_LIMIT;
use crate::policy::{BatchItemStatus, CompletionReason};
use crate::serdes::{Serdes, SerdesContext};

/// The recorded result of a batch: its items with their serialized results or errors, and the reason why the batch
/// ended.
///
/// A serdes for the batch (`result_serdes`) serializes and deserializes this type. It has no methods: use serde, as in
/// `impl<T: Serialize + DeserializeOwned> Serdes<T>`. The JSON is
///
/// ```json
/// {"results": [{"index": 0, "name": "a", "status": "SUCCEEDED", "result": "7"},
///              {"index": 1, "status": "FAILED", "errType": "Declined", "errMessage": "no funds"}],
///  "reason": "ALL_COMPLETED"}
/// ```
#[derive(Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BatchSummary {
    results: Vec<SummaryItem>,
    reason: String,
}

/// An item that was started.
#[derive(Debug, Serialize, Deserialize)]
struct SummaryItem {
    index: usize,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    status: Status,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    result: String,
    #[serde(default, rename = "errType", skip_serializing_if = "String::is_empty")]
    error_type: String,
    #[serde(default, rename = "errMessage", skip_serializing_if = "String::is_empty")]
    error_message: String,
    #[serde(default, rename = "errData", skip_serializing_if = "Option::is_none")]
    error_data: Option<String>,
    #[serde(default, rename = "stackTrace", skip_serializing_if = "Vec::is_empty")]
    stack_trace: Vec<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Succeeded,
    Failed,
    Started,
}

/// How an item ended: with its payload, or with an error.
pub(super) type Ended = Result<String, WireError>;

impl BatchSummary {
    /// Creates a summary from the items that were started, in the order of the input.
    pub(super) fn new(
        items: impl Iterator<Item = (usize, String, Option<Ended>)>,
        reason: CompletionReason,
    ) -> Self {
        let results = items.map(|(index, name, ended)| SummaryItem::new(index, name, ended)).collect();
        Self { results, reason: reason.as_str().to_owned() }
    }

    /// Deserializes the result.
    pub(super) async fn read<O, S: Serdes<O>>(
        self,
        serdes: &S,
        context: impl Fn(usize) -> SerdesContext,
    ) -> Result<BatchResult<O>, BoxError> {
        let mut items = Vec::with_capacity(self.results.len());
        for SummaryItem { index, name, status, result, error_type, error_message, error_data, stack_trace } in
            self.results
        {
            let mut item = BatchItem::new(index, name, BatchItemStatus::Started, None, None, None);
            match status {
                Status::Started => {}
                Status::Succeeded => {
                    item.status = BatchItemStatus::Succeeded;
                    item.result = Some(serdes.deserialize(result, context(index)).await?);
                }
                Status::Failed => {
                    item.status = BatchItemStatus::Failed;
                    item.error_message = Some(error_message);
                    item.error_type = Some(error_type).filter(|error_type| !error_type.is_empty());
                    item.error_data = error_data;
                    item.stack_trace = stack_trace;
                }
            }
            items.push(item);
        }
        // A serdes may have created the summary, so the reason may be unknown.
        let reason = CompletionReason::parse(&self.reason).unwrap_or(CompletionReason::AllCompleted);
        Ok(BatchResult::new(items, reason))
    }
}

impl SummaryItem {
    fn new(index: usize, name: String, ended: Option<Ended>) -> Self {
        let mut item = Self {
            index,
            name,
            status: Status::Started,
            result: String::new(),
            error_type: String::new(),
            error_message: String::new(),
            error_data: None,
            stack_trace: Vec::new(),
        };
        match ended {
            None => {}
            Some(Ok(result)) => {
                item.status = Status::Succeeded;
                item.result = result;
            }
            Some(Err(wire)) => {
                item.status = Status::Failed;
                wire.error_type().unwrap_or_default().clone_into(&mut item.error_type);
                wire.error_message().unwrap_or_default().clone_into(&mut item.error_message);
                item.error_data = wire.error_data().map(str::to_owned);
                item.stack_trace = wire.stack_trace().to_vec();
            }
        }
        item
    }
}

/// The record in place of a summary that is too large: which items were started and which of them had ended.
///
/// Items start in the order of the input, so the started items are the first `total_count`. Either the items that had
/// ended or the others are listed, whichever are fewer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenBatchEnd {
    total_count: usize,
    completion_reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_indexes: Option<Vec<usize>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    completed_indexes: Option<Vec<usize>>,
}

/// How a batch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BatchEnd {
    /// For each started item, whether it had ended.
    pub(super) ended: Vec<bool>,
    pub(super) reason: CompletionReason,
}

impl BatchEnd {
    pub(super) fn new(ended: Vec<bool>, reason: CompletionReason) -> Self {
        Self { ended, reason }
    }

    /// Reads the record. Returns `None` if there is none, as from other SDKs.
    pub(super) fn read(written: Option<&str>, total: usize) -> Result<Option<Self>, String> {
        let Some(written) = written.filter(|text| !text.is_empty()) else { return Ok(None) };
        let wrong = |what: &str| format!("what is on record of the batch's end {what}: {written}");
        let end: WrittenBatchEnd =
            serde_json::from_str(written).map_err(|error| wrong(&error.to_string()))?;
        let count = end.total_count;
        if count > total {
            return Err(wrong(&format!("has {count} items, and the batch has {total}")));
        }
        let reason =
            CompletionReason::parse(&end.completion_reason).ok_or_else(|| wrong("has no known reason"))?;
        let (listed, had_ended) = match (end.started_indexes, end.completed_indexes) {
            (Some(started), None) => (started, false),
            (None, Some(completed)) => (completed, true),
            _ => return Err(wrong("does not say which items had ended")),
        };
        let mut ended = vec![!had_ended; count];
        for index in listed {
            *ended.get_mut(index).ok_or_else(|| wrong("lists an item that was not started"))? = had_ended;
        }
        Ok(Some(Self { ended, reason }))
    }

    /// The text to record.
    pub(super) fn write(&self) -> Result<String, WireError> {
        let indexes = |ended| {
            let of = move |(index, is): (usize, &bool)| (*is == ended).then_some(index);
            self.ended.iter().enumerate().filter_map(of).collect::<Vec<_>>()
        };
        let (started, completed) = (indexes(false), indexes(true));
        let fewer_started = started.len() <= completed.len();
        let written = WrittenBatchEnd {
            total_count: self.ended.len(),
            completion_reason: self.reason.as_str().to_owned(),
            started_indexes: fewer_started.then_some(started),
            completed_indexes: (!fewer_started).then_some(completed),
        };
        let written = serde_json::to_string(&written).map_err(|error| WireError::of(&error, "BatchError"))?;
        if written.len() > INLINE_LIMIT {
            let message =
                "the list of the items that ended the batch is larger than 256 KiB; make smaller batches";
            return Err(WireError::new("BatchError", message));
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_recorded_end_lists_the_fewer_items() {
        let end = |ended: &[bool]| BatchEnd::new(ended.to_vec(), CompletionReason::MinSuccessfulReached);
        assert_eq!(
            end(&[true, false, true]).write().unwrap(),
            r#"{"totalCount":3,"completionReason":"MIN_SUCCESSFUL_REACHED","startedIndexes":[1]}"#
        );
        assert_eq!(
            end(&[false, false, true]).write().unwrap(),
            r#"{"totalCount":3,"completionReason":"MIN_SUCCESSFUL_REACHED","completedIndexes":[2]}"#
        );
    }

    #[test]
    fn a_recorded_end_that_does_not_match_the_input_is_an_error() {
        let read = |text: &str| BatchEnd::read(Some(text), 3);
        assert_eq!(BatchEnd::read(None, 3), Ok(None));
        assert_eq!(read(""), Ok(None));
        for (bad, why) in [
            ("{", "EOF"),
            (r#"{"totalCount":4,"completionReason":"ALL_COMPLETED","startedIndexes":[]}"#, "the batch has 3"),
            (r#"{"totalCount":3,"completionReason":"BORED","startedIndexes":[]}"#, "no known reason"),
            (r#"{"totalCount":3,"completionReason":"ALL_COMPLETED"}"#, "which items"),
            (r#"{"totalCount":2,"completionReason":"ALL_COMPLETED","startedIndexes":[2]}"#, "not started"),
        ] {
            let error = read(bad).unwrap_err();
            assert!(error.contains(why) && error.contains(bad), "{error}");
        }
    }

    #[test]
    fn a_recorded_end_has_at_most_256_kib() {
        let write = |listed: &[usize]| {
            let mut ended = vec![true; 100_000];
            for index in listed {
                ended[*index] = false;
            }
            BatchEnd::new(ended, CompletionReason::AllCompleted).write()
        };
        let empty = write(&[]).unwrap().len();
        for (bytes, fits) in [(INLINE_LIMIT, true), (INLINE_LIMIT + 1, false)] {
            // Each index has a comma, the last one has none. With it, an index of five digits takes six bytes, and one of
            // four digits five.
            let rest = bytes + 1 - empty;
            let short = (6 - rest % 6) % 6;
            let long = (rest - 5 * short) / 6;
            let listed: Vec<usize> = (1000..1000 + short).chain(10_000..10_000 + long).collect();
            match write(&listed) {
                Ok(written) => assert!(fits && written.len() == bytes, "{} bytes", written.len()),
                Err(wire) => assert!(!fits && wire.to_string().contains("larger than 256 KiB"), "{wire}"),
            }
        }
    }

    proptest! {
        #[test]
        fn a_recorded_end_is_read_as_it_was_written(ended in proptest::collection::vec(any::<bool>(), 0..50)) {
            let end = BatchEnd::new(ended, CompletionReason::AllCompleted);
            let written = end.write().unwrap();
            prop_assert_eq!(BatchEnd::read(Some(&written), 50).unwrap().unwrap(), end);
        }
    }
}
