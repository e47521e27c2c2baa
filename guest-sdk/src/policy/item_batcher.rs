//! Combines many small items into fewer large ones.

use std::error::Error;
use std::fmt;

use serde::Serialize;

use crate::error::InvalidArgument;

/// How items are combined, so that a map has one operation for several of them: see
/// [`DurableContext::map_batched`](crate::DurableContext::map_batched).
///
/// Items keep their order. A batch is full if the next item would exceed a limit; an item that exceeds a limit by
/// itself is a batch of its own. Without limits all items are one batch.
///
/// # Examples
///
/// ```
/// use durawasm_guest::builders::map_parallel::ItemBatcher;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let batcher = ItemBatcher::builder().max_items_per_batch(100).max_item_bytes_per_batch(64 * 1024).build()?;
/// assert_eq!(batcher.max_items_per_batch(), Some(100));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ItemBatcher {
    max_items: Option<usize>,
    max_bytes: Option<usize>,
}

impl ItemBatcher {
    /// Returns a builder without limits.
    pub fn builder() -> ItemBatcherBuilder {
        ItemBatcherBuilder::default()
    }

    /// Limits batches to this number of items, 1 or more. 0 is an error of the operation.
    #[must_use]
    pub fn with_max_items(max: usize) -> Self {
        Self { max_items: Some(max), ..Self::default() }
    }

    /// The maximum number of items in a batch.
    #[must_use]
    pub fn max_items_per_batch(&self) -> Option<usize> {
        self.max_items
    }

    /// The maximum size of the items of a batch as JSON, in bytes.
    #[must_use]
    pub fn max_item_bytes_per_batch(&self) -> Option<usize> {
        self.max_bytes
    }

    fn check(&self) -> Result<(), InvalidArgument> {
        let limits = [("max_items_per_batch", self.max_items), ("max_item_bytes_per_batch", self.max_bytes)];
        match limits.into_iter().find(|(_, limit)| *limit == Some(0)) {
            None => Ok(()),
            Some((argument, _)) => Err(InvalidArgument {
                argument: argument.to_owned(),
                reason: "0 leaves no room for an item: 1 is the least; leave it out for no limit".to_owned(),
            }),
        }
    }

    pub(crate) fn batch<I: Serialize>(
        &self,
        items: impl IntoIterator<Item = I>,
    ) -> Result<Vec<Vec<I>>, InvalidArgument> {
        self.check()?;
        let mut batches = Vec::new();
        let (mut batch, mut bytes) = (Vec::new(), 0_usize);
        for item in items {
            let size = if self.max_bytes.is_some() { size(&item)? } else { 0 };
            let full = self.max_items.is_some_and(|max| batch.len() >= max)
                || self.max_bytes.is_some_and(|max| bytes.checked_add(size).is_none_or(|sum| sum > max));
            if full && !batch.is_empty() {
                batches.push(std::mem::take(&mut batch));
                bytes = 0;
            }
            batch.push(item);
            bytes += size;
        }
        if !batch.is_empty() {
            batches.push(batch);
        }
        Ok(batches)
    }
}

/// The length of an item as JSON.
fn size<I: Serialize>(item: &I) -> Result<usize, InvalidArgument> {
    serde_json::to_string(item).map(|json| json.len()).map_err(|error| InvalidArgument {
        argument: "items".to_owned(),
        reason: format!("an item has no size in bytes, since it cannot be serialized: {error}"),
    })
}

/// Builds an [`ItemBatcher`].
#[derive(Debug, Clone, Default)]
#[must_use = "builders do nothing unless .build() is called"]
#[non_exhaustive]
pub struct ItemBatcherBuilder {
    batcher: ItemBatcher,
}

impl ItemBatcherBuilder {
    /// Sets the maximum number of items in a batch: 1 or more.
    pub fn max_items_per_batch(mut self, max: usize) -> Self {
        self.batcher.max_items = Some(max);
        self
    }

    /// Sets the maximum size of the items of a batch as JSON, in bytes: 1 or more.
    pub fn max_item_bytes_per_batch(mut self, max: usize) -> Self {
        self.batcher.max_bytes = Some(max);
        self
    }

    /// Creates the batcher.
    ///
    /// # Errors
    /// If a limit is 0.
    pub fn build(self) -> Result<ItemBatcher, ItemBatcherValidationError> {
        match self.batcher.check() {
            Ok(()) => Ok(self.batcher),
            Err(InvalidArgument { argument, reason }) => {
                Err(ItemBatcherValidationError { message: format!("{argument}: {reason}") })
            }
        }
    }
}

/// An [`ItemBatcher`] that is not allowed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ItemBatcherValidationError {
    message: String,
}

impl fmt::Display for ItemBatcherValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid ItemBatcher: {}", self.message)
    }
}

impl Error for ItemBatcherValidationError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_item_that_exceeds_a_limit_is_a_batch_of_its_own() {
        let six_bytes = ItemBatcher::builder().max_item_bytes_per_batch(6).build().unwrap();
        let batches = six_bytes.batch(["a", "b", "much too long", "c"]).unwrap();
        assert_eq!(batches, [vec!["a", "b"], vec!["much too long"], vec!["c"]]);
        assert!(six_bytes.batch(Vec::<u32>::new()).unwrap().is_empty());
    }

    #[test]
    fn a_limit_of_zero_is_an_error() {
        let error = ItemBatcher::builder().max_items_per_batch(0).build().unwrap_err();
        assert!(error.to_string().starts_with("invalid ItemBatcher: max_items_per_batch: 0"), "{error}");
        assert!(ItemBatcher::with_max_items(0).batch([1]).is_err());
    }

    proptest! {
        #[test]
        fn batches_are_the_items_within_the_limits(
            items in proptest::collection::vec(0..100_000_u32, 0..50),
            max_items in proptest::option::of(1..10_usize),
            max_bytes in proptest::option::of(1..30_usize),
        ) {
            let limited = ItemBatcher { max_items, max_bytes };
            let batches = limited.batch(items.clone()).unwrap();
            prop_assert_eq!(batches.concat(), items);
            for batch in batches {
                prop_assert!(!batch.is_empty() && batch.len() <= max_items.unwrap_or(usize::MAX));
                let bytes: usize = batch.iter().map(|item| item.to_string().len()).sum();
                prop_assert!(batch.len() == 1 || bytes <= max_bytes.unwrap_or(usize::MAX));
            }
        }
    }
}
