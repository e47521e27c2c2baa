//! The registration of a compensation by its step.

use crate::context::{Compensation, DurableContext};

/// The registration of a step's compensation in its context.
pub(crate) struct Registration {
    ctx: DurableContext,
    number: u64,
}

impl Registration {
    pub(crate) fn new(ctx: &DurableContext, compensation: Compensation<DurableContext>) -> Self {
        Self { ctx: ctx.clone(), number: ctx.state().compensations.register(compensation) }
    }

    /// The outcome of the step is delivered.
    pub(crate) fn ended(self, succeeded: bool) {
        self.ctx.state().compensations.delivered(self.number, succeeded);
    }
}

impl Drop for Registration {
    /// If the outcome of the step was not delivered, its future was dropped.
    fn drop(&mut self) {
        self.ctx.state().compensations.released(self.number);
    }
}
