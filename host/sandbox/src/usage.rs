//! What a sandbox holds for invocations: zero of everything when none is running.

/// What a sandbox holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SandboxUsage {
    /// Invocations that have a place.
    pub running: usize,
    /// Invocations that wait for a place.
    pub entering: usize,
    /// Invocations that wait for memory.
    pub growing: usize,
    /// Memory that the invocations have taken, in bytes.
    pub memory: usize,
    /// Linear memories and tables that are set aside for the components of these invocations.
    pub reserved: u32,
    /// Instances of components in wasmtime's pool, which has none where the address space is too small for it.
    pub instances: u64,
    /// Linear memories, tables and stacks in wasmtime's pool that are in use.
    pub pooled: usize,
    /// Invocations and requests whose time is watched.
    pub watched: usize,
    /// HTTP connections.
    pub connections: usize,
}
