//! The host of one invocation.

use std::sync::Arc;
use std::time::SystemTime;

use super::checkpoint_mode::CheckpointMode;
use super::data::ExecutionInfo;
use super::observing::Observing;
use super::operation::Pollable;
use super::scope::Scope;

/// The host of one invocation.
pub trait Runtime: Send + Sync {
    /// The facts of the execution.
    fn execution(&self) -> ExecutionInfo;

    /// The id of this invocation.
    fn invocation_id(&self) -> String;

    /// When this invocation is stopped if it has not ended, in milliseconds since the Unix epoch.
    fn deadline_ms(&self) -> u64;

    /// The time for code between operations: that of the latest delivered outcome.
    fn now(&self) -> SystemTime;

    /// Whether recorded operations remain to be replayed, in any context.
    fn is_replaying(&self) -> bool;

    /// The scope of the root context.
    fn root(&self) -> Arc<dyn Scope>;

    /// Adds a pollable to the set that the invocation waits for, under a token that is not in use (WIT:
    /// `wait-set.add`).
    fn watch(&self, pollable: Box<dyn Pollable>, token: u64);

    /// Removes a pollable (WIT: `wait-set.remove`).
    fn unwatch(&self, token: u64);

    /// Blocks until a pollable of the set is ready. Removes all that are ready and returns their tokens, in the order
    /// in which the guest has to handle them (WIT: `wait-set.next`). Not called when the set is empty. May not return:
    /// the invocation is then suspended.
    fn next(&self) -> Vec<u64>;

    /// The same, but returns `None` where `next` would suspend the invocation (WIT: `wait-set.next-or-idle`).
    fn next_or_idle(&self) -> Option<Vec<u64>>;

    /// Sets the mode in which updates are sent from now on.
    fn set_checkpoint_mode(&self, mode: CheckpointMode);

    /// The current mode.
    fn checkpoint_mode(&self) -> CheckpointMode;

    /// Sends the buffered updates; returns when they are recorded.
    fn flush(&self);

    /// The number of buffered updates.
    fn pending_updates(&self) -> u32;

    /// Sets whether log lines of replayed code are kept from now on.
    fn keep_replayed_logs(&self, keep: bool);

    /// What plugins need; `None` if plugins are not supported.
    fn observing(&self) -> Option<Arc<dyn Observing>> {
        None
    }
}
