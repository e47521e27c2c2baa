//! What happens when a step is interrupted.

/// What happens when the body of a step is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StepSemantics {
    /// The body runs again. It may run more than once for one attempt, so it should be idempotent.
    #[default]
    AtLeastOncePerRetry,
    /// The body does not run again for the same attempt: the interruption counts as a failure of the attempt, and the
    /// retry strategy decides. The start is recorded before the body runs, which costs a request.
    AtMostOncePerRetry,
}
