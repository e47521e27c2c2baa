//! Waiting of the guest for many operations at once: its wait sets.

use super::{
    Engine, Interest, Key, ReplayError, SetKey,
    error::misuse,
    wait_set::{ReadyAt, WaitSet},
};

/// What an entry of a set takes, in bytes. An operation is charged for one entry for each of its events.
const ENTRY: usize = 256;

/// The most sets of one invocation. A guest needs one.
const MAX_SETS: usize = 16;

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
        let entries = self.sets.iter().map(WaitSet::len).sum::<usize>() + 1;
        let beyond = entries.saturating_sub(2 * self.slots.len());
        if beyond > self.charged_entries {
            // One more than ever before: each call adds at most one, and operations do not become fewer.
            self.charge.grow(ENTRY)?;
            self.charged_entries = beyond;
        }
        self.set_mut(set)?.add((key, interest), token, ready_at)
    }

    /// Removes an entry, if it is in the set.
    pub fn remove_from_set(&mut self, set: SetKey, token: u64) -> Result<(), ReplayError> {
        self.set_mut(set)?.remove_token(token);
        Ok(())
    }

    /// Takes the tokens of all entries that are ready. If none is, shows the guest the next completion in the order of
    /// the record and takes its entries. Empty if the set has to wait for the service.
    pub fn take_from_set(&mut self, set: SetKey) -> Result<Vec<u64>, ReplayError> {
        loop {
            let revealed = self.revealed();
            let waited = self.set_mut(set)?;
            if waited.is_empty() {
                return Err(misuse("an empty wait set was waited for"));
            }
            waited.show(revealed);
            let ready = waited.take_ready();
            if !ready.is_empty() {
                return Ok(ready);
            }
            // A continued attempt may have to be acknowledged first; then the next entry follows.
            let next = self.set(set)?.next(|point, completion| self.is_before(point, completion));
            let Some(next) = next else { return Ok(Vec::new()) };
            self.reveal(&[next])?;
        }
    }

    /// Updates the entries of an operation whose record or state has changed.
    pub(super) fn update_wait_sets(&mut self, key: Key) -> Result<(), ReplayError> {
        for index in 0..self.sets.len() {
            for interest in [Interest::Change, Interest::CallbackId] {
                let order = self.sets.get(index).and_then(|set| set.find((key, interest)));
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
            point: self.reveal_point(key, interest)?,
        })
    }

    fn set(&self, key: SetKey) -> Result<&WaitSet, ReplayError> {
        self.sets.get(key.0 as usize).ok_or_else(|| misuse("there is no such wait set"))
    }

    fn set_mut(&mut self, key: SetKey) -> Result<&mut WaitSet, ReplayError> {
        self.sets.get_mut(key.0 as usize).ok_or_else(|| misuse("there is no such wait set"))
    }
}
