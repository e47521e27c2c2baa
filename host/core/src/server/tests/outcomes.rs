//! Outcomes are in the records and in the events, and a handler is told what has changed from outside.

use super::world::*;
use crate::{
    protocol::{
        ErrorObject, InvocationOutput, InvocationResult, Limits, OperationId, OperationType as Type,
        ServiceError,
    },
    server::{Next, StartExecution},
};

/// The JSON of the last event of an operation.
fn last_event(world: &mut World, id: &str) -> String {
    let id = OperationId::from(id);
    let events = world.view().events;
    let event = events.iter().rev().find(|event| event.id.as_ref() == Some(&id)).unwrap();
    serde_json::to_string(&**event).unwrap()
}

#[test]
fn outcomes_are_in_the_records_and_in_the_events() {
    let mut world = World::new();
    world.checkpoint(vec![
        start("step", Type::Step),
        start("context", Type::Context),
        callback("callback", 0, 0),
    ]);
    assert!(world.operation("step").step_details.is_some());
    assert!(world.operation("context").context_details.is_some());
    world.checkpoint(vec![
        succeed("step", Type::Step, "of the step"),
        succeed("context", Type::Context, "of the context"),
        start("failed-step", Type::Step),
        fail("failed-step", Type::Step),
        start("failed-context", Type::Context),
        fail("failed-context", Type::Context),
    ]);
    world.answer("callback", ok("of the callback")).unwrap();
    for id in ["step", "context", "callback"] {
        let result = format!("of the {id}");
        assert_eq!(world.operation(id).result().unwrap().as_ref(), result);
        let event = last_event(&mut world, id);
        assert!(event.contains(&result), "{event}");
    }
    for id in ["failed-step", "failed-context"] {
        assert_eq!(world.operation(id).error(), Some(&error("Broken")));
        let event = last_event(&mut world, id);
        assert!(event.contains("Broken") && event.contains("for a reason"), "{event}");
    }
    world.succeed("\"of the execution\"");
    let view = world.view();
    assert_eq!(view.result.as_deref(), Some("\"of the execution\""));
    assert!(serde_json::to_string(view.events.last().unwrap()).unwrap().contains("of the execution"));
}

#[test]
fn the_next_invocation_is_told_what_has_changed_from_outside() {
    let mut world = World::new();
    world.checkpoint(vec![
        wait("short", 5),
        wait("long", 500),
        start("ready", Type::Step),
        retry("ready", 5),
        start("pending", Type::Step),
        retry("pending", 500),
        start("ended", Type::Step),
        succeed("ended", Type::Step, "1"),
        callback("callback", 0, 0),
    ]);
    world.suspend();
    world.pass(6);
    assert_eq!(world.poll(), Next::Invoke);
    let started = world.manager.start_invocation(world.now, &world.arn).unwrap();
    let mut updated: Vec<_> = started.input.updated_operation_ids.iter().map(OperationId::as_str).collect();
    updated.sort_unstable();
    assert_eq!(updated, ["ready", "short"]);
}

#[test]
fn a_result_or_an_error_may_have_as_many_bytes_as_a_payload() {
    let limits = Limits { payload_bytes: 20, whole_error_bytes: 20, ..Limits::default() };
    for (bytes, fits) in [(20, true), (21, false)] {
        let result = format!("\"{}\"", "x".repeat(bytes - 2));
        let error = ErrorObject { error_message: Some("x".repeat(bytes)), ..ErrorObject::default() };
        for output in [InvocationOutput::succeeded(Some(result)), InvocationOutput::failed(error)] {
            let mut world = World::of(StartExecution::new("f", None), limits.clone());
            let next = world.complete(InvocationResult::Output(output));
            assert_eq!(next == Next::Closed, fits, "{next:?}");
        }
    }
}

#[test]
fn an_execution_that_is_over_takes_back_its_own_invocations_only() {
    let mut world = World::new();
    let first = world.request_id.clone();
    world.checkpoint(vec![wait("w", 1)]);
    world.suspend();
    world.pass(1);
    world.invoke();
    assert_eq!(world.succeed("1"), Next::Closed);
    let mut complete = |request_id: &str| {
        let output = InvocationResult::Output(InvocationOutput::pending());
        world.manager.complete_invocation(world.now, &world.arn, request_id, output)
    };
    for known in [&first, &world.request_id] {
        assert_eq!(complete(known), Ok(Next::Closed));
    }
    let unknown = complete("another");
    assert!(matches!(unknown, Err(ServiceError::InvocationNotRunning(_))), "{unknown:?}");
}
