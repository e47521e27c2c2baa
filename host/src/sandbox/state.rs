//! What the host keeps for one instance.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::{
    engine::TICK,
    faults::{Blow, Fate, Faults},
    grants::Grants,
    isolation::Isolation,
    limits::Limiter,
    log::{LogLevel, LogLine, LogSink, LogSource},
    observing::Observation,
    output::Output,
    randomness::Streams,
};
use crate::{
    ambient::{Clock, Entropy},
    protocol::{CheckpointToken, ExecutionArn, OperationId, OperationUpdate, Timestamp},
    replay::{CheckpointMode, DurableServiceClient, Engine, Key, ReplayError},
};

pub(super) use crate::replay::Ended;

/// The most handles of contexts and pollables that a guest may hold at once.
const MAX_HANDLES: u32 = 2_000_000;

/// The most points in time that a guest may wait for at once.
const MAX_TIMERS: u32 = 100_000;

/// How many random bytes a standard library draws to key its hash tables.
const KEY_BYTES: usize = 16;

/// The world around one invocation.
#[derive(Clone)]
pub struct Surroundings {
    /// The service that holds the record.
    pub client: Arc<dyn DurableServiceClient>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness inside steps.
    pub entropy: Arc<dyn Entropy>,
    /// Where the guest's lines go.
    pub log: Arc<dyn LogSink>,
    /// What is done to it on purpose.
    pub faults: Faults,
    /// What its instance is shared by.
    pub isolation: Isolation,
    /// What the guest may reach beside all this.
    pub grants: Arc<Grants>,
}

/// The data of a store.
pub(super) struct State {
    wasi: WasiCtx,
    pub(super) table: ResourceTable,
    pub(super) limiter: Limiter,
    pub(super) durable: Durable,
}

impl State {
    pub(super) fn new(wasi: WasiCtx, limiter: Limiter, durable: Durable) -> Self {
        Self { wasi, table: ResourceTable::new(), limiter, durable }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// The durable side of an instance: its replay engine, and what surrounds it.
pub(super) struct Durable {
    pub(super) engine: Engine,
    pub(super) around: Surroundings,
    pub(super) arn: ExecutionArn,
    pub(super) started: Timestamp,
    pub(super) token: CheckpointToken,
    pub(super) invocation_id: Arc<str>,
    /// The step whose body runs now.
    pub(super) live: Option<Key>,
    /// Bodies with a timeout.
    pub(super) bodies: Bodies,
    /// Handles of contexts and pollables that the guest holds. Those of operations are bounded by the operations.
    handles: u32,
    /// What code that watches is told, and whether it runs now.
    pub(super) observation: Observation,
    /// When this invocation is ended.
    pub(super) deadline: Duration,
    /// Lines of replayed code are kept.
    pub(super) keep_replayed: bool,
    pub(super) timers: Timers,
    pub(super) ended: Option<Ended>,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
    pub(super) last_words: VecDeque<String>,
    pub(super) log_budget: usize,
    pub(super) checkpoints: u32,
    /// Randomness for replayed code.
    pub(super) streams: Streams,
    /// The first random bytes that the guest drew: what its standard library keys hash tables with.
    first_drawn: Vec<u8>,
}

impl Durable {
    #[expect(clippy::too_many_arguments, reason = "one caller, and each is a different thing")]
    pub(super) fn new(
        engine: Engine,
        around: Surroundings,
        arn: ExecutionArn,
        token: CheckpointToken,
        invocation_id: Arc<str>,
        stdout: Output,
        stderr: Output,
        log_budget: usize,
    ) -> Self {
        Self {
            started: engine.time(),
            streams: Streams::new(engine.root()),
            observation: Observation::new(engine.is_blank()),
            engine,
            around,
            arn,
            token,
            invocation_id,
            live: None,
            bodies: Bodies::default(),
            handles: 0,
            deadline: Duration::MAX,
            keep_replayed: false,
            timers: Timers::default(),
            ended: None,
            stdout,
            stderr,
            last_words: VecDeque::new(),
            log_budget,
            checkpoints: 0,
            first_drawn: Vec::new(),
        }
    }

    /// Ends the guest's run: the error unwinds it, the reason stays here.
    pub(super) fn end(&mut self, reason: Ended) -> wasmtime::Error {
        self.ended = Some(reason);
        wasmtime::Error::msg("the host ended the invocation")
    }

    /// Ends the guest's run because it can go on only after something durable has happened.
    pub(super) fn suspend(&mut self) -> wasmtime::Error {
        match self.engine.check_suspension() {
            Ok(()) => self.end(Ended::Suspended),
            Err(divergence) => self.end(divergence.into()),
        }
    }

    /// For a fresh instance in the same invocation: the record as it is by now. `stopped` is a step whose body took too long.
    pub(super) fn restarted(
        self,
        stopped: Option<Key>,
        stdout: Output,
        stderr: Output,
    ) -> Result<Self, ReplayError> {
        let Self {
            engine,
            around,
            arn,
            token,
            invocation_id,
            deadline,
            log_budget,
            checkpoints,
            observation,
            ..
        } = self;
        let observation = observation.restarted(|id| engine.was_asked_for(id));
        let engine = engine.restarted(stopped)?;
        let fresh = Self::new(engine, around, arn, token, invocation_id, stdout, stderr, log_budget);
        Ok(Self { observation, deadline, checkpoints, ..fresh })
    }

    /// Whether the code that runs now is none of the handler's that a replay repeats: a step's body, or code in an aside.
    pub(super) fn is_live(&self) -> bool {
        self.live.is_some() || self.observation.in_aside()
    }

    /// When the body that runs now has to have ended.
    pub(super) fn body_deadline(&self) -> Option<Duration> {
        self.live.and_then(|key| self.bodies.0.get(&key)).map(|body| body.deadline)
    }

    /// Ends the instance when the body that runs now took too long.
    pub(super) fn check_body_deadline(&mut self) -> wasmtime::Result<()> {
        match (self.live, self.body_deadline()) {
            (Some(key), Some(deadline)) if self.around.clock.precise_now() >= deadline => {
                Err(self.end(Ended::StepTimedOut(key)))
            }
            _ => Ok(()),
        }
    }

    /// Ends the instance because of the body that runs now.
    pub(super) fn stop_body(&mut self) -> wasmtime::Error {
        match self.live {
            Some(key) => self.end(Ended::StepTimedOut(key)),
            None => wasmtime::Error::msg("no body runs"),
        }
    }

    /// A tick of computing has passed.
    pub(super) fn tick(&mut self) -> wasmtime::Result<()> {
        let Some(key) = self.live else { return Ok(()) };
        let Some(body) = self.bodies.0.get_mut(&key) else { return Ok(()) };
        match body.ticks_left.checked_sub(1) {
            Some(left) => body.ticks_left = left,
            None => return Err(self.end(Ended::StepTimedOut(key))),
        }
        self.check_body_deadline()
    }

    /// The guest gets another handle: wasmtime keeps a place for each.
    pub(super) fn handle_given(&mut self) -> wasmtime::Result<()> {
        self.handles += 1;
        if self.handles > MAX_HANDLES {
            let reason = format!("the handler holds more than {MAX_HANDLES} contexts and pollables at once");
            return Err(self.end(Ended::Limit("Sandbox.HandleLimitExceeded", reason)));
        }
        Ok(())
    }

    /// The guest has given one back.
    pub(super) fn handle_returned(&mut self) {
        self.handles = self.handles.saturating_sub(1);
    }

    /// Time as the guest sees it now, since the Unix epoch.
    pub(super) fn now(&self) -> Duration {
        if self.is_live() {
            return self.around.clock.precise_now();
        }
        Duration::from_millis(u64::try_from(self.engine.time().as_millis()).unwrap_or(0))
    }

    /// Randomness as the guest sees it now.
    pub(super) fn fill_random(&mut self, buffer: &mut [u8]) -> wasmtime::Result<()> {
        if self.is_live() {
            self.around.entropy.fill(buffer);
        } else {
            let filled = self.streams.fill(self.arn.as_str(), &self.engine, buffer);
            filled.map_err(|ended| self.end(ended))?;
        }
        let missing = KEY_BYTES - self.first_drawn.len();
        self.first_drawn.extend(buffer.iter().take(missing));
        Ok(())
    }

    /// The keys that the guest's standard library drew for its hash tables, if it did.
    pub(super) fn hash_keys(&self) -> Option<(u64, u64)> {
        let keys: [u8; KEY_BYTES] = self.first_drawn.as_slice().try_into().ok()?;
        let keys = u128::from_le_bytes(keys);
        #[expect(clippy::cast_possible_truncation, reason = "two halves of one number")]
        Some((keys as u64, (keys >> 64) as u64))
    }

    /// Sends all that is queued, and takes in the answers.
    pub(super) async fn flush(&mut self) -> wasmtime::Result<()> {
        loop {
            let batch = self.engine.take_batch();
            if batch.is_empty() {
                return Ok(());
            }
            let fate = self.around.faults.checkpoint();
            self.strike(fate.before)?;
            self.checkpoint(batch, fate).await?;
            self.strike(fate.after)?;
        }
    }

    fn strike(&mut self, blow: Option<Blow>) -> wasmtime::Result<()> {
        let Some(blow) = blow else { return Ok(()) };
        Err(self.end(blow.refusal().map_or(Ended::Killed, Ended::Service)))
    }

    /// Sends what is queued before the guest waits on.
    pub(super) async fn flush_and_wait(&mut self) -> wasmtime::Result<()> {
        self.flush().await?;
        if self.around.faults.replays() && self.live.is_none() && !self.engine.is_about_to_run_once() {
            return Err(self.end(Ended::Replayed));
        }
        Ok(())
    }

    /// Asks for news.
    pub(super) async fn refresh(&mut self) -> wasmtime::Result<()> {
        self.checkpoint(Vec::new(), Fate::default()).await
    }

    async fn checkpoint(&mut self, batch: Vec<OperationUpdate>, fate: Fate) -> wasmtime::Result<()> {
        if !batch.is_empty() {
            self.checkpoints += 1;
        }
        self.around.faults.delay(&*self.around.clock, fate).await;
        let answer = self.around.client.checkpoint(&self.arn, &self.token, batch).await;
        let answer = answer.map_err(|e| self.end(Ended::Service(e)))?;
        self.token = answer.checkpoint_token;
        self.observation.changes.note(&answer.operations);
        self.engine.apply(answer.operations).map_err(|e| self.end(Ended::Replay(e)))
    }

    /// After each report of the guest: sends it, where the mode says so.
    pub(super) async fn reported(&mut self) -> wasmtime::Result<()> {
        if self.engine.mode() == CheckpointMode::Eager { self.flush().await } else { Ok(()) }
    }

    /// After a report that ends a body or the code of a context: hands over to a fresh instance, where that is wanted. `ended` is
    /// whether the report is on its way, and does not only repeat what is on record. While another body is open it would
    /// be interrupted: the instance then goes with the last of them.
    pub(super) async fn reported_end(&mut self, ended: bool) -> wasmtime::Result<()> {
        if !ended || self.around.isolation != Isolation::Step || self.engine.has_open_body() {
            return self.reported().await;
        }
        self.flush().await?;
        Err(self.end(Ended::Replayed))
    }

    /// Ends the lines that the guest has begun on its standard streams.
    pub(super) fn end_lines(&self) {
        self.stdout.finish();
        self.stderr.finish();
    }

    /// Turns what the guest has written to its standard streams into log lines.
    pub(super) fn drain_output(&mut self) -> wasmtime::Result<()> {
        for (lines, source, level) in [
            (self.stdout.take_lines(), LogSource::Stdout, LogLevel::Info),
            (self.stderr.take_lines(), LogSource::Stderr, LogLevel::Warn),
        ] {
            for message in lines {
                if source == LogSource::Stderr {
                    if self.last_words.len() == 20 {
                        self.last_words.pop_front();
                    }
                    self.last_words.push_back(message.clone());
                }
                let operation = self.live.and_then(|key| self.engine.id(key).ok()).cloned();
                self.log(level, source, message, Vec::new(), operation)?;
            }
        }
        Ok(())
    }

    /// Writes one line, within the guest's budget.
    pub(super) fn log(
        &mut self,
        level: LogLevel,
        source: LogSource,
        message: String,
        fields: Vec<(String, String)>,
        operation: Option<OperationId>,
    ) -> wasmtime::Result<()> {
        let size = 64 + message.len() + fields.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
        let Some(rest) = self.log_budget.checked_sub(size) else {
            let reason = "the handler wrote more log lines than one invocation may".to_owned();
            return Err(self.end(Ended::Limit("Sandbox.LogLimitExceeded", reason)));
        };
        self.log_budget = rest;
        let time = Timestamp::from_millis(i64::try_from(self.now().as_millis()).unwrap_or(i64::MAX));
        self.around.log.write(LogLine {
            time,
            level,
            source,
            message,
            fields,
            operation,
            replayed: !self.keep_replayed && !self.is_live() && self.engine.is_replaying(),
            execution: self.arn.clone(),
            invocation_id: self.invocation_id.clone(),
        });
        Ok(())
    }
}

/// Step bodies with a timeout that have begun, each with what it has left.
#[derive(Debug, Default)]
pub(super) struct Bodies(HashMap<Key, Body>);

#[derive(Debug)]
struct Body {
    /// On the execution's clock, which may stand still while the guest computes.
    deadline: Duration,
    /// Of computing.
    ticks_left: u128,
}

impl Bodies {
    /// A body is entered: its time runs from the first entry.
    pub(super) fn enter(&mut self, key: Key, timeout: Duration, now: Duration) {
        let ticks_left = timeout.as_millis().div_ceil(TICK.as_millis());
        self.0.entry(key).or_insert(Body { deadline: now.saturating_add(timeout), ticks_left });
    }
}

/// Points in time that a guest waits for.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// Since the Unix epoch; `None` is a free place.
    deadlines: Vec<Option<Duration>>,
    free: Vec<u32>,
}

impl Timers {
    /// A new timer; `None` when there are too many.
    pub(super) fn add(&mut self, deadline: Duration) -> Option<u32> {
        if let Some(index) = self.free.pop() {
            *self.deadlines.get_mut(index as usize)? = Some(deadline);
            return Some(index);
        }
        let index = u32::try_from(self.deadlines.len()).ok().filter(|n| *n < MAX_TIMERS)?;
        self.deadlines.push(Some(deadline));
        Some(index)
    }

    pub(super) fn get(&self, index: u32) -> Option<Duration> {
        self.deadlines.get(index as usize).copied().flatten()
    }

    pub(super) fn remove(&mut self, index: u32) {
        if let Some(place) = self.deadlines.get_mut(index as usize)
            && place.take().is_some()
        {
            self.free.push(index);
        }
    }
}
