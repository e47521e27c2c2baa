//! A step's hold on its compensation.

use crate::context::{Compensation, DurableContext};

/// A step's hold on the compensation that its context owns.
pub(crate) struct Registration {
    ctx: DurableContext,
    number: u64,
}

impl Registration {
    pub(crate) fn new(ctx: &DurableContext, compensation: Compensation<DurableContext>) -> Self {
        Self { ctx: ctx.clone(), number: ctx.state().compensations.register(compensation) }
    }

    /// The step's end is delivered.
    pub(crate) fn ended(self, succeeded: bool) {
        self.ctx.state().compensations.delivered(self.number, succeeded);
    }
}

impl Drop for Registration {
    /// Where the step's end was not delivered, nobody waits for it any more.
    fn drop(&mut self) {
        self.ctx.state().compensations.released(self.number);
    }
}
