//! The probe of a run: what the handler did, which outcomes are pinned, and what is perturbed.
//!
//! Invariants: a pin replaces the outcome of a body after the body has run; operations are traced for the execution
//! that is checked, bodies for those of the functions that it invokes as well.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use durawasm_core::{
    protocol::{ErrorObject, ExecutionArn, OperationAction, OperationId, OperationUpdate, StepOptions},
    replay::{CheckpointMode, Code, Divergence, Draw, ImportCall, Position, Probe, Semantics},
};

use crate::{
    directories::{fingerprint, make_old},
    perturbation::{EnvChange, LogChange, Perturbation, scramble},
    values::same_json,
};

/// An attempt of a step or a condition.
pub(crate) type Attempt = (ExecutionArn, OperationId, u32);

/// The outcome of an attempt whose body ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttemptOutcome {
    action: OperationAction,
    pub(crate) payload: Option<Arc<str>>,
    pub(crate) error: Option<ErrorObject>,
    step_options: Option<StepOptions>,
}

impl AttemptOutcome {
    fn of(update: &OperationUpdate) -> Self {
        Self {
            action: update.action,
            payload: update.payload.clone(),
            error: update.error.clone(),
            step_options: update.step_options,
        }
    }

    fn put_into(&self, update: &mut OperationUpdate) {
        update.action = self.action;
        update.payload.clone_from(&self.payload);
        update.error.clone_from(&self.error);
        update.step_options = self.step_options;
    }

    /// How the body failed, if it did.
    fn failure(&self) -> Option<(&Option<String>, &Option<String>)> {
        self.error.as_ref().map(|error| (&error.error_type, &error.error_message))
    }

    /// Whether the body failed in the same way, and the handler then decided otherwise.
    fn is_other_decision(&self, other: &Self) -> bool {
        self.error.is_some() && self.failure() == other.failure() && self.action != other.action
    }

    /// What the handler decided after the body, for a report.
    pub(crate) fn decision(&self) -> &'static str {
        match self.action {
            OperationAction::Retry => "another attempt",
            OperationAction::Fail => "no other attempt",
            _ => "a result",
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        let payload = match (&self.payload, &other.payload) {
            (Some(one), Some(other)) => same_json(one, other),
            (one, other) => one == other,
        };
        payload && self.action == other.action && self.failure() == other.failure()
    }
}

/// Outcomes of a recorded run.
pub(crate) type Pins = HashMap<Attempt, AttemptOutcome>;

/// An operation that the handler started.
#[derive(Debug, Clone)]
pub(crate) struct Started {
    pub(crate) start: OperationUpdate,
    pub(crate) position: Position,
    /// Whether it was on record.
    pub(crate) recorded: bool,
    /// The invocation in which it was started, from 1.
    pub(crate) invocation: usize,
}

/// An import that the handler called between operations.
#[derive(Debug, Clone)]
pub(crate) struct Imported {
    pub(crate) call: ImportCall,
    /// How many operations had been started before.
    pub(crate) started: usize,
    pub(crate) invocation: usize,
}

/// The runs of one body.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    /// How many instances entered it.
    pub(crate) runs: u32,
    pub(crate) semantics: Semantics,
    /// The instances in which it wrote to a granted directory.
    pub(crate) writers: HashSet<u32>,
    /// The instances in which it sent an HTTP request that does not only read.
    pub(crate) senders: HashSet<u32>,
}

/// What the code between operations used.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(crate) struct Used {
    pub(crate) clock: u64,
    pub(crate) random: bool,
    pub(crate) hash: bool,
    pub(crate) env: bool,
    pub(crate) log_levels: bool,
}

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct Data {
    pub(crate) starts: Vec<Started>,
    pub(crate) bodies: BTreeMap<Attempt, Body>,
    /// At-most-once steps with an attempt that was interrupted.
    pub(crate) interrupted: HashSet<OperationId>,
    pub(crate) outcomes: Pins,
    /// The latest attempt of each body that was closed.
    closed: HashMap<(ExecutionArn, OperationId), u32>,
    /// Attempts whose outcome the service has acknowledged.
    acknowledged: HashSet<Attempt>,
    /// Attempts whose body ran again after that.
    pub(crate) repeated: Vec<Attempt>,
    /// Bodies that ran again and came to another outcome: the recorded one, and the other.
    pub(crate) other_values: Vec<(OperationId, AttemptOutcome, AttemptOutcome)>,
    /// Attempts that failed in the recorded way, after which the handler decided otherwise: to retry or not.
    pub(crate) other_decisions: Vec<(OperationId, AttemptOutcome, AttemptOutcome)>,
    pub(crate) imports: Vec<Imported>,
    pub(crate) used: Used,
    /// Points within bodies.
    pub(crate) body_points: u64,
    /// The body that is entered before each of these points, and the points' numbers, in their order.
    entries: Vec<(u64, Attempt)>,
    /// Operations that were not on record when they were started.
    pub(crate) operations: u64,
    /// Checkpoints with updates.
    pub(crate) checkpoints: u64,
    /// Bytes of payloads and errors in them.
    pub(crate) bytes: u64,
    /// How the handler differs from its record.
    pub(crate) divergence: Option<Divergence>,
    /// The guest's functions where that showed, innermost first.
    pub(crate) backtrace: Vec<String>,
    invocations: usize,
}

impl Data {
    /// The attempt whose body a point is in.
    pub(crate) fn body_at(&self, point: u64) -> Option<&Attempt> {
        let later = self.entries.partition_point(|(first, _)| *first <= point);
        self.entries.get(later.checked_sub(1)?).map(|(_, attempt)| attempt)
    }
}

/// The options of a trace.
#[derive(Debug, Default)]
pub(crate) struct TraceOptions {
    /// Outcomes that replace those of bodies.
    pub(crate) pins: Option<Arc<Pins>>,
    pub(crate) perturbation: Option<Perturbation>,
    /// The first and the last time on record.
    pub(crate) times: (Duration, Duration),
    /// Whether all code between operations counts as replayed: the whole record is fed.
    pub(crate) whole: bool,
    /// Whether imports are kept.
    pub(crate) imports: bool,
    /// The run ends where it starts this operation.
    pub(crate) stop_at: Option<OperationId>,
    /// Added to the clocks in bodies that run again, so that an outcome that depends on the time differs.
    pub(crate) age_bodies: bool,
}

/// The trace of one run.
#[derive(Debug)]
pub(crate) struct Trace {
    options: TraceOptions,
    /// The execution that is checked: the first that is invoked.
    root: OnceLock<ExecutionArn>,
    data: Mutex<Data>,
}

impl Trace {
    pub(crate) fn new(options: TraceOptions) -> Arc<Self> {
        Arc::new(Self { options, root: OnceLock::new(), data: Mutex::default() })
    }

    pub(crate) fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take(&self) -> Data {
        std::mem::take(&mut *self.data())
    }

    /// The service has acknowledged these updates.
    pub(crate) fn acknowledged(&self, arn: &ExecutionArn, ids: Vec<OperationId>) {
        let mut data = self.data();
        for id in ids {
            let key = (arn.clone(), id);
            if let Some(attempt) = data.closed.get(&key).copied() {
                data.acknowledged.insert((key.0, key.1, attempt));
            }
        }
    }

    /// Whether this is the execution that is checked.
    pub(crate) fn is_root(&self, arn: &ExecutionArn) -> bool {
        self.root.get_or_init(|| arn.clone()) == arn
    }

    /// The probe of an invocation, whose handler may write to these directories.
    pub(crate) fn probe(self: &Arc<Self>, arn: &ExecutionArn, directories: Vec<PathBuf>) -> InvocationProbe {
        let root = self.is_root(arn);
        let mut data = self.data();
        data.invocations += usize::from(root);
        let invocation = data.invocations;
        drop(data);
        InvocationProbe {
            trace: self.clone(),
            arn: arn.clone(),
            root,
            invocation,
            directories,
            entered: Mutex::default(),
            running: Mutex::default(),
            readings: AtomicU64::new(0),
            draws: AtomicU64::new(0),
            latest: Mutex::default(),
        }
    }
}

/// A body that runs.
#[derive(Debug, Clone)]
struct Running {
    attempt: Attempt,
    /// The fingerprint of the directories before.
    before: u64,
    /// How many instances have entered it.
    runs: u32,
}

/// The probe of one invocation.
#[derive(Debug)]
pub(crate) struct InvocationProbe {
    trace: Arc<Trace>,
    arn: ExecutionArn,
    root: bool,
    invocation: usize,
    directories: Vec<PathBuf>,
    /// The attempts that this invocation entered.
    entered: Mutex<HashSet<(OperationId, u32)>>,
    running: Mutex<Option<Running>>,
    readings: AtomicU64,
    draws: AtomicU64,
    /// The latest reading of a clock by code between operations.
    latest: Mutex<Duration>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl InvocationProbe {
    /// The perturbation, where it applies to this code.
    fn perturbation(&self, code: Code) -> Option<Perturbation> {
        let replayed = code == Code::Replayed || (self.trace.options.whole && code == Code::New);
        self.trace.options.perturbation.filter(|_| replayed && self.root)
    }

    fn uses(&self, code: Code, note: impl FnOnce(&mut Used)) {
        if self.root && code != Code::Body {
            note(&mut self.trace.data().used);
        }
    }
}

impl Probe for InvocationProbe {
    fn started(&self, start: &OperationUpdate, position: Position, recorded: bool) -> bool {
        let mut data = self.trace.data();
        data.operations += u64::from(!recorded);
        if !self.root {
            return false;
        }
        let invocation = self.invocation;
        data.starts.push(Started { start: start.clone(), position, recorded, invocation });
        self.trace.options.stop_at.as_ref() == Some(&start.id)
    }

    fn mode(&self) -> Option<CheckpointMode> {
        match self.trace.options.perturbation {
            Some(Perturbation::Checkpoints(change)) => change.mode(),
            _ => None,
        }
    }

    fn entered(&self, id: &OperationId, attempt: u32, semantics: Semantics) {
        let first = lock(&self.entered).insert((id.clone(), attempt));
        let key = (self.arn.clone(), id.clone(), attempt);
        let mut data = self.trace.data();
        if first && data.acknowledged.contains(&key) {
            data.repeated.push(key.clone());
        }
        let body = data.bodies.entry(key.clone()).or_insert_with(|| Body {
            runs: 0,
            semantics,
            writers: HashSet::new(),
            senders: HashSet::new(),
        });
        body.runs += u32::from(first);
        let runs = body.runs;
        if data.entries.last().is_none_or(|(_, last)| *last != key) {
            let next = data.body_points + 1;
            data.entries.push((next, key.clone()));
        }
        drop(data);
        let before = if self.directories.is_empty() {
            0
        } else {
            make_old(&self.directories);
            fingerprint(&self.directories)
        };
        *lock(&self.running) = Some(Running { attempt: key, before, runs });
    }

    fn left(&self, id: &OperationId) {
        let Some(running) = lock(&self.running).take() else { return };
        debug_assert!(running.attempt.1 == *id, "a body is left that was entered");
        if !self.directories.is_empty()
            && fingerprint(&self.directories) != running.before
            && let Some(body) = self.trace.data().bodies.get_mut(&running.attempt)
        {
            body.writers.insert(running.runs);
        }
    }

    fn sends(&self) {
        if let Some(running) = &*lock(&self.running)
            && let Some(body) = self.trace.data().bodies.get_mut(&running.attempt)
        {
            body.senders.insert(running.runs);
        }
    }

    fn interrupted(&self, id: &OperationId, _: u32) {
        self.trace.data().interrupted.insert(id.clone());
    }

    fn closing(&self, update: &mut OperationUpdate, attempt: Option<u32>) {
        let Some(attempt) = attempt else { return };
        let key = (self.arn.clone(), update.id.clone(), attempt);
        let actual = AttemptOutcome::of(update);
        let mut data = self.trace.data();
        data.closed.insert((self.arn.clone(), update.id.clone()), attempt);
        if let Some(pinned) = self.trace.options.pins.as_ref().and_then(|pins| pins.get(&key)) {
            let again = data.bodies.get(&key).is_some_and(|body| body.runs > 1);
            if again && !pinned.is_same(&actual) && self.root {
                data.other_values.push((update.id.clone(), pinned.clone(), actual.clone()));
            }
            if self.root && pinned.is_other_decision(&actual) {
                data.other_decisions.push((update.id.clone(), pinned.clone(), actual));
            }
            pinned.put_into(update);
            return;
        }
        data.outcomes.insert(key, actual);
    }

    fn diverged(&self, divergence: &Divergence) {
        if self.root {
            self.trace.data().divergence.get_or_insert_with(|| divergence.clone());
        }
    }

    fn point_in_body(&self) {
        self.trace.data().body_points += 1;
    }

    fn imported(&self, call: ImportCall) {
        if call.code == Code::Body || !self.root || !self.trace.options.imports {
            return;
        }
        let mut data = self.trace.data();
        let started = data.starts.len();
        data.imports.push(Imported { call, started, invocation: self.invocation });
    }

    fn time(&self, code: Code, time: Duration) -> Duration {
        if code == Code::Body {
            let runs = lock(&self.running).as_ref().map_or(1, |running| running.runs);
            let aged = self.trace.options.age_bodies && runs > 1;
            return if aged { time.saturating_add(Duration::from_millis(1_234) * (runs - 1)) } else { time };
        }
        self.uses(code, |used| used.clock += 1);
        let reading = self.readings.fetch_add(1, Ordering::Relaxed) + 1;
        let seen = match self.perturbation(code) {
            Some(Perturbation::Clock(change)) => change.apply(time, reading, self.trace.options.times),
            _ => time,
        };
        // A clock does not go backwards where unperturbed code follows.
        let mut latest = lock(&self.latest);
        *latest = seen.max(*latest);
        *latest
    }

    fn random(&self, code: Code, draw: Draw, bytes: &mut [u8]) {
        match draw {
            Draw::HashKeys => self.uses(code, |used| used.hash = true),
            Draw::Random => self.uses(code, |used| used.random = true),
        }
        let number = self.draws.fetch_add(1, Ordering::Relaxed) + 1;
        match (self.perturbation(code), draw) {
            (Some(Perturbation::Random(change)), Draw::Random) => change.apply(number, bytes),
            (Some(Perturbation::Hash(seed)), Draw::HashKeys) => scramble(seed, number, bytes),
            _ => {}
        }
    }

    fn log_enabled(&self, code: Code, enabled: bool) -> bool {
        self.uses(code, |used| used.log_levels = true);
        match self.perturbation(code) {
            Some(Perturbation::Log(LogChange::Levels)) => !enabled,
            _ => enabled,
        }
    }

    fn output_fails(&self) -> bool {
        self.root && self.trace.options.perturbation == Some(Perturbation::Log(LogChange::Output))
    }

    fn variables(&self, code: Code, variables: &mut Vec<(String, String)>) {
        self.uses(code, |used| used.env = true);
        match self.perturbation(code) {
            Some(Perturbation::Env(EnvChange::Changed)) => {
                for (_, value) in variables.iter_mut() {
                    value.push('~');
                }
                variables.push(("DURAWASM_CHECK".to_owned(), "1".to_owned()));
            }
            Some(Perturbation::Env(EnvChange::Removed)) => variables.clear(),
            _ => {}
        }
    }

    fn arguments(&self, code: Code, arguments: &mut Vec<String>) {
        self.uses(code, |used| used.env = true);
        if let Some(Perturbation::Env(_)) = self.perturbation(code) {
            arguments.push("durawasm-check".to_owned());
        }
    }
}
