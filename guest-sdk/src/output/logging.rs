//! Which lines of a handler's log are kept.
//!
//! Lines of the `tracing` crate, and what is written to standard output and error, go to the host. A line carries its
//! level and fields, the operation whose step or child wrote it, with its name and attempt, and the execution and the
//! invocation. Lines that a replay repeats are dropped: each is shown once, however often the handler runs. Here that
//! is switched off, to look at what a replay does.
//!
//! An invocation may write 16 MiB of lines, unless its host says otherwise: one more ends it with
//! `Sandbox.LogLimitExceeded`. What is printed without a line end becomes lines of 64 KiB.
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

/// Keeps the lines of replayed code from here on, or drops them again. Each invocation starts with dropping them.
///
/// Outside of an invocation it does nothing.
pub fn keep_replayed(keep: bool) {
    if let Some(runtime) = CURRENT.with_borrow(Clone::clone) {
        runtime.keep_replayed_logs(keep);
    }
}

/// Whether the code that runs now is replayed, and no step's body. False outside of an invocation.
#[cfg(feature = "replay-filter")]
pub(crate) fn is_replaying() -> bool {
    CURRENT.with_borrow(Clone::clone).is_some_and(|runtime| runtime.is_replaying())
}

/// Runs an invocation whose host this is.
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
