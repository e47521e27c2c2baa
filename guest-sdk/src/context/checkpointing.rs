//! Methods of a context that control when updates are sent to the service.

use super::durable_context::DurableContext;
use crate::contract::CheckpointMode;
use crate::error::OperationError;

impl DurableContext {
    /// Sets the mode in which checkpoints are sent from now on, in all contexts. Each invocation starts with
    /// [`CheckpointMode::Batched`], so the handler has to set another mode again on each replay.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_guest::CheckpointMode;
    ///
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// ctx.set_checkpoint_mode(CheckpointMode::Eager);
    /// ctx.step(|_| async { Ok(println!("recorded while it runs")) }).name("charge").await?;
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

    /// Buffers the updates of steps until [`flush_batch`](Self::flush_batch): a step returns as soon as its body has
    /// returned. The same as setting [`CheckpointMode::Optimistic`].
    ///
    /// Waits, invokes, callbacks and the end of the invocation send the buffered updates. Steps whose updates had not
    /// been sent when an invocation is interrupted run again: bodies should be idempotent.
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

    /// Whether updates of steps are buffered.
    #[must_use]
    pub fn is_batch_mode(&self) -> bool {
        self.checkpoint_mode() == CheckpointMode::Optimistic
    }

    /// The number of buffered updates: 0 when everything is recorded. A step makes two updates, its start and its end.
    #[must_use]
    pub fn pending_update_count(&self) -> usize {
        usize::try_from(self.engine().runtime().pending_updates()).unwrap_or(usize::MAX)
    }

    /// Sends the buffered updates, and returns when they are recorded. Without buffered updates it does nothing. The
    /// mode does not change.
    ///
    /// # Errors
    /// None at present: if the service rejects the checkpoint, the invocation ends and is retried.
    #[allow(clippy::unused_async)] // hosts that do not block are to come
    pub async fn flush_batch(&self) -> Result<(), OperationError> {
        self.engine().runtime().flush();
        Ok(())
    }
}
