//! What is on record, for code that watches an execution.

use std::sync::Arc;

use super::{Engine, engine::Known, slot::start_rank};
use crate::protocol::{Operation, OperationId, OperationType};

/// What one invocation has to tell code that watches it: what changed from outside before it, and what the service tells meanwhile.
///
/// Always true: nothing is kept of what the service tells before somebody watches.
#[derive(Debug, Default)]
pub struct ObservedChanges {
    /// What changed from outside since the previous invocation.
    updated: Vec<OperationId>,
    /// What the service has told since it was last asked for. None before anybody watches.
    told: Option<Vec<Vec<Arc<Operation>>>>,
}

impl ObservedChanges {
    /// Nothing told yet; this changed from outside since the previous invocation.
    pub fn new(updated: Vec<OperationId>) -> Self {
        Self { updated, told: None }
    }

    /// Somebody watches from now on.
    pub fn begin(&mut self) {
        self.told = Some(Vec::new());
    }

    /// What changed from outside since the previous invocation.
    pub fn updated(&self) -> &[OperationId] {
        &self.updated
    }

    /// What the service has told since this was last asked for.
    pub fn take(&mut self) -> Vec<Vec<Arc<Operation>>> {
        self.told.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The service has told of operations that changed.
    pub fn note(&mut self, operations: &[Arc<Operation>]) {
        let Some(told) = &mut self.told else { return };
        let not_the_execution = |operation: &&Arc<Operation>| operation.kind != OperationType::Execution;
        let change: Vec<_> = operations.iter().filter(not_the_execution).cloned().collect();
        if !change.is_empty() {
            told.push(change);
        }
    }

    /// For a fresh instance in the same invocation. `asked` tells of which operations the last one has asked for.
    ///
    /// The end of what changed from outside was told when it was asked for. What the service told since the guest listened last
    /// is still to be told: it counts as changed from outside.
    #[must_use]
    pub fn restarted(self, asked: impl Fn(&OperationId) -> bool) -> Self {
        let Self { mut updated, told } = self;
        if let Some(told) = told {
            updated.retain(|id| !asked(id));
            for operation in told.into_iter().flatten() {
                if !updated.contains(&operation.id) {
                    updated.push(operation.id.clone());
                }
            }
        }
        Self::new(updated)
    }
}

impl Engine {
    /// Whether nothing is on record yet.
    pub fn is_blank(&self) -> bool {
        self.known.values().all(|known| self.latest(known).is_none())
    }

    /// All that is on record by now, in the order in which it started; what started with one change, in the order of ids.
    pub fn records(&self) -> Vec<&Arc<Operation>> {
        let mut records: Vec<_> = self.known.values().filter_map(|known| self.latest(known)).collect();
        records.sort_unstable_by(|a, b| (start_rank(a), &a.id).cmp(&(start_rank(b), &b.id)));
        records
    }

    /// One of them.
    pub fn record(&self, id: &OperationId) -> Option<&Arc<Operation>> {
        self.latest(self.known.get(id)?)
    }

    /// Before a fresh instance takes over in the same invocation: takes back what it will start again at the same place, so that
    /// what is sent together stays together.
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
