//! Limits of one instance.

use std::time::Duration;

use durawasm_core::invocation::InvocationBounds;
use wasmtime::ResourceLimiter;

use super::{engine::TICK, resources::MAX_NUMBER};

/// Limits of one invocation. Exceeding one ends the invocation with a named error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxLimits {
    /// Linear memory, in bytes: `Sandbox.MemoryLimitExceeded`.
    pub memory: usize,
    /// Computing time, to about 10 ms: `Sandbox.CpuLimitExceeded`.
    pub cpu: Duration,
    /// Real time from the start of the invocation to its end: `Sandbox.TimeLimitExceeded`.
    pub wall: Duration,
    /// Number of operations started: `Sandbox.OperationLimitExceeded`.
    pub operations: usize,
    /// Total size of log lines, in bytes: `Sandbox.LogLimitExceeded`.
    pub log: usize,
    /// Outgoing HTTP requests.
    pub http: HttpLimits,
}

/// Limits of the HTTP requests of one invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpLimits {
    /// Real time of one request, from its start to the last byte of its response. A request that takes longer fails
    /// with `HTTP-response-timeout`, or the error of what it waits for.
    pub time: Duration,
    /// Number of requests: `Sandbox.HttpLimitExceeded`.
    pub requests: u32,
    /// Bytes of all requests and responses, with their header fields: `Sandbox.HttpLimitExceeded`.
    pub bytes: u64,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self { time: Duration::from_mins(1), requests: 1_000, bytes: 64 << 20 }
    }
}

impl Default for SandboxLimits {
    fn default() -> Self {
        let InvocationBounds { wall, operations, log } = InvocationBounds::default();
        Self {
            memory: 512 << 20,
            cpu: Duration::from_secs(10),
            wall,
            operations,
            log,
            http: HttpLimits::default(),
        }
    }
}

impl SandboxLimits {
    /// The limits that the invocation driver enforces.
    pub(super) fn invocation(&self) -> InvocationBounds {
        let operations = self.operations.min(MAX_NUMBER as usize);
        InvocationBounds { wall: self.wall, operations, log: self.log }
    }

    pub(super) fn cpu_ticks(&self) -> u64 {
        u64::try_from(self.cpu.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX).max(1)
    }
}

/// Enforces the limits on memory.
#[derive(Debug)]
pub(super) struct Limiter {
    memory: usize,
    /// Whether an allocation was refused. A trap that follows is most likely caused by that.
    pub(super) memory_refused: bool,
    pub(super) ticks_left: u64,
}

impl Limiter {
    pub(super) fn new(limits: &SandboxLimits) -> Self {
        Self { memory: limits.memory, memory_refused: false, ticks_left: limits.cpu_ticks() }
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
