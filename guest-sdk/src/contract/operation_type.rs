//! What an operation is, and where it stands.

use std::fmt;

/// What an operation is (service model: `OperationType`). `Display` writes it as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperationType {
    /// A child context, and all that is made of one: a map, a branch, a wait for a callback.
    Context,
    /// A step, or a condition.
    Step,
    /// A wait.
    Wait,
    /// A callback.
    Callback,
    /// An invocation of another function.
    ChainedInvoke,
}

impl OperationType {
    /// As on the wire, such as `CHAINED_INVOKE`.
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

/// Where an operation stands (service model: `OperationStatus`). `Display` writes it as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperationStatus {
    /// Begun, not over.
    Started,
    /// A step between two attempts: its time has not come.
    Pending,
    /// A step whose next attempt may begin.
    Ready,
    /// Over, well.
    Succeeded,
    /// Over, badly.
    Failed,
    /// Over: called off.
    Cancelled,
    /// Over: too late.
    TimedOut,
    /// Over: stopped from outside.
    Stopped,
}

impl OperationStatus {
    /// Whether the operation is over: nothing changes any more.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Started | Self::Pending | Self::Ready)
    }

    /// As on the wire, such as `TIMED_OUT`.
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
