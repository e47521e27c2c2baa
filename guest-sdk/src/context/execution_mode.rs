//! Whether the code that runs is replayed.

/// Whether the code that runs now is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionMode {
    /// Operations return recorded outcomes.
    Replaying,
    /// Operations run for the first time.
    Executing,
}
