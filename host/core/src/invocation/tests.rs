//! Tests of the driver without a guest: random programs run against the rules of the server, without threads, I/O or
//! real time.

use std::sync::Arc;

use proptest::prelude::*;

use super::{
    CheckpointRequest, Disturbance, Driver, Ended, Facts, Faults, Isolation, LogBuffer, LogLevel, LogSource,
    Need, Returned,
};
use crate::{
    ambient::{SeededEntropy, VirtualClock},
    protocol::{
        CheckpointResponse, ErrorObject, ExecutionStatus, InvocationResult, Limits, ServiceError, Timestamp,
    },
    replay::{CheckpointMode, Engine, Identity, Interest, Key, ReplayError, Semantics, StepPlan, StepState},
    server::{ExecutionManager, ExecutionView, Next, StartExecution, StartedInvocation},
};

/// An operation of a program.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// A step that fails `fails` times and then succeeds.
    Step { fails: u32, semantics: Semantics },
    /// A wait, in seconds.
    Wait(u64),
    /// Two concurrent waits.
    Waits(u64, u64),
    /// A child context with a step.
    Child,
}

fn act() -> impl Strategy<Value = Act> {
    let semantics = prop_oneof![Just(Semantics::AtLeastOncePerRetry), Just(Semantics::AtMostOncePerRetry)];
    prop_oneof![
        (0..3_u32, semantics).prop_map(|(fails, semantics)| Act::Step { fails, semantics }),
        (1..9_u64).prop_map(Act::Wait),
        (1..9_u64, 1..9_u64).prop_map(|(one, other)| Act::Waits(one, other)),
        Just(Act::Child),
    ]
}

fn disturbance() -> impl Strategy<Value = Disturbance> {
    let at = 1..12_u64;
    prop_oneof![
        at.clone().prop_map(Disturbance::DieBeforeCheckpoint),
        at.clone().prop_map(Disturbance::DieAfterCheckpoint),
        at.clone().prop_map(Disturbance::DieAtOperation),
        at.clone().prop_map(Disturbance::FailCheckpoint),
        at.prop_map(Disturbance::LoseCheckpoint),
    ]
}

/// The settings of a run.
#[derive(Debug, Clone, Default)]
struct Conditions {
    disturbances: Vec<Disturbance>,
    isolation: Isolation,
    mode: CheckpointMode,
}

/// The result of a run.
#[derive(Debug)]
struct Outcome {
    view: ExecutionView,
    /// The number of requests with updates that the service received.
    requests: u32,
    /// The number of requests that the invocations report.
    reported: u32,
    restarts: u32,
}

impl Outcome {
    fn history(&self) -> Vec<String> {
        self.view.events.iter().map(|event| format!("{:?} {:?}", event.event_type, event.id)).collect()
    }
}

/// A server and its clock.
struct World {
    manager: ExecutionManager,
    now: Timestamp,
    requests: u32,
}

impl World {
    fn send(
        &mut self,
        driver: &Driver,
        request: CheckpointRequest,
    ) -> Result<CheckpointResponse, ServiceError> {
        self.requests += u32::from(!request.updates.is_empty());
        self.manager.checkpoint(self.now, &driver.facts().arn, &request.token, request.updates)
    }

    fn drive<T>(
        &mut self,
        driver: &mut Driver,
        mut call: impl FnMut(&mut Driver) -> Result<Need<T>, Ended>,
    ) -> Result<T, Ended> {
        loop {
            match call(driver)? {
                Need::Done(done) => return Ok(done),
                Need::Send(request) => {
                    let answer = self.send(driver, request);
                    driver.answered(answer)?;
                }
            }
        }
    }

    fn start(
        driver: &mut Driver,
        start: impl FnOnce(&mut Engine) -> Result<Key, crate::replay::ReplayError>,
    ) -> Result<Key, Ended> {
        Ok(driver.start(start)?.expect("the arguments are good"))
    }

    fn step(&mut self, driver: &mut Driver, key: Key, fails: u32) -> Result<(), Ended> {
        loop {
            driver.begin_wait();
            self.drive(driver, |driver| driver.wait_for(key, Interest::Change))?;
            let error = || ErrorObject::new("Again", "not yet");
            match driver.engine().step_state(key)? {
                StepState::Run(attempt) => {
                    driver.enter(key)?;
                    self.drive(driver, Driver::send)?;
                    assert!(driver.is_live() && !driver.is_replaying());
                    if attempt <= fails {
                        driver
                            .report(key, |engine, key| engine.retry(key, error(), 1))?
                            .expect("a good delay");
                    } else {
                        driver.close(key, |engine, key| engine.succeed(key, Some(attempt.to_string())))?;
                    }
                    self.drive(driver, Driver::send)?;
                    assert!(!driver.is_live());
                }
                StepState::Interrupted(_) | StepState::TimedOut(_) => {
                    driver.report(key, |engine, key| engine.retry(key, error(), 1))?.expect("a good delay");
                    self.drive(driver, Driver::send)?;
                }
                StepState::Done(outcome) => {
                    outcome.expect("it succeeds in the end");
                    return Ok(());
                }
                StepState::Pending => {}
            }
        }
    }

    fn program(&mut self, driver: &mut Driver, program: &[Act]) -> Result<String, Ended> {
        let root = driver.engine().root();
        let named = |name: String| Identity { name: Some(name), sub_type: None };
        let mut order = String::new();
        for (number, act) in program.iter().enumerate() {
            let identity = named(format!("act {number}"));
            match *act {
                Act::Step { fails, semantics } => {
                    let plan = StepPlan { semantics, timeout: None };
                    let key = Self::start(driver, |engine| engine.step(root, None, identity, plan))?;
                    self.step(driver, key, fails)?;
                }
                Act::Wait(seconds) => {
                    let key = Self::start(driver, |engine| engine.wait(root, None, identity, seconds))?;
                    driver.begin_wait();
                    self.drive(driver, |driver| driver.wait_for(key, Interest::Change))?;
                }
                Act::Waits(one, other) => {
                    let set = driver.engine_mut().new_set()?;
                    for (token, seconds) in [(1, one), (2, other)] {
                        let identity = named(format!("act {number}.{token}"));
                        let key = Self::start(driver, |engine| engine.wait(root, None, identity, seconds))?;
                        driver.engine_mut().add_to_set(set, key, Interest::Change, token)?;
                    }
                    let mut left = 2;
                    while left > 0 {
                        driver.begin_wait();
                        let tokens = self.drive(driver, |driver| driver.wait_for_set(set))?;
                        let tokens = tokens.ok_or_else(|| driver.suspension())?;
                        left -= tokens.len();
                        order += &format!("{tokens:?}");
                    }
                }
                Act::Child => {
                    let key = Self::start(driver, |engine| engine.child(root, None, identity))?;
                    let scope = driver.engine().child_scope(key)?;
                    driver.begin_wait();
                    self.drive(driver, |driver| driver.wait_for(key, Interest::Change))?;
                    if driver.engine().child_state(key)? == crate::replay::ChildState::Run {
                        let plan = StepPlan { semantics: Semantics::AtLeastOncePerRetry, timeout: None };
                        let inner = Self::start(driver, |engine| {
                            engine.step(scope, None, Identity::default(), plan)
                        })?;
                        self.step(driver, inner, 0)?;
                        let result = crate::replay::ChildResult::Inline(Some("1".to_owned()));
                        driver.close(key, |engine, key| engine.close_child(key, result))?;
                        self.drive(driver, Driver::send)?;
                        driver.begin_wait();
                        self.drive(driver, |driver| driver.wait_for(key, Interest::Change))?;
                    }
                    assert!(driver.engine().outcome(key)?.is_some());
                }
            }
        }
        Ok(format!("{order:?}"))
    }
}

/// Runs a program to the end of its execution.
fn run(program: &[Act], conditions: &Conditions) -> Outcome {
    let manager = ExecutionManager::new(Arc::new(SeededEntropy::new(1)), Limits::default());
    let mut world = World { manager, now: Timestamp::Y2025, requests: 0 };
    let start = StartExecution::new("f", None);
    let arn = world.manager.start_execution(world.now, start).unwrap();
    let faults = Faults::new(conditions.disturbances.clone(), None);
    let (mut reported, mut restarts) = (0, 0);
    loop {
        match world.manager.poll(world.now, &arn).unwrap() {
            Next::Closed => {
                let view = world.manager.view(world.now, &arn).unwrap();
                return Outcome { view, requests: world.requests, reported, restarts };
            }
            Next::WaitUntil(at) => world.now = at,
            Next::Invoke => {
                let StartedInvocation { request_id, input } =
                    world.manager.start_invocation(world.now, &arn).unwrap();
                assert_eq!(input.initial_execution_state.next_marker, None, "programs are short");
                let engine = Engine::new(input.initial_execution_state.operations, Limits::default(), 1000);
                let facts = Facts {
                    arn: arn.clone(),
                    invocation_id: request_id.clone(),
                    started: engine.time(),
                    deadline: std::time::Duration::MAX,
                };
                let mut driver = Driver::new(
                    engine.with_updated(&input.updated_operation_ids),
                    facts,
                    input.checkpoint_token,
                    input.updated_operation_ids,
                    (faults.clone(), conditions.isolation),
                    (Arc::new(LogBuffer::default()), 1000),
                );
                driver.engine_mut().set_mode(conditions.mode);
                let result = loop {
                    let ended = match world.program(&mut driver, program) {
                        Err(Ended::Replayed) => {
                            driver.flush();
                            world.drive(&mut driver, Driver::send).unwrap();
                            driver = driver.restarted(None).unwrap();
                            driver.engine_mut().set_mode(conditions.mode);
                            restarts += 1;
                            continue;
                        }
                        ended => ended,
                    };
                    let returned = match ended {
                        Ok(value) => Returned::Value(Ok(Some(value))),
                        Err(Ended::Suspended) => Returned::Suspended,
                        Err(why) => {
                            driver.end(why.clone());
                            Returned::Crashed(why.into_error())
                        }
                    };
                    driver.flush();
                    if let Err(why) = world.drive(&mut driver, Driver::send) {
                        break InvocationResult::Crashed(why.into_error());
                    }
                    break driver.conclude(returned);
                };
                reported += driver.checkpoints();
                world.manager.complete_invocation(world.now, &arn, &request_id, result).unwrap();
            }
            next => panic!("nothing comes from outside: {next:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// The result of an execution is the same with and without a fault.
    #[test]
    fn a_fault_does_not_change_the_result(
        program in proptest::collection::vec(act(), 1..7),
        disturbance in disturbance(),
    ) {
        let calm = run(&program, &Conditions::default());
        prop_assert_eq!(calm.view.status, ExecutionStatus::Succeeded);
        let met = run(&program, &Conditions { disturbances: vec![disturbance], ..Conditions::default() });
        prop_assert_eq!(met.view.status, ExecutionStatus::Succeeded, "{:?}", met.view.error);
        prop_assert_eq!(&met.view.result, &calm.view.result);
        for outcome in [calm, met] {
            prop_assert!(outcome.requests <= outcome.reported && outcome.reported <= outcome.requests + 1);
        }
    }

    /// A fresh run of the handler within an invocation does not change the history.
    #[test]
    fn a_restart_does_not_show_in_the_history(program in proptest::collection::vec(act(), 1..7)) {
        let calm = run(&program, &Conditions::default());
        let disturbances = vec![Disturbance::ReplayAtEveryCheckpoint];
        let replayed = run(&program, &Conditions { disturbances, ..Conditions::default() });
        prop_assert_eq!(replayed.history(), calm.history());
        let isolated = run(&program, &Conditions { isolation: Isolation::Step, ..Conditions::default() });
        prop_assert_eq!(&isolated.view.result, &calm.view.result);
        let bodies = program.iter().any(|act| matches!(act, Act::Step { .. } | Act::Child));
        prop_assert_eq!(isolated.restarts > 0, bodies, "each end of a body is followed by a fresh run");
        prop_assert_eq!(calm.restarts, 0);
    }

    /// The checkpoint mode does not change the result.
    #[test]
    fn a_mode_does_not_change_the_result(
        program in proptest::collection::vec(act(), 1..7),
        mode in prop_oneof![Just(CheckpointMode::Eager), Just(CheckpointMode::Optimistic)],
    ) {
        let batched = run(&program, &Conditions::default());
        let other = run(&program, &Conditions { mode, ..Conditions::default() });
        prop_assert_eq!(other.view.status, ExecutionStatus::Succeeded, "{:?}", other.view.error);
        prop_assert_eq!(&other.view.result, &batched.view.result);
        match mode {
            CheckpointMode::Eager => prop_assert!(other.requests >= batched.requests),
            _ => prop_assert!(other.requests <= batched.requests),
        }
    }
}

pub(super) fn driver(faults: Faults) -> (Driver, Arc<LogBuffer>) {
    driver_of(Engine::new(Vec::new(), Limits::default(), 10), faults)
}

/// A driver whose log may have 150 bytes, and the log.
pub(super) fn driver_of(engine: Engine, faults: Faults) -> (Driver, Arc<LogBuffer>) {
    let facts = Facts {
        arn: "arn".into(),
        invocation_id: "i".into(),
        started: Timestamp::Y2025,
        deadline: std::time::Duration::MAX,
    };
    let log = Arc::new(LogBuffer::default());
    let isolation = Isolation::default();
    (Driver::new(engine, facts, "t1".into(), Vec::new(), (faults, isolation), (log.clone(), 150)), log)
}

pub(super) fn wait(driver: &mut Driver) -> Key {
    let root = driver.engine().root();
    let wait = driver.start(|engine| engine.wait(root, None, Identity::default(), 1));
    wait.unwrap().unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "the driver takes the result of a request")]
fn answer(token: &str) -> Result<CheckpointResponse, ServiceError> {
    Ok(CheckpointResponse { checkpoint_token: token.into(), operations: Vec::new() })
}

#[test]
fn each_request_has_the_token_of_the_answer_before_it() {
    let (mut driver, _) = driver(Faults::default());
    for (token, next) in [("t1", "t2"), ("t2", "t3")] {
        let key = wait(&mut driver);
        let Need::Send(request) = driver.wait_for(key, Interest::Change).unwrap() else { panic!() };
        assert_eq!((request.token.as_str(), request.updates.len()), (token, 1));
        driver.answered(answer(next)).unwrap();
        assert_eq!(driver.wait_for(key, Interest::Change), Err(Ended::Suspended));
    }
    assert_eq!(driver.poll().token.as_str(), "t3");
    assert_eq!(driver.checkpoints(), 2);
    let refused = ServiceError::InvalidParameterValue("no".to_owned());
    assert_eq!(driver.answered(Err(refused.clone())), Err(Ended::Service(refused)));
}

#[test]
fn a_fault_is_met_where_it_was_injected() {
    let cases = [
        (Disturbance::DieBeforeCheckpoint(1), true, Ended::Killed),
        (Disturbance::DieAfterCheckpoint(1), false, Ended::Killed),
    ];
    for (disturbance, before, expected) in cases {
        let (mut driver, _) = driver(Faults::new(vec![disturbance], None));
        let key = wait(&mut driver);
        let sent = driver.wait_for(key, Interest::Change);
        if before {
            assert_eq!((sent.err(), driver.checkpoints()), (Some(expected), 0));
        } else {
            assert!(matches!(sent, Ok(Need::Send(_))));
            assert_eq!((driver.answered(answer("t2")).err(), driver.checkpoints()), (Some(expected), 1));
        }
    }
    let slow = Disturbance::SlowCheckpoint(1, std::time::Duration::from_secs(3));
    let (mut driver, _) = driver(Faults::new(vec![slow], Some(std::time::Duration::from_secs(2))));
    let key = wait(&mut driver);
    let Need::Send(request) = driver.wait_for(key, Interest::Change).unwrap() else { panic!() };
    assert_eq!(request.delay.as_secs(), 5);
    assert_eq!(driver.poll().delay.as_secs(), 2);
}

#[test]
fn lines_are_within_a_budget_and_those_of_a_hook_are_kept() {
    let (mut driver, log) = driver(Faults::default());
    let clock = VirtualClock::new(Timestamp::Y2025.plus_seconds(9));
    let line = (LogLevel::Info, LogSource::Log);
    assert_eq!(driver.now(&clock), std::time::Duration::ZERO, "the record is empty");
    driver.observation_mut().enter_hook().unwrap();
    assert_eq!(
        Timestamp::from_millis(driver.now(&clock).as_millis().try_into().unwrap()),
        Timestamp::Y2025.plus_seconds(9)
    );
    driver.log(&clock, line, "x".repeat(80), Vec::new(), None).unwrap();
    driver.observation_mut().leave_hook().unwrap();
    let more = driver.log(&clock, line, String::new(), Vec::new(), None);
    assert!(matches!(more, Err(Ended::Limit("Sandbox.LogLimitExceeded", _))), "{more:?}");
    assert_eq!(log.take().len(), 1);
}

#[test]
fn what_was_queued_is_sent_after_the_end_unless_nothing_can_be_sent() {
    let limit = Ended::Limit("Sandbox.CpuLimitExceeded", String::new());
    let lost = Ended::Service(ServiceError::Unavailable("gone".to_owned()));
    for (why, sends) in [(limit, true), (Ended::Suspended, true), (Ended::Killed, false), (lost, false)] {
        let (mut driver, _) = driver(Faults::default());
        wait(&mut driver);
        driver.end(why.clone());
        assert_eq!(driver.take_ended(), Some(why.clone()));
        driver.flush();
        assert_eq!(matches!(driver.send(), Ok(Need::Send(_))), sends, "{why:?}");
    }
}

/// Starts a step whose body is to run.
pub(super) fn step(driver: &mut Driver) -> Key {
    let plan = Semantics::AtLeastOncePerRetry.into();
    driver.start(|engine| engine.step(engine.root(), None, Identity::default(), plan)).unwrap().unwrap()
}

fn misuse<T: std::fmt::Debug>(done: Result<T, Ended>) -> String {
    match done {
        Err(Ended::Replay(ReplayError::Misuse(what))) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_body_is_entered_and_left_in_turns() {
    let (mut driver, _) = driver(Faults::default());
    let (one, other, waits) = (step(&mut driver), step(&mut driver), wait(&mut driver));
    assert!(misuse(driver.leave(one)).contains("not running"), "no body was entered");
    assert!(misuse(driver.enter(waits)).contains("not to run"), "a wait has no body");
    driver.enter(one).unwrap();
    assert!(misuse(driver.enter(one)).contains("before the last one was left"));
    assert!(misuse(driver.enter(other)).contains("before the last one was left"));
    assert!(misuse(driver.leave(other)).contains("not running"));
    driver.leave(one).unwrap();
    assert!(misuse(driver.leave(one)).contains("not running"), "it is left twice");
    driver.enter(one).unwrap();
    let inside = "inside the body of another";
    assert!(misuse(driver.close(other, |engine, key| engine.succeed(key, None))).contains(inside));
    let retried = driver.report(other, |engine, key| engine.retry(key, ErrorObject::new("E", "e"), 1));
    assert!(misuse(retried.map(drop)).contains(inside));
    driver.close(one, |engine, key| engine.succeed(key, None)).unwrap();
    assert!(misuse(driver.leave(one)).contains("not running"), "its end has left it");
    assert!(misuse(driver.enter(one)).contains("over"));
    let hooks = driver.observation_mut();
    assert!(misuse(hooks.leave_hook()).contains("not running"));
    hooks.enter_hook().unwrap();
    assert!(misuse(hooks.enter_hook()).contains("before the last one was left"));
    hooks.leave_hook().unwrap();
    assert!(hooks.begin().unwrap());
    assert!(misuse(hooks.begin()).contains("twice"));
}
