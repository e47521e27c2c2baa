//! Decides when a batch ends.
//!
//! Invariants: items are counted one at a time, in the order in which they end. Thresholds depend on counts only, so
//! they hold after the same items in any order; the predicate gets items in the order of the input. The first condition
//! that holds ends the batch.

use super::config::CompletionConfig;
use super::stats::{BatchItemStatus, BatchStats, CompletionReason, SettledOutcome};

/// The progress of a batch.
pub(crate) struct Progress {
    config: CompletionConfig,
    total: usize,
    succeeded: usize,
    failed: usize,
    prefix: Prefix,
}

/// The argument of the predicate: all items up to the first that has not ended. Empty without a predicate.
#[derive(Default)]
struct Prefix {
    /// The items that have ended, by index.
    ended: Vec<Option<BatchItemStatus>>,
    outcomes: Vec<SettledOutcome>,
    succeeded: usize,
    failed: usize,
}

impl Progress {
    pub(crate) fn new(config: CompletionConfig, total: usize) -> Self {
        let mut prefix = Prefix::default();
        if config.has_completion_predicate() {
            prefix.ended.resize(total, None);
        }
        Self { config, total, succeeded: 0, failed: 0, prefix }
    }

    /// Counts an item that has ended. Returns the reason if that ends the batch.
    pub(crate) fn settle(&mut self, index: usize, status: BatchItemStatus) -> Option<CompletionReason> {
        match status {
            BatchItemStatus::Succeeded => self.succeeded += 1,
            BatchItemStatus::Failed => self.failed += 1,
            BatchItemStatus::Started => return None,
        }
        if self.too_many_failed() {
            return Some(CompletionReason::FailureToleranceExceeded);
        }
        if self.config.min_successful().is_some_and(|min| min > 0 && self.succeeded >= min) {
            return Some(CompletionReason::MinSuccessfulReached);
        }
        self.predicate_matches(index, status).then_some(CompletionReason::PredicateMatched)
    }

    fn too_many_failed(&self) -> bool {
        let config = &self.config;
        if config.is_empty() {
            return self.failed > 0;
        }
        // In integers, so that exactly the given percentage is tolerated; wide enough for every product.
        let exceeds = |pct: usize| self.failed as u128 * 100 > pct as u128 * self.total as u128;
        config.tolerated_failure_count().is_some_and(|count| self.failed > count)
            || config.tolerated_failure_percentage().is_some_and(exceeds)
    }

    fn predicate_matches(&mut self, index: usize, status: BatchItemStatus) -> bool {
        let Some(predicate) = self.config.predicate() else { return false };
        let Prefix { ended, outcomes, succeeded, failed } = &mut self.prefix;
        if let Some(place) = ended.get_mut(index) {
            *place = Some(status);
        }
        while let Some(status) = ended.get(outcomes.len()).copied().flatten() {
            outcomes.push(SettledOutcome::new(outcomes.len(), status));
            match status {
                BatchItemStatus::Failed => *failed += 1,
                _ => *succeeded += 1,
            }
            if predicate(&BatchStats::new(*succeeded, *failed, self.total, outcomes)) {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::BatchItemStatus::{Failed, Succeeded};
    use super::CompletionReason::{FailureToleranceExceeded, MinSuccessfulReached, PredicateMatched};
    use super::*;
    use proptest::prelude::*;

    /// The item that ended the batch, and the reason.
    fn end(
        config: CompletionConfig,
        total: usize,
        items: &[(usize, BatchItemStatus)],
    ) -> Option<(usize, CompletionReason)> {
        let mut progress = Progress::new(config, total);
        items
            .iter()
            .find_map(|(index, status)| progress.settle(*index, *status).map(|reason| (*index, reason)))
    }

    fn in_order(statuses: &[BatchItemStatus]) -> Vec<(usize, BatchItemStatus)> {
        statuses.iter().copied().enumerate().collect()
    }

    #[test]
    fn the_first_failure_ends_the_batch_only_without_conditions() {
        let items = in_order(&[Succeeded, Failed, Failed]);
        let none = CompletionConfig::default();
        assert_eq!(end(none, 3, &items), Some((1, FailureToleranceExceeded)));
        assert_eq!(end(CompletionConfig::with_min_successful(0), 3, &items), None);
        assert_eq!(end(CompletionConfig::with_min_successful(2), 3, &items), None);
        assert_eq!(end(CompletionConfig::with_completion_predicate(|_| false), 3, &items), None);
    }

    #[test]
    fn exactly_the_given_tolerance_is_tolerated() {
        let failures = in_order(&[Failed; 4]);
        let end = |config| end(config, 4, &failures).map(|(index, _)| index);
        for (count, last) in [(0, Some(0)), (1, Some(1)), (3, Some(3)), (4, None)] {
            assert_eq!(end(CompletionConfig::with_tolerated_failure_count(count)), last, "{count}");
        }
        for (pct, last) in
            [(0, Some(0)), (24, Some(0)), (25, Some(1)), (50, Some(2)), (99, Some(3)), (100, None)]
        {
            assert_eq!(end(CompletionConfig::with_tolerated_failure_percentage(pct)), last, "{pct}");
        }
    }

    #[test]
    fn tolerances_are_checked_first_and_the_predicate_last() {
        let config = CompletionConfig::builder()
            .min_successful(1)
            .tolerated_failure_count(0)
            .completion_predicate(|_| true)
            .build()
            .unwrap();
        assert_eq!(end(config.clone(), 2, &in_order(&[Failed])), Some((0, FailureToleranceExceeded)));
        assert_eq!(end(config, 2, &in_order(&[Succeeded])), Some((0, MinSuccessfulReached)));
    }

    #[test]
    fn the_predicate_sees_items_in_the_order_of_the_input() {
        let seen = |stats: &BatchStats<'_>| {
            assert_eq!(stats.outcomes().len(), stats.settled());
            assert!(stats.outcomes().iter().enumerate().all(|(at, outcome)| at == outcome.index()));
            stats.settled() >= 2
        };
        let items = [(2, Succeeded), (1, Failed), (0, Succeeded)];
        let config = CompletionConfig::with_completion_predicate(seen);
        assert_eq!(end(config, 3, &items), Some((0, PredicateMatched)), "items 1 and 2 waited for item 0");
    }

    #[test]
    fn a_percentage_above_100_is_an_error() {
        let error = CompletionConfig::builder().tolerated_failure_percentage(101).build().unwrap_err();
        let text = "invalid CompletionConfig: tolerated_failure_percentage: 101 is not within 0 to 100";
        assert_eq!(error.to_string(), text);
        assert!(CompletionConfig::builder().tolerated_failure_percentage(100).build().is_ok());
        assert!(CompletionConfig::with_tolerated_failure_percentage(101).check().is_err());
    }

    proptest! {
        /// The same items end a batch in any order, if at all.
        #[test]
        fn thresholds_do_not_depend_on_the_order(
            statuses in proptest::collection::vec(prop_oneof![Just(Succeeded), Just(Failed)], 1..20),
            min in proptest::option::of(0..20_usize),
            count in proptest::option::of(0..20_usize),
            pct in proptest::option::of(0..=100_usize),
            seed in any::<proptest::sample::Index>(),
        ) {
            let mut builder = CompletionConfig::builder();
            if let Some(min) = min { builder = builder.min_successful(min) }
            if let Some(count) = count { builder = builder.tolerated_failure_count(count) }
            if let Some(pct) = pct { builder = builder.tolerated_failure_percentage(pct) }
            let config = builder.build().unwrap();
            let items = in_order(&statuses);
            let mut rotated = items.clone();
            rotated.rotate_left(seed.index(items.len()));
            let ends = end(config.clone(), items.len(), &items).is_some();
            prop_assert_eq!(ends, end(config, items.len(), &rotated).is_some());
        }
    }
}
