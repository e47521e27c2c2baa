//! The operations of one execution.
//!
//! Invariants:
//! - operations are kept in the order of their START, EXECUTION first; none is removed;
//! - changes are numbered, and all changes of one request step share a number; each operation holds the numbers of its
//!   START and of the change to its present status;
//! - an operation is *changed* from each change until the handler gets it;
//! - an operation is *listed*, that is, part of the state that a handler replays, unless a context above it is closed
//!   and does not replay its children. An operation that is no longer listed is not listed again;
//! - only methods that return all operations iterate over all operations.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{ids::Index, timers::TimerKey};
use crate::protocol::{Operation, OperationId, OperationStatus, OperationType};

#[derive(Debug, Default)]
pub(super) struct OperationTable {
    entries: Vec<Entry>,
    by_id: HashMap<OperationId, Index>,
    listed: BTreeSet<Index>,
    changed: Vec<Index>,
    /// Changes that were not reported to the observer; `None` without an observer.
    unreported: Option<Vec<Index>>,
    /// Changes that were not saved; `None` without a store.
    unsaved: Option<Vec<Index>>,
    /// The number of changes so far.
    sequence: u64,
    /// The number of changes when the handler last got them.
    delivered: u64,
    outstanding: usize,
    /// The number of READY steps.
    ready: usize,
    /// Whether a step became READY since the running invocation began.
    became_ready: bool,
}

#[derive(Debug)]
struct Entry {
    operation: Arc<Operation>,
    /// The listed children of this operation.
    children: Vec<Index>,
    changed: bool,
    unreported: bool,
    unsaved: bool,
    /// The timer that ends a WAIT, or the delay before a STEP's next attempt.
    timer: Option<TimerKey>,
}

/// Whether the operation will be changed from outside of the handler.
fn is_outstanding(operation: &Operation) -> bool {
    match operation.kind {
        OperationType::Wait | OperationType::Callback | OperationType::ChainedInvoke => {
            operation.status == OperationStatus::Started
        }
        OperationType::Step => operation.status == OperationStatus::Pending,
        OperationType::Execution | OperationType::Context => false,
    }
}

impl OperationTable {
    /// Adds an operation that has just started. Its id must be new.
    pub(super) fn add(&mut self, mut operation: Operation) -> Index {
        let index = self.entries.len();
        self.sequence += 1;
        operation.sequence = self.sequence;
        operation.start_sequence = self.sequence;
        self.outstanding += usize::from(is_outstanding(&operation));
        let parent = operation.parent_id.as_ref().and_then(|id| self.by_id.get(id)).copied();
        let listed = match parent {
            None => true,
            Some(parent) => {
                let shown = self.listed.contains(&parent);
                match self.entries.get_mut(parent).filter(|entry| shown && !entry.operation.hides_children())
                {
                    Some(entry) => {
                        entry.children.push(index);
                        true
                    }
                    None => false,
                }
            }
        };
        if listed {
            self.listed.insert(index);
        }
        self.by_id.insert(operation.id.clone(), index);
        self.changed.push(index);
        let unreported = self.unreported.as_mut().map(|unreported| unreported.push(index)).is_some();
        let unsaved = self.unsaved.as_mut().map(|unsaved| unsaved.push(index)).is_some();
        let operation = Arc::new(operation);
        let children = Vec::new();
        self.entries.push(Entry { operation, children, changed: true, unreported, unsaved, timer: None });
        index
    }

    /// Changes an operation, and returns it.
    pub(super) fn change(
        &mut self,
        index: Index,
        change: impl FnOnce(&mut Operation),
    ) -> Option<Arc<Operation>> {
        let entry = self.entries.get_mut(index)?;
        let (status, outstanding) = (entry.operation.status, is_outstanding(&entry.operation));
        let operation = Arc::make_mut(&mut entry.operation);
        change(operation);
        if operation.status != status {
            self.sequence += 1;
            // A fresh instance shows a retry before the completions that followed its becoming ready, whether or not
            // its START was recorded before them.
            if (status, operation.status) != (OperationStatus::Ready, OperationStatus::Started) {
                operation.sequence = self.sequence;
            }
        }
        self.ready -= usize::from(status == OperationStatus::Ready);
        let ready = entry.operation.status == OperationStatus::Ready;
        self.ready += usize::from(ready);
        self.became_ready |= ready;
        self.outstanding -= usize::from(outstanding);
        self.outstanding += usize::from(is_outstanding(&entry.operation));
        if !entry.changed {
            entry.changed = true;
            self.changed.push(index);
        }
        if let Some(unreported) = self.unreported.as_mut().filter(|_| !entry.unreported) {
            entry.unreported = true;
            unreported.push(index);
        }
        let operation = entry.operation.clone();
        self.touch(index);
        if operation.hides_children() {
            self.hide_children(index);
        }
        Some(operation)
    }

    /// Each operation is hidden at most once: lists of children shrink as they are traversed.
    fn hide_children(&mut self, index: Index) {
        let mut contexts = vec![index];
        while let Some(entry) = contexts.pop().and_then(|context| self.entries.get_mut(context)) {
            for child in std::mem::take(&mut entry.children) {
                self.listed.remove(&child);
                contexts.push(child);
            }
        }
    }

    pub(super) fn get(&self, index: Index) -> Option<&Arc<Operation>> {
        self.entries.get(index).map(|entry| &entry.operation)
    }

    pub(super) fn find(&self, id: &OperationId) -> Option<(Index, &Arc<Operation>)> {
        let index = *self.by_id.get(id)?;
        Some((index, self.get(index)?))
    }

    /// Notes that what is saved of an operation has changed.
    pub(super) fn touch(&mut self, index: Index) {
        if let (Some(unsaved), Some(entry)) = (&mut self.unsaved, self.entries.get_mut(index))
            && !entry.unsaved
        {
            entry.unsaved = true;
            unsaved.push(index);
        }
    }

    /// Starts recording changes for a store, beginning with all operations.
    pub(super) fn save(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.unsaved = true);
        self.unsaved = Some((0..self.entries.len()).collect());
    }

    /// Takes the operations that changed since the last call, and the timer of each.
    pub(super) fn take_unsaved(&mut self) -> Vec<(Index, Arc<Operation>, Option<TimerKey>)> {
        let entries = &mut self.entries;
        let unsaved = self.unsaved.iter_mut().flat_map(|unsaved| unsaved.drain(..));
        unsaved
            .filter_map(|index| {
                let entry = entries.get_mut(index)?;
                entry.unsaved = false;
                Some((index, entry.operation.clone(), entry.timer))
            })
            .collect()
    }

    /// Adds a saved operation, with the positions of its changes. Its id must be new.
    pub(super) fn restore(&mut self, operation: Operation, timer: Option<TimerKey>) {
        let (sequence, start_sequence) = (operation.sequence, operation.start_sequence);
        let ready = operation.status == OperationStatus::Ready;
        let index = self.add(operation);
        self.ready += usize::from(ready);
        let Some(entry) = self.entries.get_mut(index) else { return };
        let operation = Arc::make_mut(&mut entry.operation);
        (operation.sequence, operation.start_sequence) = (sequence, start_sequence);
        entry.timer = timer;
    }

    /// Ends the restoration: as many changes were made, and the handler got as many of them. Changes count as saved.
    pub(super) fn restored(&mut self, sequence: u64, delivered: u64, became_ready: bool) {
        (self.sequence, self.delivered, self.became_ready) = (sequence, delivered, became_ready);
        let entries = &mut self.entries;
        self.changed.retain(|index| {
            entries.get_mut(*index).is_some_and(|entry| {
                entry.changed = entry.operation.sequence > delivered;
                entry.changed
            })
        });
        self.changed.sort_by_key(|index| entries.get(*index).map(|entry| entry.operation.sequence));
        self.unsaved = Some(Vec::new());
    }

    /// How many changes there were.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Sets the timer that will end a WAIT, or the delay before a STEP's next attempt.
    pub(super) fn set_timer(&mut self, index: Index, timer: TimerKey) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.timer = Some(timer);
        }
    }

    /// Takes the timer that would end a WAIT, or the delay before a STEP's next attempt.
    pub(super) fn take_timer(&mut self, index: Index) -> Option<TimerKey> {
        self.entries.get_mut(index)?.timer.take()
    }

    /// The number of operations that will be changed from outside of the handler.
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Whether a step became READY during the running invocation, which requires another invocation. A step that was
    /// READY before and was not started does not count, because another invocation would not start it either.
    pub(super) fn has_newly_ready(&self) -> bool {
        self.became_ready && self.ready > 0
    }

    /// Whether a step became READY during the running invocation, although it may have started since.
    pub(super) fn became_ready(&self) -> bool {
        self.became_ready
    }

    /// Starts an invocation, which gets the complete state. Returns the operations that the handler had not got since
    /// they changed.
    pub(super) fn begin_invocation(&mut self) -> Vec<Arc<Operation>> {
        self.became_ready = false;
        self.take_changed()
    }

    /// Whether operations have changed since the handler got them.
    pub(super) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The position of the last change that the handler got.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Takes the operations that have changed since the handler got them, in the order of their changes.
    pub(super) fn take_changed(&mut self) -> Vec<Arc<Operation>> {
        self.delivered = self.sequence;
        let entries = &mut self.entries;
        self.changed
            .drain(..)
            .filter_map(|index| {
                let entry = entries.get_mut(index)?;
                entry.changed = false;
                Some(entry.operation.clone())
            })
            .collect()
    }

    /// Starts recording changes for an observer, beginning with all operations.
    pub(super) fn observe(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.unreported = true);
        self.unreported = Some((0..self.entries.len()).collect());
    }

    /// Takes the operations that changed since the last report to the observer, in the order of their changes.
    pub(super) fn take_unreported(&mut self) -> Vec<Arc<Operation>> {
        let entries = &mut self.entries;
        let unreported = self.unreported.iter_mut().flat_map(|unreported| unreported.drain(..));
        unreported
            .filter_map(|index| {
                let entry = entries.get_mut(index)?;
                entry.unreported = false;
                Some(entry.operation.clone())
            })
            .collect()
    }

    /// Returns a page of the listed operations, and where the next page begins.
    pub(super) fn page(&self, from: Index, size: usize) -> (Vec<Arc<Operation>>, Option<Index>) {
        let mut rest = self.listed.range(from..).copied();
        let page = rest.by_ref().take(size).filter_map(|index| self.get(index).cloned()).collect();
        (page, rest.next())
    }

    /// The first callback at or after this index.
    pub(super) fn next_callback(&self, from: Index) -> Option<Index> {
        let later = self.entries.get(from..)?;
        let place = later.iter().position(|entry| entry.operation.kind == OperationType::Callback)?;
        Some(from + place)
    }

    /// All operations, EXECUTION first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Operation>> + Clone {
        self.entries.iter().map(|entry| &entry.operation)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{ContextDetails, Timestamp};

    fn operation(id: &str, parent: Option<&str>, kind: OperationType) -> Operation {
        let operation = Operation::new(id.into(), kind, Timestamp::from_millis(0));
        Operation { parent_id: parent.map(Into::into), ..operation }
    }

    fn close(table: &mut OperationTable, id: &str, replay_children: bool) {
        let (index, _) = table.find(&id.into()).unwrap();
        table.change(index, |operation| {
            operation.status = OperationStatus::Succeeded;
            operation.context_details = Some(ContextDetails { replay_children, ..ContextDetails::default() });
        });
    }

    fn listed(table: &OperationTable) -> Vec<String> {
        table.page(0, usize::MAX).0.iter().map(|operation| operation.id.to_string()).collect()
    }

    #[test]
    fn finished_contexts_hide_all_their_descendants() {
        let mut table = OperationTable::default();
        for (id, parent) in [("a", None), ("b", Some("a")), ("c", Some("b")), ("d", None), ("e", Some("c"))] {
            table.add(operation(id, parent, OperationType::Context));
        }
        close(&mut table, "c", true);
        assert_eq!(listed(&table), ["a", "b", "c", "d", "e"]);
        close(&mut table, "a", false);
        assert_eq!(listed(&table), ["a", "d"]);
        table.add(operation("f", Some("b"), OperationType::Step));
        table.add(operation("g", Some("a"), OperationType::Step));
        assert_eq!(listed(&table), ["a", "d"]);
    }

    #[test]
    fn contexts_that_replay_their_children_keep_them() {
        let mut table = OperationTable::default();
        for (id, parent) in [("a", None), ("b", Some("a")), ("c", Some("b"))] {
            table.add(operation(id, parent, OperationType::Context));
        }
        close(&mut table, "b", false);
        close(&mut table, "a", true);
        assert_eq!(listed(&table), ["a", "b"]);
        table.add(operation("d", Some("a"), OperationType::Step));
        assert_eq!(listed(&table), ["a", "b", "d"]);
    }

    #[test]
    fn pages() {
        let mut table = OperationTable::default();
        for id in 0..7 {
            table.add(operation(&id.to_string(), None, OperationType::Step));
        }
        let (first, next) = table.page(0, 3);
        assert_eq!((first.len(), next), (3, Some(3)));
        assert_eq!(table.page(6, 3).1, None);
        assert_eq!(table.page(4, 3).0.len(), 3);
        assert_eq!(table.page(99, 3), (Vec::new(), None));
    }

    #[test]
    fn changes_are_told_once_and_numbered() {
        let mut table = OperationTable::default();
        let wait = table.add(operation("w", None, OperationType::Wait));
        let step = table.add(operation("s", None, OperationType::Step));
        assert_eq!((table.outstanding(), table.take_changed().len()), (1, 2));
        assert!(!table.has_changed());
        let renamed = table.change(wait, |operation| operation.name = Some("n".into())).unwrap();
        assert_eq!((renamed.start_sequence, renamed.sequence), (1, 1));
        let over = table.change(wait, |operation| operation.status = OperationStatus::Succeeded).unwrap();
        assert_eq!((over.start_sequence, over.sequence, table.outstanding()), (1, 3, 0));
        assert_eq!(table.get(step).unwrap().sequence, 2);
        assert_eq!(table.take_changed().len(), 1);
    }
}
