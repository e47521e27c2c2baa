//! When what a handler reports reaches the service.

use crate::{DurableContext, OperationError};

/// When checkpoints are sent. Durability is the same in all modes at a wait, an invoke, a callback and the end of the invocation:
/// all before it is on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CheckpointMode {
    /// Buffered, and sent when the handler waits for an outcome: one request a step, one for many concurrent steps.
    #[default]
    Batched,
    /// Sent before a body runs, and when an attempt is closed: what is under way is on record as it happens.
    Eager,
    /// Outcomes of steps and child contexts are delivered before the service has them. What is buffered is sent on a flush, at a
    /// wait, an invoke or a callback, at 250 updates, and at the end. An interruption repeats what was not yet sent.
    Optimistic,
}

impl DurableContext {
    /// Sends checkpoints in this mode from here on, in all contexts. Each invocation starts with [`CheckpointMode::Batched`], so
    /// a handler that sets a mode sets it again on each replay.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_guest::CheckpointMode;
    ///
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// ctx.set_checkpoint_mode(CheckpointMode::Eager);
    /// ctx.step(|_| async { Ok(println!("on record while it runs")) }).name("charge").await?;
    /// ctx.set_checkpoint_mode(CheckpointMode::Batched);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_checkpoint_mode(&self, mode: CheckpointMode) {
        self.engine().runtime().set_checkpoint_mode(mode);
    }

    /// The current mode.
    #[must_use]
    pub fn checkpoint_mode(&self) -> CheckpointMode {
        self.engine().runtime().checkpoint_mode()
    }

    /// Gathers what steps report until [`flush_batch`](Self::flush_batch): a step goes on as soon as its body has returned. It is
    /// [`CheckpointMode::Optimistic`] under its other name.
    ///
    /// Waits, invokes and callbacks send what is gathered at once, and so does the end of the invocation. What was not sent
    /// when an invocation is interrupted runs again: bodies should be idempotent.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// ctx.enable_batch_mode();
    /// for line in 0..100_u32 {
    ///     ctx.step(move |_| async move { Ok(line) }).name("import").await?;
    /// }
    /// ctx.flush_batch().await?; // one checkpoint
    /// # Ok(())
    /// # }
    /// ```
    pub fn enable_batch_mode(&self) {
        self.set_checkpoint_mode(CheckpointMode::Optimistic);
    }

    /// Whether what steps report is gathered.
    #[must_use]
    pub fn is_batch_mode(&self) -> bool {
        self.checkpoint_mode() == CheckpointMode::Optimistic
    }

    /// How many reports are buffered: 0 when all is on record. A step makes two, its start and its end.
    #[must_use]
    pub fn pending_update_count(&self) -> usize {
        usize::try_from(self.engine().runtime().pending_updates()).unwrap_or(usize::MAX)
    }

    /// Sends what is buffered. On return it is on record. With nothing buffered it does nothing. The mode stays as it is.
    ///
    /// # Errors
    /// None today: a service that does not take the checkpoint ends the invocation, which is tried again.
    #[allow(clippy::unused_async)] // hosts that do not block are to come
    pub async fn flush_batch(&self) -> Result<(), OperationError> {
        self.engine().runtime().flush();
        Ok(())
    }
}
