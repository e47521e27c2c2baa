//! What a test waits for an operation to reach.

use std::fmt;

/// The state that a wait for an operation ends at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingOperationStatus {
    /// The operation has started.
    Started,
    /// The callback can be answered: it has an id, and its submitter, if it has one, has finished.
    Submitted,
    /// The operation has ended, in any way.
    Completed,
}

impl fmt::Display for WaitingOperationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Started => "started",
            Self::Submitted => "submitted",
            Self::Completed => "completed",
        })
    }
}
