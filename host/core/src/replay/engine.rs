//! The replay engine: what one invocation knows of its execution, and what a guest may do next.
//!
//! Sans-IO: the sandbox calls it for every durable import, sends what [`Engine::take_batch`] gives and feeds back what
//! the service answers. It never blocks, reads no clock and knows no guest.
//!
//! Always true:
//! - an operation is looked up by an id that depends on its scope and position alone;
//! - the guest learns of a completion only where it waits ([`Engine::reveal`]), and of completions in the order in
//!   which the service recorded them: a replay interleaves exactly as the first run did;
//! - an attempt that is on record and not over goes on only where the guest waits, in the same order: what the guest
//!   dropped because of a completion it drops again before a body of it runs;
//! - an outcome is shown only when the service has it on record;
//! - time, for the guest, is the time of the latest outcome it was shown.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use super::{
    Position, ReplayError, Semantics,
    divergence::Starts,
    error::misuse,
    ids::Scope,
    outbox::Outbox,
    slot::{Phase, Slot, Turn, end_rank, start_rank, status_rank},
    watch::WatchSet,
};
use crate::protocol::{
    Limits, Operation, OperationAction, OperationId, OperationStatus, OperationType, OperationUpdate,
    Timestamp,
};

/// An operation that the guest has started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub(super) u32);

/// A scope of operation ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScopeKey(pub(super) u32);

impl Key {
    /// As a handle's number.
    pub fn to_number(self) -> u32 {
        self.0
    }

    /// From a handle's number. A number that was not given out is refused where the key is used.
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }
}

impl ScopeKey {
    /// As a handle's number.
    pub fn to_number(self) -> u32 {
        self.0
    }

    /// From a handle's number. A number that was not given out is refused where the key is used.
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }
}

/// When updates leave, and when outcomes show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckpointMode {
    /// Sent when the guest waits.
    #[default]
    Batched,
    /// Sent before a body runs, and when an attempt is closed.
    Eager,
    /// Outcomes of steps and children show before the service has them.
    Optimistic,
}

/// What a guest waits for in an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interest {
    /// Something to do, or its end.
    Change,
    /// A callback's id.
    CallbackId,
}

/// A success on record: its place in the order of completions, and its result.
pub type Success = (u64, Option<Arc<str>>);

/// What is known of one id.
#[derive(Debug)]
pub(super) struct Known {
    /// What was on record when the invocation began, or what the service told unasked.
    pub(super) record: Option<Arc<Operation>>,
    /// Set once the guest has started it.
    pub(super) key: Option<Key>,
    /// It was on record when the invocation began.
    from_beginning: bool,
    /// The guest has said that it does not need it.
    skipped: bool,
}

impl Known {
    /// What is on record when the invocation begins.
    fn recorded(record: Arc<Operation>) -> Self {
        Self { record: Some(record), key: None, from_beginning: true, skipped: false }
    }

    /// What the service tells unasked.
    fn told(record: Arc<Operation>) -> Self {
        Self { from_beginning: false, ..Self::recorded(record) }
    }

    /// Whether it was on record when the invocation began.
    pub(super) fn is_from_beginning(&self) -> bool {
        self.from_beginning
    }

    /// The record, if the guest has to ask for it and has not.
    pub(super) fn left_out(&self) -> Option<&Operation> {
        self.record.as_deref().filter(|_| self.key.is_none() && self.from_beginning && !self.skipped)
    }

    /// What the guest has started as the first.
    pub(super) fn started(key: Key) -> Self {
        Self { record: None, key: Some(key), from_beginning: false, skipped: false }
    }

    /// The guest asks for what is on record; true if it was missed until now.
    pub(super) fn asked(&mut self, key: Key) -> bool {
        self.key = Some(key);
        !self.skipped
    }
}

/// One invocation's durable state.
#[derive(Debug)]
pub struct Engine {
    pub(super) limits: Limits,
    pub(super) max_operations: usize,
    /// What is on record, and what of it the guest has asked for.
    pub(super) known: HashMap<OperationId, Known>,
    /// Recorded operations that the guest has not asked for in this invocation.
    pub(super) unclaimed: usize,
    pub(super) slots: Vec<Slot>,
    pub(super) scopes: Vec<Scope>,
    pub(super) outbox: Outbox,
    pub(super) mode: CheckpointMode,
    pub(super) sets: Vec<WatchSet>,
    /// In which order operations were started.
    pub(super) starts: Starts,
    /// The EXECUTION operation.
    execution: Option<Arc<Operation>>,
    /// Attempts that were stopped because they took too long, in an earlier instance of this invocation.
    timed_out: HashMap<OperationId, u32>,
    /// Attempts that began in an earlier instance of this invocation, where their bodies were not entered.
    untouched: HashSet<OperationId>,
    /// The recorded operations under each context; made when first needed.
    pub(super) children: Option<HashMap<OperationId, Vec<OperationId>>>,
    /// How many outcomes were to show before the service has them.
    pub(super) unsent: u64,
    /// The guest has been shown every completion up to this rank.
    revealed: u64,
    /// The last completion that earlier instances may have been shown.
    seen: u64,
    time: Timestamp,
}

impl Engine {
    /// From an execution's state: its operations, the EXECUTION first.
    pub fn new(operations: Vec<Arc<Operation>>, limits: Limits, max_operations: usize) -> Self {
        let mut time = operations.first().map_or(Timestamp::from_millis(0), |o| o.start_timestamp);
        let mut known = HashMap::with_capacity(operations.len());
        let mut seen = 0;
        let mut execution = None;
        for operation in operations {
            if operation.kind == OperationType::Execution {
                time = operation.start_timestamp;
                execution = Some(operation);
                continue;
            }
            if operation.status.is_terminal() {
                seen = seen.max(end_rank(&operation));
            }
            known.insert(operation.id.clone(), Known::recorded(operation));
        }
        Self {
            outbox: Outbox::new(&limits),
            limits,
            max_operations,
            unclaimed: known.len(),
            known,
            slots: Vec::new(),
            scopes: vec![Scope::root()],
            mode: CheckpointMode::default(),
            sets: Vec::new(),
            starts: Starts::default(),
            execution,
            timed_out: HashMap::new(),
            untouched: HashSet::new(),
            children: None,
            unsent: 0,
            revealed: 0,
            seen,
            time,
        }
    }

    /// The execution's own scope.
    pub fn root(&self) -> ScopeKey {
        ScopeKey(0)
    }

    /// The time that replayed code sees.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The number of the last completion that the guest was shown; 0 before the first.
    pub fn revealed(&self) -> u64 {
        self.revealed
    }

    /// Whether nothing of an operation is on record.
    pub fn is_new(&self, key: Key) -> bool {
        self.slot(key).is_ok_and(|slot| slot.record.is_none())
    }

    /// Which attempt of a step is under way, or closed it; from 1.
    pub fn attempt(&self, key: Key) -> Result<u32, ReplayError> {
        let slot = self.slot(key)?;
        Ok(match slot.phase {
            Phase::Running { attempt } | Phase::Interrupted { attempt } | Phase::TimedOut { attempt } => {
                attempt
            }
            _ => slot.record.as_ref().and_then(|r| r.step_details.as_ref()).map_or(0, |d| d.attempt).max(1),
        })
    }

    /// How long the body of a step may take.
    pub fn body_timeout(&self, key: Key) -> Result<Option<Duration>, ReplayError> {
        Ok(self.slot(key)?.timeout)
    }

    /// The guest is about to run a body.
    pub fn enter(&mut self, key: Key) -> Result<(), ReplayError> {
        self.slot_mut(key)?.entered = true;
        Ok(())
    }

    /// Whether the guest has asked for an operation in this instance.
    pub fn was_asked_for(&self, id: &OperationId) -> bool {
        self.known.get(id).is_some_and(|known| known.key.is_some())
    }

    /// Whether a body was entered, and its attempt is not closed.
    pub fn has_open_body(&self) -> bool {
        self.slots.iter().any(|slot| slot.entered && matches!(slot.phase, Phase::Running { .. }))
    }

    /// Whether a body that may run at most once may run now. The order in which such bodies become ready is not on
    /// record: were the instance dropped before one is entered, a fresh one could run them in another order.
    pub fn is_about_to_run_once(&self) -> bool {
        let once = |slot: &Slot| slot.semantics == Semantics::AtMostOncePerRetry;
        self.slots.iter().any(|slot| once(slot) && matches!(slot.phase, Phase::Running { .. }))
    }

    /// For a fresh instance in the same invocation, after the last one was dropped: all that is on record by now.
    /// `stopped` is an attempt that took too long.
    pub fn restarted(self, stopped: Option<Key>) -> Result<Self, ReplayError> {
        let stopped = match stopped {
            Some(key) => Some((self.id(key)?.clone(), self.attempt(key)?)),
            None => None,
        };
        let Self {
            limits,
            max_operations,
            known,
            slots,
            execution,
            mut timed_out,
            mut untouched,
            revealed,
            ..
        } = self;
        timed_out.extend(stopped);
        for slot in &slots {
            match slot.phase {
                Phase::Running { .. } if !slot.entered => {
                    untouched.insert(slot.id.clone());
                }
                // Nothing has become of it in this instance.
                Phase::Due(_) => {}
                _ => {
                    untouched.remove(&slot.id);
                }
            }
        }
        // What showed before it was on record was shown too.
        let shown = slots.iter().filter(|slot| slot.phase == Phase::Shown).filter_map(Slot::ended);
        let seen = shown.map(|record| end_rank(record)).max().unwrap_or(0).max(revealed);
        let latest = |known: Known| match known.key {
            Some(key) => slots.get(key.0 as usize).and_then(|slot| slot.record.clone()),
            None => known.record,
        };
        let records: HashMap<OperationId, Arc<Operation>> =
            known.into_values().filter_map(latest).map(|record| (record.id.clone(), record)).collect();
        let hidden = below_what_ended(&records);
        let shown = records.values().filter(|record| !hidden.contains(&record.id)).cloned();
        let operations = execution.into_iter().chain(shown).collect();
        Ok(Self { timed_out, untouched, seen, ..Self::new(operations, limits, max_operations) })
    }

    /// Takes an operation, and what is on record below it, off what the guest has to ask for.
    pub fn skip(&mut self, scope: ScopeKey, position: Position) -> Result<(), ReplayError> {
        let mut below = vec![self.scope(scope)?.id_at(position)];
        if self.unclaimed == 0 {
            return Ok(());
        }
        self.index_children();
        while let Some(id) = below.pop() {
            if let Some(known) = self.known.get_mut(&id)
                && known.key.is_none()
                && !std::mem::replace(&mut known.skipped, true)
            {
                self.unclaimed = self.unclaimed.saturating_sub(1);
            }
            below
                .extend(self.children.as_mut().and_then(|children| children.remove(&id)).unwrap_or_default());
        }
        Ok(())
    }

    /// Lets the guest's time pass: it slept outside of any operation.
    pub fn advance_time(&mut self, to: Timestamp) {
        self.time = self.time.max(to);
    }

    /// Whether the code that runs now ran in an earlier invocation already.
    pub fn is_replaying(&self) -> bool {
        match self.revealed.cmp(&self.seen) {
            Ordering::Less => true,
            // What earlier invocations saw is over: what they started from there on is still to come.
            Ordering::Equal => self.unclaimed > 0,
            Ordering::Greater => false,
        }
    }

    /// Says which operations have changed since an earlier invocation last heard of them: no code has seen their ends
    /// yet.
    #[must_use]
    pub fn with_news(mut self, news: &[OperationId]) -> Self {
        if news.is_empty() {
            return self;
        }
        let news: HashSet<&OperationId> = news.iter().collect();
        let ends = self.known.iter().filter(|(id, _)| !news.contains(id)).filter_map(|(_, known)| {
            known.record.as_ref().filter(|record| record.status.is_terminal()).map(|record| end_rank(record))
        });
        self.seen = ends.max().unwrap_or(0);
        self
    }

    /// The checkpoint mode.
    pub fn mode(&self) -> CheckpointMode {
        self.mode
    }

    /// Changes the checkpoint mode from here on.
    pub fn set_mode(&mut self, mode: CheckpointMode) {
        self.mode = mode;
        self.starts.mode(mode);
    }

    /// How many updates wait to be sent.
    pub fn queued(&self) -> usize {
        self.outbox.len()
    }

    /// The updates to send next, within the service's limits; empty when there are none.
    pub fn take_batch(&mut self) -> Vec<OperationUpdate> {
        self.outbox.take_batch()
    }

    /// The id of an operation.
    pub fn id(&self, key: Key) -> Result<&OperationId, ReplayError> {
        Ok(&self.slot(key)?.id)
    }

    /// The id of the CONTEXT that a scope belongs to.
    pub fn scope_parent(&self, scope: ScopeKey) -> Result<Option<&OperationId>, ReplayError> {
        Ok(self.scope(scope)?.parent.as_ref())
    }

    /// What the ids of a scope are made from: the id of what it belongs to; empty for the root.
    pub fn namespace(&self, scope: ScopeKey) -> Result<&str, ReplayError> {
        Ok(self.scope(scope)?.namespace())
    }

    /// Takes the next place in a scope's sequence.
    pub fn claim(&mut self, scope: ScopeKey) -> Result<Position, ReplayError> {
        self.scope_mut(scope)?.claim().ok_or_else(|| misuse("a context has no more places for operations"))
    }

    /// A scope without an operation, for flat maps.
    pub fn flat(&mut self, scope: ScopeKey, position: Option<Position>) -> Result<ScopeKey, ReplayError> {
        let id = self.take(scope, position)?;
        let flat = Scope::flat(&id, self.scope(scope)?);
        self.add_scope(flat)
    }

    /// The scope of a child context's operations.
    pub fn child_scope(&self, key: Key) -> Result<ScopeKey, ReplayError> {
        self.slot(key)?.scope.ok_or_else(|| misuse("this operation is not a child context"))
    }

    /// The success of an operation, where it is on record: its place in the order of completions, and its result. Also
    /// where the guest was not shown it.
    pub fn recorded_success(&self, key: Key) -> Result<Option<Success>, ReplayError> {
        let record = self.slot(key)?.ended().filter(|record| record.status == OperationStatus::Succeeded);
        Ok(record.map(|record| (end_rank(record), record.result().cloned())))
    }

    /// The status that an operation ended with, once the guest may know it.
    pub fn ended(&self, key: Key) -> Result<Option<OperationStatus>, ReplayError> {
        let record = self.slot(key)?.ended().filter(|r| end_rank(r) <= self.revealed);
        Ok(record.map(|record| record.status))
    }

    /// A callback's id, once the guest may know it.
    pub fn callback_id(&self, key: Key) -> Result<Option<&str>, ReplayError> {
        let record = self.slot(key)?.record.as_ref().filter(|r| start_rank(r) <= self.revealed);
        let details = record.and_then(|r| r.callback_details.as_ref());
        Ok(details.and_then(|d| d.callback_id.as_ref()).map(crate::protocol::CallbackId::as_str))
    }

    /// Whether what a guest waits for is there.
    pub fn is_ready(&self, key: Key, interest: Interest) -> Result<bool, ReplayError> {
        let slot = self.slot(key)?;
        Ok(match interest {
            Interest::Change => {
                !matches!(slot.phase, Phase::Waiting | Phase::Closing | Phase::Due(_))
                    || slot.ended().is_some_and(|r| end_rank(r) <= self.revealed)
            }
            Interest::CallbackId => slot.record.as_ref().is_some_and(|r| start_rank(r) <= self.revealed),
        })
    }

    /// Shows the guest the next completion in the recorded order that is among what it waits for, and all that came
    /// before; or lets the attempt go on whose turn comes before that. False when there is neither.
    pub fn reveal(&mut self, waited_for: &[(Key, Interest)]) -> Result<bool, ReplayError> {
        let mut next: Option<(u64, Timestamp)> = None;
        let mut turn: Option<(Turn, Key)> = None;
        for (key, interest) in waited_for {
            if let Some(due) = self.turn(*key, *interest)? {
                turn = Some(turn.map_or((due, *key), |first| first.min((due, *key))));
            }
            let Some(candidate) = self.shows(*key, *interest)? else { continue };
            if candidate.0 > self.revealed && next.is_none_or(|n| candidate.0 < n.0) {
                next = Some(candidate);
            }
        }
        if let Some((turn, key)) = turn
            && next.is_none_or(|(rank, _)| turn.is_before(rank))
        {
            self.go_on(key)?;
            return Ok(true);
        }
        let Some((rank, time)) = next else { return Ok(false) };
        self.revealed = rank;
        self.time = self.time.max(time);
        Ok(true)
    }

    /// The turn of an attempt that is to go on.
    pub(super) fn turn(&self, key: Key, interest: Interest) -> Result<Option<Turn>, ReplayError> {
        Ok(match (self.slot(key)?.phase, interest) {
            (Phase::Due(turn), Interest::Change) => Some(turn),
            _ => None,
        })
    }

    /// Where in the order of completions, and when, an operation has something to show; none while it has nothing.
    fn shows(&self, key: Key, interest: Interest) -> Result<Option<(u64, Timestamp)>, ReplayError> {
        Ok(self.slot(key)?.record.as_ref().and_then(|record| match interest {
            Interest::CallbackId => Some((start_rank(record), record.start_timestamp)),
            Interest::Change if record.status.is_terminal() => {
                Some((end_rank(record), record.end_timestamp.unwrap_or(record.start_timestamp)))
            }
            Interest::Change => None,
        }))
    }

    /// The rank of [`Self::shows`].
    pub(super) fn shown_at(&self, key: Key, interest: Interest) -> Result<Option<u64>, ReplayError> {
        Ok(self.shows(key, interest)?.map(|(rank, _)| rank))
    }

    /// The earliest time at which the service changes one of the operations by itself.
    pub fn next_deadline(&self, waited_for: &[(Key, Interest)]) -> Option<Timestamp> {
        waited_for
            .iter()
            .filter_map(|(key, _)| {
                let record = self.slot(*key).ok()?.record.as_ref()?;
                match record.status {
                    OperationStatus::Pending => record.step_details.as_ref()?.next_attempt_timestamp,
                    OperationStatus::Started => record.wait_details.as_ref()?.scheduled_end_timestamp,
                    _ => None,
                }
            })
            .min()
    }

    /// Takes in what the service says has changed.
    pub fn apply(&mut self, operations: Vec<Arc<Operation>>) -> Result<(), ReplayError> {
        for operation in operations {
            if operation.kind == OperationType::Execution {
                continue;
            }
            let Some(key) = self.known.get(&operation.id).and_then(|known| known.key) else {
                match self.known.entry(operation.id.clone()) {
                    Entry::Occupied(mut known) => known.get_mut().record = Some(operation),
                    Entry::Vacant(vacant) => drop(vacant.insert(Known::told(operation))),
                }
                continue;
            };
            let slot = self.slot_mut(key)?;
            slot.record = Some(operation);
            match slot.phase {
                // It has its place in the order now.
                Phase::Due(_) if slot.ended().is_some() => slot.phase = Phase::Waiting,
                Phase::Due(Turn::Unsent(_)) => {}
                Phase::Waiting | Phase::Due(_) if slot.kind == OperationType::Step => {
                    self.settle_step(key)?;
                }
                _ => {}
            }
            self.notify_all(key)?;
        }
        Ok(())
    }

    pub(super) fn slot(&self, key: Key) -> Result<&Slot, ReplayError> {
        self.slots.get(key.0 as usize).ok_or_else(|| misuse("there is no such operation"))
    }

    pub(super) fn slot_mut(&mut self, key: Key) -> Result<&mut Slot, ReplayError> {
        self.slots.get_mut(key.0 as usize).ok_or_else(|| misuse("there is no such operation"))
    }

    pub(super) fn scope(&self, key: ScopeKey) -> Result<&Scope, ReplayError> {
        self.scopes.get(key.0 as usize).ok_or_else(|| misuse("there is no such context"))
    }

    pub(super) fn scope_mut(&mut self, key: ScopeKey) -> Result<&mut Scope, ReplayError> {
        self.scopes.get_mut(key.0 as usize).ok_or_else(|| misuse("there is no such context"))
    }

    pub(super) fn add_scope(&mut self, scope: Scope) -> Result<ScopeKey, ReplayError> {
        let key = u32::try_from(self.scopes.len()).ok().filter(|n| (*n as usize) <= self.max_operations);
        let key = key.ok_or(ReplayError::TooManyOperations(self.max_operations))?;
        self.scopes.push(scope);
        Ok(ScopeKey(key))
    }

    /// Moves a step that waits on, as its record says: what is on record goes on when its turn comes.
    pub(super) fn settle_step(&mut self, key: Key) -> Result<(), ReplayError> {
        let slot = self.slot_mut(key)?;
        let at_most_once = slot.semantics == Semantics::AtMostOncePerRetry;
        let Some(record) = slot.record.clone() else {
            if !at_most_once {
                slot.phase = Phase::Running { attempt: 1 };
            }
            return Ok(());
        };
        let details = record.step_details.as_ref();
        let (is_news, untouched) = (self.is_news(&record), self.untouched.contains(&record.id));
        let slot = self.slot_mut(key)?;
        if let Some(state) = details.and_then(|d| d.result.clone())
            && slot.state.is_some()
            && !record.status.is_terminal()
        {
            slot.state = Some(state);
        }
        slot.phase = match record.status {
            // The acknowledgement that this invocation waits for.
            OperationStatus::Started if is_news => return self.go_on(key),
            // What the last instance was about to run, this one does at the same place.
            OperationStatus::Started if !untouched => Phase::Due(Turn::Last(start_rank(&record))),
            OperationStatus::Started | OperationStatus::Ready => {
                Phase::Due(Turn::After(status_rank(&record)))
            }
            _ => Phase::Waiting,
        };
        Ok(())
    }

    /// Lets go on whose turn has come: an attempt, or an outcome that the service does not have yet.
    pub(super) fn go_on(&mut self, key: Key) -> Result<(), ReplayError> {
        let slot = self.slot_mut(key)?;
        if slot.local.is_some() {
            slot.phase = Phase::Shown;
            return self.notify_all(key);
        }
        let Some(record) = slot.record.clone() else { return Ok(()) };
        let at_most_once = slot.semantics == Semantics::AtMostOncePerRetry;
        let attempt = record.step_details.as_ref().map_or(0, |d| d.attempt).saturating_add(1);
        let phase = if record.status == OperationStatus::Ready {
            let update = slot.update(OperationAction::Start);
            self.outbox.push(update);
            if at_most_once { Phase::Waiting } else { Phase::Running { attempt } }
        } else if self.timed_out.get(&record.id) == Some(&attempt) {
            Phase::TimedOut { attempt }
        } else if at_most_once && !self.is_news(&record) && !self.untouched.contains(&record.id) {
            // Known from before this invocation, a start that nothing followed was interrupted.
            Phase::Interrupted { attempt }
        } else {
            Phase::Running { attempt }
        };
        self.slot_mut(key)?.phase = phase;
        self.notify_all(key)
    }

    /// Whether a record reached the engine after the invocation had begun.
    fn is_news(&self, record: &Arc<Operation>) -> bool {
        let known = self.known.get(&record.id).and_then(|known| known.record.as_ref());
        !known.is_some_and(|known| Arc::ptr_eq(known, record))
    }
}

/// The operations below contexts that are over, which will not be asked for: the service leaves those out.
fn below_what_ended(records: &HashMap<OperationId, Arc<Operation>>) -> HashSet<OperationId> {
    // Parents come before their children.
    let mut in_order: Vec<&Arc<Operation>> = records.values().collect();
    in_order.sort_unstable_by_key(|record| start_rank(record));
    let mut hidden = HashSet::new();
    for record in in_order {
        let Some(parent) = record.parent_id.as_ref().and_then(|id| records.get(id)) else { continue };
        if hidden.contains(&parent.id) || parent.hides_children() {
            hidden.insert(record.id.clone());
        }
    }
    hidden
}
