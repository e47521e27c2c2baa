//! What is known of the items of a batch.

use std::fmt;

/// How an item stands when its batch is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchItemStatus {
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// It was under way, and was dropped when the batch ended. It has neither a result nor an error.
    Started,
}

impl BatchItemStatus {
    /// As it is on record: `SUCCEEDED`, `FAILED` or `STARTED`.
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

/// Why a batch is over.
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
    /// All its items are.
    AllCompleted,
    /// As many succeeded as were asked for.
    MinSuccessfulReached,
    /// More failed than are tolerated.
    FailureToleranceExceeded,
    /// The completion predicate said so.
    PredicateMatched,
}

impl CompletionReason {
    const ALL: [Self; 4] = [
        Self::AllCompleted,
        Self::MinSuccessfulReached,
        Self::FailureToleranceExceeded,
        Self::PredicateMatched,
    ];

    /// As it is on record, such as `ALL_COMPLETED`.
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

/// An item that has ended, as a completion predicate sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettledOutcome {
    index: usize,
    status: BatchItemStatus,
}

impl SettledOutcome {
    /// An outcome, also for tests of predicates.
    #[must_use]
    pub fn new(index: usize, status: BatchItemStatus) -> Self {
        Self { index, status }
    }

    /// The item's place in the input, from 0.
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

/// How far a batch has come, as a completion predicate sees it: the first items of the input, up to one that has not
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
    /// Statistics, also for tests of predicates.
    #[must_use]
    pub fn new(succeeded: usize, failed: usize, total_items: usize, outcomes: &'a [SettledOutcome]) -> Self {
        Self { succeeded, failed, total_items, outcomes }
    }

    /// How many of these items succeeded.
    #[must_use]
    pub fn succeeded(&self) -> usize {
        self.succeeded
    }

    /// How many of them failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// How many they are.
    #[must_use]
    pub fn settled(&self) -> usize {
        self.succeeded + self.failed
    }

    /// How many items there are in all, started or not.
    #[must_use]
    pub fn total_items(&self) -> usize {
        self.total_items
    }

    /// These items, in the order of the input: the one at `n` is item `n`.
    #[must_use]
    pub fn outcomes(&self) -> &'a [SettledOutcome] {
        self.outcomes
    }
}
