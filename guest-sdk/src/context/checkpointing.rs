//! When what a handler reports reaches the service.

use super::durable_context::DurableContext;
use crate::contract::CheckpointMode;
use crate::error::OperationError;

impl DurableContext {
    /// Sends checkpoints in this mode from here on, in all contexts. Each invocation starts with
    /// [`CheckpointMode::Batched`], so a handler that sets a mode sets it again on each replay.
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

    /// Gathers what steps report until [`flush_batch`](Self::flush_batch): a step goes on as soon as its body has
    /// returned. It is [`CheckpointMode::Optimistic`] under its other name.
    ///
    /// Waits, invokes and callbacks send what is gathered at once, and so does the end of the invocation. What was not
    /// sent when an invocation is interrupted runs again: bodies should be idempotent.
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

    /// Sends what is buffered. On return it is on record. With nothing buffered it does nothing. The mode stays as it
    /// is.
    ///
    /// # Errors
    /// None today: a service that does not take the checkpoint ends the invocation, which is tried again.
    #[allow(clippy::unused_async)] // hosts that do not block are to come
    pub async fn flush_batch(&self) -> Result<(), OperationError> {
        self.engine().runtime().flush();
        Ok(())
    }
}
