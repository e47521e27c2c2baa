//! States of an execution, from the first operation to the last.
//!
//! Invariants: a state is what the service would give to an invocation at that point: the latest version of every
//! operation except those below closed contexts, EXECUTION first, then in the order of START.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use durawasm_core::protocol::{Operation, OperationId, OperationType};

/// The versions of an execution's operations, in the order in which the handler learned of them.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    log: Vec<Arc<Operation>>,
    /// Where an instance could be replaced: the length of the log, and the last change that an invocation had got when
    /// it returned.
    boundaries: Vec<(usize, Option<u64>)>,
    /// The last change that an invocation had got when it returned.
    returned_at: Option<u64>,
    latest: HashMap<OperationId, Arc<Operation>>,
}

impl Versions {
    /// Adds what changed.
    pub(crate) fn learn(&mut self, operations: &[Arc<Operation>]) {
        for operation in operations {
            let known = self.latest.get(&operation.id);
            if known.is_none_or(|known| !Arc::ptr_eq(known, operation) && **known != **operation) {
                self.latest.insert(operation.id.clone(), operation.clone());
                self.log.push(operation.clone());
            }
        }
    }

    /// An invocation begins, and the last one that returned had got the changes up to this one.
    pub(crate) fn invoked(&mut self, returned_at: Option<u64>) {
        self.returned_at = returned_at;
    }

    /// An instance could be replaced here.
    pub(crate) fn boundary(&mut self) {
        let boundary = (self.log.len(), self.returned_at);
        if self.boundaries.last() != Some(&boundary) {
            self.boundaries.push(boundary);
        }
    }

    /// The last change that an invocation had got when it returned, for an instance at a boundary.
    pub(crate) fn returned_at(&self, boundary: usize) -> Option<u64> {
        self.boundaries.get(boundary).map_or(self.returned_at, |(_, returned_at)| *returned_at)
    }

    /// How many states there are.
    pub(crate) fn len(&self) -> usize {
        self.boundaries.len()
    }

    /// The operations that were started up to a boundary.
    pub(crate) fn known(&self, boundary: usize) -> HashSet<OperationId> {
        let end = self.boundaries.get(boundary).map_or(self.log.len(), |(end, _)| *end);
        self.log.iter().take(end).map(|operation| operation.id.clone()).collect()
    }

    /// The state at a boundary, from 0.
    pub(crate) fn state(&self, boundary: usize) -> Vec<Arc<Operation>> {
        let end = self.boundaries.get(boundary).map_or(self.log.len(), |(end, _)| *end);
        let mut latest: HashMap<&OperationId, &Arc<Operation>> = HashMap::new();
        for operation in self.log.iter().take(end) {
            latest.insert(&operation.id, operation);
        }
        listed(latest.into_values().cloned().collect())
    }
}

/// Orders operations, and leaves out those below closed contexts.
pub(crate) fn listed(mut operations: Vec<Arc<Operation>>) -> Vec<Arc<Operation>> {
    operations.sort_by_key(|operation| {
        (operation.kind != OperationType::Execution, operation.start_sequence, operation.start_timestamp)
    });
    let mut closed: HashSet<OperationId> = HashSet::new();
    operations.retain(|operation| {
        let hidden = operation.parent_id.as_ref().is_some_and(|parent| closed.contains(parent));
        if hidden || operation.hides_children() {
            closed.insert(operation.id.clone());
        }
        !hidden
    });
    operations
}

/// A pair of completions that are tied: both operations were under way when the first ended, both ended at the same
/// time, and nothing was started or ended in between, so neither caused the other.
pub(crate) fn ties(state: &[Arc<Operation>]) -> Vec<(OperationId, OperationId)> {
    let mut changes: Vec<(u64, bool, &Arc<Operation>)> = Vec::new();
    for operation in state.iter().filter(|operation| operation.kind != OperationType::Execution) {
        changes.push((operation.start_sequence, false, operation));
        if operation.status.is_terminal() {
            changes.push((operation.sequence, true, operation));
        }
    }
    changes.sort_by_key(|(sequence, ended, _)| (*sequence, *ended));
    changes
        .windows(2)
        .filter_map(|pair| match pair {
            [(a_end, true, a), (b_end, true, b)]
                if a.end_timestamp == b.end_timestamp
                    && a_end != b_end
                    && b.start_sequence < *a_end
                    && a.kind != OperationType::Context
                    && b.kind != OperationType::Context =>
            {
                Some((a.id.clone(), b.id.clone()))
            }
            _ => None,
        })
        .collect()
}

/// Swaps the completions of a pair.
pub(crate) fn swap(state: &mut [Arc<Operation>], (one, other): &(OperationId, OperationId)) {
    let place = |id: &OperationId| state.iter().position(|operation| operation.id == *id);
    let (Some(one), Some(other)) = (place(one), place(other)) else { return };
    let sequence = |at: usize| state.get(at).map(|operation| operation.sequence);
    let (Some(first), Some(second)) = (sequence(one), sequence(other)) else { return };
    for (at, sequence) in [(one, second), (other, first)] {
        if let Some(operation) = state.get_mut(at) {
            Arc::make_mut(operation).sequence = sequence;
        }
    }
}
