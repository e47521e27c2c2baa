//! Where a guest waits.
//!
//! Invariants, in this order: what is ready is returned; else the next recorded completion is shown; else what is
//! queued is sent; else nothing that is durable can come in this invocation.

use super::{Driver, Ended, Need, driver::Sending};
use crate::replay::{CheckpointMode, Interest, Key, SetKey};

/// In optimistic mode, how many updates may wait when the guest waits.
const MAX_QUEUED: usize = 250;

impl Driver {
    /// A guest is about to wait.
    pub fn begin_wait(&mut self) {
        if self.engine.mode() == CheckpointMode::Optimistic && self.engine.queued() >= MAX_QUEUED {
            self.flush();
        }
    }

    /// Waits for one operation.
    ///
    /// # Errors
    /// Why the run is ended; [`Ended::Suspended`] when nothing of it can come in this invocation.
    pub fn wait_for(&mut self, key: Key, interest: Interest) -> Result<Need<()>, Ended> {
        loop {
            if let Some(request) = self.to_send()? {
                return Ok(Need::Send(request));
            }
            if self.engine.is_ready(key, interest)? {
                return Ok(Need::Done(()));
            }
            if self.engine.reveal(&[(key, interest)])? {
                continue;
            }
            if self.engine.queued() == 0 {
                return Err(self.suspension());
            }
            self.sending = Sending::BeforeWait;
        }
    }

    /// Waits for what is next in a set: tokens. None when nothing of it can come in this invocation.
    ///
    /// # Errors
    /// Why the run is ended.
    pub fn wait_for_set(&mut self, set: SetKey) -> Result<Need<Option<Vec<u64>>>, Ended> {
        loop {
            if let Some(request) = self.to_send()? {
                return Ok(Need::Send(request));
            }
            let tokens = self.engine.take_watched(set)?;
            if !tokens.is_empty() {
                return Ok(Need::Done(Some(tokens)));
            }
            if self.engine.queued() == 0 {
                return Ok(Need::Done(None));
            }
            self.sending = Sending::BeforeWait;
        }
    }

    /// For a guest that waits for these operations, and perhaps for something else, none of which is ready: shows the
    /// next recorded completion, or sends what is queued. False when there was nothing to show or to send.
    ///
    /// # Errors
    /// Why the run is ended.
    pub fn look_on(&mut self, waited_for: &[(Key, Interest)]) -> Result<Need<bool>, Ended> {
        if self.sending == Sending::Nothing {
            if self.engine.reveal(waited_for)? {
                return Ok(Need::Done(true));
            }
            if self.engine.queued() == 0 {
                return Ok(Need::Done(false));
            }
            self.sending = Sending::BeforeWait;
        }
        Ok(self.to_send()?.map_or(Need::Done(true), Need::Send))
    }
}
