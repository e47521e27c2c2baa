//! The operations of one execution.
//!
//! Always true:
//! - operations stay in the order of their START, EXECUTION first; none is ever removed;
//! - what changes together has one number: the execution's changes are counted, and an operation tells which one
//!   started it and which one brought it to where it stands;
//! - an operation is *changed* from each change until the handler gets it;
//! - an operation is *listed*, that is, part of the state a handler replays, unless a context above it is over and does
//!   not replay its children. What is not listed never is again;
//! - no method looks at all operations, but those that return all.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::timers::TimerKey;
use crate::protocol::{Operation, OperationId, OperationStatus, OperationType};

/// An operation's place in the order of START.
pub(super) type Index = usize;

#[derive(Debug, Default)]
pub(super) struct OperationTable {
    entries: Vec<Entry>,
    by_id: HashMap<OperationId, Index>,
    listed: BTreeSet<Index>,
    changed: Vec<Index>,
    /// What changed since an observer was last told; none while nobody observes.
    untold: Option<Vec<Index>>,
    /// How many changes there were.
    sequence: u64,
    outstanding: usize,
    /// Steps whose next attempt may begin.
    ready: usize,
    /// Whether a step became ready since the running invocation began.
    became_ready: bool,
}

#[derive(Debug)]
struct Entry {
    operation: Arc<Operation>,
    /// Listed operations whose parent this is.
    children: Vec<Index>,
    changed: bool,
    untold: bool,
    /// What ends a WAIT.
    timer: Option<TimerKey>,
}

/// Whether something outside the handler will change the operation.
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
        self.ready += usize::from(operation.status == OperationStatus::Ready);
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
        let untold = self.untold.as_mut().map(|untold| untold.push(index)).is_some();
        let operation = Arc::new(operation);
        self.entries.push(Entry { operation, children: Vec::new(), changed: true, untold, timer: None });
        index
    }

    /// Changes an operation, and gives it as it is then.
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
            operation.sequence = self.sequence;
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
        if let Some(untold) = self.untold.as_mut().filter(|_| !entry.untold) {
            entry.untold = true;
            untold.push(index);
        }
        let operation = entry.operation.clone();
        if operation.hides_children() {
            self.hide_children(index);
        }
        Some(operation)
    }

    /// Each operation is hidden once at most: the lists of children shrink as they are walked.
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

    /// Remembers the timer that will end a WAIT.
    pub(super) fn set_timer(&mut self, index: Index, timer: TimerKey) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.timer = Some(timer);
        }
    }

    /// Forgets the timer that would end a WAIT.
    pub(super) fn take_timer(&mut self, index: Index) -> Option<TimerKey> {
        self.entries.get_mut(index)?.timer.take()
    }

    /// How many operations something outside the handler will change.
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Whether a step's next attempt may begin that could not in the running invocation: it takes another one. A step
    /// that was ready before, and was not started, does not count: an invocation more would not start it either.
    pub(super) fn has_newly_ready(&self) -> bool {
        self.became_ready && self.ready > 0
    }

    /// An invocation begins: it gets everything as it stands. Gives what the handler had not got since it changed.
    pub(super) fn begin_invocation(&mut self) -> Vec<Arc<Operation>> {
        self.became_ready = false;
        self.take_changed()
    }

    /// Whether there are operations that the handler has not got since they changed.
    pub(super) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The operations that changed, in that order. From now on the handler has them.
    pub(super) fn take_changed(&mut self) -> Vec<Arc<Operation>> {
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

    /// From now on, what changes is kept for an observer, who has heard of nothing yet.
    pub(super) fn observe(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.untold = true);
        self.untold = Some((0..self.entries.len()).collect());
    }

    /// The operations that changed since the observer was last told, in that order.
    pub(super) fn take_untold(&mut self) -> Vec<Arc<Operation>> {
        let entries = &mut self.entries;
        let untold = self.untold.iter_mut().flat_map(|untold| untold.drain(..));
        untold
            .filter_map(|index| {
                let entry = entries.get_mut(index)?;
                entry.untold = false;
                Some(entry.operation.clone())
            })
            .collect()
    }

    /// A page of the listed operations, and where the next begins.
    pub(super) fn page(&self, from: Index, size: usize) -> (Vec<Arc<Operation>>, Option<Index>) {
        let mut rest = self.listed.range(from..).copied();
        let page = rest.by_ref().take(size).filter_map(|index| self.get(index).cloned()).collect();
        (page, rest.next())
    }

    /// The first callback from this operation on, in the order in which they started.
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
