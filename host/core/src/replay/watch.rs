//! What a guest waits for, where that is much.
//!
//! Always true: an operation that is watched and has something to show is in `ready`, or in `due` or `turns` at its
//! place in the order of the record; so a turn costs as much as what it returns, however much is watched.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Engine, Interest, Key, ReplayError, error::misuse, slot::Turn};

/// The most sets of one invocation. A guest needs one.
const MAX_SETS: usize = 16;

/// A set of what is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetKey(u32);

impl SetKey {
    /// As a handle's number.
    pub fn to_number(self) -> u32 {
        self.0
    }

    /// From a handle's number. A number that was not given out is refused where the key is used.
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }
}

type Watched = (Key, Interest);

/// What is watched, under which token, and where it stands in `due` and `turns`.
#[derive(Debug)]
struct Entry {
    watched: Watched,
    token: u64,
    due: Option<u64>,
    turn: Option<Turn>,
}

/// When something watched has something to show.
#[derive(Debug, Clone, Copy)]
struct Shows {
    now: bool,
    /// With the completion of this rank.
    rank: Option<u64>,
    /// When an attempt may go on.
    turn: Option<Turn>,
}

/// One set.
#[derive(Debug, Default)]
pub(super) struct WatchSet {
    /// How many were ever added: the order of addition.
    added: u64,
    entries: BTreeMap<u64, Entry>,
    by_operation: HashMap<Watched, u64>,
    by_token: HashMap<u64, u64>,
    /// Has something to show now.
    ready: BTreeSet<u64>,
    /// Shows something when the guest is shown the completions up to this rank.
    due: BTreeSet<(u64, u64)>,
    /// Goes on when its turn comes.
    turns: BTreeSet<(Turn, Key, u64)>,
}

impl WatchSet {
    fn remove(&mut self, order: u64) -> Option<u64> {
        let Entry { watched, token, due, turn } = self.entries.remove(&order)?;
        self.by_operation.remove(&watched);
        self.by_token.remove(&token);
        self.ready.remove(&order);
        if let Some(rank) = due {
            self.due.remove(&(rank, order));
        }
        if let Some(turn) = turn {
            self.turns.remove(&(turn, watched.0, order));
        }
        Some(token)
    }

    /// Takes what is ready, in the order in which it was added.
    fn take_ready(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.ready).into_iter().filter_map(|order| self.remove(order)).collect()
    }

    /// Moves what is due up to a rank to what is ready.
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

    /// An entry shows something now, or later.
    fn place(&mut self, order: u64, shows: Shows) {
        let Some(entry) = self.entries.get_mut(&order) else { return };
        if let Some(before) = entry.due.take() {
            self.due.remove(&(before, order));
        }
        if let Some(before) = entry.turn.take() {
            self.turns.remove(&(before, entry.watched.0, order));
        }
        if shows.now {
            self.ready.insert(order);
        } else if let Some(turn) = shows.turn {
            entry.turn = Some(turn);
            self.turns.insert((turn, entry.watched.0, order));
        } else if let Some(rank) = shows.rank {
            entry.due = Some(rank);
            self.due.insert((rank, order));
        }
    }

    /// What is shown next, in the order of the record: a completion, or an attempt that goes on.
    fn next(&self) -> Option<Watched> {
        let completion = self.due.first();
        let turn =
            self.turns.first().filter(|(turn, ..)| completion.is_none_or(|(rank, _)| turn.is_before(*rank)));
        let order = turn.map(|(.., order)| order).or(completion.map(|(_, order)| order))?;
        self.entries.get(order).map(|entry| entry.watched)
    }
}

impl Engine {
    /// A new, empty set.
    pub fn new_set(&mut self) -> Result<SetKey, ReplayError> {
        let key = u32::try_from(self.sets.len()).ok().filter(|n| (*n as usize) < MAX_SETS);
        let key = key.ok_or_else(|| misuse(format!("more than {MAX_SETS} wait sets")))?;
        self.sets.push(WatchSet::default());
        Ok(SetKey(key))
    }

    /// Watches an operation under a token.
    pub fn watch(
        &mut self,
        set: SetKey,
        key: Key,
        interest: Interest,
        token: u64,
    ) -> Result<(), ReplayError> {
        let shows = self.shows_when(key, interest)?;
        let set = self.set_mut(set)?;
        set.added += 1;
        let order = set.added;
        if set.by_token.insert(token, order).is_some() {
            return Err(misuse(format!("token {token} is in the wait set already")));
        }
        if set.by_operation.insert((key, interest), order).is_some() {
            return Err(misuse("an operation is in the wait set already"));
        }
        set.entries.insert(order, Entry { watched: (key, interest), token, due: None, turn: None });
        set.place(order, shows);
        Ok(())
    }

    /// Watches no more.
    pub fn unwatch(&mut self, set: SetKey, token: u64) -> Result<(), ReplayError> {
        let set = self.set_mut(set)?;
        if let Some(order) = set.by_token.get(&token).copied() {
            set.remove(order);
        }
        Ok(())
    }

    /// Takes what has something to show: what is ready, else what comes next in the order of the record, which is shown
    /// with it. Empty when the service has to say something first.
    pub fn take_watched(&mut self, set: SetKey) -> Result<Vec<u64>, ReplayError> {
        loop {
            let revealed = self.revealed();
            let watched = self.set_mut(set)?;
            if watched.entries.is_empty() {
                return Err(misuse("an empty wait set was waited for"));
            }
            watched.show(revealed);
            if !watched.ready.is_empty() {
                return Ok(watched.take_ready());
            }
            // An attempt that goes on may have to be acknowledged first: then it is the turn of what follows.
            let Some(next) = watched.next() else { return Ok(Vec::new()) };
            self.reveal(&[next])?;
        }
    }

    /// Looks again at a watched operation whose record or phase has changed.
    pub(super) fn notify_all(&mut self, key: Key) -> Result<(), ReplayError> {
        for index in 0..self.sets.len() {
            for interest in [Interest::Change, Interest::CallbackId] {
                let order =
                    self.sets.get(index).and_then(|set| set.by_operation.get(&(key, interest))).copied();
                let Some(order) = order else { continue };
                let shows = self.shows_when(key, interest)?;
                if let Some(set) = self.sets.get_mut(index) {
                    set.place(order, shows);
                }
            }
        }
        Ok(())
    }

    fn shows_when(&self, key: Key, interest: Interest) -> Result<Shows, ReplayError> {
        Ok(Shows {
            now: self.is_ready(key, interest)?,
            rank: self.shown_at(key, interest)?,
            turn: self.turn(key, interest)?,
        })
    }

    fn set_mut(&mut self, key: SetKey) -> Result<&mut WatchSet, ReplayError> {
        self.sets.get_mut(key.0 as usize).ok_or_else(|| misuse("there is no such wait set"))
    }
}
