//! A host for tests: records in memory, waits that end one after another, and the contract's rules as assertions.
//!
//! It shows completions only to those who wait, in the order of the record: all there are, so that it is the guest
//! that takes them one by one.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::WireError;
use crate::entry::{self, Function};
use crate::runtime::{
    Callback, CallbackOptions, Child, ChildResult, ChildState, Identity, InvalidArgument, Operation, Outcome,
    Pollable, Position, Runtime, Scope, Step, StepSemantics, StepState, Wait,
};

/// What is on record of an execution, and what its invocations did.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) records: BTreeMap<String, Record>,
    pub(crate) invocations: u32,
    /// The calls of the latest invocation.
    pub(crate) calls: Vec<String>,
    rank: u64,
}

/// What is on record of an operation.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) kind: &'static str,
    pub(crate) name: Option<String>,
    pub(crate) outcome: Option<Outcome>,
    rank: u64,
    attempt: u32,
    due: Option<u64>,
    replay_children: bool,
}

/// The end of an invocation that is suspended.
struct Suspended;

/// Runs a handler to the end of its execution.
pub(crate) fn run(world: &Arc<Mutex<World>>, function: impl Fn() -> Function, event: &str) -> Outcome {
    loop {
        {
            let mut world = world.lock().unwrap();
            world.invocations += 1;
            world.calls.clear();
        }
        let host =
            Arc::new(Invocation(Arc::new(Host { world: Arc::clone(world), instance: Mutex::default() })));
        let functions = [function()];
        match catch_unwind(AssertUnwindSafe(|| entry::run(&functions, host, functions[0].name(), event))) {
            Ok(outcome) => return outcome,
            Err(end) if end.is::<Suspended>() => world.lock().unwrap().pass_time(),
            Err(panic) => resume_unwind(panic),
        }
    }
}

impl World {
    fn end(&mut self, id: &str, outcome: Outcome) {
        self.rank += 1;
        let record = self.records.get_mut(id).unwrap();
        record.rank = self.rank;
        record.outcome = Some(outcome);
        record.due = None;
    }

    /// The next wait or retry is due.
    fn pass_time(&mut self) {
        let next = self.records.iter().filter_map(|(id, r)| Some((r.due?, id.clone()))).min();
        let (_, id) = next.expect("suspended, and nothing is to come");
        let record = self.records.get_mut(&id).unwrap();
        record.due = None;
        if record.kind == "wait" || record.kind == "callback" {
            let answer = (record.kind == "callback").then(|| "\"answer\"".to_owned());
            self.end(&id, Ok(answer));
        }
    }
}

#[derive(Default)]
struct Instance {
    revealed: u64,
    claimed: BTreeMap<String, Position>,
    used: BTreeSet<(String, Position)>,
    closed: Vec<(String, Option<Outcome>)>,
    running: BTreeMap<String, bool>,
    in_body: bool,
}

struct Host {
    world: Arc<Mutex<World>>,
    instance: Mutex<Instance>,
}

impl Host {
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
            Some(_) => record.rank <= instance.revealed,
            None => instance.running.get(id).copied().unwrap_or_default(),
        }
    }

    fn flush(&self) -> bool {
        let closed = std::mem::take(&mut self.instance.lock().unwrap().closed);
        let any = !closed.is_empty();
        for (id, outcome) in closed {
            match outcome {
                Some(outcome) => self.world().end(&id, outcome),
                None => self.world().records.get_mut(&id).unwrap().attempt += 1,
            }
        }
        any
    }

    fn reveal(&self, ids: &[String]) -> bool {
        let world = self.world();
        let mut instance = self.instance.lock().unwrap();
        let ranks = ids.iter().map(|id| &world.records[id]).filter(|r| r.outcome.is_some()).map(|r| r.rank);
        let last = ranks.filter(|rank| *rank > instance.revealed).max();
        instance.revealed = last.unwrap_or(instance.revealed);
        last.is_some()
    }
}

/// One invocation's host.
struct Invocation(Arc<Host>);

impl Runtime for Invocation {
    fn execution_arn(&self) -> String {
        "arn:test".to_owned()
    }

    fn root(&self) -> Arc<dyn Scope> {
        Arc::new(FakeScope { host: Arc::clone(&self.0), parent: String::new() })
    }

    fn poll(&self, pollables: &[&dyn Pollable]) -> Vec<u32> {
        let id = |pollable: &&dyn Pollable| {
            (*pollable as &dyn Any).downcast_ref::<FakePollable>().unwrap().0.clone()
        };
        let ids: Vec<String> = pollables.iter().map(id).collect();
        assert!(!ids.is_empty());
        self.0.call("poll");
        loop {
            let mut ready: Vec<u32> =
                (0..).zip(&ids).filter(|(_, id)| self.0.ready(id)).map(|(index, _)| index).collect();
            if !ready.is_empty() {
                let world = self.0.world();
                ready.sort_by_key(|index| world.records[&ids[*index as usize]].rank);
                return ready;
            }
            if !self.0.reveal(&ids) && !self.0.flush() {
                panic_any(Suspended);
            }
        }
    }
}

struct FakePollable(String);

impl Pollable for FakePollable {}

struct FakeScope {
    host: Arc<Host>,
    parent: String,
}

impl FakeScope {
    /// Starts an operation at its place: known or new.
    fn begin(&self, kind: &'static str, identity: Identity, due: Option<u64>) -> Arc<FakeOperation> {
        self.host.call(kind);
        let mut instance = self.host.instance.lock().unwrap();
        assert!(!instance.in_body, "an operation was started in a step's body");
        let Identity { position, name, .. } = identity;
        assert!(position <= instance.claimed[&self.parent], "a place was not claimed");
        assert!(instance.used.insert((self.parent.clone(), position)), "a place was used twice");
        let id = format!("{}/{position}", self.parent);
        let mut world = self.host.world();
        let new = Record { kind, name: name.clone(), due, ..Record::default() };
        let record = world.records.entry(id.clone()).or_insert(new);
        assert_eq!((record.kind, &record.name), (kind, &name), "not deterministic");
        let runs = record.outcome.is_none() && record.due.is_none() && matches!(kind, "step" | "child");
        instance.running.insert(id.clone(), runs);
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

    fn is_replaying(&self) -> bool {
        false
    }

    fn step(&self, identity: Identity, _: StepSemantics) -> Result<Arc<dyn Step>, InvalidArgument> {
        Ok(self.begin("step", identity, None))
    }

    fn wait(&self, identity: Identity, seconds: u64) -> Result<Arc<dyn Wait>, InvalidArgument> {
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

    fn child(&self, identity: Identity) -> Result<Arc<dyn Child>, InvalidArgument> {
        Ok(self.begin("child", identity, None))
    }
}

struct FakeOperation {
    host: Arc<Host>,
    id: String,
}

impl FakeOperation {
    fn done(&self) -> Option<(Outcome, u32)> {
        let revealed = self.host.instance.lock().unwrap().revealed;
        let world = self.host.world();
        let record = &world.records[&self.id];
        let outcome = record.outcome.clone().filter(|_| record.rank <= revealed)?;
        Some((outcome, record.attempt + 1))
    }

    fn runs(&self) -> bool {
        self.host.instance.lock().unwrap().running[&self.id]
    }

    fn pollable(&self) -> Box<dyn Pollable> {
        self.host.call("subscribe");
        Box::new(FakePollable(self.id.clone()))
    }

    fn close(&self, outcome: Option<Outcome>) {
        let mut instance = self.host.instance.lock().unwrap();
        let running = instance.running.insert(self.id.clone(), false);
        assert_eq!(running, Some(true), "closed what was not to run");
        instance.in_body = false;
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
}

impl Step for FakeOperation {
    fn state(&self) -> StepState {
        self.host.call("state");
        match self.done() {
            Some((outcome, attempt)) => StepState::Done { outcome, attempt: Some(attempt) },
            None if self.runs() => StepState::Run(self.host.world().records[&self.id].attempt + 1),
            None => StepState::Pending,
        }
    }

    fn subscribe(&self) -> Box<dyn Pollable> {
        self.pollable()
    }

    fn enter(&self) {
        self.body(true);
    }

    fn leave(&self) {
        self.body(false);
    }

    fn succeed(&self, result: &str) {
        self.close(Some(Ok(Some(result.to_owned()))));
    }

    fn fail(&self, error: &WireError) {
        self.close(Some(Err(error.clone())));
    }

    fn retry(&self, _: &WireError, delay: u64) -> Result<(), InvalidArgument> {
        self.host.world().records.get_mut(&self.id).unwrap().due = Some(delay);
        self.close(None);
        Ok(())
    }
}

impl Wait for FakeOperation {
    fn outcome(&self) -> Option<Outcome> {
        self.done().map(|(outcome, _)| outcome)
    }

    fn subscribe(&self) -> Box<dyn Pollable> {
        self.pollable()
    }
}

impl Callback for FakeOperation {
    fn callback_id(&self) -> Option<String> {
        Some(format!("callback-{}", self.id))
    }

    fn subscribe_id(&self) -> Box<dyn Pollable> {
        let mut instance = self.host.instance.lock().unwrap();
        instance.running.insert(format!("{}#id", self.id), true);
        self.host.world().records.entry(format!("{}#id", self.id)).or_default();
        Box::new(FakePollable(format!("{}#id", self.id)))
    }

    fn outcome(&self) -> Option<Outcome> {
        self.done().map(|(outcome, _)| outcome)
    }

    fn subscribe(&self) -> Box<dyn Pollable> {
        self.pollable()
    }
}

impl Child for FakeOperation {
    fn state(&self) -> ChildState {
        let rebuilds = self.host.world().records[&self.id].replay_children;
        if rebuilds {
            return ChildState::Rebuild;
        }
        match self.done() {
            Some((outcome, _)) => ChildState::Done(outcome),
            None if self.runs() => ChildState::Run,
            None => ChildState::Pending,
        }
    }

    fn subscribe(&self) -> Box<dyn Pollable> {
        self.pollable()
    }

    fn context(&self) -> Arc<dyn Scope> {
        Arc::new(FakeScope { host: Arc::clone(&self.host), parent: self.id.clone() })
    }

    fn succeed(&self, result: ChildResult<'_>) {
        match result {
            ChildResult::Inline(json) => self.close(Some(Ok(Some(json.to_owned())))),
            ChildResult::ReplayChildren => {
                if std::mem::replace(
                    &mut self.host.world().records.get_mut(&self.id).unwrap().replay_children,
                    true,
                ) {
                    return;
                }
                self.close(Some(Ok(Some(String::new()))));
            }
        }
    }

    fn fail(&self, error: &WireError) {
        self.close(Some(Err(error.clone())));
    }
}
