//! The argument of step bodies.

/// The context of a step body.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StepContext {
    attempt: u32,
}

impl StepContext {
    pub(crate) fn new(attempt: u32) -> Self {
        Self { attempt }
    }

    /// Which attempt this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}
