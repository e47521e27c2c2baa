//! What one invocation knows of an operation id: its record, and whether the guest has to start it.
//!
//! Invariants: an operation is *unclaimed* while the guest is required to start it: it was on record when the invocation
//! began, and the guest has neither started it nor declared that it will not. The number of unclaimed operations changes
//! only together with the flag of one of them. What the service sends later, unasked, is never unclaimed.

use std::sync::Arc;

use super::keys::Key;
use crate::protocol::Operation;

/// An id that is on record or that the guest has used.
#[derive(Debug)]
pub(super) struct Known {
    /// The record at the beginning of the invocation, or one that the service sent before the guest started the
    /// operation.
    pub(super) record: Option<Arc<Operation>>,
    /// Set when the guest starts the operation.
    pub(super) key: Option<Key>,
    /// Whether it was on record when the invocation began.
    initial: bool,
    /// Whether the guest is required to start it. Counted by the engine.
    unclaimed: bool,
}

impl Known {
    /// An operation on record at the beginning of the invocation. It is unclaimed.
    pub(super) fn recorded(record: Arc<Operation>) -> Self {
        Self { record: Some(record), key: None, initial: true, unclaimed: true }
    }

    /// An operation that the service sent although the guest has not started it.
    pub(super) fn unrequested(record: Arc<Operation>) -> Self {
        Self { record: Some(record), key: None, initial: false, unclaimed: false }
    }

    /// An operation that the guest starts for the first time.
    pub(super) fn started(key: Key) -> Self {
        Self { record: None, key: Some(key), initial: false, unclaimed: false }
    }

    /// Whether it was on record when the invocation began.
    pub(super) fn is_initial(&self) -> bool {
        self.initial
    }

    /// The record, if the guest is required to start this operation and has not done so.
    pub(super) fn unclaimed_record(&self) -> Option<&Operation> {
        self.record.as_deref().filter(|_| self.unclaimed)
    }

    /// Records that the guest starts a recorded operation. `count` is the number of unclaimed operations.
    pub(super) fn claim(&mut self, key: Key, count: &mut usize) {
        self.key = Some(key);
        self.release(count);
    }

    /// Records that the guest will not start this operation.
    pub(super) fn release(&mut self, count: &mut usize) {
        if std::mem::take(&mut self.unclaimed) {
            debug_assert!(*count > 0, "every unclaimed operation is counted");
            *count -= 1;
        }
    }
}
