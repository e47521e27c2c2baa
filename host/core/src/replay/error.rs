//! What can go wrong between a guest and its record.

use crate::protocol::{ErrorObject, OperationId, error_types};

/// Why the engine did not do what a guest asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// An argument that the contract does not allow. The guest is told, and lives on.
    #[error("{argument}: {reason}")]
    InvalidArgument {
        /// Which, as the WIT spells it.
        argument: &'static str,
        /// What is wrong, and what is allowed.
        reason: String,
    },
    /// The guest used an operation in a way that the contract rules out. The invocation ends.
    #[error("the guest broke the contract: {0}")]
    Misuse(String),
    /// The guest asks for something else than the record holds. The execution ends.
    #[error("{0}")]
    NonDeterministic(Box<Divergence>),
    /// The guest started more operations than it may.
    #[error("more than {0} operations were started in one invocation")]
    TooManyOperations(usize),
}

/// The first place where a replay and its record differ.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the handler did not do what it did before. Operation {id} is recorded as {expected}, and now the handler {actual}. \
     A handler must start the same operations in the same order on every replay: keep everything that may differ \
     inside steps"
)]
pub struct Divergence {
    /// The operation.
    pub id: OperationId,
    /// What the record holds.
    pub expected: String,
    /// What the handler did.
    pub actual: String,
}

impl Divergence {
    /// The type of the error.
    pub const TYPE: &str = error_types::NON_DETERMINISTIC;

    /// As the execution's error.
    pub fn to_error(&self) -> ErrorObject {
        ErrorObject::new(Self::TYPE, self.to_string())
    }
}

/// Shorthand for [`ReplayError::InvalidArgument`].
pub(super) fn invalid(argument: &'static str, reason: impl Into<String>) -> ReplayError {
    ReplayError::InvalidArgument { argument, reason: reason.into() }
}

/// Shorthand for [`ReplayError::Misuse`].
pub(super) fn misuse(what: impl Into<String>) -> ReplayError {
    ReplayError::Misuse(what.into())
}
