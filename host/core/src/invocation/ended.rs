//! The reasons why the host ends a guest's run.

use crate::{
    budget::BytesExceeded,
    protocol::{ErrorObject, ServiceError, error_types},
    replay::{Key, ReplayError},
};

/// The reason why the host ended a guest's run from within one of its calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The guest can continue only after a durable event.
    Suspended,
    /// The guest violated the contract, or is not deterministic.
    Replay(ReplayError),
    /// The service refused a request or cannot be reached.
    Service(ServiceError),
    /// The service has no room in a budget of bytes for what the guest has sent.
    Refused(BytesExceeded),
    /// The guest exceeded a limit: the type and message of the error.
    Limit(&'static str, String),
    /// The body of this step exceeded its timeout.
    StepTimedOut(Key),
    /// A fresh instance replays, as requested by isolation or fault injection.
    Replayed,
    /// Fault injection killed the instance.
    Killed,
}

/// The reason why a run is ended whose guest used the contract in a way that it forbids.
pub(super) fn misused(what: &str) -> Ended {
    Ended::Replay(ReplayError::Misuse(what.to_owned()))
}

impl From<ReplayError> for Ended {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::TooManyOperations(_) => Self::Limit(error_types::OPERATION_LIMIT, error.to_string()),
            ReplayError::BytesExceeded(exceeded) => exceeded.into(),
            error => Self::Replay(error),
        }
    }
}

impl From<BytesExceeded> for Ended {
    fn from(exceeded: BytesExceeded) -> Self {
        Self::Limit(error_types::of_bytes(exceeded.owner), exceeded.to_string())
    }
}

impl Ended {
    /// Whether no more updates can be sent.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Service(_) | Self::Refused(_) | Self::Killed)
    }

    /// The error with which the invocation crashes.
    pub fn into_error(self) -> ErrorObject {
        match self {
            Self::Replay(ReplayError::NonDeterministic(divergence)) => divergence.to_error(),
            Self::Replay(error) => ErrorObject::new(error_types::CONTRACT_VIOLATION, error.to_string()),
            Self::Service(error) => error.to_error(),
            Self::Refused(exceeded) => exceeded.into(),
            Self::Limit(name, reason) => ErrorObject::new(name, reason),
            Self::Killed => ErrorObject::new(error_types::KILLED, "the instance was killed on purpose"),
            Self::Suspended | Self::StepTimedOut(_) | Self::Replayed => {
                debug_assert!(false, "{self:?} is not the end of an invocation");
                ErrorObject::new(error_types::EXIT, "the handler's run was ended out of turn")
            }
        }
    }
}
