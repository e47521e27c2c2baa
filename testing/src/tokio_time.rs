//! Virtual time that advances tokio's paused clock as well, for tests and native handlers that use tokio's time.
//!
//! Invariants: during a run, tokio's paused clock advances exactly when virtual time skips, by the same amount.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use durawasm_core::{
    ambient::{Actor, Clock, Hold, Permit, Sleep, VirtualClock},
    protocol::Timestamp,
};
use futures_util::FutureExt as _;

use crate::TestError;

/// A virtual clock that advances tokio's clock with it.
pub(crate) struct TokioClock {
    virtual_time: VirtualClock,
    /// The virtual time up to which tokio's clock was advanced.
    advanced: Arc<Mutex<Timestamp>>,
}

impl TokioClock {
    pub(crate) fn new(start: Timestamp) -> Self {
        Self { virtual_time: VirtualClock::new(start), advanced: Arc::new(Mutex::new(start)) }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.virtual_time.now()
    }

    fn actor(&self) -> Actor {
        self.virtual_time.actor()
    }

    fn sleep(&self, deadline: Option<Timestamp>) -> Sleep {
        let (sleep, clock, advanced) =
            (self.virtual_time.sleep(deadline), self.virtual_time.clone(), self.advanced.clone());
        Box::pin(async move {
            sleep.await;
            let now = clock.now();
            let before =
                std::mem::replace(&mut *advanced.lock().unwrap_or_else(PoisonError::into_inner), now);
            let skipped = now.since(before);
            if !skipped.is_zero() {
                tokio::time::advance(skipped).await;
            }
        })
    }

    fn skips(&self) -> bool {
        true
    }

    fn hold(&self, at: Timestamp) -> Hold {
        self.virtual_time.hold(at)
    }

    fn permit(&self, until: Timestamp) -> Permit {
        self.virtual_time.permit(until)
    }
}

/// Checks that tokio's time is paused.
///
/// # Errors
/// [`TestError::TokioTimeRuns`] if it is not.
pub(crate) async fn is_paused() -> Result<(), TestError> {
    let paused = AssertUnwindSafe(tokio::time::advance(Duration::ZERO)).catch_unwind().await;
    paused.map_err(|_| TestError::TokioTimeRuns)
}

/// Keeps tokio's paused clock from advancing by itself while a run waits for threads that tokio does not know of.
pub(crate) struct TokioClockHold(
    #[expect(dead_code, reason = "dropping it is what it is for")] mpsc::Sender<()>,
);

impl TokioClockHold {
    pub(crate) fn new() -> Self {
        let (held, released) = mpsc::channel();
        // Tokio does not advance its paused clock while a blocking task runs.
        tokio::task::spawn_blocking(move || released.recv());
        Self(held)
    }
}
