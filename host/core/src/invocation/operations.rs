//! Starting, running and closing of operations by the guest.
//!
//! Invariants:
//! - the checkpoint mode decides when an update is sent: immediately in eager mode, else when the guest waits;
//! - with isolation by step, a fresh instance takes over after each update that ends a body or a context, unless
//!   another body is open, which the change of instance would interrupt.

use super::{Driver, Ended, Isolation, driver::Sending, ended::misused};
use crate::replay::{CheckpointMode, Engine, Key, ReplayError};

/// An argument violates the contract. The guest gets this error and continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidArgument {
    /// The argument, as the WIT spells it.
    pub argument: &'static str,
    /// Which rule it breaks, and what is allowed.
    pub reason: String,
}

/// Separates invalid arguments, which the guest handles, from errors that end its run.
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
    /// The reason why the run is ended.
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

    /// Enters or re-enters a body. The caller must call [`send`](Self::send) next.
    ///
    /// # Errors
    /// When there is no such operation, when its body is not to run now, or when a body is running already.
    pub fn enter(&mut self, key: Key) -> Result<(), Ended> {
        if self.body.is_some() {
            return Err(misused("a body was entered before the last one was left"));
        }
        self.engine.enter(key)?;
        self.body = Some(key);
        self.reported();
        self.point_in_body()
    }

    /// Leaves a body: the handler's own code continues.
    ///
    /// # Errors
    /// When this body is not running.
    pub fn leave(&mut self, key: Key) -> Result<(), Ended> {
        if self.body != Some(key) {
            return Err(misused("a body was left that is not running"));
        }
        self.end_body();
        Ok(())
    }

    /// Leaves the body that is running, if one is.
    fn end_body(&mut self) {
        if let (Some(id), Some(probe)) = (self.body_operation(), self.engine.probe().get()) {
            probe.left(&id);
        }
        self.body = None;
    }

    /// Refuses to close an operation while the body of another one is running. Closing leaves the body, so the rest of that
    /// body would run as replayed code although no replay repeats it.
    fn check_closing(&self, key: Key) -> Result<(), Ended> {
        match self.body {
            Some(body) if body != key => {
                Err(misused("an operation was closed inside the body of another one"))
            }
            _ => Ok(()),
        }
    }

    /// Closes the operation `key` with arguments that need no validation. The caller must call [`send`](Self::send) next.
    ///
    /// # Errors
    /// The reason why the run is ended.
    pub fn close(
        &mut self,
        key: Key,
        close: impl FnOnce(&mut Engine, Key) -> Result<(), ReplayError>,
    ) -> Result<(), Ended> {
        self.point_in_body()?;
        self.check_closing(key)?;
        self.end_body();
        close(&mut self.engine, key)?;
        // If the end is on record already, nothing is queued.
        self.reported_end(self.engine.queued() > 0);
        Ok(())
    }

    /// Closes an attempt of the operation `key` with arguments that may be invalid. The caller must call
    /// [`send`](Self::send) next.
    ///
    /// # Errors
    /// The reason why the run is ended.
    pub fn report(
        &mut self,
        key: Key,
        report: impl FnOnce(&mut Engine, Key) -> Result<(), ReplayError>,
    ) -> Result<Result<(), InvalidArgument>, Ended> {
        self.point_in_body()?;
        self.check_closing(key)?;
        let reported = refusal(report(&mut self.engine, key))?;
        if reported.is_ok() {
            self.end_body();
            self.reported_end(true);
        }
        Ok(reported)
    }

    fn reported(&mut self) {
        if self.engine.mode() == CheckpointMode::Eager {
            self.sending = Sending::All;
        }
    }

    /// After the end of a body or of a context's code. `queued` says whether an update was queued for it.
    fn reported_end(&mut self, queued: bool) {
        if queued && self.isolation == Isolation::Step && !self.engine.has_open_body() {
            self.sending = Sending::BeforeRestart;
        } else {
            self.reported();
        }
    }
}
