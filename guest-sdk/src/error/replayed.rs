//! The cause of a recorded failure.

use std::error::Error;
use std::fmt;

use super::boxed::BoxError;
use super::wire::WireError;

/// The cause of a failure that was read from the history.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReplayedFailure {
    wire: WireError,
}

impl ReplayedFailure {
    pub(crate) fn boxed(wire: WireError) -> BoxError {
        Box::new(Self { wire })
    }

    /// The recorded error type.
    #[must_use]
    pub fn error_type(&self) -> Option<&str> {
        self.wire.error_type()
    }

    /// The recorded message.
    #[must_use]
    pub fn error_message(&self) -> Option<&str> {
        self.wire.error_message()
    }

    /// The complete record.
    #[must_use]
    pub fn wire(&self) -> &WireError {
        &self.wire
    }
}

impl fmt::Display for ReplayedFailure {
    /// The message; the type if there is no message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.error_message().or(self.error_type()).unwrap_or("unknown error"))
    }
}

impl Error for ReplayedFailure {}
