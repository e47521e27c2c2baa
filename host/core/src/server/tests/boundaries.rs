//! The limits of a checkpoint at their boundaries, and steps that became ready while an invocation was running.

use super::world::*;
use crate::{
    protocol::{ErrorObject, Limits, OperationAction as Action, OperationType as Type, OperationUpdate},
    server::{Next, StartExecution},
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
    let with = |message| ErrorObject { error_message: Some(message), ..ErrorObject::default() };
    let empty = with(String::new()).kept();
    for (bytes, fits) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let mut world = World::new();
        let error = with("x".repeat(bytes - empty));
        let stopped = world.manager.stop_execution(world.now, &world.arn, Some(error));
        assert_eq!(stopped.is_ok(), fits, "{bytes} bytes: {stopped:?}");
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
