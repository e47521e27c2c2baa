//! The limits of a checkpoint at their boundaries, and steps that became ready while an invocation was running.

use super::world::*;
use crate::{
    protocol::{
        ErrorObject, EventDetails, Limits, OperationAction as Action, OperationType as Type, OperationUpdate,
    },
    server::{Answer, Next, StartExecution},
};

#[test]
fn the_operations_of_one_checkpoint_count_together() {
    for (starts, fits) in [(2, true), (3, false)] {
        let limits = Limits { operations: Some(2), ..Limits::default() };
        let mut world = World::of(StartExecution::new("f", None), limits);
        let updates = (0..starts).map(|n| start(&format!("s{n}"), Type::Step)).collect();
        assert_eq!(world.try_checkpoint(updates).is_ok(), fits, "{starts} operations");
    }
}

#[test]
fn updates_may_have_as_many_bytes_as_a_batch() {
    let updates = || {
        let long = "x".repeat(500);
        vec![start("s", Type::Step), succeed("s", Type::Step, &long), start("t", Type::Step)]
    };
    let bytes = updates().iter().map(OperationUpdate::size).sum::<usize>();
    for (batch_bytes, fits) in [(bytes, true), (bytes - 1, false)] {
        let limits = Limits { batch_bytes, ..Limits::default() };
        let mut world = World::of(StartExecution::new("f", None), limits);
        assert_eq!(world.try_checkpoint(updates()).is_ok(), fits, "{batch_bytes} for {bytes}");
    }
}

#[test]
fn the_error_of_a_stop_takes_a_mebibyte_at_most() {
    for (error, fits) in errors_of_a_mebibyte() {
        let mut world = World::new();
        let before = world.manager.budget(&world.arn).unwrap().used();
        let kept = error.kept();
        let stopped = world.manager.stop_execution(world.now, &world.arn, Some(error));
        assert_eq!(stopped.is_ok(), fits, "{stopped:?}");
        let used = world.manager.budget(&world.arn).unwrap().used();
        assert!(!fits || used >= before + 3 * kept, "{before} {used}");
    }
}

/// Errors that have a mebibyte, and whether they have no more.
fn errors_of_a_mebibyte() -> [(ErrorObject, bool); 4] {
    let with = |message, stack_trace| ErrorObject {
        error_message: Some(message),
        stack_trace,
        ..ErrorObject::default()
    };
    // A frame counts although it is empty.
    let frames = vec![String::new(); 20_000];
    let rest = (1 << 20) - with(String::new(), frames.clone()).whole_size();
    assert!(rest < 500_000, "{rest}");
    [
        (with("x".repeat(1 << 20), Vec::new()), true),
        (with("x".repeat((1 << 20) + 1), Vec::new()), false),
        (with("x".repeat(rest), frames.clone()), true),
        (with("x".repeat(rest + 1), frames), false),
    ]
}

/// An answer is recorded as a whole, unlike the error of an update, for which the service allows less.
#[test]
fn the_error_of_an_answer_has_a_mebibyte_at_most() {
    for (error, fits) in errors_of_a_mebibyte() {
        let mut world = World::new();
        world.checkpoint(vec![callback("c", 0, 0)]);
        world.suspend();
        let before = world.view();
        let answered = world.answer("c", Answer::Failure(error.clone()));
        assert_eq!(answered.is_ok(), fits, "{answered:?}");
        if fits {
            assert_eq!(world.operation("c").error(), Some(&error));
            assert!(matches!(&world.view().events.last().unwrap().details,
                EventDetails::CallbackFailed { error: recorded } if recorded.payload.as_ref() == Some(&error)));
        } else {
            assert_eq!(world.view(), before, "the callback stays open");
        }
    }
}

#[test]
fn a_start_and_a_cancellation_have_no_error() {
    let mut world = World::new();
    world.checkpoint(vec![wait("w", 5)]);
    for (update, action) in
        [(start("s", Type::Step), "START"), (update("w", Type::Wait, Action::Cancel), "CANCEL")]
    {
        let with_error = update.with(|update| update.error = Some(error("Broken")));
        let refused = world.try_checkpoint(vec![with_error]).unwrap_err();
        assert!(refused.to_string().contains(&format!("an Error for {action} action")), "{refused}");
    }
}

/// A world with a step that became ready while the invocation was running, and the handler was told so.
fn told_of_a_ready_step() -> World {
    let mut world = World::new();
    world.checkpoint(vec![start("s", Type::Step), retry("s", 5)]);
    world.pass(6);
    let told = world.checkpoint(vec![]);
    assert_eq!(told.iter().map(|operation| operation.id.as_str()).collect::<Vec<_>>(), ["s"]);
    world
}

#[test]
fn a_step_that_became_ready_allows_pending_until_it_is_started() {
    let mut world = told_of_a_ready_step();
    assert_eq!(world.suspend(), Next::Invoke, "another invocation starts it");
    let mut world = told_of_a_ready_step();
    world.checkpoint(vec![start("s", Type::Step)]);
    assert!(matches!(world.suspend(), Next::WaitUntil(_)), "nothing is pending: a crash");
}
