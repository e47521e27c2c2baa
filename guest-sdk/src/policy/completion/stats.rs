//! The statuses of the items of a batch.

use std::fmt;

/// The status of an item when its batch has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchItemStatus {
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// It was running, and was dropped when the batch ended. It has neither a result nor an error.
    Started,
}

impl BatchItemStatus {
    /// The recorded text: `SUCCEEDED`, `FAILED` or `STARTED`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Started => "STARTED",
        }
    }
}

impl fmt::Display for BatchItemStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a batch ended.
///
/// # Examples
///
/// ```
/// use durawasm_guest::builders::map_parallel::CompletionReason;
///
/// assert_eq!(CompletionReason::AllCompleted.as_str(), "ALL_COMPLETED");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompletionReason {
    /// All items have ended.
    AllCompleted,
    /// The minimum number of items succeeded.
    MinSuccessfulReached,
    /// More items failed than are tolerated.
    FailureToleranceExceeded,
    /// The completion predicate returned true.
    PredicateMatched,
}

impl CompletionReason {
    const ALL: [Self; 4] = [
        Self::AllCompleted,
        Self::MinSuccessfulReached,
        Self::FailureToleranceExceeded,
        Self::PredicateMatched,
    ];

    /// The recorded text, such as `ALL_COMPLETED`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllCompleted => "ALL_COMPLETED",
            Self::MinSuccessfulReached => "MIN_SUCCESSFUL_REACHED",
            Self::FailureToleranceExceeded => "FAILURE_TOLERANCE_EXCEEDED",
            Self::PredicateMatched => "PREDICATE_MATCHED",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

impl fmt::Display for CompletionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An item that has ended, as passed to a completion predicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettledOutcome {
    index: usize,
    status: BatchItemStatus,
}

impl SettledOutcome {
    /// Creates an outcome, also for tests of predicates.
    #[must_use]
    pub fn new(index: usize, status: BatchItemStatus) -> Self {
        Self { index, status }
    }

    /// The index of the item in the input, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether it succeeded or failed.
    #[must_use]
    pub fn status(&self) -> BatchItemStatus {
        self.status
    }
}

/// The progress of a batch, as passed to a completion predicate: the items of the input up to the first that has not
/// ended.
///
/// # Examples
///
/// ```
/// use durawasm_guest::builders::map_parallel::{BatchItemStatus, BatchStats, SettledOutcome};
///
/// let enough = |stats: &BatchStats<'_>| stats.succeeded() > stats.total_items() / 2;
/// let outcomes = [SettledOutcome::new(0, BatchItemStatus::Succeeded)];
/// assert!(!enough(&BatchStats::new(1, 0, 5, &outcomes)));
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct BatchStats<'a> {
    succeeded: usize,
    failed: usize,
    total_items: usize,
    outcomes: &'a [SettledOutcome],
}

impl<'a> BatchStats<'a> {
    /// Creates statistics, also for tests of predicates.
    #[must_use]
    pub fn new(succeeded: usize, failed: usize, total_items: usize, outcomes: &'a [SettledOutcome]) -> Self {
        Self { succeeded, failed, total_items, outcomes }
    }

    /// The number of these items that succeeded.
    #[must_use]
    pub fn succeeded(&self) -> usize {
        self.succeeded
    }

    /// The number of these items that failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// The number of these items.
    #[must_use]
    pub fn settled(&self) -> usize {
        self.succeeded + self.failed
    }

    /// The number of all items, started or not.
    #[must_use]
    pub fn total_items(&self) -> usize {
        self.total_items
    }

    /// The outcomes of these items, in the order of the input: element `n` is item `n`.
    #[must_use]
    pub fn outcomes(&self) -> &'a [SettledOutcome] {
        self.outcomes
    }
}
