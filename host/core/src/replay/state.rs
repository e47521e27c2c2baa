//! The next action of the guest for each operation that runs the guest's code: one type for each kind of operation.

use std::sync::Arc;

use super::{
    Engine, Key, Outcome, ReplayError,
    error::misuse,
    slot::{SlotState, end_rank, outcome},
};

/// The next action of the guest for a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    /// Wait.
    Pending,
    /// Run the body of this attempt, from 1.
    Run(u32),
    /// Close this attempt: it was interrupted and must not run again.
    Interrupted(u32),
    /// Close this attempt: it exceeded its timeout.
    TimedOut(u32),
    /// The step has ended.
    Done(Outcome),
}

/// The next action of the guest for a child context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildState {
    /// Wait.
    Pending,
    /// Run its code.
    Run,
    /// Run its code again to compute the result; the payload is what was recorded instead of the result.
    Rebuild(Option<Arc<str>>),
    /// The context has ended.
    Done(Outcome),
}

/// The next action of the guest for a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConditionState {
    /// Wait.
    Pending,
    /// Run the check.
    Run {
        /// The attempt, from 1.
        attempt: u32,
        /// The state of this attempt, JSON text.
        state: Option<Arc<str>>,
    },
    /// The condition has ended.
    Done(Outcome),
}

impl Engine {
    /// The next action of the guest for a step.
    ///
    /// # Errors
    /// When the operation is not a step.
    pub fn step_state(&self, key: Key) -> Result<StepState, ReplayError> {
        Ok(match self.slot(key)?.phase {
            SlotState::Running { attempt } => StepState::Run(attempt),
            SlotState::Interrupted { attempt } => StepState::Interrupted(attempt),
            SlotState::TimedOut { attempt } => StepState::TimedOut(attempt),
            SlotState::Rebuilding => return Err(misuse("this operation is not a step")),
            _ => self.outcome(key)?.map_or(StepState::Pending, StepState::Done),
        })
    }

    /// The next action of the guest for a child context.
    ///
    /// # Errors
    /// When the operation is not a child context.
    pub fn child_state(&self, key: Key) -> Result<ChildState, ReplayError> {
        let slot = self.slot(key)?;
        Ok(match slot.phase {
            SlotState::Running { .. } => ChildState::Run,
            SlotState::Rebuilding => {
                let summary = slot.record.as_ref().and_then(|record| record.result());
                ChildState::Rebuild(summary.filter(|summary| !summary.is_empty()).cloned())
            }
            SlotState::Interrupted { .. } | SlotState::TimedOut { .. } => {
                return Err(misuse("this operation is not a child context"));
            }
            _ => self.outcome(key)?.map_or(ChildState::Pending, ChildState::Done),
        })
    }

    /// The next action of the guest for a condition.
    ///
    /// # Errors
    /// When the operation is not a condition.
    pub fn condition_state(&self, key: Key) -> Result<ConditionState, ReplayError> {
        let slot = self.slot(key)?;
        Ok(match slot.phase {
            SlotState::Running { attempt } => ConditionState::Run { attempt, state: slot.state.clone() },
            SlotState::Rebuilding | SlotState::Interrupted { .. } | SlotState::TimedOut { .. } => {
                return Err(misuse("this operation is not a condition"));
            }
            _ => self.outcome(key)?.map_or(ConditionState::Pending, ConditionState::Done),
        })
    }

    /// The outcome of an operation, if the guest has seen its end.
    ///
    /// # Errors
    /// When there is no such operation.
    pub fn outcome(&self, key: Key) -> Result<Option<Outcome>, ReplayError> {
        let slot = self.slot(key)?;
        Ok(match slot.phase {
            SlotState::Shown => {
                debug_assert!(slot.local.is_some(), "what is shown early has an outcome");
                slot.local.clone()
            }
            SlotState::Waiting | SlotState::Closing => slot
                .ended()
                .filter(|record| end_rank(record) <= self.revealed())
                .map(|record| outcome(record)),
            _ => None,
        })
    }
}
