//! What is on record, for plugins.

use std::sync::Arc;

use super::{Engine, engine::Known, slot::start_rank};
use crate::protocol::{Operation, OperationId};

impl Engine {
    /// Whether nothing is on record yet.
    pub fn is_blank(&self) -> bool {
        self.known.values().all(|known| self.latest(known).is_none())
    }

    /// All that is on record by now, in the order in which it started; what started with one change, in the order of
    /// ids.
    pub fn records(&self) -> Vec<&Arc<Operation>> {
        let mut records: Vec<_> = self.known.values().filter_map(|known| self.latest(known)).collect();
        records.sort_unstable_by(|a, b| (start_rank(a), &a.id).cmp(&(start_rank(b), &b.id)));
        records
    }

    /// One of them.
    pub fn record(&self, id: &OperationId) -> Option<&Arc<Operation>> {
        self.latest(self.known.get(id)?)
    }

    /// Before a fresh instance takes over in the same invocation: takes back what it will start again at the same
    /// place, so that what is sent together stays together.
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
