//! When reports reach the service.

/// When checkpoints are sent. Durability is the same in all modes at a wait, an invoke, a callback and the end of the
/// invocation: all before it is on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CheckpointMode {
    /// Buffered, and sent when the handler waits for an outcome: one request a step, one for many concurrent steps.
    #[default]
    Batched,
    /// Sent before a body runs, and when an attempt is closed: what is under way is on record as it happens.
    Eager,
    /// Outcomes of steps and child contexts are delivered before the service has them. What is buffered is sent on a
    /// flush, at a wait, an invoke or a callback, at 250 updates, and at the end. An interruption repeats what was not
    /// yet sent.
    Optimistic,
}
