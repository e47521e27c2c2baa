//! One run of a handler: the invocation's driver, and what only a native handler has.

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
    /// What the run waits for.
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

    /// For a fresh run in the same invocation: what was reported is sent, and the record is as it is then. `stopped` is
    /// a step whose body took too long. Where that fails, the checkpoints that were sent until then come along.
    pub(super) fn restarted(mut self, stopped: Option<Key>) -> Result<Self, (Ended, u32)> {
        let sent = self.flush();
        let checkpoints = self.driver.checkpoints();
        let Self { driver, clock, service, .. } = self;
        let fresh = sent.and_then(|()| Ok(Self::new(driver.restarted(stopped)?, clock, service)?));
        fresh.map_err(|why| (why, checkpoints))
    }

    /// Does what the driver needs until the call is done.
    fn drive<T>(&mut self, mut call: impl FnMut(&mut Driver) -> Result<Need<T>, Ended>) -> Result<T, Ended> {
        loop {
            match call(&mut self.driver)? {
                Need::Done(done) => return Ok(done),
                Need::Send(request) => self.driver.answered(self.service.checkpoint(request))?,
            }
        }
    }

    /// Sends what the driver has to send.
    fn send_due(&mut self) -> Result<(), Ended> {
        self.drive(Driver::send)
    }

    /// Sends all that is queued.
    pub(super) fn flush(&mut self) -> Result<(), Ended> {
        self.driver.flush();
        self.send_due()
    }

    /// Time as the handler sees it now, since the Unix epoch.
    pub(super) fn now(&self) -> Duration {
        self.driver.now(&*self.clock)
    }

    /// Waits for something of one operation.
    pub(super) fn wait_for(&mut self, key: Key, interest: Interest) -> Result<(), Ended> {
        self.driver.begin_wait();
        self.drive(|driver| driver.wait_for(key, interest))
    }

    /// Waits for what is next in the set; none when nothing of it can come in this invocation.
    pub(super) fn wait_for_set(&mut self) -> Result<Option<Vec<u64>>, Ended> {
        let set = self.set;
        self.driver.begin_wait();
        self.drive(|driver| driver.wait_for_set(set))
    }

    /// A body, or a part of it, is about to run.
    pub(super) fn enter(&mut self, key: Key) -> Result<(), Ended> {
        if let Some(timeout) = self.driver.engine().body_timeout(key)? {
            self.bodies.enter(key, timeout, self.clock.precise_now());
        }
        self.driver.enter(key)?;
        self.send_due()
    }

    /// The handler's own code runs again. Ends the run where the body took longer than it may.
    pub(super) fn leave(&mut self) -> Result<(), Ended> {
        self.check_body()?;
        self.driver.leave();
        Ok(())
    }

    fn check_body(&mut self) -> Result<(), Ended> {
        match self.driver.body() {
            Some(key) if self.bodies.leave(key, self.clock.precise_now()) => Err(Ended::StepTimedOut(key)),
            _ => Ok(()),
        }
    }

    /// A report without arguments that could be bad.
    pub(super) fn close(
        &mut self,
        close: impl FnOnce(&mut Engine) -> Result<(), ReplayError>,
    ) -> Result<(), Ended> {
        self.leave()?;
        self.driver.close(close)?;
        self.send_due()
    }

    /// A report: a bad argument is the handler's to deal with.
    pub(super) fn report(
        &mut self,
        report: impl FnOnce(&mut Engine) -> Result<(), ReplayError>,
    ) -> Result<Result<(), InvalidArgument>, Ended> {
        self.check_body()?;
        let reported = self.driver.report(report)?;
        self.send_due()?;
        Ok(reported)
    }

    /// Logs a warning of a plugin's.
    pub(super) fn warn(&mut self, message: String) {
        let operation = self.driver.body_operation();
        let line = (LogLevel::Warn, LogSource::Log);
        // Where the budget is used up the warning is lost; it must not end the run.
        let _ = self.driver.log(&*self.clock, line, message, Vec::new(), operation);
    }
}
