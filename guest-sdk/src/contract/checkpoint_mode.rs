//! When updates are sent to the service.

/// When checkpoints are sent. In all modes, everything before a wait, an invoke, a callback or the end of the
/// invocation is recorded by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CheckpointMode {
    /// Updates are buffered, and sent when the handler waits for an outcome: one request per step, and one for many
    /// concurrent steps.
    #[default]
    Batched,
    /// Updates are sent before a body runs, and when an attempt is closed: the history shows what runs at the moment.
    Eager,
    /// Outcomes of steps and child contexts are delivered before the service has them. Buffered updates are sent on a
    /// flush, at a wait, an invoke or a callback, at 250 updates, and at the end. An interruption repeats what had not
    /// been sent.
    Optimistic,
}
