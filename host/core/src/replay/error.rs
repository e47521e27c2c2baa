//! Errors between a guest and its record.

use crate::{
    budget::BytesExceeded,
    protocol::{ErrorObject, OperationId, error_types},
};

/// Why the engine refused a call of the guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// An argument violates the contract. The guest gets the error and continues.
    #[error("{argument}: {reason}")]
    InvalidArgument {
        /// The argument, as the WIT spells it.
        argument: &'static str,
        /// Which rule it breaks, and what is allowed.
        reason: String,
    },
    /// The guest used an operation in a way that the contract forbids. The invocation ends.
    #[error("the guest broke the contract: {0}")]
    Misuse(String),
    /// The guest's operations differ from the record. The execution ends.
    #[error("{0}")]
    NonDeterministic(Box<Divergence>),
    /// The guest exceeded the limit on operations.
    #[error("more than {0} operations were started in one invocation")]
    TooManyOperations(usize),
    /// The host would have to keep more bytes than a budget allows.
    #[error(transparent)]
    BytesExceeded(#[from] BytesExceeded),
}

/// The first difference between a replay and its record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the handler did not do what it did before. Operation {id} is recorded as {expected}, and now the handler {actual}. \
     A handler must start the same operations in the same order on every replay: keep everything that may differ \
     inside steps"
)]
pub struct Divergence {
    /// The operation.
    pub id: OperationId,
    /// Description of the recorded operation.
    pub expected: String,
    /// Description of what the handler did.
    pub actual: String,
}

impl Divergence {
    /// The error type.
    pub const TYPE: &str = error_types::NON_DETERMINISTIC;

    /// Converts it to the execution's error.
    pub fn to_error(&self) -> ErrorObject {
        ErrorObject::new(Self::TYPE, self.to_string())
    }
}

/// Creates a [`ReplayError::InvalidArgument`].
pub(super) fn invalid(argument: &'static str, reason: impl Into<String>) -> ReplayError {
    ReplayError::InvalidArgument { argument, reason: reason.into() }
}

/// Creates a [`ReplayError::Misuse`].
pub(super) fn misuse(what: impl Into<String>) -> ReplayError {
    ReplayError::Misuse(what.into())
}
