//! Wait sets: what a guest waits for, indexed so that waiting for many operations stays cheap.
//!
//! Invariants: an entry whose event is recorded is in `ready`, or in `due` or `points` at its rank in the order of the
//! record. So the cost of a wait depends on the number of entries that it returns, not on the size of the set.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    ReplayError,
    error::misuse,
    keys::{Interest, Key},
    slot::RevealPoint,
};

pub(super) type Waited = (Key, Interest);

/// An entry of a set: its operation, its token, and its keys in `due` and `points`.
#[derive(Debug)]
struct Entry {
    waited: Waited,
    token: u64,
    due: Option<u64>,
    point: Option<RevealPoint>,
}

/// When an entry becomes ready.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadyAt {
    pub(super) now: bool,
    /// With the completion that has this rank.
    pub(super) rank: Option<u64>,
    /// When an attempt may continue.
    pub(super) point: Option<RevealPoint>,
}

/// A set of operations that the guest waits for.
#[derive(Debug, Default)]
pub(super) struct WaitSet {
    /// The number of entries ever added, which orders the entries.
    added: u64,
    entries: BTreeMap<u64, Entry>,
    by_operation: HashMap<Waited, u64>,
    by_token: HashMap<u64, u64>,
    /// Ready now.
    ready: BTreeSet<u64>,
    /// Ready once the guest has seen the completions up to this rank.
    due: BTreeSet<(u64, u64)>,
    /// Ready when its point is reached.
    points: BTreeSet<(RevealPoint, Key, u64)>,
}

impl WaitSet {
    /// Adds an operation under a token.
    pub(super) fn add(&mut self, waited: Waited, token: u64, ready_at: ReadyAt) -> Result<(), ReplayError> {
        self.added += 1;
        let order = self.added;
        if self.by_token.insert(token, order).is_some() {
            return Err(misuse(format!("token {token} is in the wait set already")));
        }
        if self.by_operation.insert(waited, order).is_some() {
            return Err(misuse("an operation is in the wait set already"));
        }
        self.entries.insert(order, Entry { waited, token, due: None, point: None });
        self.place(order, ready_at);
        Ok(())
    }

    /// Removes the entry with a token, if there is one.
    pub(super) fn remove_token(&mut self, token: u64) {
        if let Some(order) = self.by_token.get(&token).copied() {
            self.remove(order);
        }
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of an operation.
    pub(super) fn find(&self, waited: Waited) -> Option<u64> {
        self.by_operation.get(&waited).copied()
    }

    /// Removes an entry, and returns its token.
    fn remove(&mut self, order: u64) -> Option<u64> {
        let Entry { waited, token, due, point } = self.entries.remove(&order)?;
        self.by_operation.remove(&waited);
        self.by_token.remove(&token);
        self.ready.remove(&order);
        if let Some(rank) = due {
            self.due.remove(&(rank, order));
        }
        if let Some(point) = point {
            self.points.remove(&(point, waited.0, order));
        }
        Some(token)
    }

    /// Takes the tokens of the ready entries, in the order in which they were added.
    pub(super) fn take_ready(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.ready).into_iter().filter_map(|order| self.remove(order)).collect()
    }

    /// Moves the entries that are due up to a rank to `ready`.
    pub(super) fn show(&mut self, revealed: u64) {
        while let Some(&(rank, order)) = self.due.first() {
            if rank > revealed {
                break;
            }
            self.due.pop_first();
            if let Some(entry) = self.entries.get_mut(&order) {
                entry.due = None;
                self.ready.insert(order);
            }
        }
    }

    /// Puts an entry where it belongs.
    pub(super) fn place(&mut self, order: u64, ready_at: ReadyAt) {
        let Some(entry) = self.entries.get_mut(&order) else { return };
        if let Some(before) = entry.due.take() {
            self.due.remove(&(before, order));
        }
        if let Some(before) = entry.point.take() {
            self.points.remove(&(before, entry.waited.0, order));
        }
        if ready_at.now {
            self.ready.insert(order);
        } else if let Some(point) = ready_at.point {
            entry.point = Some(point);
            self.points.insert((point, entry.waited.0, order));
        } else if let Some(rank) = ready_at.rank {
            entry.due = Some(rank);
            self.due.insert((rank, order));
        }
    }

    /// The next entry in the order of the record: a completion, or an attempt that continues. `is_before` decides which of
    /// two is first.
    pub(super) fn next(&self, is_before: impl Fn(RevealPoint, u64) -> bool) -> Option<Waited> {
        let completion = self.due.first();
        let point = self
            .points
            .first()
            .filter(|(point, ..)| completion.is_none_or(|(rank, _)| is_before(*point, *rank)));
        let order = point.map(|(.., order)| order).or(completion.map(|(_, order)| order))?;
        self.entries.get(order).map(|entry| entry.waited)
    }
}
