//! A fake host: records in memory, waits that end one after another, and assertions for the rules of the contract.
//!
//! Like other hosts, it delivers outcomes only to code that waits, one after another, in the order of the records.
//! Records of operations below a context that has ended are ignored, unless its result is to be rebuilt.

mod observing;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use crate::WireError;
use crate::entry::{self, Function};
use crate::runtime::{
    Attempts, Callback, CallbackOptions, CheckpointMode, Child, ChildResult, ChildState, Completed,
    Condition, ConditionState, EndStatus, ExecutionInfo, Identity, Interest, InvalidArgument, Invoke,
    InvokeOptions, Operation, Outcome, Pollable, Position, Runtime, Scope, Step, StepOptions, StepState,
    Success,
};

/// The records of an execution, and statistics of its invocations.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) records: BTreeMap<String, Record>,
    pub(crate) invocations: u32,
    /// The calls of the latest invocation.
    pub(crate) calls: Vec<String>,
    /// The answers to callbacks and invokes with these names.
    pub(crate) answers: BTreeMap<String, Outcome>,
    /// How invokes with these names end; others succeed or fail according to their answers.
    pub(crate) ends: BTreeMap<String, EndStatus>,
    /// Waits and retries that became due, in order: the id, and the requested number of seconds.
    pub(crate) passed: Vec<(String, u64)>,
    /// Steps whose first attempt exceeds its timeout.
    pub(crate) slow_steps: BTreeSet<String>,
    /// The number of checkpoints.
    pub(crate) checkpoints: u32,
    pub(crate) observed: observing::Observed,
    /// Whether a handler that ends must have started or skipped every recorded operation.
    pub(crate) strict: bool,
    /// A snapshot of the records after each change, if requested.
    pub(crate) snapshots: Option<Vec<Snapshot>>,
    /// The number of seconds that have passed.
    pub(crate) now: u64,
    /// The ids of operations that have ended, in order.
    ended: Vec<String>,
}

/// A snapshot of the records.
#[derive(Clone)]
pub(crate) struct Snapshot {
    records: BTreeMap<String, Record>,
    ended: Vec<String>,
    now: u64,
}

impl From<Snapshot> for World {
    fn from(Snapshot { records, ended, now }: Snapshot) -> Self {
        Self { records, now, ended, ..Self::default() }
    }
}

/// The record of an operation.
#[derive(Clone, Default)]
pub(crate) struct Record {
    pub(crate) kind: &'static str,
    pub(crate) name: Option<String>,
    pub(crate) sub_type: Option<&'static str>,
    pub(crate) outcome: Option<Outcome>,
    /// Its position among the operations that have ended, from 1.
    rank: u64,
    /// The payload of an invoke.
    pub(crate) invoke: Option<(InvokeOptions, Option<String>)>,
    attempt: u32,
    /// The remaining number of seconds since its last change, and the time of that.
    due: Option<u64>,
    since: u64,
    /// The number of operations that had ended when its next attempt became due.
    ready: Option<u64>,
    /// The summary that is recorded in place of a result that is to be rebuilt.
    pub(crate) summary: Option<String>,
    state: Option<String>,
}

/// The payload of the panic that suspends an invocation.
struct Suspended;

/// The payload of the panic with which a handler ends its invocation like a trap: updates that had not been sent are
/// lost, and another invocation follows.
pub(crate) struct Crashed;

/// Runs a handler until its execution ends.
pub(crate) fn run(world: &Arc<Mutex<World>>, function: impl Fn() -> Function, event: &str) -> Outcome {
    loop {
        {
            let mut world = world.lock().unwrap();
            world.invocations += 1;
            world.calls.clear();
        }
        let host = Arc::new(Invocation(Arc::new(Host::new(Arc::clone(world)))));
        let functions = [function()];
        let shared = Arc::clone(&host.0);
        match catch_unwind(AssertUnwindSafe(|| entry::run(&functions, host, functions[0].name(), event))) {
            Ok(outcome) => {
                let missing = &shared.instance.lock().unwrap().unclaimed;
                let strict = world.lock().unwrap().strict;
                assert!(!strict || missing.is_empty(), "the replay ended without asking for {missing:?}");
                return outcome;
            }
            Err(end) if end.is::<Suspended>() => world.lock().unwrap().pass_time(),
            Err(end) if end.is::<Crashed>() => {}
            Err(panic) => resume_unwind(panic),
        }
    }
}

/// The id of the context that an operation belongs to; none for operations of the root context. The part after a `~` is
/// a scope without a context.
fn context_of(id: &str) -> Option<&str> {
    let mut scope = id.rsplit_once('/')?.0;
    while let Some((outer, flat)) = scope.rsplit_once('~')
        && !flat.contains('/')
    {
        scope = outer;
    }
    Some(scope).filter(|scope| !scope.is_empty())
}

impl World {
    /// Notes that something was recorded.
    fn changed(&mut self) {
        let Self { records, ended, now, snapshots, .. } = self;
        if let Some(snapshots) = snapshots {
            snapshots.push(Snapshot { records: records.clone(), ended: ended.clone(), now: *now });
        }
    }

    /// Whether the record of an operation is ignored, because it belongs to a context that has ended.
    fn hides(&self, id: &str) -> bool {
        std::iter::successors(context_of(id), |id| context_of(id))
            .any(|id| self.records.get(id).is_some_and(|r| r.outcome.is_some() && r.summary.is_none()))
    }

    /// Another attempt becomes due after the given number of seconds.
    fn wake_up(&mut self, id: &str, delay: u64) {
        let record = self.records.get_mut(id).unwrap();
        (record.due, record.since) = (Some(delay), self.now);
    }

    fn end(&mut self, id: &str, outcome: Outcome) {
        self.ended.push(id.to_owned());
        let record = self.records.get_mut(id).unwrap();
        record.rank = self.ended.len().try_into().unwrap();
        record.outcome = Some(outcome);
        record.due = None;
    }

    /// Makes the next wait or retry due.
    fn pass_time(&mut self) {
        let next = self
            .records
            .iter()
            .filter_map(|(id, r)| Some((r.since.saturating_add(r.due?), id.clone())))
            .min();
        let (at, id) = next.expect("suspended, and nothing is to come");
        self.passed.push((id.clone(), self.records[&id].due.unwrap()));
        self.now = at;
        self.observed.updated.push(id.clone());
        let record = self.records.get_mut(&id).unwrap();
        record.due = None;
        record.ready = Some(self.ended.len().try_into().unwrap());
        if matches!(record.kind, "wait" | "callback" | "invoke") {
            let answer = (record.kind != "wait").then(|| "\"answer\"".to_owned());
            // The callback of a wait for a callback has no name.
            let nameless = (record.kind == "callback").then_some("");
            let scripted =
                record.name.as_deref().or(nameless).and_then(|name| self.answers.get(name)).cloned();
            self.end(&id, scripted.unwrap_or(Ok(answer)));
        }
        self.changed();
    }
}

#[derive(Default)]
struct Instance {
    revealed: u64,
    claimed: BTreeMap<String, Position>,
    used: BTreeSet<(String, Position)>,
    closed: Vec<(String, Option<Outcome>)>,
    running: BTreeMap<String, bool>,
    /// Recorded attempts that continue when they are waited for, after the given number of ended operations; none for
    /// after all.
    turns: BTreeMap<String, Option<u64>>,
    in_body: bool,
    watched: BTreeMap<u64, String>,
    tokens: BTreeMap<String, u64>,
    /// Tokens of pollables that were ready when they were added.
    ready: Vec<u64>,
    mode: CheckpointMode,
    /// Outcomes that are delivered before they are recorded.
    shown: BTreeMap<String, Outcome>,
    /// Results that are to be rebuilt, with their summaries.
    large: BTreeMap<String, String>,
    /// Recorded operations that have not been started in this invocation, and the number of ended operations when the
    /// invocation began.
    unclaimed: BTreeSet<String>,
    recorded: u64,
}

impl Instance {
    /// Removes an entry of the wait set; returns false if there is none.
    fn forget(&mut self, token: u64) -> bool {
        self.ready.retain(|ready| *ready != token);
        let id = self.watched.remove(&token);
        id.is_some_and(|id| self.tokens.remove(&id).is_some())
    }
}

struct Host {
    world: Arc<Mutex<World>>,
    instance: Mutex<Instance>,
}

impl Host {
    fn new(world: Arc<Mutex<World>>) -> Self {
        let known = world.lock().unwrap();
        // Ids of callbacks have entries among the records, but are not operations.
        let unclaimed =
            known.records.keys().filter(|id| !id.ends_with("#id") && !known.hides(id)).cloned().collect();
        let recorded = known.records.values().map(|record| record.rank).max().unwrap_or_default();
        drop(known);
        Self { world, instance: Mutex::new(Instance { unclaimed, recorded, ..Instance::default() }) }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn call(&self, call: impl Into<String>) {
        self.world().calls.push(call.into());
    }

    fn ready(&self, id: &str) -> bool {
        let instance = self.instance.lock().unwrap();
        let world = self.world();
        let record = &world.records[id];
        match &record.outcome {
            _ if instance.shown.contains_key(id) => true,
            Some(_) => record.rank <= instance.revealed,
            None => instance.running.get(id).copied().unwrap_or_default(),
        }
    }

    fn flush(&self) -> bool {
        let (closed, mut large) = {
            let mut instance = self.instance.lock().unwrap();
            (std::mem::take(&mut instance.closed), std::mem::take(&mut instance.large))
        };
        let any = !closed.is_empty();
        let ids: Vec<String> = closed.iter().map(|(id, _)| id.clone()).collect();
        let mut world = self.world();
        world.checkpoints += u32::from(any);
        for (id, outcome) in closed {
            match outcome {
                Some(outcome) => {
                    world.end(&id, outcome);
                    world.records.get_mut(&id).unwrap().summary = large.remove(&id);
                }
                None => world.records.get_mut(&id).unwrap().attempt += 1,
            }
        }
        world.note_checkpoint(ids);
        if any {
            world.changed();
        }
        any
    }

    /// Delivers an outcome, if there is one, or lets an attempt continue.
    fn reveal(&self, id: &str) -> bool {
        let rank = self.world().records[id].rank;
        let mut instance = self.instance.lock().unwrap();
        if instance.turns.remove(id).is_some() {
            instance.running.insert(id.to_owned(), true);
            return true;
        }
        let shows = rank > instance.revealed;
        if shows {
            instance.revealed = rank;
        }
        shows
    }

    /// Delivers the next outcome of the wait set, or lets the attempt continue that comes before it.
    fn reveal_next(&self) -> Option<u64> {
        let world = self.world();
        let mut instance = self.instance.lock().unwrap();
        let shown = usize::try_from(instance.revealed).unwrap();
        let mut later = world.ended.iter().enumerate().skip(shown);
        let next = later.find_map(|(at, id)| Some((at as u64 + 1, *instance.tokens.get(id)?)));
        let turns = instance.turns.iter().filter(|(id, _)| instance.tokens.contains_key(*id));
        let turn =
            turns.min_by_key(|(_, after)| after.unwrap_or(u64::MAX)).map(|(id, after)| (id.clone(), *after));
        if let Some((id, after)) = turn
            && next.is_none_or(|(rank, _)| after.is_some_and(|after| after < rank))
        {
            instance.turns.remove(&id);
            let token = instance.tokens[&id];
            instance.running.insert(id, true);
            return Some(token);
        }
        let (rank, token) = next?;
        instance.revealed = rank;
        Some(token)
    }

    /// Waits for one operation; returns false if the invocation would be suspended.
    fn wait(&self, id: &str) -> bool {
        while !self.ready(id) {
            if !self.reveal(id) && !self.flush() {
                return false;
            }
        }
        true
    }
}

/// The host of one invocation.
struct Invocation(Arc<Host>);

impl Runtime for Invocation {
    fn execution(&self) -> ExecutionInfo {
        ExecutionInfo {
            arn: "arn:test".to_owned(),
            function_name: "test".to_owned(),
            function_version: "$LATEST".to_owned(),
            start_time_ms: 0,
        }
    }

    fn invocation_id(&self) -> String {
        self.0.world().invocations.to_string()
    }

    fn deadline_ms(&self) -> u64 {
        900_000
    }

    /// Each outcome takes a second.
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.instance.lock().unwrap().revealed)
    }

    fn is_replaying(&self) -> bool {
        let instance = self.0.instance.lock().unwrap();
        !instance.unclaimed.is_empty() || instance.revealed < instance.recorded
    }

    fn root(&self) -> Arc<dyn Scope> {
        Arc::new(FakeScope { host: Arc::clone(&self.0), parent: String::new() })
    }

    fn watch(&self, pollable: Box<dyn Pollable>, token: u64) {
        self.0.call("watch");
        let FakePollable(id) = *(pollable as Box<dyn Any>).downcast::<FakePollable>().unwrap();
        let ready = self.0.ready(&id);
        let mut instance = self.0.instance.lock().unwrap();
        if ready {
            instance.ready.push(token);
        }
        assert_eq!(instance.tokens.insert(id.clone(), token), None, "an operation was watched twice");
        assert_eq!(instance.watched.insert(token, id), None, "a token was used twice");
    }

    fn unwatch(&self, token: u64) {
        self.0.call("unwatch");
        assert!(self.0.instance.lock().unwrap().forget(token), "what is not watched was taken out");
    }

    fn next(&self) -> Vec<u64> {
        self.0.call("next");
        self.next_or_idle().unwrap_or_else(|| panic_any(Suspended))
    }

    fn next_or_idle(&self) -> Option<Vec<u64>> {
        assert!(!self.0.instance.lock().unwrap().watched.is_empty(), "nothing is waited for");
        loop {
            let ready = std::mem::take(&mut self.0.instance.lock().unwrap().ready);
            let ready = if ready.is_empty() { Vec::from_iter(self.0.reveal_next()) } else { ready };
            if !ready.is_empty() {
                let mut instance = self.0.instance.lock().unwrap();
                return Some(ready.into_iter().filter(|token| instance.forget(*token)).collect());
            }
            if !self.0.flush() {
                return None;
            }
        }
    }

    fn set_checkpoint_mode(&self, mode: CheckpointMode) {
        self.0.instance.lock().unwrap().mode = mode;
    }

    fn checkpoint_mode(&self) -> CheckpointMode {
        self.0.instance.lock().unwrap().mode
    }

    fn flush(&self) {
        self.0.call("flush");
        self.0.flush();
    }

    fn pending_updates(&self) -> u32 {
        self.0.instance.lock().unwrap().closed.len().try_into().unwrap()
    }

    fn keep_replayed_logs(&self, keep: bool) {
        self.0.call(if keep { "keep logs" } else { "drop logs" });
    }

    fn observing(&self) -> Option<Arc<dyn crate::runtime::Observing>> {
        Some(Arc::new(Arc::clone(&self.0)))
    }
}

struct FakePollable(String);

impl Pollable for FakePollable {}

struct FakeScope {
    host: Arc<Host>,
    parent: String,
}

impl FakeScope {
    /// Starts the operation at a position, recorded or new.
    fn begin(&self, kind: &'static str, identity: Identity, due: Option<u64>) -> Arc<FakeOperation> {
        self.host.call(kind);
        let mut instance = self.host.instance.lock().unwrap();
        assert!(!instance.in_body, "an operation was started in a step's body");
        let Identity { position, name, sub_type } = identity;
        assert!(position <= instance.claimed[&self.parent], "a place was not claimed");
        assert!(instance.used.insert((self.parent.clone(), position)), "a place was used twice");
        let id = format!("{}/{position}", self.parent);
        let mut world = self.host.world();
        let since = world.now;
        let new = Record { kind, name: name.clone(), sub_type, due, since, ..Record::default() };
        instance.unclaimed.remove(&id);
        if !world.records.contains_key(&id) {
            world.observed.started.push(id.clone());
        }
        let known = world.records.contains_key(&id);
        let record = world.records.entry(id.clone()).or_insert(new);
        assert_eq!(
            (record.kind, &record.name, record.sub_type),
            (kind, &name, sub_type),
            "not deterministic"
        );
        let runs = record.outcome.is_none()
            && record.due.is_none()
            && matches!(kind, "step" | "child" | "condition");
        let later = runs && known && kind != "child";
        if later {
            instance.turns.insert(id.clone(), record.ready);
        }
        instance.running.insert(id.clone(), runs && !later);
        Arc::new(FakeOperation { host: Arc::clone(&self.host), id })
    }
}

impl Scope for FakeScope {
    fn claim(&self) -> Position {
        self.host.call("claim");
        let mut instance = self.host.instance.lock().unwrap();
        assert!(!instance.in_body, "a place was claimed in a step's body");
        let claimed = instance.claimed.entry(self.parent.clone()).or_default();
        *claimed += 1;
        *claimed
    }

    fn id(&self) -> Option<String> {
        Some(self.parent.clone()).filter(|parent| !parent.is_empty())
    }

    fn is_recorded(&self, position: Position) -> bool {
        let id = format!("{}/{position}", self.parent);
        self.host.world.lock().unwrap().records.contains_key(&id)
    }

    fn skip(&self, position: Position) {
        self.host.call("skip");
        let skipped = format!("{}/{position}", self.parent);
        let unclaimed = &mut self.host.instance.lock().unwrap().unclaimed;
        unclaimed.remove(&skipped);
        for below in [format!("{skipped}/"), format!("{skipped}~")] {
            let ids = unclaimed.range(below.clone()..).take_while(|id| id.starts_with(&below)).cloned();
            for id in ids.collect::<Vec<_>>() {
                unclaimed.remove(&id);
            }
        }
    }

    fn step(&self, identity: Identity, _: StepOptions) -> Result<Arc<dyn Step>, InvalidArgument> {
        Ok(self.begin("step", identity, None))
    }

    fn wait(&self, identity: Identity, seconds: u64) -> Result<Arc<dyn Completed>, InvalidArgument> {
        if seconds == 0 {
            return Err(InvalidArgument {
                argument: "duration".to_owned(),
                reason: "1 is the least".to_owned(),
            });
        }
        Ok(self.begin("wait", identity, Some(seconds)))
    }

    fn create_callback(
        &self,
        identity: Identity,
        _: CallbackOptions,
    ) -> Result<Arc<dyn Callback>, InvalidArgument> {
        Ok(self.begin("callback", identity, Some(u64::MAX)))
    }

    fn invoke(
        &self,
        identity: Identity,
        options: InvokeOptions,
        payload: Option<&str>,
    ) -> Result<Arc<dyn Invoke>, InvalidArgument> {
        let invoke = self.begin("invoke", identity, Some(u64::MAX));
        let mut world = self.host.world();
        let record = world.records.get_mut(&invoke.id).unwrap();
        record.invoke.get_or_insert_with(|| (options, payload.map(str::to_owned)));
        drop(world);
        Ok(invoke)
    }

    fn child(&self, identity: Identity) -> Result<Arc<dyn Child>, InvalidArgument> {
        Ok(self.begin("child", identity, None))
    }

    fn flat(&self, position: Position) -> Arc<dyn Scope> {
        let used = (self.parent.clone(), position);
        assert!(self.host.instance.lock().unwrap().used.insert(used), "a place was used twice");
        Arc::new(Self { host: Arc::clone(&self.host), parent: format!("{}~{position}", self.parent) })
    }

    fn condition(&self, identity: Identity, initial: &str) -> Result<Arc<dyn Condition>, InvalidArgument> {
        let condition = self.begin("condition", identity, None);
        let mut world = self.host.world();
        world.records.get_mut(&condition.id).unwrap().state.get_or_insert_with(|| initial.to_owned());
        drop(world);
        Ok(condition)
    }
}

struct FakeOperation {
    host: Arc<Host>,
    id: String,
}

impl FakeOperation {
    fn done(&self) -> Option<(Outcome, u32)> {
        let instance = self.host.instance.lock().unwrap();
        let revealed = instance.revealed;
        let world = self.host.world();
        let record = &world.records[&self.id];
        if let Some(outcome) = instance.shown.get(&self.id) {
            return Some((outcome.clone(), record.attempt + 1));
        }
        let outcome = record.outcome.clone().filter(|_| record.rank <= revealed)?;
        Some((outcome, record.attempt + 1))
    }

    fn runs(&self) -> bool {
        self.host.instance.lock().unwrap().running[&self.id]
    }

    /// The summary in place of the result, if that is to be rebuilt.
    fn rebuilds(&self) -> Option<String> {
        self.host.world().records[&self.id].summary.clone()
    }

    /// An entry of the wait set.
    fn awaited(&self, interest: Interest) -> String {
        if interest == Interest::Change {
            return self.id.clone();
        }
        let id = format!("{}#id", self.id);
        self.host.instance.lock().unwrap().running.insert(id.clone(), true);
        self.host.world().records.entry(id.clone()).or_default();
        id
    }

    fn close(&self, outcome: Option<Outcome>) {
        let mut instance = self.host.instance.lock().unwrap();
        let running = instance.running.insert(self.id.clone(), false);
        assert_eq!(running, Some(true), "closed what was not to run");
        instance.in_body = false;
        if let (CheckpointMode::Optimistic, Some(outcome)) = (instance.mode, &outcome) {
            instance.shown.insert(self.id.clone(), outcome.clone());
        }
        instance.closed.push((self.id.clone(), outcome));
    }

    fn body(&self, enters: bool) {
        let before = std::mem::replace(&mut self.host.instance.lock().unwrap().in_body, enters);
        assert_ne!(before, enters, "entered or left twice");
    }
}

impl Operation for FakeOperation {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn subscribe(&self, interest: Interest) -> Box<dyn Pollable> {
        self.host.call("subscribe");
        Box::new(FakePollable(self.awaited(interest)))
    }

    fn block(&self, interest: Interest) {
        self.host.call("block");
        if !self.host.wait(&self.awaited(interest)) {
            panic_any(Suspended);
        }
    }
}

impl Attempts for FakeOperation {
    fn enter(&self) {
        self.body(true);
    }

    fn leave(&self) {
        self.body(false);
    }

    fn succeed(&self, payload: &str) {
        self.close(Some(Ok(Some(payload.to_owned()))));
    }

    fn fail(&self, error: &WireError) {
        self.close(Some(Err(error.clone())));
    }
}

impl Step for FakeOperation {
    fn state(&self) -> StepState {
        self.host.call("state");
        match self.done() {
            Some((outcome, attempt)) => StepState::Done { outcome, attempt: Some(attempt) },
            None if self.runs() => {
                let mut world = self.host.world();
                let attempt = world.records[&self.id].attempt + 1;
                let slow = attempt == 1 && world.slow_steps.remove(&self.id);
                if slow { StepState::TimedOut(attempt) } else { StepState::Run(attempt) }
            }
            None => StepState::Pending,
        }
    }

    fn recorded_success(&self) -> Option<Success> {
        let world = self.host.world();
        let record = &world.records[&self.id];
        let value = record.outcome.clone()?.ok()?;
        Some(Success { order: record.rank, value })
    }

    fn retry(&self, _: &WireError, delay: u64) -> Result<(), InvalidArgument> {
        self.host.world().wake_up(&self.id, delay);
        self.close(None);
        Ok(())
    }
}

impl Completed for FakeOperation {
    fn outcome(&self) -> Option<Outcome> {
        self.done().map(|(outcome, _)| outcome)
    }
}

impl Invoke for FakeOperation {
    fn ended(&self) -> Option<EndStatus> {
        let (outcome, _) = self.done()?;
        let world = self.host.world();
        let name = world.records[&self.id].name.as_ref();
        let usual = if outcome.is_ok() { EndStatus::Succeeded } else { EndStatus::Failed };
        Some(name.and_then(|name| world.ends.get(name)).copied().unwrap_or(usual))
    }
}

impl Callback for FakeOperation {
    fn callback_id(&self) -> Option<String> {
        let known = self.host.world().records[&self.id].name.as_deref() != Some("nameless");
        known.then(|| format!("callback-{}", self.id))
    }
}

impl Child for FakeOperation {
    fn state(&self) -> ChildState {
        if let Some(summary) = self.rebuilds() {
            return ChildState::Rebuild(Some(summary).filter(|summary| !summary.is_empty()));
        }
        match self.done() {
            Some((outcome, _)) => ChildState::Done(outcome),
            None if self.runs() => ChildState::Run,
            None => ChildState::Pending,
        }
    }

    fn context(&self) -> Arc<dyn Scope> {
        Arc::new(FakeScope { host: Arc::clone(&self.host), parent: self.id.clone() })
    }

    fn succeed(&self, result: ChildResult<'_>) {
        match result {
            _ if self.rebuilds().is_some() => {}
            ChildResult::Inline(json) => self.close(Some(Ok(Some(json.to_owned())))),
            ChildResult::ReplayChildren(summary) => {
                let summary = summary.unwrap_or_default().to_owned();
                self.host.instance.lock().unwrap().large.insert(self.id.clone(), summary.clone());
                self.close(Some(Ok(Some(summary))));
            }
        }
    }

    fn fail(&self, error: &WireError) {
        self.close(Some(Err(error.clone())));
    }
}

impl Condition for FakeOperation {
    fn state(&self) -> ConditionState {
        match self.done() {
            Some((outcome, attempt)) => ConditionState::Done { outcome, attempt: Some(attempt) },
            None if self.runs() => {
                let record = &self.host.world().records[&self.id];
                ConditionState::Run { attempt: record.attempt + 1, state: record.state.clone().unwrap() }
            }
            None => ConditionState::Pending,
        }
    }

    fn proceed(&self, state: &str, delay: u64) -> Result<(), InvalidArgument> {
        {
            let mut world = self.host.world();
            world.wake_up(&self.id, delay);
            world.records.get_mut(&self.id).unwrap().state = Some(state.to_owned());
        }
        self.close(None);
        Ok(())
    }
}
