//! Waiting of a guest.
//!
//! Invariants, in this order: a ready operation is returned; else the next recorded completion is shown; else queued
//! updates are sent; else no durable event can occur within this invocation.

use super::{Driver, Ended, Need, driver::Sending};
use crate::replay::{CheckpointMode, Interest, Key, SetKey};

/// In optimistic mode, updates are sent when this number are queued while the guest waits.
const MAX_QUEUED: usize = 250;

impl Driver {
    /// Starts a wait of the guest.
    pub fn begin_wait(&mut self) {
        if self.engine.mode() == CheckpointMode::Optimistic && self.engine.queued() >= MAX_QUEUED {
            self.flush();
        }
    }

    /// Waits for one operation.
    ///
    /// # Errors
    /// The reason why the run is ended; [`Ended::Suspended`] if the event cannot occur in this invocation.
    pub fn wait_for(&mut self, key: Key, interest: Interest) -> Result<Need<()>, Ended> {
        loop {
            if let Some(request) = self.next_request()? {
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

    /// Waits for the next entries of a set, and returns their tokens. `None` if no entry can become ready in this
    /// invocation.
    ///
    /// # Errors
    /// The reason why the run is ended.
    pub fn wait_for_set(&mut self, set: SetKey) -> Result<Need<Option<Vec<u64>>>, Ended> {
        loop {
            if let Some(request) = self.next_request()? {
                return Ok(Need::Send(request));
            }
            let tokens = self.engine.take_from_set(set)?;
            if !tokens.is_empty() {
                return Ok(Need::Done(Some(tokens)));
            }
            if self.engine.queued() == 0 {
                return Ok(Need::Done(None));
            }
            self.sending = Sending::BeforeWait;
        }
    }

    /// Makes progress for a guest that waits for these operations, none of which is ready, and perhaps for something
    /// else: shows the next recorded completion, or sends queued updates. Returns false if there was neither.
    ///
    /// # Errors
    /// The reason why the run is ended.
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
        Ok(self.next_request()?.map_or(Need::Done(true), Need::Send))
    }
}
