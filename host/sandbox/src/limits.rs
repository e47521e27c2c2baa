//! Limits of one instance.

use std::time::Duration;

use durawasm_core::invocation::InvocationBounds;
use wasmtime::ResourceLimiter;

use super::resources::MAX_NUMBER;

/// Limits of one invocation. Exceeding one ends the invocation with a named error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxLimits {
    /// Linear memory, in bytes: `Sandbox.MemoryLimitExceeded`.
    pub memory: usize,
    /// CPU time of the thread that runs the invocation, in code of the guest and in calls of the host alike:
    /// `Sandbox.CpuLimitExceeded`. It is checked about every 10 ms.
    pub cpu: Duration,
    /// Real time from the start of the invocation to its end, checked by a thread of the sandbox's own:
    /// `Sandbox.TimeLimitExceeded`.
    pub wall: Duration,
    /// Number of operations started: `Sandbox.OperationLimitExceeded`.
    pub operations: usize,
    /// Total size of log lines, in bytes: `Sandbox.LogLimitExceeded`.
    pub log: usize,
}

impl Default for SandboxLimits {
    fn default() -> Self {
        let InvocationBounds { wall, operations, log } = InvocationBounds::default();
        Self { memory: 512 << 20, cpu: Duration::from_secs(10), wall, operations, log }
    }
}

impl SandboxLimits {
    /// The limits that the invocation driver enforces.
    pub(super) fn invocation(&self) -> InvocationBounds {
        let operations = self.operations.min(MAX_NUMBER as usize);
        InvocationBounds { wall: self.wall, operations, log: self.log }
    }
}

/// Enforces the limits on memory.
#[derive(Debug)]
pub(super) struct Limiter {
    memory: usize,
    /// Whether an allocation was refused. A trap that follows is most likely caused by that.
    pub(super) memory_refused: bool,
}

impl Limiter {
    pub(super) fn new(limits: &SandboxLimits) -> Self {
        Self { memory: limits.memory, memory_refused: false }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired <= self.memory;
        self.memory_refused |= !fits;
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 100_000)
    }

    fn instances(&self) -> usize {
        100
    }

    fn memories(&self) -> usize {
        16
    }

    fn tables(&self) -> usize {
        100
    }
}
