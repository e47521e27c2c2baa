//! Pauses, deletions and lists.

use super::world::*;
use crate::{
    protocol::{
        EventDetails, ExecutionStatus, InvocationResult, Limits, OperationStatus as Status,
        OperationType as Type, ServiceError, Timestamp,
    },
    server::{ControlView, ExecutionManager, ListExecutions, Next, PauseRequest, Standing, StartExecution},
};

fn request(pause_timeout: bool) -> PauseRequest {
    PauseRequest { reason: Some("lunch".into()), pause_timeout }
}

impl World {
    fn pause(&mut self) {
        self.manager.pause_execution(self.now, &self.arn, request(true)).unwrap();
    }

    fn resume(&mut self) {
        self.manager.resume_execution(self.now, &self.arn, Some("back".into())).unwrap();
    }

    fn control(&mut self) -> ControlView {
        self.manager.control_view(self.now, &self.arn).unwrap()
    }

    fn standing(&mut self) -> &'static str {
        self.control().standing.as_str()
    }

    fn has_news(&mut self) -> bool {
        self.manager.has_news(self.now, &self.arn).unwrap()
    }
}

fn conflict<T: std::fmt::Debug>(outcome: Result<T, ServiceError>) -> String {
    match outcome {
        Err(ServiceError::Conflict(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_suspended_execution_pauses_at_once_and_its_waits_go_on() {
    let mut world = World::new();
    world.checkpoint(vec![wait("w", 60)]);
    let end = world.now.plus_seconds(60);
    world.suspend();
    world.pause();
    assert_eq!(world.standing(), "PAUSED");
    assert_eq!(world.view().status, ExecutionStatus::Running);
    assert_eq!(world.poll(), Next::WaitUntil(end));
    world.pass(60);
    assert_eq!(world.operation("w").status, Status::Succeeded, "timers of a paused execution fire");
    assert_eq!(world.poll(), Next::WaitForExternal { what: vec![] });
    assert!(!world.has_news(), "whoever runs it is not woken");
    let refused = world.manager.start_invocation(world.now, &world.arn).unwrap_err();
    assert!(refused.message().contains("is paused"), "{refused}");
    assert!(world.manager.take_news().contains(&world.arn));
    world.resume();
    assert!(world.manager.take_news().contains(&world.arn), "whoever runs it is told");
    assert_eq!(world.standing(), "RUNNING");
    world.invoke();
    world.succeed("1");
    assert_eq!(
        world.history()[2..],
        [
            "InvocationCompleted",
            "ExecutionPaused",
            "WaitSucceeded w",
            "ExecutionResumed",
            "InvocationCompleted",
            "ExecutionSucceeded"
        ]
    );
    let json = serde_json::to_value(world.view().events).unwrap();
    let paused = &json[3]["ExecutionPausedDetails"];
    assert_eq!(paused["Reason"]["Payload"], "lunch");
    assert_eq!(paused["ExecutionTimeoutPaused"], true);
    assert_eq!(json[5]["ExecutionResumedDetails"]["Reason"]["Payload"], "back");
}

#[test]
fn what_changes_nothing_while_paused_needs_no_invocation_afterwards() {
    let mut world = World::new();
    world.checkpoint(vec![callback("c", 0, 0)]);
    world.suspend();
    world.pause();
    world.resume();
    assert!(matches!(world.poll(), Next::WaitForExternal { .. }));
    world.pause();
    world.answer("c", ok("1")).unwrap();
    assert_eq!(world.poll(), Next::WaitForExternal { what: vec![] });
    world.resume();
    assert_eq!(world.poll(), Next::Invoke);
}

#[test]
fn a_running_invocation_is_taken_back_at_its_next_checkpoint() {
    let mut world = World::new();
    world.checkpoint(vec![start("s", Type::Step)]);
    world.pause();
    assert_eq!(world.standing(), "PAUSING");
    assert!(world.has_news(), "a handler that waits has to poll");
    let over = world.try_checkpoint(vec![succeed("s", Type::Step, "1")]).unwrap_err();
    assert!(matches!(over, ServiceError::InvocationNotRunning(_)), "{over}");
    assert_eq!(world.operation("s").status, Status::Succeeded, "the checkpoint is applied");
    assert_eq!(world.standing(), "PAUSED");
    assert_eq!(world.try_checkpoint(vec![]), Err(ServiceError::InvalidToken));
    // The driver reports the invocation as crashed, because its checkpoint was refused. That is no crash.
    let crashed = InvocationResult::Crashed(error("Service.CheckpointFailed"));
    assert_eq!(world.complete(crashed), Next::WaitForExternal { what: vec![] });
    world.resume();
    world.invoke();
    assert_eq!(world.listed(), ["s"]);
    world.succeed("1");
    assert_eq!(
        world.history(),
        [
            "ExecutionStarted",
            "StepStarted s",
            "StepSucceeded s",
            "InvocationCompleted",
            "ExecutionPaused",
            "ExecutionResumed",
            "InvocationCompleted",
            "ExecutionSucceeded"
        ]
    );
    let view = world.view();
    assert!(view.invocations.iter().all(|invocation| invocation.error.is_none()));
}

#[test]
fn an_invocation_that_ends_first_lets_the_pause_begin() {
    for crashes in [false, true] {
        let mut world = World::new();
        world.checkpoint(vec![wait("w", 5)]);
        world.pause();
        let next = if crashes { world.crash() } else { world.suspend() };
        assert!(matches!(next, Next::WaitUntil(_)), "{next:?}");
        assert_eq!(world.standing(), "PAUSED");
        world.pass(9);
        assert_eq!(world.poll(), Next::WaitForExternal { what: vec![] });
        world.resume();
        assert_eq!(world.poll(), Next::Invoke);
    }
}

#[test]
fn a_pause_that_waits_is_cancelled_by_a_resume() {
    let mut world = World::new();
    world.pause();
    world.resume();
    assert_eq!(world.standing(), "RUNNING");
    world.checkpoint(vec![start("s", Type::Step)]);
    world.succeed("1");
    assert_eq!(
        world.history(),
        ["ExecutionStarted", "StepStarted s", "InvocationCompleted", "ExecutionSucceeded"]
    );
}

#[test]
fn an_outcome_on_record_ends_the_execution_in_spite_of_a_pause() {
    let mut world = World::new();
    world.pause();
    assert_eq!(world.succeed("1"), Next::Closed);
    assert_eq!((world.standing(), world.control().pause), ("SUCCEEDED", None));
    assert!(conflict(world.manager.pause_execution(world.now, &world.arn, request(true))).contains("over"));
    assert!(conflict(world.manager.resume_execution(world.now, &world.arn, None)).contains("not paused"));
}

fn with_timeout(seconds: u64) -> World {
    let start = StartExecution { timeout_seconds: Some(seconds), ..StartExecution::new("f", None) };
    let mut world = World::of(start, Limits::default());
    world.checkpoint(vec![callback("c", 0, 0)]);
    world.suspend();
    world
}

#[test]
fn a_paused_timeout_goes_on_where_it_was() {
    let mut world = with_timeout(100);
    world.pass(40);
    world.pause();
    let latest = Timestamp::from_millis(START).plus_seconds(31_622_400);
    assert_eq!(world.control().times_out, Some(latest));
    world.pass(1000);
    assert_eq!(world.standing(), "PAUSED");
    world.resume();
    assert_eq!(world.control().times_out, Some(world.now.plus_seconds(60)));
    world.pass(59);
    assert_eq!(world.standing(), "RUNNING");
    world.pass(1);
    assert_eq!(world.standing(), "TIMED_OUT");
    assert_eq!(world.control().times_out, None);
}

#[test]
fn a_timeout_that_is_not_paused_ends_a_paused_execution() {
    let mut world = with_timeout(100);
    world.manager.pause_execution(world.now, &world.arn, request(false)).unwrap();
    world.pass(100);
    assert_eq!((world.standing(), world.control().pause), ("TIMED_OUT", None));
}

#[test]
fn no_pause_is_longer_than_an_execution_may_be() {
    let mut world = with_timeout(100);
    world.pause();
    world.pass(31_622_400);
    assert_eq!(world.standing(), "TIMED_OUT");
}

#[test]
fn a_second_pause_and_a_long_reason_are_refused() {
    let mut world = World::new();
    let long = PauseRequest { reason: Some("x".repeat(1025)), pause_timeout: true };
    let refused = world.manager.pause_execution(world.now, &world.arn, long).unwrap_err();
    assert!(matches!(refused, ServiceError::InvalidParameterValue(_)), "{refused}");
    world.pause();
    let again = |world: &mut World| world.manager.pause_execution(world.now, &world.arn, request(true));
    assert!(conflict(again(&mut world)).contains("under way"));
    world.checkpoint_refused();
    assert!(conflict(again(&mut world)).contains("already"));
}

impl World {
    fn checkpoint_refused(&mut self) {
        self.try_checkpoint(vec![]).unwrap_err();
    }
}

#[test]
fn a_paused_execution_is_stopped() {
    let mut world = with_timeout(100);
    world.pause();
    world.manager.stop_execution(world.now, &world.arn, None).unwrap();
    assert_eq!(world.standing(), "STOPPED");
    assert!(matches!(world.view().events.last().unwrap().details, EventDetails::ExecutionStopped { .. }));
}

#[test]
fn only_what_has_ended_is_deleted_and_is_gone_then() {
    let mut world = World::new();
    world.checkpoint(vec![callback("c", 0, 0)]);
    let id = world.callback_id("c");
    let why = conflict(world.manager.delete_execution(world.now, &world.arn));
    assert!(why.contains("RUNNING"), "{why}");
    world.succeed("1");
    assert_eq!(world.manager.ended_before(world.now, 9).unwrap(), []);
    assert_eq!(world.manager.ended_before(world.now.plus_millis(1), 9).unwrap(), [world.arn.clone()]);
    world.manager.delete_execution(world.now, &world.arn).unwrap();
    let gone = world.manager.view(world.now, &world.arn).unwrap_err();
    assert!(matches!(gone, ServiceError::NotFound(_)), "{gone}");
    let gone = world.manager.complete_callback(world.now, &id, ok("1")).unwrap_err();
    assert!(matches!(gone, ServiceError::CallbackNotFound(_)), "{gone}");
    let again = world.manager.delete_execution(world.now, &world.arn).unwrap_err();
    assert!(matches!(again, ServiceError::NotFound(_)), "{again}");
}

#[test]
fn lists_filter_and_continue() {
    let mut world = World::idle(StartExecution::new("other", None), Limits::default());
    let first = world.now;
    let mut arns = Vec::new();
    for n in 0..7 {
        // Two start at each point in time.
        let start = StartExecution {
            execution_name: Some(format!("n{n}")),
            function_version: if n == 6 { "1" } else { "$LATEST" }.into(),
            ..StartExecution::new("f", None)
        };
        arns.push(world.manager.start_execution(first.plus_seconds(n / 2), start).unwrap());
    }
    let mut manager = world.manager;
    let names = |manager: &mut ExecutionManager, list: &ListExecutions| -> Vec<String> {
        let found = manager.list_executions(list).unwrap();
        found.iter().map(|found| found.arn.parts().unwrap().2.to_owned()).collect()
    };
    let all =
        ListExecutions { function: "f".into(), oldest_first: true, most: 99, ..ListExecutions::default() };
    let oldest_first = names(&mut manager, &all);
    assert_eq!(oldest_first.len(), 7);
    let newest_first = names(&mut manager, &ListExecutions { oldest_first: false, ..all.clone() });
    assert!(oldest_first.iter().rev().eq(&newest_first));
    for oldest_first in [true, false] {
        let mut paged = Vec::new();
        let mut page = ListExecutions { oldest_first, most: 2, ..all.clone() };
        loop {
            let found = manager.list_executions(&page).unwrap();
            let Some(last) = found.last() else { break };
            page.after = Some((last.start, last.arn.clone()));
            paged.extend(found.iter().map(|found| found.arn.parts().unwrap().2.to_owned()));
        }
        assert_eq!(paged, names(&mut manager, &ListExecutions { oldest_first, ..all.clone() }));
    }
    let only = |manager: &mut ExecutionManager, change: &dyn Fn(&mut ListExecutions)| {
        let mut list = all.clone();
        change(&mut list);
        names(manager, &list)
    };
    assert_eq!(only(&mut manager, &|list| list.version = Some("1".into())), ["n6"]);
    assert_eq!(only(&mut manager, &|list| list.name = Some("n3".into())), ["n3"]);
    assert_eq!(only(&mut manager, &|list| list.started_after = Some(first.plus_seconds(2))), ["n6"]);
    assert_eq!(only(&mut manager, &|list| list.started_before = Some(first.plus_seconds(1))).len(), 2);
    assert_eq!(only(&mut manager, &|list| list.statuses = vec!["RUNNING".into(), "PAUSED".into()]).len(), 7);
    assert_eq!(only(&mut manager, &|list| list.statuses = vec!["PAUSED".into()]).len(), 0);
    manager.pause_execution(first.plus_seconds(9), &arns[2], request(true)).unwrap();
    let paused = ListExecutions { statuses: vec!["PAUSED".into()], ..all };
    let found = manager.list_executions(&paused).unwrap();
    assert_eq!((found.len(), found[0].standing, &found[0].arn), (1, Standing::Paused, &arns[2]));
}
