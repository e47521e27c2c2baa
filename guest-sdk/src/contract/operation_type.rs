//! The type and the status of an operation.

use std::fmt;

/// The type of an operation (service model: `OperationType`). `Display` writes the wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperationType {
    /// A child context. Also maps, parallels, their items and branches, and waits for callbacks.
    Context,
    /// A step or a condition.
    Step,
    /// A wait.
    Wait,
    /// A callback.
    Callback,
    /// An invocation of another function.
    ChainedInvoke,
}

impl OperationType {
    /// The wire format, such as `CHAINED_INVOKE`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Context => "CONTEXT",
            Self::Step => "STEP",
            Self::Wait => "WAIT",
            Self::Callback => "CALLBACK",
            Self::ChainedInvoke => "CHAINED_INVOKE",
        }
    }
}

impl fmt::Display for OperationType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The status of an operation (service model: `OperationStatus`). `Display` writes the wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperationStatus {
    /// Started, not ended.
    Started,
    /// A step between two attempts, before the time of the next one.
    Pending,
    /// A step whose next attempt may start.
    Ready,
    /// Ended with success.
    Succeeded,
    /// Ended with a failure.
    Failed,
    /// Ended by cancellation.
    Cancelled,
    /// Ended by a timeout.
    TimedOut,
    /// Ended by being stopped from outside.
    Stopped,
}

impl OperationStatus {
    /// Whether the operation has ended: its status does not change any more.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Started | Self::Pending | Self::Ready)
    }

    /// The wire format, such as `TIMED_OUT`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Pending => "PENDING",
            Self::Ready => "READY",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::TimedOut => "TIMED_OUT",
            Self::Stopped => "STOPPED",
        }
    }
}

impl fmt::Display for OperationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
