//! Controls which log lines of a handler are kept.
//!
//! Events of the `tracing` crate, and output to standard output and standard error, go to the host. A line carries its
//! level and fields, the operation whose step or child wrote it, with its name and attempt, the execution and the
//! invocation. Lines that a replay repeats are dropped: each is shown once, however often the handler runs.
//! [`keep_replayed`] turns that off, to debug replays.
//!
//! An invocation may write 16 MiB of lines, unless its host sets another limit: one more line ends it with
//! `Sandbox.LogLimitExceeded`. Output without a line end is split into lines of 64 KiB.
//!
//! # Examples
//!
//! ```
//! # use durawasm_guest::{BoxError, DurableContext};
//! # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
//! durawasm_guest::logging::keep_replayed(true);
//! tracing::info!(orders = 3, "shown in every invocation");
//! durawasm_guest::logging::keep_replayed(false);
//! # Ok(())
//! # }
//! ```

use std::cell::RefCell;
use std::sync::Arc;

use crate::contract::Runtime;

thread_local! {
    /// The host of the invocation that runs on this thread.
    static CURRENT: RefCell<Option<Arc<dyn Runtime>>> = const { RefCell::new(None) };
}

/// Keeps the lines of replayed code from now on, or drops them again. Each invocation starts with dropping them.
///
/// Outside of an invocation it does nothing.
pub fn keep_replayed(keep: bool) {
    if let Some(runtime) = CURRENT.with_borrow(Clone::clone) {
        runtime.keep_replayed_logs(keep);
    }
}

/// Whether the current code is replayed and not the body of a step. False outside of an invocation.
#[cfg(feature = "replay-filter")]
pub(crate) fn is_replaying() -> bool {
    CURRENT.with_borrow(Clone::clone).is_some_and(|runtime| runtime.is_replaying())
}

/// Runs a function as an invocation with this host.
pub(crate) fn within<T>(runtime: &Arc<dyn Runtime>, run: impl FnOnce() -> T) -> T {
    struct Outer(Option<Arc<dyn Runtime>>);
    impl Drop for Outer {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _outer = Outer(CURRENT.replace(Some(Arc::clone(runtime))));
    run()
}
