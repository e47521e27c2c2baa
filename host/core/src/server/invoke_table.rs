//! The open chained invokes of one execution.
//!
//! Invariants:
//! - each invoke is handed out once to whoever runs its target, and again to whoever takes that over;
//! - each is completed once; an outcome that arrives while the invocation that started the invoke is still running is
//!   held until that invocation has ended.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    api::{InvokeOutcome, StartedInvoke},
    event_processor::EventKey,
    ids::Index,
    saved::SavedInvoke,
};
use crate::protocol::Operation;

#[derive(Debug, Default)]
pub(super) struct InvokeTable {
    open: BTreeMap<Index, OpenInvoke>,
    /// Invokes that were not handed out.
    fresh: Vec<(Index, StartedInvoke)>,
    /// The invokes with held outcomes, in the order in which the outcomes arrived.
    held: BTreeMap<u64, Index>,
}

#[derive(Debug)]
struct OpenInvoke {
    function_name: Arc<str>,
    tenant_id: Option<Arc<str>>,
    payload: Option<Arc<str>>,
    started: EventKey,
    /// The number of invocations when it was started.
    invocation: usize,
    /// The outcome that is held, and its number in the order of arrival.
    held: Option<(u64, InvokeOutcome)>,
}

/// What happens to the outcome of an invoke.
pub(super) enum Arrival {
    /// It is recorded now.
    Now(InvokeOutcome),
    /// It is held until the invocation has ended.
    Held,
    /// The invoke has an outcome already, or does not exist.
    Over,
}

impl InvokeTable {
    pub(super) fn open(&mut self, index: Index, invoke: StartedInvoke, started: EventKey, invocation: usize) {
        let StartedInvoke { function_name, tenant_id, payload, .. } = invoke.clone();
        let open = OpenInvoke { function_name, tenant_id, payload, started, invocation, held: None };
        self.open.insert(index, open);
        self.fresh.push((index, invoke));
    }

    /// What is saved of an open invoke.
    pub(super) fn saved(&self, index: Index) -> Option<SavedInvoke> {
        let open = self.open.get(&index)?;
        Some(SavedInvoke {
            function_name: open.function_name.clone(),
            tenant_id: open.tenant_id.clone(),
            payload: open.payload.clone(),
            started: open.started.place(),
            invocation: open.invocation,
            held: open.held.clone(),
        })
    }

    /// Opens an invoke that was saved. Without an outcome it is handed out again: what ran its target may be gone.
    pub(super) fn restore(
        &mut self,
        index: Index,
        saved: &SavedInvoke,
        invoke: StartedInvoke,
        started: EventKey,
    ) {
        self.open(index, invoke, started, saved.invocation);
        if let (Some((number, outcome)), Some(open)) = (&saved.held, self.open.get_mut(&index)) {
            open.held = Some((*number, outcome.clone()));
            self.held.insert(*number, index);
            self.fresh.pop();
        }
    }

    /// Hands out the invokes that were not handed out before.
    pub(super) fn take(&mut self) -> Vec<StartedInvoke> {
        self.fresh.drain(..).map(|(_, invoke)| invoke).collect()
    }

    /// Hands out again all invokes without an outcome.
    pub(super) fn hand_out_again<'a>(&mut self, operation: impl Fn(Index) -> Option<&'a Operation>) {
        let unanswered = self.open.iter().filter(|(_, open)| open.held.is_none());
        let again = unanswered.filter_map(|(index, open)| {
            let operation = operation(*index)?;
            let invoke = StartedInvoke {
                operation_id: operation.id.clone(),
                name: operation.name.clone(),
                function_name: open.function_name.clone(),
                tenant_id: open.tenant_id.clone(),
                payload: open.payload.clone(),
            };
            Some((*index, invoke))
        });
        self.fresh = again.collect();
    }

    /// Completes an invoke. `running` is the number of invocations so far, if one is running.
    pub(super) fn complete(
        &mut self,
        index: Index,
        outcome: InvokeOutcome,
        running: Option<usize>,
    ) -> Arrival {
        match self.open.get_mut(&index) {
            Some(open) if open.held.is_some() => Arrival::Over,
            Some(open) if running == Some(open.invocation) => {
                let number = self.held.last_key_value().map_or(0, |(last, _)| last + 1);
                open.held = Some((number, outcome));
                self.held.insert(number, index);
                Arrival::Held
            }
            Some(_) => {
                self.close(index);
                Arrival::Now(outcome)
            }
            None => Arrival::Over,
        }
    }

    /// Removes an invoke.
    pub(super) fn close(&mut self, index: Index) {
        if let Some((number, _)) = self.open.remove(&index).and_then(|open| open.held) {
            self.held.remove(&number);
        }
        self.fresh.retain(|(fresh, _)| *fresh != index);
    }

    /// Takes the held outcomes, in the order in which they arrived.
    pub(super) fn release(&mut self) -> Vec<(Index, InvokeOutcome)> {
        let held = std::mem::take(&mut self.held).into_values();
        held.filter_map(|index| Some((index, self.open.remove(&index)?.held?.1))).collect()
    }

    /// Removes all invokes.
    pub(super) fn close_all(&mut self) {
        *self = Self::default();
    }

    /// The event of the START of an open invoke.
    pub(super) fn started(&self, index: Index) -> Option<EventKey> {
        self.open.get(&index).map(|open| open.started)
    }

    /// The invokes without an outcome, oldest first.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = (Index, &Arc<str>)> {
        self.open
            .iter()
            .filter(|(_, open)| open.held.is_none())
            .map(|(index, open)| (*index, &open.function_name))
    }
}
