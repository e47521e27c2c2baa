//! The result of a batch.

use std::fmt;

use super::errors::item_failed;
use crate::error::{OperationError, WireError};
use crate::policy::{BatchItemStatus, CompletionReason};

/// One item of a batch that was started.
///
/// # Examples
///
/// ```
/// use durawasm_guest::builders::map_parallel::{BatchItem, BatchItemStatus};
///
/// let item = BatchItem::new(0, "first".to_owned(), BatchItemStatus::Succeeded, Some(7), None, None);
/// assert_eq!(item.result, Some(7));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchItem<O> {
    /// Its index in the input, from 0.
    pub index: usize,
    /// Its name; empty if it has none.
    pub name: String,
    /// Its status.
    pub status: BatchItemStatus,
    /// The value that it returned, if it succeeded.
    pub result: Option<O>,
    /// The message of its error, if it failed.
    pub error_message: Option<String>,
    /// The type of its error, if it failed.
    pub error_type: Option<String>,
    /// The data of its error, if it failed with some.
    pub error_data: Option<String>,
    /// The frames of its error, if it failed with some.
    pub stack_trace: Vec<String>,
}

impl<O> BatchItem<O> {
    /// Creates an item, for tests of code that uses results.
    #[must_use]
    pub fn new(
        index: usize,
        name: String,
        status: BatchItemStatus,
        result: Option<O>,
        error_message: Option<String>,
        error_type: Option<String>,
    ) -> Self {
        let (error_data, stack_trace) = (None, Vec::new());
        Self { index, name, status, result, error_message, error_type, error_data, stack_trace }
    }

    fn is(&self, status: BatchItemStatus) -> bool {
        self.status == status
    }

    /// The error of the item as recorded.
    fn wire(&self) -> WireError {
        WireError::from_parts(
            self.error_type.clone(),
            self.error_message.clone(),
            self.error_data.clone(),
            self.stack_trace.clone(),
        )
    }
}

/// Whether an item of a batch failed.
///
/// # Examples
///
/// ```
/// use durawasm_guest::builders::map_parallel::BatchStatus;
///
/// assert_eq!(BatchStatus::Failed.to_string(), "FAILED");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchStatus {
    /// No item failed.
    Succeeded,
    /// An item failed, whether that was tolerated or not.
    Failed,
}

impl BatchStatus {
    /// `SUCCEEDED` or `FAILED`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
        }
    }
}

impl fmt::Display for BatchStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The failure of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchError<'a> {
    /// The index of the item in the input, from 0.
    pub index: usize,
    /// The item's name; empty if it has none.
    pub name: &'a str,
    /// The message.
    pub message: &'a str,
    /// The type.
    pub error_type: Option<&'a str>,
}

/// The result of a map or parallel: the items that were started, and the reason why it ended.
///
/// # Examples
///
/// ```
/// use durawasm_guest::builders::map_parallel::{
///     BatchItem, BatchItemStatus, BatchResult, BatchStatus, CompletionReason,
/// };
///
/// let good = BatchItem::new(0, String::new(), BatchItemStatus::Succeeded, Some("yes"), None, None);
/// let bad = BatchItem::new(1, String::new(), BatchItemStatus::Failed, None, Some("no".into()), None);
/// let batch = BatchResult::new(vec![good, bad], CompletionReason::AllCompleted);
/// assert_eq!((batch.success_count(), batch.failure_count()), (1, 1));
/// assert_eq!(batch.status(), BatchStatus::Failed);
/// assert_eq!(batch.errors()[0].message, "no");
/// assert!(batch.throw_if_error().is_err());
/// assert_eq!(batch.into_results(), ["yes"]);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchResult<O> {
    /// The items that were started, in the order of the input.
    pub items: Vec<BatchItem<O>>,
    /// Why the batch ended.
    pub reason: CompletionReason,
}

impl<O> BatchResult<O> {
    /// Creates a result, for tests of code that uses results.
    #[must_use]
    pub fn new(items: Vec<BatchItem<O>>, reason: CompletionReason) -> Self {
        Self { items, reason }
    }

    /// The values of the items that succeeded, in the order of the input.
    #[must_use]
    pub fn results(&self) -> Vec<&O> {
        self.succeeded().filter_map(|item| item.result.as_ref()).collect()
    }

    /// The same, by value.
    #[must_use]
    pub fn into_results(self) -> Vec<O> {
        self.items.into_iter().filter_map(|item| item.result).collect()
    }

    /// The items that succeeded.
    pub fn succeeded(&self) -> impl Iterator<Item = &BatchItem<O>> {
        self.with(BatchItemStatus::Succeeded)
    }

    /// The items that failed.
    pub fn failed(&self) -> impl Iterator<Item = &BatchItem<O>> {
        self.with(BatchItemStatus::Failed)
    }

    /// The items that were dropped when the batch ended.
    pub fn started(&self) -> impl Iterator<Item = &BatchItem<O>> {
        self.with(BatchItemStatus::Started)
    }

    fn with(&self, status: BatchItemStatus) -> impl Iterator<Item = &BatchItem<O>> {
        self.items.iter().filter(move |item| item.is(status))
    }

    /// The number of items that succeeded.
    #[must_use]
    pub fn success_count(&self) -> usize {
        self.succeeded().count()
    }

    /// The number of items that failed.
    #[must_use]
    pub fn failure_count(&self) -> usize {
        self.failed().count()
    }

    /// The number of items that were dropped when the batch ended.
    #[must_use]
    pub fn started_count(&self) -> usize {
        self.started().count()
    }

    /// The number of items that were started, ended or not.
    #[must_use]
    pub fn total_count(&self) -> usize {
        self.items.len()
    }

    /// Whether an item failed.
    #[must_use]
    pub fn has_failure(&self) -> bool {
        self.failed().next().is_some()
    }

    /// Whether an item failed, as a status.
    #[must_use]
    pub fn status(&self) -> BatchStatus {
        if self.has_failure() { BatchStatus::Failed } else { BatchStatus::Succeeded }
    }

    /// The failures, in the order of the input.
    #[must_use]
    pub fn errors(&self) -> Vec<BatchError<'_>> {
        let error = |item| {
            let BatchItem { index, name, error_message, error_type, .. }: &BatchItem<O> = item;
            let message = error_message.as_deref().unwrap_or_default();
            BatchError { index: *index, name, message, error_type: error_type.as_deref() }
        };
        self.failed().map(error).collect()
    }

    /// Returns `Ok` if no item failed.
    ///
    /// # Errors
    /// The failure of the first failed item in the order of the input, as an error of kind
    /// [`ChildContext`](crate::OperationErrorKind::ChildContext).
    pub fn throw_if_error(&self) -> Result<(), OperationError> {
        match self.failed().next() {
            Some(item) => Err(item_failed(item.wire())),
            None => Ok(()),
        }
    }
}
