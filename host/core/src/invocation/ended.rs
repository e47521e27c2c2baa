//! Why the host ends a guest's run.

use crate::{
    protocol::{ErrorObject, ServiceError, error_types},
    replay::{Key, ReplayError},
};

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
            ReplayError::TooManyOperations(_) => Self::Limit(error_types::OPERATION_LIMIT, error.to_string()),
            error => Self::Replay(error),
        }
    }
}

impl Ended {
    /// Whether nothing can be sent any more.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Service(_) | Self::Killed)
    }

    /// The error that the invocation crashes with.
    pub fn into_error(self) -> ErrorObject {
        match self {
            Self::Replay(ReplayError::NonDeterministic(divergence)) => divergence.to_error(),
            Self::Replay(error) => ErrorObject::new(error_types::CONTRACT_VIOLATION, error.to_string()),
            Self::Service(error) => error.to_error(),
            Self::Limit(name, reason) => ErrorObject::new(name, reason),
            Self::Killed => ErrorObject::new(error_types::KILLED, "the instance was killed on purpose"),
            Self::Suspended | Self::StepTimedOut(_) | Self::Replayed => {
                debug_assert!(false, "{self:?} is not the end of an invocation");
                ErrorObject::new(error_types::EXIT, "the handler's run was ended out of turn")
            }
        }
    }
}
