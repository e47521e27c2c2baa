//! Keeps skipped time from passing the timeouts of what waits for an answer from outside.
//!
//! Invariants: while an execution waits for a callback, skipped time reaches neither the timeouts of its callbacks nor its
//! execution timeout without a permit; while it waits for a function that it has invoked, not its execution timeout, since
//! that function may wait for a callback; nor while it is paused. An execution holds one instant at most.

use std::{collections::HashMap, sync::Arc};

use super::{checkpoint_manager::CheckpointManager, timers::Timer};
use crate::{
    ambient::{Clock, Hold},
    protocol::{ExecutionArn, Timestamp},
};

/// The instants that executions hold.
pub(super) struct Holding {
    clock: Arc<dyn Clock>,
    held: HashMap<ExecutionArn, (Timestamp, Hold)>,
}

impl Holding {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, held: HashMap::new() }
    }

    pub(super) fn set(&mut self, arn: &ExecutionArn, at: Option<Timestamp>) {
        match at {
            Some(at) if self.held.get(arn).is_some_and(|(held, _)| *held == at) => {}
            // The new one is made before the old one is released.
            Some(at) => drop(self.held.insert(arn.clone(), (at, self.clock.hold(at)))),
            None => drop(self.held.remove(arn)),
        }
    }
}

impl CheckpointManager {
    /// The instant that skipped time must not reach.
    pub(super) fn held_until(&self) -> Option<Timestamp> {
        let waits = self.callbacks.open_callbacks().next().is_some()
            || self.invokes.unanswered().next().is_some()
            || self.pausing.view().is_some();
        self.timers.first(|timer| match timer {
            Timer::CallbackTimeout(_) | Timer::HeartbeatTimeout(_) => true,
            Timer::ExecutionTimeout => waits,
            Timer::WaitEnds(_) | Timer::StepReady(_) | Timer::Answer(..) | Timer::Reinvoke => false,
        })
    }
}
