//! The phases of an execution, and its outcome. Plain data.

use std::sync::Arc;

use super::{
    event_processor,
    saved::{SavedPhase, SavedVerdict},
};
use crate::protocol::{CheckpointToken, ErrorObject, EventDetails, ExecutionStatus, OperationStatus};

/// The phase of an execution.
#[derive(Debug)]
pub(super) enum ExecutionPhase {
    /// No invocation is running; `wake` if something has changed since the last one.
    Suspended { wake: bool },
    /// The last invocation is running.
    Running(Running),
    /// The delay before the retry of a crashed invocation.
    BackingOff,
    /// The execution has ended.
    Closed { verdict: Verdict },
}

/// The running invocation.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) request_id: Arc<str>,
    pub(super) token: CheckpointToken,
    /// The outcome, if the handler has checkpointed it.
    pub(super) decided: Option<Verdict>,
}

/// The outcome of an execution.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    Succeeded(Option<Arc<str>>),
    Failed(ErrorObject),
    TimedOut(ErrorObject),
    Stopped(ErrorObject),
}

impl Verdict {
    /// The error, unless the execution has succeeded.
    pub(super) fn error(&self) -> Option<&ErrorObject> {
        match self {
            Self::Succeeded(_) => None,
            Self::Failed(error) | Self::TimedOut(error) | Self::Stopped(error) => Some(error),
        }
    }

    /// The status of the EXECUTION operation after it.
    pub(super) fn operation_status(&self) -> OperationStatus {
        match self {
            Self::Succeeded(_) => OperationStatus::Succeeded,
            Self::Failed(_) => OperationStatus::Failed,
            Self::TimedOut(_) => OperationStatus::TimedOut,
            Self::Stopped(_) => OperationStatus::Stopped,
        }
    }

    /// The event that ends the history.
    pub(super) fn event(&self) -> EventDetails {
        let error = |error: &ErrorObject| event_processor::error(error.clone());
        match self {
            Self::Succeeded(result) => {
                EventDetails::ExecutionSucceeded { result: event_processor::result(result.clone()) }
            }
            Self::Failed(why) => EventDetails::ExecutionFailed { error: error(why) },
            Self::TimedOut(why) => EventDetails::ExecutionTimedOut { error: error(why) },
            Self::Stopped(why) => EventDetails::ExecutionStopped { error: error(why) },
        }
    }
}

impl From<&Verdict> for SavedVerdict {
    fn from(verdict: &Verdict) -> Self {
        match verdict.clone() {
            Verdict::Succeeded(result) => Self::Succeeded(result),
            Verdict::Failed(error) => Self::Failed(error),
            Verdict::TimedOut(error) => Self::TimedOut(error),
            Verdict::Stopped(error) => Self::Stopped(error),
        }
    }
}

impl From<SavedVerdict> for Verdict {
    fn from(saved: SavedVerdict) -> Self {
        match saved {
            SavedVerdict::Succeeded(result) => Self::Succeeded(result),
            SavedVerdict::Failed(error) => Self::Failed(error),
            SavedVerdict::TimedOut(error) => Self::TimedOut(error),
            SavedVerdict::Stopped(error) => Self::Stopped(error),
        }
    }
}

impl From<SavedPhase> for ExecutionPhase {
    fn from(saved: SavedPhase) -> Self {
        match saved {
            SavedPhase::Suspended { wake } => Self::Suspended { wake },
            SavedPhase::Running { request_id, token, decided, .. } => {
                Self::Running(Running { request_id, token, decided: decided.map(Into::into) })
            }
            SavedPhase::BackingOff => Self::BackingOff,
            SavedPhase::Closed { verdict } => Self::Closed { verdict: verdict.into() },
        }
    }
}

impl ExecutionPhase {
    /// What is saved of it. `process` is the process that runs invocations.
    pub(super) fn saved(&self, process: u64) -> SavedPhase {
        match self {
            Self::Suspended { wake } => SavedPhase::Suspended { wake: *wake },
            Self::Running(Running { request_id, token, decided }) => SavedPhase::Running {
                request_id: request_id.clone(),
                token: token.clone(),
                decided: decided.as_ref().map(Into::into),
                process,
            },
            Self::BackingOff => SavedPhase::BackingOff,
            Self::Closed { verdict } => SavedPhase::Closed { verdict: verdict.into() },
        }
    }

    /// The only valid token.
    pub(super) fn token(&self) -> Option<&CheckpointToken> {
        match self {
            Self::Running(running) => Some(&running.token),
            _ => None,
        }
    }

    /// The outcome, if the handler has checkpointed it.
    pub(super) fn decided(&self) -> Option<&Verdict> {
        match self {
            Self::Running(running) => running.decided.as_ref(),
            _ => None,
        }
    }

    /// Records the handler's outcome.
    pub(super) fn decide(&mut self, outcome: Result<Option<Arc<str>>, ErrorObject>) {
        if let Self::Running(running) = self {
            running.decided = Some(outcome.map_or_else(Verdict::Failed, Verdict::Succeeded));
        }
    }

    /// The status of the execution.
    pub(super) fn status(&self) -> ExecutionStatus {
        match self {
            Self::Closed { verdict } => match verdict {
                Verdict::Succeeded(_) => ExecutionStatus::Succeeded,
                Verdict::Failed(_) => ExecutionStatus::Failed,
                Verdict::TimedOut(_) => ExecutionStatus::TimedOut,
                Verdict::Stopped(_) => ExecutionStatus::Stopped,
            },
            Self::Suspended { .. } | Self::Running(_) | Self::BackingOff => ExecutionStatus::Running,
        }
    }
}
