//! Starting of operations by the guest, and lookup of their records.
//!
//! Invariants: a start takes its position even if it fails; a recorded operation is compared with what the guest starts
//! and is not sent again.

use std::{collections::hash_map::Entry, time::Duration};

use super::{
    Divergence, Identity, Key, Position, ReplayError, ScopeKey, Semantics,
    checks::{check_identity, check_payload, check_same, check_seconds, check_words},
    engine::Engine,
    error::misuse,
    identity::{describe, describe_record},
    ids::Scope,
    known::Known,
    slot::{Slot, SlotState},
};
use crate::protocol::{
    CallbackOptions, ChainedInvokeOptions, FUNCTION_NAME_CHARACTERS, Limits, OperationAction, OperationId,
    OperationType, OperationUpdate, StepDetails, TENANT_ID_CHARACTERS, WaitOptions, is_function_name,
    is_tenant_id, sub_type,
};

/// How the attempts of a step are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepPlan {
    /// What happens after an interruption.
    pub semantics: Semantics,
    /// The timeout of each attempt's body; `None` is no limit.
    pub timeout: Option<Duration>,
}

impl From<Semantics> for StepPlan {
    fn from(semantics: Semantics) -> Self {
        Self { semantics, timeout: None }
    }
}

impl Engine {
    /// Starts a step.
    pub fn step(
        &mut self,
        scope: ScopeKey,
        position: Option<Position>,
        identity: Identity,
        plan: StepPlan,
    ) -> Result<Key, ReplayError> {
        let check = match plan.timeout {
            Some(Duration::ZERO) => Err(ReplayError::InvalidArgument {
                argument: "timeout-ms",
                reason: "0 is not a time: 1 millisecond is the least; leave it out for no limit".to_owned(),
            }),
            _ => Ok(()),
        };
        let key =
            self.begin(scope, position, identity, OperationType::Step, sub_type::STEP, check, |_| {})?;
        let slot = self.slot_mut(key)?;
        slot.semantics = plan.semantics;
        slot.timeout = plan.timeout;
        self.settle_step(key)?;
        Ok(key)
    }

    /// Starts a condition.
    pub fn condition(
        &mut self,
        scope: ScopeKey,
        position: Option<Position>,
        identity: Identity,
        initial: String,
    ) -> Result<Key, ReplayError> {
        let check = check_payload("initial", Some(&initial), self.limits.payload_bytes);
        let kind = OperationType::Step;
        let key = self.begin(scope, position, identity, kind, sub_type::WAIT_FOR_CONDITION, check, |_| {})?;
        let record = self.slot(key)?.record.as_deref();
        let state = match record.map(|record| (record.status.is_terminal(), record.step_details.as_ref())) {
            Some((true, _)) => "null".into(),
            Some((false, Some(StepDetails { result: Some(state), .. }))) => state.clone(),
            Some((false, _)) | None => {
                // It is not sent, but kept for the first attempt.
                self.charge.grow(initial.len())?;
                initial.into()
            }
        };
        self.slot_mut(key)?.state = Some(state);
        self.settle_step(key)?;
        Ok(key)
    }

    /// Starts a wait.
    pub fn wait(
        &mut self,
        scope: ScopeKey,
        position: Option<Position>,
        identity: Identity,
        seconds: u64,
    ) -> Result<Key, ReplayError> {
        let check = check_seconds("duration", seconds, &Limits::DELAY_SECONDS);
        self.begin(scope, position, identity, OperationType::Wait, sub_type::WAIT, check, |start| {
            start.wait_options = Some(WaitOptions { wait_seconds: Some(seconds) });
        })
    }

    /// Starts a callback.
    pub fn callback(
        &mut self,
        scope: ScopeKey,
        position: Option<Position>,
        identity: Identity,
        options: CallbackOptions,
    ) -> Result<Key, ReplayError> {
        let allowed = &Limits::CALLBACK_SECONDS;
        let check = check_seconds("timeout", options.timeout_seconds.unwrap_or(0), allowed).and_then(|()| {
            check_seconds("heartbeat-timeout", options.heartbeat_timeout_seconds.unwrap_or(0), allowed)
        });
        self.begin(scope, position, identity, OperationType::Callback, sub_type::CALLBACK, check, |start| {
            start.callback_options = Some(options);
        })
    }

    /// Starts an invocation of another function.
    pub fn invoke(
        &mut self,
        scope: ScopeKey,
        position: Option<Position>,
        identity: Identity,
        options: ChainedInvokeOptions,
        payload: Option<String>,
    ) -> Result<Key, ReplayError> {
        let function = &options.function_name;
        let check = check_words("function-name", function, is_function_name, FUNCTION_NAME_CHARACTERS)
            .and_then(|()| {
                let tenant = options.tenant_id.as_deref();
                tenant.map_or(Ok(()), |tenant| {
                    check_words("tenant-id", tenant, is_tenant_id, TENANT_ID_CHARACTERS)
                })
            })
            .and_then(|()| check_payload("payload", payload.as_ref(), self.limits.payload_bytes));
        let kind = OperationType::ChainedInvoke;
        self.begin(scope, position, identity, kind, sub_type::CHAINED_INVOKE, check, |start| {
            start.chained_invoke_options = Some(options);
            start.payload = payload.map(Into::into);
        })
    }

    /// Starts a child context.
    pub fn child(
        &mut self,
        scope: ScopeKey,
        position: Option<Position>,
        identity: Identity,
    ) -> Result<Key, ReplayError> {
        let kind = OperationType::Context;
        let key =
            self.begin(scope, position, identity, kind, sub_type::RUN_IN_CHILD_CONTEXT, Ok(()), |_| {})?;
        let scope = Scope::of_context(&self.slot(key)?.id);
        let scope = self.add_scope(scope)?;
        let slot = self.slot_mut(key)?;
        slot.scope = Some(scope);
        slot.phase = match slot.ended() {
            None => SlotState::Running { attempt: 1 },
            Some(record) if record.context_details.as_ref().is_some_and(|d| d.replay_children) => {
                SlotState::Rebuilding
            }
            Some(_) => SlotState::Waiting,
        };
        let over = slot.phase == SlotState::Waiting;
        self.scope_mut(scope)?.over = over;
        Ok(key)
    }

    /// Checks that no operation is on record at a place at which the guest opens a scope without an operation.
    pub(super) fn check_flat(&self, id: &OperationId) -> Result<(), ReplayError> {
        let Some(record) = self.known.get(id).and_then(|known| known.record.as_ref()) else { return Ok(()) };
        Err(ReplayError::NonDeterministic(Box::new(Divergence {
            id: id.clone(),
            expected: describe_record(record),
            actual: "opened a scope without an operation".to_owned(),
        })))
    }

    /// Whether the operation at a position is on record.
    pub fn is_recorded(&self, scope: ScopeKey, position: Position) -> Result<bool, ReplayError> {
        let id = self.scope(scope)?.id_at(position);
        Ok(self.known.get(&id).is_some_and(|known| known.record.is_some()))
    }

    /// Takes a claimed position, or the next one, and returns its id and the position.
    pub(super) fn take(
        &mut self,
        scope: ScopeKey,
        position: Option<Position>,
    ) -> Result<(OperationId, Position), ReplayError> {
        let position = match position {
            Some(position) => position,
            None => self.claim(scope)?,
        };
        let scope = self.scope_mut(scope)?;
        if scope.over {
            return Err(misuse("an operation was started in a context that is over"));
        }
        let taken = scope.take(position);
        let id = taken
            .ok_or_else(|| misuse(format!("position {position} was not claimed, or was used before")))?;
        Ok((id, position))
    }

    /// Starts an operation, or finds its record. `check` is the result of checking its arguments; `options` completes
    /// the START update.
    #[expect(clippy::needless_pass_by_value, reason = "an operation keeps what it is given")]
    #[expect(clippy::too_many_arguments, reason = "one line for each kind of operation, above")]
    fn begin(
        &mut self,
        scope: ScopeKey,
        position: Option<Position>,
        identity: Identity,
        kind: OperationType,
        default_sub_type: &str,
        check: Result<(), ReplayError>,
        options: impl FnOnce(&mut OperationUpdate),
    ) -> Result<Key, ReplayError> {
        let (id, position) = self.take(scope, position)?;
        let key = u32::try_from(self.slots.len()).ok().filter(|n| (*n as usize) < self.max_operations);
        let key = Key(key.ok_or(ReplayError::TooManyOperations(self.max_operations))?);
        let parent =
            &self.scopes.get(scope.0 as usize).ok_or_else(|| misuse("there is no such context"))?.parent;
        let sub_type = identity.sub_type.as_deref().unwrap_or(default_sub_type);
        let start = |id: &OperationId| {
            let mut start = OperationUpdate::new(id.clone(), kind, OperationAction::Start);
            start.parent_id.clone_from(parent);
            start.name = identity.name.as_deref().map(Into::into);
            start.sub_type = Some(sub_type.into());
            options(&mut start);
            start
        };
        let slot = match self.known.entry(id) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                let Some(record) = known.record.clone().filter(|_| known.key.is_none()) else {
                    return Err(misuse("an operation was started twice"));
                };
                known.claim(key, &mut self.unclaimed);
                if let Some(probe) = self.probe.get() {
                    let start = start(&record.id);
                    if probe.started(&start, position, true) {
                        return Err(stopped_by_probe(&start));
                    }
                }
                check_same(&record, kind, sub_type, identity.name.as_deref(), parent.as_ref())?;
                if known.is_initial() {
                    self.starts.recorded_one(&record)?;
                }
                Slot::recorded(record)
            }
            Entry::Vacant(vacant) => {
                // Arguments are checked for new operations only: for a recorded one the record is authoritative.
                check_identity(&identity)?;
                check?;
                self.starts.new_one(vacant.key(), kind, sub_type, identity.name.as_deref());
                let start = start(vacant.key());
                if self.probe.get().is_some_and(|probe| probe.started(&start, position, false)) {
                    return Err(stopped_by_probe(&start));
                }
                let slot = Slot::started(&start);
                self.outbox.push(start)?;
                vacant.insert(Known::started(key));
                slot
            }
        };
        self.slots.push(slot);
        Ok(key)
    }
}

/// The error with which a probe ends a run where the guest starts an operation.
fn stopped_by_probe(start: &OperationUpdate) -> ReplayError {
    ReplayError::NonDeterministic(Box::new(Divergence {
        id: start.id.clone(),
        expected: "something else".to_owned(),
        actual: format!("started {}", describe(start.kind, start.sub_type.as_deref(), start.name.as_deref())),
    }))
}
