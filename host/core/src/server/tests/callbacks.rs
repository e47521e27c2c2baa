use std::time::Duration;

use super::world::*;
use crate::{
    protocol::{
        CallbackId, EventDetails, Limits, OperationAction as Action, OperationStatus as Status,
        OperationType as Type, ServiceError, Timestamp,
    },
    server::{Answer, AnswerOrder, Next, PendingExternal, ScriptedAnswer, StartExecution},
};

fn over(outcome: &Result<(), ServiceError>) {
    assert!(matches!(outcome, Err(ServiceError::CallbackOver(_))), "{outcome:?}");
}

#[test]
fn answered_once() {
    let mut world = World::new();
    world.checkpoint(vec![callback("c", 0, 0).name("approve")]);
    let callback_id = world.callback_id("c");
    let what =
        vec![PendingExternal::Callback { name: Some("approve".into()), callback_id: callback_id.clone() }];
    assert_eq!(world.suspend(), Next::WaitForExternal { what });
    assert_eq!(world.answer("c", ok("yes")), Ok(()));
    over(&world.answer("c", ok("no")));
    over(&world.answer("c", Answer::Failure(error("No"))));
    over(&world.answer("c", Answer::Heartbeat));
    world.invoke();
    assert_eq!(world.state.operations[1].result().unwrap().as_ref(), "yes");
    assert_eq!(world.state.operations[1].callback_details.as_ref().unwrap().callback_id, Some(callback_id));
    assert_eq!(world.history()[2..], ["InvocationCompleted", "CallbackSucceeded c"]);
}

#[test]
fn failed() {
    let mut world = World::new();
    world.checkpoint(vec![callback("c", 9, 9)]);
    world.suspend();
    world.answer("c", Answer::Failure(error("RejectedError"))).unwrap();
    world.pass(60);
    let operation = world.operation("c");
    assert_eq!((operation.status, operation.error()), (Status::Failed, Some(&error("RejectedError"))));
    assert_eq!(world.history().last().unwrap(), "CallbackFailed c");
}

#[test]
fn times_out_with_the_service_s_error_types() {
    for (timeout, heartbeat, error_type, after) in [
        (5, 0, "Callback.Timeout", 5),
        (0, 5, "Callback.Heartbeat", 5),
        (5, 5, "Callback.Timeout", 5),
        (9, 3, "Callback.Heartbeat", 3),
    ] {
        let mut world = World::new();
        world.checkpoint(vec![callback("c", timeout, heartbeat)]);
        let due = world.now.plus_seconds(after);
        assert_eq!(world.suspend(), Next::WaitUntil(due));
        world.pass(100);
        over(&world.answer("c", ok("late")));
        world.invoke();
        let operation = world.operation("c");
        assert_eq!((operation.status, operation.end_timestamp), (Status::TimedOut, Some(due)));
        assert_eq!(operation.error().unwrap().error_type.as_deref(), Some(error_type));
        assert!(matches!(world.view().events[3].details, EventDetails::CallbackTimedOut { .. }));
        assert!(matches!(world.suspend(), Next::WaitUntil(_)), "nothing is pending any more: a crash");
    }
}

#[test]
fn heartbeats_keep_it_alive() {
    let mut world = World::new();
    world.checkpoint(vec![callback("c", 25, 10)]);
    world.suspend();
    for _ in 0..2 {
        world.pass(9);
        world.answer("c", Answer::Heartbeat).unwrap();
        assert!(matches!(world.poll(), Next::WaitUntil(_)), "a heartbeat is no news");
    }
    assert_eq!(world.poll(), Next::WaitUntil(Timestamp::from_millis(START + 25_000)));
    world.pass(7);
    assert_eq!(world.operation("c").error().unwrap().error_type.as_deref(), Some("Callback.Timeout"));
}

#[test]
fn an_answer_while_the_handler_runs() {
    let mut world = World::new();
    world.checkpoint(vec![callback("c", 0, 0)]);
    world.answer("c", ok("1")).unwrap();
    assert_eq!(world.checkpoint(vec![])[0].result().unwrap().as_ref(), "1");
    assert_eq!(world.succeed("1"), Next::Closed);
}

#[test]
fn called_off() {
    let mut world = World::new();
    world.checkpoint(vec![callback("c", 5, 5), wait("w", 60)]);
    world.checkpoint(vec![update("c", Type::Callback, Action::Cancel)]);
    over(&world.answer("c", ok("1")));
    assert_eq!(world.suspend(), Next::WaitUntil(Timestamp::from_millis(START + 60_000)));
    assert_eq!(world.operation("c").status, Status::Cancelled);
}

#[test]
fn forged_ids_are_unknown() {
    let mut world = World::new();
    world.checkpoint(vec![callback("c", 0, 0), start("s", Type::Step)]);
    let id = world.callback_id("c");
    let forged = CallbackId::from(format!("{}AAAA", &id.as_str()[..40]));
    let outcome = world.manager.complete_callback(world.now, &forged, ok("1"));
    assert!(matches!(outcome, Err(ServiceError::CallbackNotFound(_))), "{outcome:?}");
}

fn scripted(callback: &str, seconds: u64, answer: Answer) -> ScriptedAnswer {
    ScriptedAnswer::new(callback, Duration::from_secs(seconds), answer)
}

fn scripted_world(answers: Vec<ScriptedAnswer>) -> World {
    World::of(StartExecution { answers, ..StartExecution::new("f", None) }, Limits::default())
}

#[test]
fn the_script_answers_by_name_or_by_the_context_s_name() {
    let mut world = scripted_world(vec![scripted("approve", 3, ok("1")), scripted("other", 4, ok("2"))]);
    world.checkpoint(vec![
        start("ctx", Type::Context).name("approve"),
        callback("c", 0, 0).parent("ctx"),
        callback("d", 0, 0).parent("ctx").name("other"),
    ]);
    assert_eq!(world.suspend(), Next::WaitUntil(world.now.plus_seconds(3)));
    world.pass(3);
    world.invoke();
    assert_eq!(world.operation("c").result().unwrap().as_ref(), "1");
    assert_eq!(world.suspend(), Next::WaitUntil(world.now.plus_seconds(1)));
    world.pass(1);
    world.invoke();
    assert_eq!(world.operation("d").result().unwrap().as_ref(), "2");
}

#[test]
fn scripted_heartbeats_come_before_their_answer() {
    let answers =
        vec![scripted("c", 8, Answer::Heartbeat), scripted("c", 16, ok("1")), scripted("c", 1, ok("2"))];
    let mut world = scripted_world(answers);
    world.checkpoint(vec![callback("a", 0, 10).name("c"), callback("b", 0, 10).name("c")]);
    world.suspend();
    world.pass(60);
    assert_eq!(world.operation("a").result().unwrap().as_ref(), "1");
    assert_eq!(world.operation("b").result().unwrap().as_ref(), "2");
    assert_eq!(world.history()[4..], ["CallbackSucceeded b", "CallbackSucceeded a"]);
}

#[test]
fn an_answer_at_once_comes_after_the_invocation() {
    let mut world = scripted_world(vec![scripted("*", 0, ok("1"))]);
    world.checkpoint(vec![callback("c", 0, 0)]);
    world.checkpoint(vec![start("s", Type::Step), succeed("s", Type::Step, "1")]);
    let soon = world.now.plus_millis(1);
    assert_eq!(world.suspend(), Next::WaitUntil(soon));
    world.now = soon;
    world.invoke();
    assert_eq!(world.history()[4..], ["InvocationCompleted", "CallbackSucceeded c"]);
}

#[test]
fn a_scripted_answer_that_is_late_is_lost() {
    let mut world = scripted_world(vec![scripted("c", 10, ok("1"))]);
    world.checkpoint(vec![callback("a", 5, 0).name("c")]);
    world.suspend();
    world.pass(60);
    world.invoke();
    world.checkpoint(vec![callback("b", 0, 0).name("c")]);
    assert!(matches!(world.suspend(), Next::WaitForExternal { .. }));
}

fn world_of_turns(answers: Vec<ScriptedAnswer>) -> World {
    let start =
        StartExecution { answers, answer_order: AnswerOrder::InTurn, ..StartExecution::new("f", None) };
    World::of(start, Limits::default())
}

/// The time, in seconds since the start, and the status with which a callback ended.
fn end_of(world: &mut World, id: &str) -> (Status, Option<i64>) {
    let callback = world.operation(id);
    (callback.status, callback.end_timestamp.map(|end| (end.as_millis() - START) / 1000))
}

#[test]
fn in_turn_callbacks_are_answered_in_the_order_in_which_they_started() {
    let answers = vec![scripted("b", 2, ok("b")), scripted("*", 6, ok("any")), scripted("c", 1, ok("c"))];
    let mut world = world_of_turns(answers);
    let batch = ["a", "nobody", "b", "c"].map(|id| callback(id, 0, 0).name(id));
    world.checkpoint(batch.to_vec());
    assert_eq!(world.suspend(), Next::WaitUntil(world.now.plus_seconds(6)), "a's is the first");
    for (seconds, ended) in [(6, "a"), (2, "b"), (1, "c")] {
        world.pass(seconds);
        world.invoke();
        assert_eq!(world.operation(ended).status, Status::Succeeded, "{ended}");
        world.suspend();
    }
    assert_eq!(end_of(&mut world, "a"), (Status::Succeeded, Some(6)));
    assert_eq!(end_of(&mut world, "b"), (Status::Succeeded, Some(8)));
    assert_eq!(end_of(&mut world, "c"), (Status::Succeeded, Some(9)));
    assert_eq!(end_of(&mut world, "nobody"), (Status::Started, None));
}

#[test]
fn in_turn_a_heartbeat_goes_with_the_answer_after_it() {
    let answers = vec![
        scripted("a", 6, Answer::Heartbeat),
        scripted("b", 2, ok("b")),
        scripted("a", 6, Answer::Heartbeat),
        scripted("*", 1, ok("a")),
    ];
    let mut world = world_of_turns(answers);
    world.checkpoint(vec![callback("a", 0, 9).name("a"), callback("b", 0, 0).name("b")]);
    assert_eq!(world.suspend(), Next::WaitUntil(world.now.plus_seconds(6)));
    world.pass(7);
    assert!(matches!(world.poll(), Next::WaitUntil(_)), "a heartbeat is no news");
    world.pass(6);
    world.invoke();
    assert_eq!(end_of(&mut world, "a"), (Status::Succeeded, Some(13)));
    assert_eq!(world.suspend(), Next::WaitUntil(world.now.plus_seconds(2)));
    world.pass(2);
    world.invoke();
    assert_eq!(end_of(&mut world, "b"), (Status::Succeeded, Some(15)));
}

#[test]
fn in_turn_what_comes_to_a_callback_that_is_over_is_lost() {
    let mut world =
        world_of_turns(vec![scripted("c", 5, ok("1")), scripted("d", 1, ok("2")), scripted("c", 1, ok("3"))]);
    world.checkpoint(vec![wait("w", 10)]);
    assert_eq!(world.suspend(), Next::WaitUntil(world.now.plus_seconds(10)));
    world.pass(10);
    world.invoke();
    // The first callback timed out before its answer was due.
    world.checkpoint(vec![callback("c1", 3, 0).name("c"), callback("d", 0, 0).name("d")]);
    world.suspend();
    world.pass(3);
    world.invoke();
    world.checkpoint(vec![callback("c2", 0, 0).name("c")]);
    world.suspend();
    world.pass(60);
    world.invoke();
    assert_eq!(end_of(&mut world, "c1"), (Status::TimedOut, Some(13)));
    assert_eq!(end_of(&mut world, "d"), (Status::Succeeded, Some(14)));
    assert_eq!(end_of(&mut world, "c2"), (Status::Succeeded, Some(15)));
    assert_eq!(world.operation("c2").result().unwrap().as_ref(), "3");
}
