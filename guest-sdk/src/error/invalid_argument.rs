//! Arguments that are not allowed, as the host reports them and as the handler gets them.

use std::error::Error;
use std::fmt;

/// An argument the contract does not allow (WIT: `invalid-argument`).
#[derive(Debug, Clone)]
pub struct InvalidArgument {
    /// Which argument, as the contract spells it.
    pub argument: String,
    /// What is wrong with it.
    pub reason: String,
}

/// An operation was not started: an argument is not allowed. Its place in the sequence is taken, so replays agree.
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

    /// Which argument, as the WIT contract spells it.
    #[must_use]
    pub fn argument(&self) -> &str {
        &self.argument
    }

    /// What is wrong with it, and what is allowed.
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
