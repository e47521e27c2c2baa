//! Wait sets: what a guest waits for, indexed so that waiting for many operations stays cheap.
//!
//! Invariants: an entry whose event is recorded is in `ready`, or in `due` or `turns` at its rank in the order of the
//! record. So the cost of a wait depends on the number of entries that it returns, not on the size of the set.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Engine, Interest, Key, ReplayError, error::misuse, slot::RevealPoint};

/// The most sets of one invocation. A guest needs one.
const MAX_SETS: usize = 16;

/// A wait set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetKey(u32);

impl SetKey {
    /// The number of a handle for it.
    pub fn to_number(self) -> u32 {
        self.0
    }

    /// Converts a handle's number. An unknown number is refused where the key is used.
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }
}

type Waited = (Key, Interest);

/// An entry of a set: its operation, its token, and its keys in `due` and `turns`.
#[derive(Debug)]
struct Entry {
    waited: Waited,
    token: u64,
    due: Option<u64>,
    turn: Option<RevealPoint>,
}

/// When an entry becomes ready.
#[derive(Debug, Clone, Copy)]
struct ReadyAt {
    now: bool,
    /// With the completion that has this rank.
    rank: Option<u64>,
    /// When an attempt may continue.
    turn: Option<RevealPoint>,
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
    /// Ready when its turn comes.
    turns: BTreeSet<(RevealPoint, Key, u64)>,
}

impl WaitSet {
    fn remove(&mut self, order: u64) -> Option<u64> {
        let Entry { waited, token, due, turn } = self.entries.remove(&order)?;
        self.by_operation.remove(&waited);
        self.by_token.remove(&token);
        self.ready.remove(&order);
        if let Some(rank) = due {
            self.due.remove(&(rank, order));
        }
        if let Some(turn) = turn {
            self.turns.remove(&(turn, waited.0, order));
        }
        Some(token)
    }

    /// Takes the ready entries, in the order in which they were added.
    fn take_ready(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.ready).into_iter().filter_map(|order| self.remove(order)).collect()
    }

    /// Moves the entries that are due up to a rank to `ready`.
    fn show(&mut self, revealed: u64) {
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
    fn place(&mut self, order: u64, ready_at: ReadyAt) {
        let Some(entry) = self.entries.get_mut(&order) else { return };
        if let Some(before) = entry.due.take() {
            self.due.remove(&(before, order));
        }
        if let Some(before) = entry.turn.take() {
            self.turns.remove(&(before, entry.waited.0, order));
        }
        if ready_at.now {
            self.ready.insert(order);
        } else if let Some(turn) = ready_at.turn {
            entry.turn = Some(turn);
            self.turns.insert((turn, entry.waited.0, order));
        } else if let Some(rank) = ready_at.rank {
            entry.due = Some(rank);
            self.due.insert((rank, order));
        }
    }

    /// The next entry in the order of the record: a completion, or an attempt that continues.
    fn next(&self) -> Option<Waited> {
        let completion = self.due.first();
        let turn =
            self.turns.first().filter(|(turn, ..)| completion.is_none_or(|(rank, _)| turn.is_before(*rank)));
        let order = turn.map(|(.., order)| order).or(completion.map(|(_, order)| order))?;
        self.entries.get(order).map(|entry| entry.waited)
    }
}

impl Engine {
    /// Creates an empty set.
    pub fn new_set(&mut self) -> Result<SetKey, ReplayError> {
        let key = u32::try_from(self.sets.len()).ok().filter(|n| (*n as usize) < MAX_SETS);
        let key = key.ok_or_else(|| misuse(format!("more than {MAX_SETS} wait sets")))?;
        self.sets.push(WaitSet::default());
        Ok(SetKey(key))
    }

    /// Adds an operation under a token.
    pub fn add_to_set(
        &mut self,
        set: SetKey,
        key: Key,
        interest: Interest,
        token: u64,
    ) -> Result<(), ReplayError> {
        let ready_at = self.ready_when(key, interest)?;
        let set = self.set_mut(set)?;
        set.added += 1;
        let order = set.added;
        if set.by_token.insert(token, order).is_some() {
            return Err(misuse(format!("token {token} is in the wait set already")));
        }
        if set.by_operation.insert((key, interest), order).is_some() {
            return Err(misuse("an operation is in the wait set already"));
        }
        set.entries.insert(order, Entry { waited: (key, interest), token, due: None, turn: None });
        set.place(order, ready_at);
        Ok(())
    }

    /// Removes an entry, if it is in the set.
    pub fn remove_from_set(&mut self, set: SetKey, token: u64) -> Result<(), ReplayError> {
        let set = self.set_mut(set)?;
        if let Some(order) = set.by_token.get(&token).copied() {
            set.remove(order);
        }
        Ok(())
    }

    /// Takes the tokens of all entries that are ready. If none is, shows the guest the next completion in the order of
    /// the record and takes its entries. Empty if the set has to wait for the service.
    pub fn take_from_set(&mut self, set: SetKey) -> Result<Vec<u64>, ReplayError> {
        loop {
            let revealed = self.revealed();
            let waited = self.set_mut(set)?;
            if waited.entries.is_empty() {
                return Err(misuse("an empty wait set was waited for"));
            }
            waited.show(revealed);
            if !waited.ready.is_empty() {
                return Ok(waited.take_ready());
            }
            // A continued attempt may have to be acknowledged first; then the next entry follows.
            let Some(next) = waited.next() else { return Ok(Vec::new()) };
            self.reveal(&[next])?;
        }
    }

    /// Updates the entries of an operation whose record or state has changed.
    pub(super) fn update_wait_sets(&mut self, key: Key) -> Result<(), ReplayError> {
        for index in 0..self.sets.len() {
            for interest in [Interest::Change, Interest::CallbackId] {
                let order =
                    self.sets.get(index).and_then(|set| set.by_operation.get(&(key, interest))).copied();
                let Some(order) = order else { continue };
                let ready_at = self.ready_when(key, interest)?;
                if let Some(set) = self.sets.get_mut(index) {
                    set.place(order, ready_at);
                }
            }
        }
        Ok(())
    }

    fn ready_when(&self, key: Key, interest: Interest) -> Result<ReadyAt, ReplayError> {
        Ok(ReadyAt {
            now: self.is_ready(key, interest)?,
            rank: self.event_rank(key, interest)?,
            turn: self.turn(key, interest)?,
        })
    }

    fn set_mut(&mut self, key: SetKey) -> Result<&mut WaitSet, ReplayError> {
        self.sets.get_mut(key.0 as usize).ok_or_else(|| misuse("there is no such wait set"))
    }
}
