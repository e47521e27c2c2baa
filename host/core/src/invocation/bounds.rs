//! What one invocation may use, whatever runs it.

use std::time::Duration;

/// Bounds on one invocation. A breach ends the invocation with a named error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvocationBounds {
    /// Real time from the invocation's start to its end: `Sandbox.TimeLimitExceeded`. A native function is not stopped.
    pub wall: Duration,
    /// Operations started: `Sandbox.OperationLimitExceeded`.
    pub operations: usize,
    /// Bytes of log lines: `Sandbox.LogLimitExceeded`.
    pub log: usize,
}

impl Default for InvocationBounds {
    fn default() -> Self {
        Self { wall: Duration::from_mins(15), operations: 1_000_000, log: 16 << 20 }
    }
}
