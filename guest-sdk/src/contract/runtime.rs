//! The host of one invocation.

use std::sync::Arc;
use std::time::SystemTime;

use super::checkpoint_mode::CheckpointMode;
use super::data::ExecutionInfo;
use super::observing::Observing;
use super::operation::Pollable;
use super::scope::Scope;

/// One invocation's host.
pub trait Runtime: Send + Sync {
    /// The execution.
    fn execution(&self) -> ExecutionInfo;

    /// Identifies this invocation.
    fn invocation_id(&self) -> String;

    /// When this invocation is ended if it has not ended by itself, in milliseconds since the Unix epoch.
    fn deadline_ms(&self) -> u64;

    /// The time as code between operations sees it: that of the latest outcome delivered.
    fn now(&self) -> SystemTime;

    /// Whether recorded operations are still to come, in any context.
    fn is_replaying(&self) -> bool;

    /// The execution's own context.
    fn root(&self) -> Arc<dyn Scope>;

    /// Adds a pollable to what the invocation waits for, under a token that is not in use (WIT: `wait-set.add`).
    fn watch(&self, pollable: Box<dyn Pollable>, token: u64);

    /// Takes one out (WIT: `wait-set.remove`).
    fn unwatch(&self, token: u64);

    /// Blocks until something that is watched is ready, and returns and forgets it, in the order in which the guest is
    /// to see it (WIT: `wait-set.next`). Never called when nothing is watched. May not return: the invocation is then
    /// suspended.
    fn next(&self) -> Vec<u64>;

    /// The same, but none where `next` would suspend (WIT: `wait-set.next-or-idle`).
    fn next_or_idle(&self) -> Option<Vec<u64>>;

    /// The mode in which reports are sent from here on.
    fn set_checkpoint_mode(&self, mode: CheckpointMode);

    /// The current mode.
    fn checkpoint_mode(&self) -> CheckpointMode;

    /// Sends what is buffered; returns when it is on record.
    fn flush(&self);

    /// How many reports are buffered.
    fn pending_updates(&self) -> u32;

    /// Whether log lines of replayed code are kept from here on.
    fn keep_replayed_logs(&self, keep: bool);

    /// What plugins need; none where there are none.
    fn observing(&self) -> Option<Arc<dyn Observing>> {
        None
    }
}
