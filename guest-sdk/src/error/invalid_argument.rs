//! Arguments that are not allowed, as reported by the host and as returned to the handler.

use std::error::Error;
use std::fmt;

/// An argument that the contract does not allow (WIT: `invalid-argument`).
#[derive(Debug, Clone)]
pub struct InvalidArgument {
    /// The name of the argument in the contract.
    pub argument: String,
    /// Why it is not allowed.
    pub reason: String,
}

/// An operation was not started, because an argument is not allowed. Its position in the sequence is used nevertheless,
/// so replays claim the same positions.
#[derive(Debug)]
#[non_exhaustive]
pub struct InvalidArgumentError {
    argument: String,
    reason: String,
}

impl InvalidArgumentError {
    pub(crate) fn new(invalid: InvalidArgument) -> Self {
        Self { argument: invalid.argument, reason: invalid.reason }
    }

    /// The name of the argument in the WIT contract.
    #[must_use]
    pub fn argument(&self) -> &str {
        &self.argument
    }

    /// Why it is not allowed, and what is allowed.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for InvalidArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid {}: {}", self.argument, self.reason)
    }
}

impl Error for InvalidArgumentError {}
