//! When a batch is over, as its author says.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::stats::BatchStats;
use crate::error::InvalidArgument;

type Predicate = Arc<dyn Fn(&BatchStats<'_>) -> bool + Send + Sync>;

/// When a map or parallel is over before all of its items are.
///
/// What is set is looked at each time an item ends, and what holds first ends the batch: first the tolerances for
/// failures, then the least number of successes, then the predicate. Items that run then are dropped, and those that
/// have not been started stay so.
///
/// **With nothing set** the first failure ends the batch. With anything set, failures that no tolerance limits do not.
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
    /// A builder that sets several at once and checks them.
    pub fn builder() -> CompletionConfigBuilder {
        CompletionConfigBuilder::default()
    }

    /// Over after so many successes, whatever fails. 0 sets no such number.
    #[must_use]
    pub fn with_min_successful(min: usize) -> Self {
        Self { min_successful: Some(min), ..Self::default() }
    }

    /// Over with more failures than that: 0 for the first.
    #[must_use]
    pub fn with_tolerated_failure_count(count: usize) -> Self {
        Self { tolerated_failure_count: Some(count), ..Self::default() }
    }

    /// Over when the failures are more than that part of all items, started or not: 0 to 100 percent. Exactly that part
    /// is tolerated, so with 100 nothing ends the batch. More than 100 is an error of the operation.
    #[must_use]
    pub fn with_tolerated_failure_percentage(pct: usize) -> Self {
        Self { tolerated_failure_percentage: Some(pct), ..Self::default() }
    }

    /// Over when this says so: see [`CompletionConfigBuilder::completion_predicate`].
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

    /// The number of failures that does not end the batch.
    #[must_use]
    pub fn tolerated_failure_count(&self) -> Option<usize> {
        self.tolerated_failure_count
    }

    /// The percentage of failures that does not end the batch.
    #[must_use]
    pub fn tolerated_failure_percentage(&self) -> Option<usize> {
        self.tolerated_failure_percentage
    }

    /// Whether a predicate is set.
    #[must_use]
    pub fn has_completion_predicate(&self) -> bool {
        self.predicate.is_some()
    }

    /// Whether nothing is set, so that the first failure ends the batch.
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

/// Builds a [`CompletionConfig`]: what is set first to hold ends the batch.
#[derive(Debug, Clone, Default)]
#[must_use = "builders do nothing unless .build() is called"]
#[non_exhaustive]
pub struct CompletionConfigBuilder {
    config: CompletionConfig,
}

impl CompletionConfigBuilder {
    /// Over after so many successes. 0 sets no such number.
    pub fn min_successful(mut self, min: usize) -> Self {
        self.config.min_successful = Some(min);
        self
    }

    /// Over with more failures than that: 0 for the first.
    pub fn tolerated_failure_count(mut self, count: usize) -> Self {
        self.config.tolerated_failure_count = Some(count);
        self
    }

    /// Over when the failures are more than that part of all items: 0 to 100 percent.
    pub fn tolerated_failure_percentage(mut self, pct: usize) -> Self {
        self.config.tolerated_failure_percentage = Some(pct);
        self
    }

    /// Over when this says so, with the reason [`PredicateMatched`](super::CompletionReason::PredicateMatched).
    ///
    /// It must decide by its argument alone, as it runs again on replays. It is asked item by item in the order of the
    /// input: an item that ended is shown to it when all items before have ended too.
    pub fn completion_predicate<F>(mut self, predicate: F) -> Self
    where
        F: Fn(&BatchStats<'_>) -> bool + Send + Sync + 'static,
    {
        self.config.predicate = Some(Arc::new(predicate));
        self
    }

    /// Makes the configuration.
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
