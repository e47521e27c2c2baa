//! What a guest starts, runs and reports.
//!
//! Invariants:
//! - the mode decides when a report leaves: at once in eager mode, else when the guest waits;
//! - where isolation by step is asked for, a fresh instance takes over after each report that ends a body or a context,
//!   unless another body is open, which it would interrupt.

use super::{Driver, Ended, Isolation, driver::Sending};
use crate::replay::{CheckpointMode, Engine, Key, ReplayError};

/// An argument that the contract does not allow: the guest is told, and runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidArgument {
    /// Which, as the WIT spells it.
    pub argument: &'static str,
    /// What is wrong, and what is allowed.
    pub reason: String,
}

/// Separates a bad argument, which is the guest's to handle, from what ends its run.
fn refusal<T>(result: Result<T, ReplayError>) -> Result<Result<T, InvalidArgument>, Ended> {
    match result {
        Ok(done) => Ok(Ok(done)),
        Err(ReplayError::InvalidArgument { argument, reason }) => {
            Ok(Err(InvalidArgument { argument, reason }))
        }
        Err(error) => Err(error.into()),
    }
}

impl Driver {
    /// Starts an operation.
    ///
    /// # Errors
    /// Why the run is ended.
    pub fn start(
        &mut self,
        start: impl FnOnce(&mut Engine) -> Result<Key, ReplayError>,
    ) -> Result<Result<Key, InvalidArgument>, Ended> {
        let started = refusal(start(&mut self.engine))?;
        match &started {
            Ok(key) if self.engine.is_new(*key) && self.faults.operation() => Err(Ended::Killed),
            _ => Ok(started),
        }
    }

    /// A body is about to run, or to run on. [`send`](Self::send) follows.
    ///
    /// # Errors
    /// When there is no such operation.
    pub fn enter(&mut self, key: Key) -> Result<(), Ended> {
        self.engine.enter(key)?;
        self.body = Some(key);
        self.reported();
        Ok(())
    }

    /// The handler's own code runs on.
    pub fn leave(&mut self) {
        self.body = None;
    }

    /// A report without arguments that could be bad. [`send`](Self::send) follows.
    ///
    /// # Errors
    /// Why the run is ended.
    pub fn close(&mut self, close: impl FnOnce(&mut Engine) -> Result<(), ReplayError>) -> Result<(), Ended> {
        self.body = None;
        close(&mut self.engine)?;
        // A report that only repeats what is on record queues nothing.
        self.reported_end(self.engine.queued() > 0);
        Ok(())
    }

    /// A report of an attempt that is to be followed by another. [`send`](Self::send) follows.
    ///
    /// # Errors
    /// Why the run is ended.
    pub fn report(
        &mut self,
        report: impl FnOnce(&mut Engine) -> Result<(), ReplayError>,
    ) -> Result<Result<(), InvalidArgument>, Ended> {
        let reported = refusal(report(&mut self.engine))?;
        if reported.is_ok() {
            self.body = None;
            self.reported_end(true);
        }
        Ok(reported)
    }

    fn reported(&mut self) {
        if self.engine.mode() == CheckpointMode::Eager {
            self.sending = Sending::All;
        }
    }

    /// After the end of a body or of a context's code. `queued` is whether the report is on its way.
    fn reported_end(&mut self, queued: bool) {
        if queued && self.isolation == Isolation::Step && !self.engine.has_open_body() {
            self.sending = Sending::BeforeRestart;
        } else {
            self.reported();
        }
    }
}
