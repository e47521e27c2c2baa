//! What the guest does next with an operation: one type for each kind of operation that runs code of the guest.

use std::sync::Arc;

use super::{
    Engine, Key, Outcome, ReplayError,
    error::misuse,
    slot::{Phase, end_rank, outcome},
};

/// What the guest does next with a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    /// Nothing, until something changes.
    Pending,
    /// Run the body. The attempt, from 1.
    Run(u32),
    /// The attempt was interrupted and must not run again.
    Interrupted(u32),
    /// The attempt took too long and was stopped.
    TimedOut(u32),
    /// It has ended.
    Done(Outcome),
}

/// What the guest does next with a child context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildState {
    /// Nothing, until something changes.
    Pending,
    /// Run its code.
    Run,
    /// Run its code again for the result alone; with what was recorded in place of the result.
    Rebuild(Option<Arc<str>>),
    /// It has ended.
    Done(Outcome),
}

/// What the guest does next with a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConditionState {
    /// Nothing, until something changes.
    Pending,
    /// Run a check.
    Run {
        /// Which attempt, from 1.
        attempt: u32,
        /// The state that it begins with, JSON text.
        state: Option<Arc<str>>,
    },
    /// It has ended.
    Done(Outcome),
}

impl Engine {
    /// What the guest does next with a step.
    ///
    /// # Errors
    /// When it is no step.
    pub fn step_state(&self, key: Key) -> Result<StepState, ReplayError> {
        Ok(match self.slot(key)?.phase {
            Phase::Running { attempt } => StepState::Run(attempt),
            Phase::Interrupted { attempt } => StepState::Interrupted(attempt),
            Phase::TimedOut { attempt } => StepState::TimedOut(attempt),
            Phase::Rebuilding => return Err(misuse("this operation is not a step")),
            _ => self.outcome(key)?.map_or(StepState::Pending, StepState::Done),
        })
    }

    /// What the guest does next with a child context.
    ///
    /// # Errors
    /// When it is no child context.
    pub fn child_state(&self, key: Key) -> Result<ChildState, ReplayError> {
        let slot = self.slot(key)?;
        Ok(match slot.phase {
            Phase::Running { .. } => ChildState::Run,
            Phase::Rebuilding => {
                let summary = slot.record.as_ref().and_then(|record| record.result());
                ChildState::Rebuild(summary.filter(|summary| !summary.is_empty()).cloned())
            }
            Phase::Interrupted { .. } | Phase::TimedOut { .. } => {
                return Err(misuse("this operation is not a child context"));
            }
            _ => self.outcome(key)?.map_or(ChildState::Pending, ChildState::Done),
        })
    }

    /// What the guest does next with a condition.
    ///
    /// # Errors
    /// When it is no condition.
    pub fn condition_state(&self, key: Key) -> Result<ConditionState, ReplayError> {
        let slot = self.slot(key)?;
        Ok(match slot.phase {
            Phase::Running { attempt } => ConditionState::Run { attempt, state: slot.state.clone() },
            Phase::Rebuilding | Phase::Interrupted { .. } | Phase::TimedOut { .. } => {
                return Err(misuse("this operation is not a condition"));
            }
            _ => self.outcome(key)?.map_or(ConditionState::Pending, ConditionState::Done),
        })
    }

    /// The outcome of an operation, once the guest may know it.
    ///
    /// # Errors
    /// When there is no such operation.
    pub fn outcome(&self, key: Key) -> Result<Option<Outcome>, ReplayError> {
        let slot = self.slot(key)?;
        Ok(match slot.phase {
            Phase::Shown => {
                debug_assert!(slot.local.is_some(), "what is shown early has an outcome");
                slot.local.clone()
            }
            Phase::Waiting | Phase::Closing => slot
                .ended()
                .filter(|record| end_rank(record) <= self.revealed())
                .map(|record| outcome(record)),
            _ => None,
        })
    }
}
