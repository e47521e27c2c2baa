//! Limits of one invocation, independent of what runs it.

use std::time::Duration;

/// Limits of one invocation. Exceeding one ends the invocation with a named error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvocationBounds {
    /// Real time from the start of the invocation to its end: `Sandbox.TimeLimitExceeded`. A native function is not
    /// interrupted.
    pub wall: Duration,
    /// Number of operations started: `Sandbox.OperationLimitExceeded`.
    pub operations: usize,
    /// Total size of log lines, in bytes: `Sandbox.LogLimitExceeded`.
    pub log: usize,
}

impl Default for InvocationBounds {
    fn default() -> Self {
        Self { wall: Duration::from_mins(15), operations: 1_000_000, log: 16 << 20 }
    }
}
