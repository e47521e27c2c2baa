//! What those who look on are told: observers, schedulers of timers, tests that inspect an execution, budgets.

use std::sync::{Arc, Mutex};

use super::world::*;
use crate::{
    protocol::{
        ErrorObject, ExecutionArn, ExecutionStatus, InvocationOutput, InvocationResult, Limits,
        OperationStatus as Status, OperationType as Type, ServiceError, Timestamp,
    },
    server::{
        Answer, Change, CheckpointManager, CompleteCallbackStatus, Next, Observer, StartExecution, TimerMode,
    },
};

fn inspected(world: &World) -> &CheckpointManager {
    world.manager.get_checkpoints_by_execution(&world.arn).unwrap()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(START).plus_seconds(seconds)
}

#[test]
fn callbacks_tell_how_they_ended_and_how_many_are_open() {
    use CompleteCallbackStatus::{Failure, Success, TimedOut};
    let mut world = World::new();
    world.checkpoint(["a", "b", "c", "d"].map(|id| callback(id, if id == "c" { 5 } else { 0 }, 0)).into());
    let ids = ["a", "b", "c", "d"].map(|id| world.callback_id(id));
    let open = |world: &World| inspected(world).callbacks().open_count();
    assert_eq!(open(&world), 4);
    world.answer("a", ok("yes")).unwrap();
    world.answer("b", Answer::Failure(error("No"))).unwrap();
    assert_eq!(open(&world), 2);
    world.pass(6);
    world.view();
    assert_eq!(open(&world), 1);
    let status = ids.map(|id| inspected(&world).get_callback_status(&id));
    assert_eq!(status, [Some(Success), Some(Failure), Some(TimedOut), None]);
    assert_eq!(inspected(&world).get_callback_status(&"unknown".into()), None);
}

#[test]
fn an_execution_can_be_inspected_by_its_token_too() {
    let mut world = World::new();
    let token = world.token.clone();
    world.checkpoint(vec![start("context", Type::Context), callback("c", 0, 0)]);
    world.checkpoint(vec![wait("inner", 5).parent("context"), succeed_context("context", false)]);
    let execution = world.manager.get_checkpoints_by_token(&token).unwrap();
    assert_eq!(execution.get_operation_data(&"c".into()).unwrap().kind, Type::Callback);
    assert!(execution.get_operation_data(&"nothing".into()).is_none());
    let kinds = |operations: Vec<&Arc<crate::protocol::Operation>>| {
        operations.iter().map(|operation| operation.kind).collect::<Vec<_>>()
    };
    let all = [Type::Execution, Type::Context, Type::Callback, Type::Wait];
    assert_eq!(kinds(execution.get_all_operation_data().collect()), all);
    assert_eq!(kinds(execution.get_state().iter().collect()), all[..3], "not what is below a closed context");
    assert_eq!(execution.events().get_events().len(), world.view().events.len());
    assert!(world.manager.get_checkpoints_by_token(&"forged".into()).is_none());
}

#[test]
fn changes_from_outside_and_the_end_are_visible() {
    let mut world = World::new();
    world.checkpoint(vec![callback("c", 0, 0)]);
    world.suspend();
    let flags =
        |world: &World| (inspected(world).has_dirty_operations(), inspected(world).is_execution_completed());
    assert_eq!(flags(&world), (false, false));
    world.answer("c", ok("yes")).unwrap();
    assert_eq!(flags(&world), (true, false));
    world.invoke();
    assert_eq!(flags(&world), (false, false));
    world.succeed("1");
    assert!(inspected(&world).is_execution_completed());
}

#[test]
fn an_answer_that_is_refused_says_why() {
    let mut world = World::new();
    world.checkpoint(vec![callback("answered", 0, 0), callback("open", 0, 0), invoke("i", "other")]);
    world.answer("answered", ok("yes")).unwrap();
    let refused = |world: &mut World, id: &str| match world.answer(id, ok("late")) {
        Err(ServiceError::CallbackOver(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(refused(&mut world, "answered").contains("it is SUCCEEDED"));
    world.complete(InvocationResult::Output(InvocationOutput::succeeded(None)));
    assert!(refused(&mut world, "answered").contains("it is SUCCEEDED"));
    assert!(refused(&mut world, "open").contains("its execution is over"));
}

#[test]
fn a_timeout_says_which() {
    let mut world = World::new();
    world.checkpoint(vec![callback("timeout", 5, 0), callback("heartbeat", 0, 5)]);
    world.pass(6);
    for (id, why) in [("timeout", "was not answered in time"), ("heartbeat", "had no heartbeat in time")] {
        let operation = world.operation(id);
        let message = operation.error().unwrap().error_message.clone().unwrap();
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn a_scheduler_takes_timers_once_and_fires_them() {
    let start = StartExecution { timers: TimerMode::Scheduler, ..StartExecution::new("f", None) };
    let mut world = World::of(start, Limits::default());
    let arn = world.arn.clone();
    world.manager.take_timers(&arn).unwrap();
    world.checkpoint(vec![wait("wait", 5), callback("c", 7, 0), callback("kept", 9, 0)]);
    let timers = world.manager.take_timers(&arn).unwrap();
    let outline: Vec<_> = timers.iter().map(|timer| (timer.at, timer.timeout)).collect();
    assert_eq!(outline, [(at(5), false), (at(7), true), (at(9), true)]);
    assert!(world.manager.take_timers(&arn).unwrap().is_empty(), "each is taken once");
    world.pass(100);
    assert_eq!(world.operation("wait").status, Status::Started, "the clock fires nothing");
    let [wait, answered, kept] = timers[..] else { panic!("{timers:?}") };
    world.manager.elapse(world.now, &arn, wait.key).unwrap();
    assert_eq!(world.operation("wait").status, Status::Succeeded);
    world.answer("c", ok("yes")).unwrap();
    let has = [wait, answered, kept].map(|timer| world.manager.has_timer(&arn, timer.key).unwrap());
    assert_eq!(has, [false, false, true]);
    world.manager.elapse(world.now, &arn, answered.key).unwrap();
    assert_eq!(world.operation("c").status, Status::Succeeded, "a cancelled timer has no effect");
    world.manager.elapse(world.now, &arn, kept.key).unwrap();
    assert_eq!(world.operation("kept").status, Status::TimedOut);
}

#[test]
fn with_a_scheduler_the_execution_timeout_alone_goes_by_the_clock() {
    let start = StartExecution {
        timers: TimerMode::Scheduler,
        timeout_seconds: Some(50),
        ..StartExecution::new("f", None)
    };
    let mut world = World::of(start, Limits::default());
    world.checkpoint(vec![wait("wait", 5)]);
    world.pass(49);
    assert_eq!(world.view().status, ExecutionStatus::Running);
    world.pass(1);
    assert_eq!(world.view().status, ExecutionStatus::TimedOut);
}

/// Keeps all changes.
#[derive(Default)]
struct Seen(Mutex<Vec<Change>>);

impl Observer for Seen {
    fn observe(&self, change: Change) {
        self.0.lock().unwrap().push(change);
    }
}

/// A change: the status, the ids of operations, and of callbacks whether they are open and until when.
type Outline = (ExecutionStatus, Vec<String>, Vec<(String, bool, Option<Timestamp>)>);

impl Seen {
    /// The changes since the last call.
    fn take(&self) -> Vec<Outline> {
        let changes = std::mem::take(&mut *self.0.lock().unwrap());
        let outline = |change: Change| {
            let operations =
                change.operations.iter().skip_while(|operation| operation.kind == Type::Execution);
            let operations = operations.map(|operation| operation.id.to_string()).collect();
            let callbacks = change.callbacks.into_iter();
            let callbacks = callbacks.map(|c| (c.operation.id.to_string(), c.open, c.deadline)).collect();
            (change.status, operations, callbacks)
        };
        changes.into_iter().map(outline).collect()
    }
}

#[test]
fn an_observer_gets_the_state_and_then_each_change_until_the_end() {
    let start = StartExecution { timeout_seconds: Some(60), ..StartExecution::new("f", None) };
    let mut world = World::of(start, Limits::default());
    world.checkpoint(vec![callback("c", 100, 7)]);
    let seen = Arc::new(Seen::default());
    let arn = world.arn.clone();
    world.manager.observe(world.now, &arn, seen.clone()).unwrap();
    let running = ExecutionStatus::Running;
    let c = || "c".to_owned();
    assert_eq!(seen.take(), [(running, vec![c()], vec![(c(), true, Some(at(7)))])]);
    world.pass(5);
    world.answer("c", Answer::Heartbeat).unwrap();
    let [(status, _, callbacks)] = &seen.take()[..] else { panic!("one change") };
    assert_eq!((*status, &callbacks[..]), (running, &[(c(), true, Some(at(12)))][..]));
    world.view();
    assert_eq!(seen.take(), [], "nothing has changed");
    world.checkpoint(vec![callback("d", 100, 0)]);
    let d = || "d".to_owned();
    assert_eq!(seen.take(), [(running, vec![d()], vec![(d(), true, Some(at(60)))])]);
    world.answer("c", ok("yes")).unwrap();
    assert_eq!(seen.take(), [(running, vec![c()], vec![(c(), false, Some(at(60)))])]);
    assert_eq!(world.succeed("1"), Next::Closed);
    let [(status, ..)] = seen.take()[..] else { panic!("one change") };
    assert_eq!(status, ExecutionStatus::Succeeded);
    world.view();
    assert_eq!(seen.take(), []);
}

#[test]
fn an_execution_s_budget_is_its_own() {
    let mut world = World::new();
    let before = world.manager.budget(&world.arn).unwrap().used();
    world.checkpoint(vec![start("s", Type::Step), succeed("s", Type::Step, &"x".repeat(5000))]);
    assert!(world.manager.budget(&world.arn).unwrap().used() > before + 5000);
    let unknown = ExecutionArn::from("unknown");
    assert!(matches!(world.manager.budget(&unknown), Err(ServiceError::NotFound(_))));
}

#[test]
fn an_error_of_a_handler_has_its_own_limit() {
    let limits = Limits { whole_error_bytes: 200, ..Limits::default() };
    for (more, fits) in [(0, true), (1, false)] {
        let mut world = World::of(StartExecution::new("f", None), limits.clone());
        let mut error = ErrorObject::new("Broken", "");
        let rest = limits.whole_error_bytes - error.size();
        error.error_message = Some("x".repeat(rest + more));
        assert_eq!(error.whole_size(), limits.whole_error_bytes + more);
        let next = world.complete(InvocationResult::Output(InvocationOutput::failed(error)));
        assert_eq!(next == Next::Closed, fits, "{next:?}");
    }
}
