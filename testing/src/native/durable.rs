//! The durable side of one run: its replay engine, what it sends, and where it may be suspended.
//!
//! Always true, as in the sandbox, in this order: what is ready is returned; else the next recorded completion is shown; else
//! what is queued is sent; else the run is suspended.

use std::{sync::Arc, time::Duration};

use durawasm_guest::runtime::InvalidArgument;
use durawasm_host::{
    ambient::Clock,
    protocol::{CheckpointToken, ExecutionArn, OperationUpdate, Timestamp},
    replay::{CheckpointMode, Ended, Engine, Interest, Key, ReplayError, SetKey},
    sandbox::{Faults, Isolation, LogLevel, LogLine, LogSink, LogSource},
};

use super::{bodies::Bodies, observing::Observation, service::Service};

/// How many updates may wait while outcomes show before they are on record.
const MOST_QUEUED: usize = 250;

/// What does not change in an invocation.
pub(super) struct Facts {
    pub(super) arn: ExecutionArn,
    pub(super) invocation_id: Arc<str>,
    /// When the execution started.
    pub(super) started: Timestamp,
    /// When a component's invocation would be ended.
    pub(super) deadline: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) log: Arc<dyn LogSink>,
    pub(super) faults: Faults,
    pub(super) isolation: Isolation,
}

/// The state of one run.
pub(super) struct Durable {
    pub(super) engine: Engine,
    pub(super) set: SetKey,
    pub(super) facts: Arc<Facts>,
    pub(super) service: Service,
    token: CheckpointToken,
    /// The step whose body runs now.
    live: Option<Key>,
    bodies: Bodies,
    pub(super) observation: Observation,
    /// What plugins warn of while the handler replays is kept in any case; nothing else is captured natively.
    pub(super) keep_replayed: bool,
}

impl Durable {
    pub(super) fn new(
        mut engine: Engine,
        facts: Arc<Facts>,
        service: Service,
        token: CheckpointToken,
        observation: Observation,
    ) -> Result<Self, ReplayError> {
        let set = engine.new_set()?;
        Ok(Self {
            engine,
            set,
            facts,
            service,
            token,
            live: None,
            bodies: Bodies::new(),
            observation,
            keep_replayed: false,
        })
    }

    /// For a fresh run in the same invocation: what was reported is sent, and the record is as it is then. `stopped` is a step
    /// whose body took too long.
    pub(super) fn restarted(mut self, stopped: Option<Key>) -> Result<Self, Ended> {
        self.flush()?;
        let Self { engine, facts, service, token, observation, .. } = self;
        let observation = observation.restarted(|id| engine.was_asked_for(id));
        let engine = engine.restarted(stopped)?;
        Ok(Self::new(engine, facts, service, token, observation)?)
    }

    /// Whether the code that runs now is none of the handler's that a replay repeats: a step's body, or a plugin's hook.
    pub(super) fn is_live(&self) -> bool {
        self.live.is_some() || self.observation.in_aside()
    }

    /// Time as the handler sees it now, since the Unix epoch.
    pub(super) fn now(&self) -> Duration {
        if self.is_live() {
            return self.facts.clock.precise_now();
        }
        Duration::from_millis(u64::try_from(self.engine.time().as_millis()).unwrap_or(0))
    }

    pub(super) fn is_replaying(&self) -> bool {
        !self.is_live() && self.engine.is_replaying()
    }

    /// Sends all that is queued, and takes in the answers.
    pub(super) fn flush(&mut self) -> Result<(), Ended> {
        loop {
            let batch = self.engine.take_batch();
            if batch.is_empty() {
                return Ok(());
            }
            self.checkpoint(batch)?;
        }
    }

    fn checkpoint(&mut self, batch: Vec<OperationUpdate>) -> Result<(), Ended> {
        let answer = self.service.checkpoint(self.token.clone(), batch)?;
        self.token = answer.checkpoint_token;
        self.observation.changes.note(&answer.operations);
        Ok(self.engine.apply(answer.operations)?)
    }

    /// Sends what is queued before the handler waits on.
    fn flush_and_wait(&mut self) -> Result<(), Ended> {
        self.flush()?;
        if self.facts.faults.replays() && self.live.is_none() && !self.engine.is_about_to_run_once() {
            return Err(Ended::Replayed);
        }
        Ok(())
    }

    /// After each report of the handler: sends it, where the mode says so.
    fn reported(&mut self) -> Result<(), Ended> {
        if self.engine.mode() == CheckpointMode::Eager { self.flush() } else { Ok(()) }
    }

    /// After a report that ends a body or the code of a context: a fresh run takes over, where that is wanted and no other body is
    /// open. `ended` is whether the report is on its way.
    fn reported_end(&mut self, ended: bool) -> Result<(), Ended> {
        if !ended || self.facts.isolation != Isolation::Step || self.engine.has_open_body() {
            return self.reported();
        }
        self.flush()?;
        Err(Ended::Replayed)
    }

    /// Before the handler waits.
    fn begin_wait(&mut self) -> Result<(), Ended> {
        if self.engine.mode() == CheckpointMode::Optimistic && self.engine.queued() >= MOST_QUEUED {
            self.flush()?;
        }
        Ok(())
    }

    /// Why a run that can go on only after something durable has happened ends.
    pub(super) fn suspended(&self) -> Ended {
        self.engine.check_suspension().map_or_else(Ended::from, |()| Ended::Suspended)
    }

    /// Waits for something of one operation.
    pub(super) fn settled(&mut self, key: Key, interest: Interest) -> Result<(), Ended> {
        self.begin_wait()?;
        loop {
            if self.engine.is_ready(key, interest)? {
                return Ok(());
            }
            if self.engine.reveal(&[(key, interest)])? {
                continue;
            }
            if self.engine.queued() == 0 {
                return Err(self.suspended());
            }
            self.flush_and_wait()?;
        }
    }

    /// Waits for what is next in the set; none when nothing of it can come in this invocation.
    pub(super) fn watched(&mut self) -> Result<Option<Vec<u64>>, Ended> {
        self.begin_wait()?;
        loop {
            let tokens = self.engine.take_watched(self.set)?;
            if !tokens.is_empty() {
                return Ok(Some(tokens));
            }
            if self.engine.queued() == 0 {
                return Ok(None);
            }
            self.flush_and_wait()?;
        }
    }

    /// A body, or a part of it, is about to run.
    pub(super) fn enter(&mut self, key: Key) -> Result<(), Ended> {
        if let Some(timeout) = self.engine.body_timeout(key)? {
            self.bodies.enter(key, timeout, self.facts.clock.precise_now());
        }
        self.engine.enter(key)?;
        self.live = Some(key);
        self.reported()
    }

    /// The handler's own code runs again. Ends the run where the body took longer than it may.
    pub(super) fn leave(&mut self) -> Result<(), Ended> {
        self.check_body()?;
        self.live = None;
        Ok(())
    }

    fn check_body(&mut self) -> Result<(), Ended> {
        match self.live {
            Some(key) if self.bodies.leave(key, self.facts.clock.precise_now()) => {
                Err(Ended::StepTimedOut(key))
            }
            _ => Ok(()),
        }
    }

    /// Starts an operation: a bad argument is the handler's to deal with.
    pub(super) fn start(
        &mut self,
        start: impl FnOnce(&mut Engine) -> Result<Key, ReplayError>,
    ) -> Result<Result<Key, InvalidArgument>, Ended> {
        let started = refusal(start(&mut self.engine))?;
        match &started {
            Ok(key) if self.engine.is_new(*key) && self.facts.faults.operation() => Err(Ended::Killed),
            _ => Ok(started),
        }
    }

    /// A report without arguments that could be bad.
    pub(super) fn close(
        &mut self,
        close: impl FnOnce(&mut Engine) -> Result<(), ReplayError>,
    ) -> Result<(), Ended> {
        self.leave()?;
        close(&mut self.engine)?;
        self.reported_end(self.engine.queued() > 0)
    }

    /// A report: a bad argument is the handler's to deal with.
    pub(super) fn report(
        &mut self,
        report: impl FnOnce(&mut Engine) -> Result<(), ReplayError>,
    ) -> Result<Result<(), InvalidArgument>, Ended> {
        self.check_body()?;
        let told = refusal(report(&mut self.engine))?;
        if told.is_ok() {
            self.live = None;
            self.reported_end(true)?;
        }
        Ok(told)
    }

    /// Logs a warning of a plugin's.
    pub(super) fn warn(&self, message: String) {
        let time = Timestamp::from_millis(i64::try_from(self.now().as_millis()).unwrap_or(i64::MAX));
        self.facts.log.write(LogLine {
            time,
            level: LogLevel::Warn,
            source: LogSource::Log,
            message,
            fields: Vec::new(),
            operation: self.live.and_then(|key| self.engine.id(key).ok()).cloned(),
            replayed: !self.keep_replayed && self.is_replaying(),
            execution: self.facts.arn.clone(),
            invocation_id: self.facts.invocation_id.clone(),
        });
    }
}

/// Tells a bad argument, which the handler is told of, from what ends its run.
fn refusal<T>(result: Result<T, ReplayError>) -> Result<Result<T, InvalidArgument>, Ended> {
    match result {
        Ok(done) => Ok(Ok(done)),
        Err(ReplayError::InvalidArgument { argument, reason }) => {
            Ok(Err(InvalidArgument { argument: argument.to_owned(), reason }))
        }
        Err(error) => Err(error.into()),
    }
}
