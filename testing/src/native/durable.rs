//! One run of a handler: the invocation driver, and the state that only a native handler needs.

use std::{sync::Arc, time::Duration};

use durawasm_core::{
    ambient::Clock,
    invocation::{Driver, Ended, InvalidArgument, LogLevel, LogSource, Need},
    replay::{Engine, Interest, Key, ReplayError, SetKey},
};

use super::{bodies::Bodies, service::Service};

/// The state of one run.
pub(super) struct Durable {
    pub(super) driver: Driver,
    /// The set of awaited operations.
    pub(super) set: SetKey,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) service: Service,
    bodies: Bodies,
}

impl Durable {
    pub(super) fn new(
        mut driver: Driver,
        clock: Arc<dyn Clock>,
        service: Service,
    ) -> Result<Self, ReplayError> {
        let set = driver.engine_mut().new_set()?;
        Ok(Self { driver, set, clock, service, bodies: Bodies::new() })
    }

    /// The state for a fresh run in the same invocation: queued updates are sent first, and the new record contains
    /// them. `stopped` is a step whose body exceeded its timeout. An error carries the number of checkpoints sent until
    /// then.
    pub(super) fn restarted(mut self, stopped: Option<Key>) -> Result<Self, (Ended, u32)> {
        let sent = self.flush();
        let checkpoints = self.driver.checkpoints();
        let Self { driver, clock, service, .. } = self;
        let fresh = sent.and_then(|()| Ok(Self::new(driver.restarted(stopped)?, clock, service)?));
        fresh.map_err(|why| (why, checkpoints))
    }

    /// Repeats a call of the driver, and sends what it needs, until the call is done.
    fn drive<T>(&mut self, mut call: impl FnMut(&mut Driver) -> Result<Need<T>, Ended>) -> Result<T, Ended> {
        loop {
            match call(&mut self.driver)? {
                Need::Done(done) => return Ok(done),
                Need::Send(request) => self.driver.answered(self.service.checkpoint(request))?,
            }
        }
    }

    /// Sends the requests that the driver has due.
    fn send_due(&mut self) -> Result<(), Ended> {
        self.drive(Driver::send)
    }

    /// Sends all queued updates.
    pub(super) fn flush(&mut self) -> Result<(), Ended> {
        self.driver.flush();
        self.send_due()
    }

    /// The current time as the handler observes it, since the Unix epoch.
    pub(super) fn now(&self) -> Duration {
        self.driver.now(&*self.clock)
    }

    /// Waits for an event of one operation.
    pub(super) fn wait_for(&mut self, key: Key, interest: Interest) -> Result<(), Ended> {
        self.driver.begin_wait();
        self.drive(|driver| driver.wait_for(key, interest))
    }

    /// Waits for the next events of the set; `None` if none can occur in this invocation.
    pub(super) fn wait_for_set(&mut self) -> Result<Option<Vec<u64>>, Ended> {
        let set = self.set;
        self.driver.begin_wait();
        self.drive(|driver| driver.wait_for_set(set))
    }

    /// Enters a step's body, or a part of it.
    pub(super) fn enter(&mut self, key: Key) -> Result<(), Ended> {
        if let Some(timeout) = self.driver.engine().body_timeout(key)? {
            self.bodies.enter(key, timeout, self.clock.precise_now());
        }
        self.driver.enter(key)?;
        self.send_due()
    }

    /// Returns from a step's body to the handler's own code. Ends the run if the body exceeded its timeout.
    pub(super) fn leave(&mut self, key: Key) -> Result<(), Ended> {
        self.check_body()?;
        self.driver.leave(key)
    }

    fn check_body(&mut self) -> Result<(), Ended> {
        match self.driver.body() {
            Some(key) if self.bodies.leave(key, self.clock.precise_now()) => Err(Ended::StepTimedOut(key)),
            _ => Ok(()),
        }
    }

    /// Reports an outcome that has no argument which could be invalid.
    pub(super) fn close(
        &mut self,
        key: Key,
        close: impl FnOnce(&mut Engine, Key) -> Result<(), ReplayError>,
    ) -> Result<(), Ended> {
        self.check_body()?;
        self.driver.close(key, close)?;
        self.send_due()
    }

    /// Reports an outcome. An invalid argument is returned to the handler as an error.
    pub(super) fn report(
        &mut self,
        key: Key,
        report: impl FnOnce(&mut Engine, Key) -> Result<(), ReplayError>,
    ) -> Result<Result<(), InvalidArgument>, Ended> {
        self.check_body()?;
        let reported = self.driver.report(key, report)?;
        self.send_due()?;
        Ok(reported)
    }

    /// Logs a warning of a plugin.
    pub(super) fn warn(&mut self, message: String) {
        let operation = self.driver.body_operation();
        let line = (LogLevel::Warn, LogSource::Log);
        // If the log budget is used up, the warning is lost; it must not end the run.
        let _ = self.driver.log(&*self.clock, line, message, Vec::new(), operation);
    }
}
