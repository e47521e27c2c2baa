//! Why a host ends a guest's run.

use super::{Key, ReplayError, ServiceError};
use crate::protocol::ErrorObject;

/// Why the host ended a guest's run from within one of its calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The guest can go on only after something durable has happened.
    Suspended,
    /// The guest broke the contract, or does not repeat itself.
    Replay(ReplayError),
    /// The service refused or is gone.
    Service(ServiceError),
    /// The guest asked for more than it may have: the error's type, and what is to be said of it.
    Limit(&'static str, String),
    /// The body of this step took longer than it may.
    StepTimedOut(Key),
    /// A fresh instance is to replay, on purpose.
    Replayed,
    /// The instance was killed on purpose.
    Killed,
}

impl From<ReplayError> for Ended {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::TooManyOperations(_) => {
                Self::Limit("Sandbox.OperationLimitExceeded", error.to_string())
            }
            error => Self::Replay(error),
        }
    }
}

impl Ended {
    /// Whether nothing can be sent any more.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Service(_) | Self::Killed)
    }

    /// What the invocation comes to; none where this is not its end, or not an error.
    pub fn into_error(self) -> Option<ErrorObject> {
        match self {
            Self::Replay(ReplayError::NonDeterministic(divergence)) => Some(divergence.to_error()),
            Self::Replay(error) => Some(ErrorObject::new("Durable.ContractViolation", error.to_string())),
            Self::Service(error) => Some(error.to_error()),
            Self::Limit(name, reason) => Some(ErrorObject::new(name, reason)),
            Self::Killed => Some(ErrorObject::new("Runtime.Killed", "the instance was killed on purpose")),
            Self::Suspended | Self::StepTimedOut(_) | Self::Replayed => None,
        }
    }
}
