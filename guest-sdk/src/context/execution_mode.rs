//! Whether code is replayed.

/// Whether the code that runs now ran before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionMode {
    /// What operations return comes from the record.
    Replaying,
    /// Operations run for the first time.
    Executing,
}
