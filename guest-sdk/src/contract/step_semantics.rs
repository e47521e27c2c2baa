//! What becomes of a step that is interrupted.

/// What an interruption in the middle of a step's body leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StepSemantics {
    /// The body runs again. It may run more than once for one attempt, so it should be idempotent.
    #[default]
    AtLeastOncePerRetry,
    /// The body does not run again for the same attempt: the interruption counts as a failure of the attempt, and the
    /// retry strategy decides. The start is on record before the body runs, which costs a request.
    AtMostOncePerRetry,
}
