//! The open chained invokes of one execution.
//!
//! Invariants:
//! - each invoke is handed out once, to the caller that runs its target;
//! - each is completed once; an outcome that arrives while the invocation that started the invoke is still running is
//!   held until that invocation has ended.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    api::{InvokeOutcome, StartedInvoke},
    event_processor::EventKey,
    ids::Index,
};

#[derive(Debug, Default)]
pub(super) struct InvokeTable {
    open: BTreeMap<Index, OpenInvoke>,
    /// Invokes that were not handed out.
    fresh: Vec<(Index, StartedInvoke)>,
    held: Vec<(Index, InvokeOutcome)>,
}

#[derive(Debug)]
struct OpenInvoke {
    function_name: Arc<str>,
    started: EventKey,
    /// The number of invocations when it was started.
    invocation: usize,
    held: bool,
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
        let function_name = invoke.function_name.clone();
        self.open.insert(index, OpenInvoke { function_name, started, invocation, held: false });
        self.fresh.push((index, invoke));
    }

    /// Hands out the invokes that were not handed out before.
    pub(super) fn take(&mut self) -> Vec<StartedInvoke> {
        self.fresh.drain(..).map(|(_, invoke)| invoke).collect()
    }

    /// Completes an invoke. `running` is the number of invocations so far, if one is running.
    pub(super) fn complete(
        &mut self,
        index: Index,
        outcome: InvokeOutcome,
        running: Option<usize>,
    ) -> Arrival {
        match self.open.get_mut(&index) {
            Some(open) if open.held => Arrival::Over,
            Some(open) if running == Some(open.invocation) => {
                open.held = true;
                self.held.push((index, outcome));
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
        self.open.remove(&index);
        self.fresh.retain(|(fresh, _)| *fresh != index);
        self.held.retain(|(held, _)| *held != index);
    }

    /// Takes the held outcomes, in the order in which they arrived.
    pub(super) fn release(&mut self) -> Vec<(Index, InvokeOutcome)> {
        let held = std::mem::take(&mut self.held);
        for (index, _) in &held {
            self.open.remove(index);
        }
        held
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
        self.open.iter().filter(|(_, open)| !open.held).map(|(index, open)| (*index, &open.function_name))
    }
}
