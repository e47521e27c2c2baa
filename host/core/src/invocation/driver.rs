//! The invocation driver: one invocation as a state machine without I/O.
//!
//! ```text
//!            a durable call of the guest
//!                       |
//!        Need::Done <- driver -> Need::Send(request) -> the service -> answered(..) -> driver again
//!                       |
//!                   Err(Ended): the guest's run is ended
//! ```
//!
//! Invariants:
//! - what was queued is sent in order, in batches that keep the service's limits, and each batch has the token of the
//!   answer before it: at most one request is under way;
//! - what a run has reported before it ended is sent, unless the service is lost or the instance was killed;
//! - an injected fault counts once, where it is to occur;
//! - whether a run is replayed, and what its code sees as time, depends on the record and on what was shown of it.

use std::{sync::Arc, time::Duration};

use super::{
    Ended, Faults, Isolation, LogLevel, LogLine, LogSink, LogSource, Observation, Returned, faults::Failure,
};
use crate::{
    ambient::Clock,
    protocol::{
        CheckpointResponse, CheckpointToken, DurableServiceClient, ExecutionArn, InvocationOutput,
        InvocationResult, OperationId, OperationUpdate, ServiceError, Timestamp, error_types,
    },
    replay::{Code, Engine, Key, ReplayError},
};

/// Constant facts of an invocation.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The execution.
    pub arn: ExecutionArn,
    /// Identifies the invocation.
    pub invocation_id: Arc<str>,
    /// When the execution started.
    pub started: Timestamp,
    /// When the invocation is ended, as time since the Unix epoch on the execution's clock.
    pub deadline: Duration,
}

/// What the driver needs before the guest's call can return.
#[derive(Debug, PartialEq, Eq)]
pub enum Need<T> {
    /// Nothing: the call returns this value.
    Done(T),
    /// The answer to this request. Then the same call must be made again.
    Send(CheckpointRequest),
}

/// A checkpoint to send.
#[derive(Debug, PartialEq, Eq)]
pub struct CheckpointRequest {
    /// The current checkpoint token.
    pub token: CheckpointToken,
    /// The updates; empty for a poll.
    pub updates: Vec<OperationUpdate>,
    /// The delay before it is sent, on the execution's clock.
    pub delay: Duration,
}

impl CheckpointRequest {
    /// Sends the request.
    ///
    /// # Errors
    /// The error of the service.
    pub async fn send(
        self,
        client: &dyn DurableServiceClient,
        clock: &dyn Clock,
        arn: &ExecutionArn,
    ) -> Result<CheckpointResponse, ServiceError> {
        if !self.delay.is_zero() {
            let millis = u64::try_from(self.delay.as_millis()).unwrap_or(u64::MAX);
            clock.sleep(Some(clock.now().plus_millis(millis))).await;
        }
        client.checkpoint(arn, &self.token, self.updates).await
    }
}

/// What is being sent, and what follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Sending {
    /// Nothing.
    #[default]
    Nothing,
    /// All queued updates.
    All,
    /// All queued updates, before the guest continues to wait. Then a fresh instance replays, if fault injection asks
    /// for it.
    BeforeWait,
    /// All queued updates. Then a fresh instance replays.
    BeforeRestart,
}

/// One invocation.
pub struct Driver {
    pub(super) engine: Engine,
    facts: Facts,
    token: CheckpointToken,
    pub(super) sending: Sending,
    /// The injected failure that follows the pending request.
    failure_to_come: Option<Failure>,
    pub(super) faults: Faults,
    pub(super) isolation: Isolation,
    /// The step or condition whose body is running.
    pub(super) body: Option<Key>,
    observation: Observation,
    /// Whether log lines of replayed code are kept.
    keep_replayed: bool,
    log: Arc<dyn LogSink>,
    /// The most bytes of log lines, and how many of them the guest may still write.
    log_most: usize,
    log_budget: usize,
    checkpoints: u32,
    ended: Option<Ended>,
    /// Whether a run has ended because the service was lost or the instance was killed: nothing can be sent any more.
    unreachable: bool,
}

impl Driver {
    /// Creates the driver of an invocation.
    pub fn new(
        engine: Engine,
        facts: Facts,
        token: CheckpointToken,
        updated: Vec<OperationId>,
        (faults, isolation): (Faults, Isolation),
        (log, log_budget): (Arc<dyn LogSink>, usize),
    ) -> Self {
        Self {
            observation: Observation::new(engine.is_blank(), updated),
            engine,
            facts,
            token,
            sending: Sending::Nothing,
            failure_to_come: None,
            faults,
            isolation,
            body: None,
            keep_replayed: false,
            log,
            log_most: log_budget,
            log_budget,
            checkpoints: 0,
            ended: None,
            unreachable: false,
        }
    }

    /// The replay engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The replay engine, for reading the record, claiming positions and adding to wait sets. Only the driver sends its
    /// updates.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The constant facts of the invocation.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The state that plugins observe.
    pub fn observation(&self) -> &Observation {
        &self.observation
    }

    /// The state that plugins observe, mutable.
    pub fn observation_mut(&mut self) -> &mut Observation {
        &mut self.observation
    }

    /// The step or condition whose body is running.
    pub fn body(&self) -> Option<Key> {
        self.body
    }

    /// The code that is running.
    pub fn code(&self) -> Code {
        match (self.is_live(), self.engine.is_replaying()) {
            (true, _) => Code::Body,
            (false, true) => Code::Replayed,
            (false, false) => Code::New,
        }
    }

    /// A point at which fault injection may end a body: its host calls this when the running code calls it. Elsewhere it
    /// has no effect.
    ///
    /// # Errors
    /// When the instance is killed.
    pub fn point_in_body(&self) -> Result<(), Ended> {
        if self.body.is_none() {
            return Ok(());
        }
        if let Some(probe) = self.engine.probe().get() {
            probe.point_in_body();
        }
        if self.faults.body_point() { Err(Ended::Killed) } else { Ok(()) }
    }

    /// The operation id of the body that is running.
    pub fn body_operation(&self) -> Option<OperationId> {
        self.body.and_then(|key| self.engine.id(key).ok()).cloned()
    }

    /// Whether the running code is never repeated by a replay: a step's body, or a plugin's hook.
    pub fn is_live(&self) -> bool {
        self.body.is_some() || self.observation.in_hook()
    }

    /// Whether the running code ran in an earlier invocation already.
    pub fn is_replaying(&self) -> bool {
        !self.is_live() && self.engine.is_replaying()
    }

    /// The time that the guest sees, since the Unix epoch.
    pub fn now(&self, clock: &dyn Clock) -> Duration {
        if self.is_live() {
            return clock.precise_now();
        }
        Duration::from_millis(u64::try_from(self.engine.time().as_millis()).unwrap_or(0))
    }

    /// Requests that all queued updates are sent before the next call returns.
    pub fn flush(&mut self) {
        self.sending = if self.unreachable { Sending::Nothing } else { Sending::All };
    }

    /// Returns the next request that must be sent before the guest's call can return. The caller repeats it after each
    /// answer.
    ///
    /// # Errors
    /// The reason why the run is ended.
    pub fn send(&mut self) -> Result<Need<()>, Ended> {
        Ok(self.next_request()?.map_or(Need::Done(()), Need::Send))
    }

    pub(super) fn next_request(&mut self) -> Result<Option<CheckpointRequest>, Ended> {
        if self.sending == Sending::Nothing {
            return Ok(None);
        }
        let updates = self.engine.take_batch();
        if !updates.is_empty() {
            return self.checkpoint(updates).map(Some);
        }
        match std::mem::take(&mut self.sending) {
            Sending::BeforeRestart => Err(Ended::Replayed),
            Sending::BeforeWait if self.may_replay_now() => Err(Ended::Replayed),
            Sending::Nothing | Sending::All | Sending::BeforeWait => Ok(None),
        }
    }

    fn may_replay_now(&self) -> bool {
        self.faults.replays() && self.body.is_none() && !self.engine.is_about_to_run_once()
    }

    fn checkpoint(&mut self, mut updates: Vec<OperationUpdate>) -> Result<CheckpointRequest, Ended> {
        let fault = self.faults.checkpoint();
        if let Some(failure) = fault.before {
            return Err(failure.into());
        }
        self.checkpoints += 1;
        self.failure_to_come = fault.after;
        if fault.partial {
            updates.truncate(updates.len().div_ceil(2));
        }
        Ok(CheckpointRequest { token: self.token.clone(), updates, delay: self.faults.delay(fault) })
    }

    /// Creates a request without updates, which polls for changes.
    pub fn poll(&self) -> CheckpointRequest {
        CheckpointRequest {
            token: self.token.clone(),
            updates: Vec::new(),
            delay: self.faults.delay(super::CheckpointFault::default()),
        }
    }

    /// Processes the answer to a request.
    ///
    /// # Errors
    /// The reason why the run is ended.
    pub fn answered(&mut self, answer: Result<CheckpointResponse, ServiceError>) -> Result<(), Ended> {
        let failure = self.failure_to_come.take();
        let answer = answer.map_err(|error| self.refused(error))?;
        self.token = answer.checkpoint_token;
        self.observation.changes_mut().note(&answer.operations);
        self.engine.apply(answer.operations)?;
        failure.map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// The end of a run whose request was refused. A server in this process shares the budget, which knows of a charge
    /// that it has refused; its answer says so only in words.
    fn refused(&self, error: ServiceError) -> Ended {
        let exceeded = self.engine.budget().refusal();
        match exceeded.filter(|exceeded| error == ServiceError::from(*exceeded)) {
            Some(exceeded) => Ended::Refused(exceeded),
            None => Ended::Service(error),
        }
    }

    /// Ends the guest's run from within one of its calls. This reason takes precedence over whatever the guest returns
    /// afterwards.
    pub fn end(&mut self, why: Ended) {
        self.unreachable |= why.is_unreachable();
        if let (Ended::Replay(ReplayError::NonDeterministic(divergence)), Some(probe)) =
            (&why, self.engine.probe().get())
        {
            probe.diverged(divergence);
        }
        self.ended = Some(why);
    }

    /// The reason why the guest's run was ended, if it was.
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Takes the reason, so that updates can be sent after the run has ended.
    pub fn take_ended(&mut self) -> Option<Ended> {
        self.ended.take()
    }

    /// The reason with which a run ends that can continue only after a durable event.
    pub fn suspension(&self) -> Ended {
        self.engine.check_suspension().map_or_else(Ended::from, |()| Ended::Suspended)
    }

    /// Creates the driver for a fresh run in the same invocation, on the current record. All queued updates must have
    /// been sent. `stopped` is a step whose body exceeded its timeout.
    ///
    /// # Errors
    /// When there is no such step.
    pub fn restarted(self, stopped: Option<Key>) -> Result<Self, ReplayError> {
        let Self { engine, observation, .. } = self;
        let observation = observation.restarted(|id| engine.was_started(id));
        let engine = engine.restarted(stopped)?;
        Ok(Self {
            engine,
            observation,
            sending: Sending::Nothing,
            failure_to_come: None,
            body: None,
            keep_replayed: false,
            ended: None,
            ..self
        })
    }

    /// Converts the end of the last run to the result of the invocation.
    pub fn conclude(&self, returned: Returned) -> InvocationResult {
        match returned {
            Returned::Crashed(error)
                if error.error_type.as_deref() == Some(error_types::NON_DETERMINISTIC) =>
            {
                InvocationResult::Output(InvocationOutput::failed(error))
            }
            Returned::Crashed(error) => InvocationResult::Crashed(error),
            Returned::Suspended => InvocationResult::Output(InvocationOutput::pending()),
            Returned::Value(value) => InvocationResult::Output(self.engine.conclude(value)),
        }
    }

    /// The number of checkpoints with updates that were sent.
    pub fn checkpoints(&self) -> u32 {
        self.checkpoints
    }

    /// Whether log lines of replayed code are kept.
    pub fn keeps_replayed_lines(&self) -> bool {
        self.keep_replayed
    }

    /// Sets whether log lines of replayed code are kept.
    pub fn keep_replayed_lines(&mut self, keep: bool) {
        self.keep_replayed = keep;
    }

    /// The most bytes of log lines of the invocation.
    pub fn log_limit(&self) -> usize {
        self.log_most
    }

    /// Resets the budget for log lines to this number of bytes.
    pub fn renew_log_budget(&mut self, bytes: usize) {
        self.log_budget = bytes;
    }

    /// Writes a log line within the guest's budget.
    ///
    /// # Errors
    /// When the budget is exhausted, or the bytes of the execution or of the host.
    pub fn log(
        &mut self,
        clock: &dyn Clock,
        (level, source): (LogLevel, LogSource),
        message: String,
        fields: Vec<(String, String)>,
        operation: Option<OperationId>,
    ) -> Result<(), Ended> {
        let time = Timestamp::from_millis(i64::try_from(self.now(clock).as_millis()).unwrap_or(i64::MAX));
        let line = LogLine {
            time,
            level,
            source,
            message,
            fields,
            operation,
            replayed: !self.keep_replayed && self.is_replaying(),
            execution: self.facts.arn.clone(),
            invocation_id: self.facts.invocation_id.clone(),
        };
        let size = line.size();
        let Some(rest) = self.log_budget.checked_sub(size) else {
            return Err(log_limit(self.log_most, self.log_most.saturating_add(size) - self.log_budget));
        };
        if self.log.keeps(&line) {
            self.engine.budget().charge(line.kept())?;
        }
        self.log_budget = rest;
        self.log.write(line);
        Ok(())
    }
}

/// The end of a run whose log reached more bytes than it may have.
pub fn log_limit(most: usize, reached: usize) -> Ended {
    let reason = format!(
        "the handler wrote more log lines than one invocation may: they take {reached} bytes; at most {most} are allowed"
    );
    Ended::Limit(error_types::LOG_LIMIT, reason)
}
