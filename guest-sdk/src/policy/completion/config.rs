//! The configuration of when a batch ends.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::stats::BatchStats;
use crate::error::InvalidArgument;

type Predicate = Arc<dyn Fn(&BatchStats<'_>) -> bool + Send + Sync>;

/// When a map or parallel ends before all of its items have ended.
///
/// The conditions are checked each time an item ends: first the failure tolerances, then the minimum number of
/// successes, then the predicate. The first condition that holds ends the batch. Items that run at that moment are
/// dropped, and items that have not been started do not start.
///
/// **With no condition set** the first failure ends the batch. With any condition set, failures end the batch only if a
/// tolerance is exceeded.
///
/// # Examples
///
/// ```
/// use durawasm_guest::builders::map_parallel::CompletionConfig;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let two_of_them = CompletionConfig::with_min_successful(2);
/// let whatever_fails = CompletionConfig::with_tolerated_failure_percentage(100);
/// let half = CompletionConfig::with_completion_predicate(|stats| stats.settled() * 2 >= stats.total_items());
/// let both = CompletionConfig::builder().min_successful(2).tolerated_failure_count(1).build()?;
/// assert_eq!((both.min_successful(), both.tolerated_failure_count()), (Some(2), Some(1)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct CompletionConfig {
    min_successful: Option<usize>,
    tolerated_failure_count: Option<usize>,
    tolerated_failure_percentage: Option<usize>,
    predicate: Option<Predicate>,
}

impl CompletionConfig {
    /// Returns a builder that sets several conditions and checks them.
    pub fn builder() -> CompletionConfigBuilder {
        CompletionConfigBuilder::default()
    }

    /// Ends the batch after this number of successes, independent of failures. 0 sets no minimum.
    #[must_use]
    pub fn with_min_successful(min: usize) -> Self {
        Self { min_successful: Some(min), ..Self::default() }
    }

    /// Ends the batch when there are more failures than this: with 0, at the first.
    #[must_use]
    pub fn with_tolerated_failure_count(count: usize) -> Self {
        Self { tolerated_failure_count: Some(count), ..Self::default() }
    }

    /// Ends the batch when more than this percentage of all items, started or not, have failed: 0 to 100. Exactly this
    /// percentage is tolerated, so with 100 no failure ends the batch. More than 100 is an error of the operation.
    #[must_use]
    pub fn with_tolerated_failure_percentage(pct: usize) -> Self {
        Self { tolerated_failure_percentage: Some(pct), ..Self::default() }
    }

    /// Ends the batch when the predicate returns true: see [`CompletionConfigBuilder::completion_predicate`].
    #[must_use]
    pub fn with_completion_predicate<F>(predicate: F) -> Self
    where
        F: Fn(&BatchStats<'_>) -> bool + Send + Sync + 'static,
    {
        Self { predicate: Some(Arc::new(predicate)), ..Self::default() }
    }

    /// The number of successes that ends the batch.
    #[must_use]
    pub fn min_successful(&self) -> Option<usize> {
        self.min_successful
    }

    /// The number of failures that is tolerated.
    #[must_use]
    pub fn tolerated_failure_count(&self) -> Option<usize> {
        self.tolerated_failure_count
    }

    /// The percentage of failures that is tolerated.
    #[must_use]
    pub fn tolerated_failure_percentage(&self) -> Option<usize> {
        self.tolerated_failure_percentage
    }

    /// Whether a predicate is set.
    #[must_use]
    pub fn has_completion_predicate(&self) -> bool {
        self.predicate.is_some()
    }

    /// Whether no condition is set, so that the first failure ends the batch.
    pub(super) fn is_empty(&self) -> bool {
        self.min_successful.is_none()
            && self.tolerated_failure_count.is_none()
            && self.tolerated_failure_percentage.is_none()
            && self.predicate.is_none()
    }

    pub(super) fn predicate(&self) -> Option<&(dyn Fn(&BatchStats<'_>) -> bool + Send + Sync)> {
        self.predicate.as_deref()
    }

    pub(crate) fn check(&self) -> Result<(), InvalidArgument> {
        match self.tolerated_failure_percentage {
            Some(pct) if pct > 100 => Err(InvalidArgument {
                argument: "tolerated_failure_percentage".to_owned(),
                reason: format!("{pct} is not within 0 to 100"),
            }),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for CompletionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionConfig")
            .field("min_successful", &self.min_successful)
            .field("tolerated_failure_count", &self.tolerated_failure_count)
            .field("tolerated_failure_percentage", &self.tolerated_failure_percentage)
            .field("completion_predicate", &self.predicate.as_ref().map(|_| "<closure>"))
            .finish()
    }
}

/// Builds a [`CompletionConfig`]: the first condition that holds ends the batch.
#[derive(Debug, Clone, Default)]
#[must_use = "builders do nothing unless .build() is called"]
#[non_exhaustive]
pub struct CompletionConfigBuilder {
    config: CompletionConfig,
}

impl CompletionConfigBuilder {
    /// Ends the batch after this number of successes. 0 sets no minimum.
    pub fn min_successful(mut self, min: usize) -> Self {
        self.config.min_successful = Some(min);
        self
    }

    /// Ends the batch when there are more failures than this: with 0, at the first.
    pub fn tolerated_failure_count(mut self, count: usize) -> Self {
        self.config.tolerated_failure_count = Some(count);
        self
    }

    /// Ends the batch when more than this percentage of all items have failed: 0 to 100.
    pub fn tolerated_failure_percentage(mut self, pct: usize) -> Self {
        self.config.tolerated_failure_percentage = Some(pct);
        self
    }

    /// Ends the batch when the predicate returns true, with the reason
    /// [`PredicateMatched`](super::CompletionReason::PredicateMatched).
    ///
    /// The predicate runs again on replays, so it must depend on its argument alone. It is called for one item after
    /// another in the order of the input: an item that has ended is passed to it when all items before it have ended
    /// too.
    pub fn completion_predicate<F>(mut self, predicate: F) -> Self
    where
        F: Fn(&BatchStats<'_>) -> bool + Send + Sync + 'static,
    {
        self.config.predicate = Some(Arc::new(predicate));
        self
    }

    /// Creates the configuration.
    ///
    /// # Errors
    /// If the percentage is above 100.
    pub fn build(self) -> Result<CompletionConfig, CompletionConfigValidationError> {
        match self.config.check() {
            Ok(()) => Ok(self.config),
            Err(InvalidArgument { argument, reason }) => {
                Err(CompletionConfigValidationError { message: format!("{argument}: {reason}") })
            }
        }
    }
}

/// A [`CompletionConfig`] that is not allowed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CompletionConfigValidationError {
    message: String,
}

impl fmt::Display for CompletionConfigValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid CompletionConfig: {}", self.message)
    }
}

impl Error for CompletionConfigValidationError {}
