//! The replay engine: the durable state of one invocation, and the operations that the guest may perform on it.
//!
//! Sans-IO: the host calls it for every durable import, sends the updates that [`Engine::take_batch`] returns, and
//! passes the service's answers to [`Engine::apply`]. It does not block, reads no clock and does not depend on a kind
//! of guest.
//!
//! Invariants:
//! - an operation is looked up by an id that depends only on its scope and position;
//! - the guest sees a completion only where it waits ([`Engine::reveal`]), and sees completions in the order in which
//!   the service recorded them, so a replay interleaves exactly as the first run did;
//! - a recorded attempt that has not ended continues only where the guest waits, in the same order: a guest that drops
//!   an operation because of a completion drops it again before the operation's body runs. A first attempt that began
//!   after all that such an instance has seen continues where the guest starts it;
//! - except in [`CheckpointMode::Optimistic`], an outcome is shown only when the service has recorded it;
//! - the time that the guest sees is the time of the latest outcome that it was shown.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use super::{
    Position, ReplayError, Semantics,
    error::misuse,
    ids::{IdHash, Scope},
    keys::{Interest, Key, ScopeKey},
    known::Known,
    outbox::{CheckpointMode, Outbox},
    probe::{Probe, Probed},
    slot::{RevealPoint, Slot, SlotState, end_rank, start_rank, status_rank},
    starts::Starts,
    wait_set::WaitSet,
};
use crate::{
    budget::{Budget, Charge},
    protocol::{
        Limits, Operation, OperationAction, OperationId, OperationStatus, OperationType, OperationUpdate,
        Timestamp,
    },
};

/// What a flat scope takes, in bytes.
const FLAT_SCOPE: usize = size_of::<Scope>() + 256;

/// A recorded success: its rank in the order of completions, and its result.
pub type Success = (u64, Option<Arc<str>>);

/// The durable state of one invocation.
///
/// # Examples
///
/// ```
/// use durawasm_core::{
///     protocol::{Limits, OperationAction},
///     replay::{Engine, Identity, Semantics, StepState},
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // An execution without a record: the guest's first step is new.
/// let mut engine = Engine::new(Vec::new(), Limits::default(), 1000);
/// let name = Identity { name: Some("charge".to_owned()), sub_type: None };
/// let step = engine.step(engine.root(), None, name, Semantics::AtLeastOncePerRetry.into())?;
/// assert_eq!(engine.step_state(step)?, StepState::Run(1));
///
/// // The guest has run the body. Both updates are sent in one checkpoint.
/// engine.succeed(step, Some("42".to_owned()))?;
/// let actions: Vec<_> = engine.take_batch().iter().map(|update| update.action).collect();
/// assert_eq!(actions, [OperationAction::Start, OperationAction::Succeed]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Engine {
    pub(super) limits: Limits,
    pub(super) max_operations: usize,
    /// The recorded operations, and which of them the guest has started.
    pub(super) known: HashMap<OperationId, Known, IdHash>,
    /// The number of recorded operations that the guest is required to start and has not.
    pub(super) unclaimed: usize,
    pub(super) slots: Vec<Slot>,
    pub(super) scopes: Vec<Scope>,
    pub(super) outbox: Outbox,
    pub(super) mode: CheckpointMode,
    pub(super) sets: Vec<WaitSet>,
    /// The order in which operations were started.
    pub(super) starts: Starts,
    /// The EXECUTION operation.
    execution: Option<Arc<Operation>>,
    /// Attempts that exceeded their timeout in an earlier instance of this invocation.
    timed_out: HashMap<OperationId, u32>,
    /// Attempts that began in an earlier instance of this invocation, which did not enter their bodies.
    untouched: HashSet<OperationId>,
    /// The recorded operations under each context; computed when first needed.
    pub(super) children: Option<HashMap<OperationId, Vec<OperationId>>>,
    /// The number of outcomes that were given a reveal point before the service recorded them.
    pub(super) unsent: u64,
    /// The guest has seen every completion up to this rank.
    revealed: u64,
    /// The last completion that earlier instances may have seen.
    seen: u64,
    /// The last change that was delivered to earlier instances which came to their end: those of earlier invocations that
    /// returned, and those of this invocation. They have seen the completions up to it, and may have dropped operations
    /// because of them.
    settled: u64,
    time: Timestamp,
    pub(super) probe: Probed,
    /// For what the guest makes the engine keep beside recorded operations and queued updates.
    pub(super) charge: Charge,
    /// How many entries of wait sets it has been charged for.
    pub(super) charged_entries: usize,
}

impl Engine {
    /// Creates an engine from an execution's state. It has the default budget of bytes.
    pub fn new(operations: Vec<Arc<Operation>>, limits: Limits, max_operations: usize) -> Self {
        let mut time = operations.first().map_or(Timestamp::from_millis(0), |o| o.start_timestamp);
        let mut known = HashMap::with_capacity_and_hasher(operations.len(), IdHash::default());
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
        let budget = Budget::default();
        Self {
            outbox: Outbox::new(&limits, &budget),
            charge: budget.hold(),
            charged_entries: 0,
            limits,
            max_operations,
            unclaimed: known.len(),
            // A replay starts again what is on record.
            slots: Vec::with_capacity(known.len() + 1),
            known,
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
            settled: seen,
            time,
            probe: Probed::default(),
        }
    }

    /// Sets the budget that is charged for what the guest makes the engine keep. Nothing may be queued yet.
    #[must_use]
    pub fn with_budget(self, budget: &Budget) -> Self {
        debug_assert!(self.outbox.len() == 0, "the budget is set before the guest runs");
        Self { outbox: Outbox::new(&self.limits, budget), charge: budget.hold(), ..self }
    }

    /// The budget that is charged for what the guest makes the host keep.
    pub fn budget(&self) -> &Budget {
        self.charge.budget()
    }

    /// Sets the probe of the invocation.
    #[must_use]
    pub fn with_probe(self, probe: Probed) -> Self {
        let mut probed = Self { probe, ..self };
        if let Some(mode) = probed.probe.get().and_then(Probe::mode) {
            probed.set_mode(mode);
        }
        probed
    }

    /// The probe of the invocation.
    pub fn probe(&self) -> &Probed {
        &self.probe
    }

    /// The root scope of the execution.
    pub fn root(&self) -> ScopeKey {
        ScopeKey(0)
    }

    /// The time that the guest sees.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The rank of the last completion that the guest has seen; 0 before the first.
    pub fn revealed(&self) -> u64 {
        self.revealed
    }

    /// Whether the service has no record of an operation.
    pub fn is_new(&self, key: Key) -> bool {
        self.slot(key).is_ok_and(|slot| slot.record.is_none())
    }

    /// The attempt of a step that is running or that closed it; from 1.
    pub fn attempt(&self, key: Key) -> Result<u32, ReplayError> {
        let slot = self.slot(key)?;
        Ok(match slot.phase {
            SlotState::Running { attempt }
            | SlotState::Interrupted { attempt }
            | SlotState::TimedOut { attempt } => attempt,
            _ => {
                let ended =
                    slot.record.as_ref().and_then(|r| r.step_details.as_ref()).map_or(0, |d| d.attempt);
                // An outcome that the service does not have yet closed the attempt after those on record.
                let unrecorded = slot.local.is_some() && slot.ended().is_none();
                (ended + u32::from(unrecorded)).max(1)
            }
        })
    }

    /// The timeout of each attempt's body.
    pub fn body_timeout(&self, key: Key) -> Result<Option<Duration>, ReplayError> {
        Ok(self.slot(key)?.timeout)
    }

    /// Records that the guest enters the body of an operation. It may enter only the body of an attempt that is to run.
    pub fn enter(&mut self, key: Key) -> Result<(), ReplayError> {
        let slot = self.slot_mut(key)?;
        match slot.phase {
            SlotState::Running { .. } if slot.kind == OperationType::Step => slot.entered = true,
            SlotState::Running { .. } | SlotState::Rebuilding => {
                return Err(misuse("this operation has no body to enter"));
            }
            SlotState::Interrupted { .. } | SlotState::TimedOut { .. } => {
                return Err(misuse("a body was entered whose attempt is to be closed without running it"));
            }
            SlotState::Waiting | SlotState::Closing | SlotState::Shown | SlotState::Due(_) => {
                return Err(misuse("a body was entered whose attempt is over, or is not to run yet"));
            }
        }
        if let Some(probe) = self.probe.get() {
            let slot = self.slot(key)?;
            probe.entered(&slot.id, self.attempt(key)?, slot.semantics);
        }
        Ok(())
    }

    /// Whether the guest has started an operation in this instance.
    pub fn was_started(&self, id: &OperationId) -> bool {
        self.known.get(id).is_some_and(|known| known.key.is_some())
    }

    /// Whether a body was entered whose attempt is not closed.
    pub fn has_open_body(&self) -> bool {
        self.slots.iter().any(|slot| slot.entered && matches!(slot.phase, SlotState::Running { .. }))
    }

    /// Whether an at-most-once body may run now. The order in which such bodies become ready is not recorded: if the
    /// instance were dropped before one is entered, a fresh instance could run them in another order.
    pub fn is_about_to_run_once(&self) -> bool {
        let once = |slot: &Slot| slot.semantics == Semantics::AtMostOncePerRetry;
        self.slots.iter().any(|slot| once(slot) && matches!(slot.phase, SlotState::Running { .. }))
    }

    /// Creates the engine for a fresh instance in the same invocation, from everything that is on record by now.
    /// `stopped` is an attempt that exceeded its timeout.
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
            settled,
            probe,
            charge,
            ..
        } = self;
        timed_out.extend(stopped);
        for slot in &slots {
            match slot.phase {
                SlotState::Running { .. } if !slot.entered => {
                    untouched.insert(slot.id.clone());
                }
                // The attempt has not continued in this instance.
                SlotState::Due(_) => {}
                _ => {
                    untouched.remove(&slot.id);
                }
            }
        }
        // Outcomes that were shown before they were recorded count as seen.
        let shown = slots.iter().filter(|slot| slot.phase == SlotState::Shown).filter_map(Slot::ended);
        let seen = shown.map(|record| end_rank(record)).max().unwrap_or(0).max(revealed);
        let latest = |known: Known| match known.key {
            Some(key) => slots.get(key.0 as usize).and_then(|slot| slot.record.clone()),
            None => known.record,
        };
        let records: HashMap<OperationId, Arc<Operation>> =
            known.into_values().filter_map(latest).map(|record| (record.id.clone(), record)).collect();
        let hidden = below_closed_contexts(&records, execution.as_ref().map(|execution| &execution.id));
        let shown = records.values().filter(|record| !hidden.contains(&record.id)).cloned();
        let operations = execution.into_iter().chain(shown).collect();
        let fresh = Self {
            timed_out,
            untouched,
            seen,
            settled: settled.max(seen),
            ..Self::new(operations, limits, max_operations)
        };
        Ok(fresh.with_budget(charge.budget()).with_probe(probe))
    }

    /// Removes an operation, and the recorded operations below it, from those that the guest is required to start.
    pub fn skip(&mut self, scope: ScopeKey, position: Position) -> Result<(), ReplayError> {
        let mut below = vec![self.scope(scope)?.id_at(position)];
        if self.unclaimed == 0 {
            return Ok(());
        }
        self.index_children();
        while let Some(id) = below.pop() {
            if let Some(known) = self.known.get_mut(&id) {
                known.release(&mut self.unclaimed);
            }
            below
                .extend(self.children.as_mut().and_then(|children| children.remove(&id)).unwrap_or_default());
        }
        Ok(())
    }

    /// Advances the guest's time after it has slept outside of any operation.
    pub fn advance_time(&mut self, to: Timestamp) {
        self.time = self.time.max(to);
    }

    /// Whether the code that is running ran in an earlier invocation already.
    pub fn is_replaying(&self) -> bool {
        match self.revealed.cmp(&self.seen) {
            Ordering::Less => true,
            // All completions that earlier invocations saw have been shown. Operations that they started after the last
            // of them may still follow.
            Ordering::Equal => self.unclaimed > 0,
            Ordering::Greater => false,
        }
    }

    /// Sets which operations have changed since the previous invocation: their ends have not been seen by any code.
    #[must_use]
    pub fn with_updated(mut self, updated: &[OperationId]) -> Self {
        if updated.is_empty() {
            return self;
        }
        let updated: HashSet<&OperationId> = updated.iter().collect();
        let ends = self.known.iter().filter_map(|(id, known)| {
            let record = known.record.as_ref().filter(|record| record.status.is_terminal());
            record.map(|record| (end_rank(record), id))
        });
        // Only the last is looked for, so few ids are looked up.
        let later = |seen: u64, (rank, id): (u64, &OperationId)| {
            if rank > seen && !updated.contains(id) { rank } else { seen }
        };
        self.seen = ends.fold(0, later);
        self
    }

    /// Sets the last change that an invocation had got when it returned. Without it, all completions on record may have
    /// been seen.
    #[must_use]
    pub fn with_returned_at(self, returned_at: Option<u64>) -> Self {
        Self { settled: returned_at.unwrap_or(self.settled), ..self }
    }

    /// The checkpoint mode.
    pub fn mode(&self) -> CheckpointMode {
        self.mode
    }

    /// Changes the checkpoint mode from now on.
    pub fn set_mode(&mut self, mode: CheckpointMode) {
        self.mode = mode;
        self.starts.mode(mode);
    }

    /// The number of queued updates.
    pub fn queued(&self) -> usize {
        self.outbox.len()
    }

    /// Takes the updates to send next, within the service's limits; empty if none are queued.
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

    /// The namespace of a scope's ids: the id of the operation that it belongs to; empty for the root.
    pub fn namespace(&self, scope: ScopeKey) -> Result<&str, ReplayError> {
        Ok(self.scope(scope)?.namespace())
    }

    /// Takes the next position of a scope.
    pub fn claim(&mut self, scope: ScopeKey) -> Result<Position, ReplayError> {
        self.scope_mut(scope)?.claim().ok_or_else(|| misuse("a context has no more places for operations"))
    }

    /// Creates a scope of ids without an operation, for flat maps.
    pub fn flat(&mut self, scope: ScopeKey, position: Option<Position>) -> Result<ScopeKey, ReplayError> {
        // A flat scope has no operation that is charged for it.
        self.charge.grow(FLAT_SCOPE)?;
        let (id, _) = self.take(scope, position)?;
        self.check_flat(&id)?;
        let flat = Scope::flat(&id, self.scope(scope)?);
        self.add_scope(flat)
    }

    /// The scope of a child context's operations.
    pub fn child_scope(&self, key: Key) -> Result<ScopeKey, ReplayError> {
        self.slot(key)?.scope.ok_or_else(|| misuse("this operation is not a child context"))
    }

    /// The recorded success of an operation: its rank and result, whether or not the guest has seen it.
    pub fn recorded_success(&self, key: Key) -> Result<Option<Success>, ReplayError> {
        let record = self.slot(key)?.ended().filter(|record| record.status == OperationStatus::Succeeded);
        Ok(record.map(|record| (end_rank(record), record.result().cloned())))
    }

    /// The final status of an operation, if the guest has seen its end.
    pub fn ended(&self, key: Key) -> Result<Option<OperationStatus>, ReplayError> {
        let record = self.slot(key)?.ended().filter(|r| end_rank(r) <= self.revealed);
        Ok(record.map(|record| record.status))
    }

    /// The id of a callback, if the guest has seen its start.
    pub fn callback_id(&self, key: Key) -> Result<Option<&str>, ReplayError> {
        let record = self.slot(key)?.record.as_ref().filter(|r| start_rank(r) <= self.revealed);
        let details = record.and_then(|r| r.callback_details.as_ref());
        Ok(details.and_then(|d| d.callback_id.as_ref()).map(crate::protocol::CallbackId::as_str))
    }

    /// Whether the guest can proceed with what it waits for.
    pub fn is_ready(&self, key: Key, interest: Interest) -> Result<bool, ReplayError> {
        let slot = self.slot(key)?;
        Ok(match interest {
            Interest::Change => {
                !matches!(slot.phase, SlotState::Waiting | SlotState::Closing | SlotState::Due(_))
                    || slot.ended().is_some_and(|r| end_rank(r) <= self.revealed)
            }
            Interest::CallbackId => slot.record.as_ref().is_some_and(|r| start_rank(r) <= self.revealed),
        })
    }

    /// Shows the guest the next completion, in recorded order, of those that it waits for, and all completions before
    /// it; or lets an attempt continue whose point is before that completion. Returns false if there is neither.
    pub fn reveal(&mut self, waited_for: &[(Key, Interest)]) -> Result<bool, ReplayError> {
        let mut next: Option<(u64, Timestamp)> = None;
        let mut point: Option<(RevealPoint, Key)> = None;
        for (key, interest) in waited_for {
            if let Some(due) = self.reveal_point(*key, *interest)? {
                point = Some(point.map_or((due, *key), |first| first.min((due, *key))));
            }
            let event = self.recorded_event(*key, *interest)?.filter(|(rank, _)| *rank > self.revealed);
            next = next.into_iter().chain(event).min();
        }
        if let Some((point, key)) = point
            && next.is_none_or(|(rank, _)| self.is_before(point, rank))
        {
            self.resume(key)?;
            return Ok(true);
        }
        let Some((rank, time)) = next else { return Ok(false) };
        self.revealed = rank;
        self.time = self.time.max(time);
        Ok(true)
    }

    /// Whether an attempt continues before the guest sees a completion. While operations are on record that the guest has
    /// yet to start, it follows what an interrupted instance did: that instance has come further.
    pub(super) fn is_before(&self, point: RevealPoint, completion: u64) -> bool {
        point.is_before(completion) && self.unclaimed == 0
    }

    /// The point at which an attempt continues that has not yet.
    pub(super) fn reveal_point(
        &self,
        key: Key,
        interest: Interest,
    ) -> Result<Option<RevealPoint>, ReplayError> {
        Ok(match (self.slot(key)?.phase, interest) {
            (SlotState::Due(point), Interest::Change) => Some(point),
            _ => None,
        })
    }

    /// The rank and time of the recorded event that `interest` names, if it is recorded.
    fn recorded_event(&self, key: Key, interest: Interest) -> Result<Option<(u64, Timestamp)>, ReplayError> {
        Ok(self.slot(key)?.record.as_ref().and_then(|record| match interest {
            Interest::CallbackId => Some((start_rank(record), record.start_timestamp)),
            Interest::Change if record.status.is_terminal() => {
                Some((end_rank(record), record.end_timestamp.unwrap_or(record.start_timestamp)))
            }
            Interest::Change => None,
        }))
    }

    /// The rank of [`Self::recorded_event`].
    pub(super) fn event_rank(&self, key: Key, interest: Interest) -> Result<Option<u64>, ReplayError> {
        Ok(self.recorded_event(key, interest)?.map(|(rank, _)| rank))
    }

    /// The earliest time at which the service changes one of these operations by itself.
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

    /// Applies the changed operations of an answer.
    pub fn apply(&mut self, operations: Vec<Arc<Operation>>) -> Result<(), ReplayError> {
        self.outbox.answered();
        for operation in operations {
            if operation.kind == OperationType::Execution {
                continue;
            }
            let Some(key) = self.known.get(&operation.id).and_then(|known| known.key) else {
                match self.known.entry(operation.id.clone()) {
                    Entry::Occupied(mut known) => known.get_mut().record = Some(operation),
                    Entry::Vacant(vacant) => drop(vacant.insert(Known::unrequested(operation))),
                }
                continue;
            };
            let slot = self.slot_mut(key)?;
            slot.record = Some(operation);
            match slot.phase {
                // Its end is on record now and has a rank.
                SlotState::Due(_) if slot.ended().is_some() => slot.phase = SlotState::Waiting,
                SlotState::Due(RevealPoint::Unsent(_)) => {}
                SlotState::Waiting | SlotState::Due(_) if slot.kind == OperationType::Step => {
                    self.settle_step(key)?;
                }
                _ => {}
            }
            self.update_wait_sets(key)?;
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

    /// Sets the state of a step that waits, from its record: a recorded attempt continues at its reveal point.
    pub(super) fn settle_step(&mut self, key: Key) -> Result<(), ReplayError> {
        let slot = self.slot_mut(key)?;
        let at_most_once = slot.semantics == Semantics::AtMostOncePerRetry;
        let Some(record) = slot.record.clone() else {
            if !at_most_once {
                slot.phase = SlotState::Running { attempt: 1 };
            }
            return Ok(());
        };
        let details = record.step_details.as_ref();
        let is_new_record = self.is_new_record(&record);
        let is_first = details.is_none_or(|details| details.attempt == 0);
        let settled = self.settled;
        let slot = self.slot_mut(key)?;
        if let Some(state) = details.and_then(|d| d.result.clone())
            && slot.state.is_some()
            && !record.status.is_terminal()
        {
            slot.state = Some(state);
        }
        slot.phase = match record.status {
            // The acknowledgement of this invocation's START.
            OperationStatus::Started if is_new_record => return self.resume(key),
            // A first attempt runs where the guest starts it, if no instance that came to its end may have dropped it.
            OperationStatus::Started if is_first && status_rank(&record) > settled => {
                return self.resume(key);
            }
            // A retry runs when it is ready, if no instance that came to its end may have dropped it or not known of it.
            OperationStatus::Started | OperationStatus::Ready => {
                let began = status_rank(&record);
                SlotState::Due(RevealPoint::After { completion: began.max(settled), began })
            }
            _ => SlotState::Waiting,
        };
        Ok(())
    }

    /// Lets an attempt continue, or shows an outcome that is not on record yet. Its reveal point is reached.
    pub(super) fn resume(&mut self, key: Key) -> Result<(), ReplayError> {
        let slot = self.slot_mut(key)?;
        if slot.local.is_some() {
            slot.phase = SlotState::Shown;
            return self.update_wait_sets(key);
        }
        let Some(record) = slot.record.clone() else { return Ok(()) };
        let at_most_once = slot.semantics == Semantics::AtMostOncePerRetry;
        let attempt = record.step_details.as_ref().map_or(0, |d| d.attempt).saturating_add(1);
        let phase = if record.status == OperationStatus::Ready {
            let update = slot.update(OperationAction::Start);
            self.outbox.push(update)?;
            if at_most_once { SlotState::Waiting } else { SlotState::Running { attempt } }
        } else if self.timed_out.get(&record.id) == Some(&attempt) {
            SlotState::TimedOut { attempt }
        } else if at_most_once && !self.is_new_record(&record) && !self.untouched.contains(&record.id) {
            // A START from before this invocation without a later update: the attempt was interrupted.
            if let Some(probe) = self.probe.get() {
                probe.interrupted(&record.id, attempt);
            }
            SlotState::Interrupted { attempt }
        } else {
            SlotState::Running { attempt }
        };
        self.slot_mut(key)?.phase = phase;
        self.update_wait_sets(key)
    }

    /// Whether the record arrived after the invocation had begun.
    fn is_new_record(&self, record: &Arc<Operation>) -> bool {
        let known = self.known.get(&record.id).and_then(|known| known.record.as_ref());
        !known.is_some_and(|known| Arc::ptr_eq(known, record))
    }
}

/// The operations below closed contexts that will not be started again. The service omits them from a state, but sends
/// their later changes: a wait ends although the context that it is in was closed. Then its parent is not in `records`.
fn below_closed_contexts(
    records: &HashMap<OperationId, Arc<Operation>>,
    execution: Option<&OperationId>,
) -> HashSet<OperationId> {
    let mut hidden = HashSet::new();
    let mut shown = HashSet::new();
    let mut path = Vec::new();
    for record in records.values() {
        // Up to a context of which it is known whether it is hidden.
        let mut at = record;
        let is_hidden = loop {
            if hidden.contains(&at.id) {
                break true;
            }
            if shown.contains(&at.id) {
                break false;
            }
            path.push(at);
            match at.parent_id.as_ref().filter(|id| Some(*id) != execution) {
                None => break false,
                Some(parent) => match records.get(parent) {
                    // A service that gives a circle of parents must not stop the host.
                    Some(parent) if !parent.hides_children() && path.len() <= records.len() => at = parent,
                    _ => break true,
                },
            }
        };
        let known = if is_hidden { &mut hidden } else { &mut shown };
        known.extend(path.drain(..).map(|record| record.id.clone()));
    }
    hidden
}
