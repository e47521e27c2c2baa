//! Read access to the record, for plugins.

use std::sync::Arc;

use super::{Engine, known::Known, slot::start_rank};
use crate::protocol::{Operation, OperationId};

impl Engine {
    /// Whether the record is empty.
    pub fn is_blank(&self) -> bool {
        self.known.values().all(|known| self.latest(known).is_none())
    }

    /// All records, in the order of their starts; those that started with one change are ordered by id.
    pub fn records(&self) -> Vec<&Arc<Operation>> {
        let mut records: Vec<_> = self.known.values().filter_map(|known| self.latest(known)).collect();
        records.sort_unstable_by(|a, b| (start_rank(a), &a.id).cmp(&(start_rank(b), &b.id)));
        records
    }

    /// The record of one operation.
    pub fn record(&self, id: &OperationId) -> Option<&Arc<Operation>> {
        self.latest(self.known.get(id)?)
    }

    /// Removes queued STARTs that a fresh instance of this invocation will queue again at the same point, so that
    /// updates that belong to one batch stay together.
    pub fn take_back_starts(&mut self) {
        self.outbox.take_back_starts();
    }

    fn latest<'a>(&'a self, known: &'a Known) -> Option<&'a Arc<Operation>> {
        match known.key {
            Some(key) => self.slot(key).ok()?.record.as_ref(),
            None => known.record.as_ref(),
        }
    }
}
