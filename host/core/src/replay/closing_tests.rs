//! Tests of what a guest closes, and of the limits of what it returns.

use std::sync::Arc;

use serde_json::json;

use super::{
    ChildResult, ChildState, Engine, Identity, Key, ReplayError,
    tests::{AGAIN, change, child_and_wait, divergence, engine, named, record, step},
};
use crate::protocol::{ErrorObject, InvocationStatus, Limits, OperationAction, OperationType};

fn child(engine: &mut Engine) -> Key {
    engine.child(engine.root(), None, named("child")).unwrap()
}

/// An engine with a child context whose result is computed again.
fn rebuilding() -> (Engine, Key) {
    let start = child_and_wait().remove(0);
    let mut value = serde_json::to_value(&*record(&start, "SUCCEEDED", 3)).unwrap();
    value["ContextDetails"] = json!({ "ReplayChildren": true });
    let mut replay = engine(vec![Arc::new(serde_json::from_value(value).unwrap())]);
    let key = child(&mut replay);
    (replay, key)
}

fn misuse(done: &Result<(), ReplayError>) {
    assert!(matches!(done, Err(ReplayError::Misuse(_))), "{done:?}");
}

#[test]
fn an_error_is_shortened_to_its_limit_wherever_it_is_closed() {
    let most = Limits::default().error_bytes;
    let small = || ErrorObject::new("E", "why");
    let large = || ErrorObject::new("E", "y".repeat(most + 1));
    assert_eq!(engine(Vec::new()).conclude(Err(small())).error, Some(small()));
    let failed = engine(Vec::new()).conclude(Err(large()));
    assert!(failed.status == InvocationStatus::Failed && failed.error.is_some_and(|e| e.size() <= most));
    let closes: [fn(&mut Engine, ErrorObject); 3] = [
        |engine, error| {
            let key = child(engine);
            engine.fail_child(key, error).unwrap();
        },
        |engine, error| {
            let key = step(engine, "a", AGAIN);
            engine.fail(key, error).unwrap();
        },
        |engine, error| {
            let key = step(engine, "a", AGAIN);
            engine.retry(key, error, 1).unwrap();
        },
    ];
    for close in closes {
        let recorded = |error: ErrorObject| {
            let mut engine = engine(Vec::new());
            close(&mut engine, error);
            engine.take_batch().pop().unwrap().error.unwrap()
        };
        assert_eq!(recorded(small()), small());
        let shortened = recorded(large());
        assert!(shortened.size() <= most && shortened.error_type == small().error_type);
    }
}

#[test]
fn a_result_of_the_handler_has_as_many_bytes_as_a_payload() {
    let most = Limits::default().payload_bytes;
    for (bytes, fits) in [(most, true), (most + 1, false)] {
        let output = engine(Vec::new()).conclude(Ok(Some("x".repeat(bytes))));
        assert_eq!(output.status == InvocationStatus::Succeeded, fits, "{bytes}");
        let error_type = output.error.and_then(|error| error.error_type);
        assert_eq!(error_type.as_deref(), (!fits).then_some("ResultTooLarge"));
    }
}

#[test]
fn a_check_that_is_not_met_leaves_a_state_and_a_delay() {
    let limits = Limits { payload_bytes: 10, ..Limits::default() };
    let mut engine = Engine::new(Vec::new(), limits, 1000);
    let key = engine.condition(engine.root(), None, named("c"), "1".to_owned()).unwrap();
    let longest = *Limits::DELAY_SECONDS.end();
    let good = "x".repeat(10);
    for (state, delay, argument) in
        [(&*good, 0, "delay"), (&*good, longest + 1, "delay"), (&*"x".repeat(11), 1, "next")]
    {
        let refused = engine.continue_condition(key, state.to_owned(), delay).unwrap_err();
        let ReplayError::InvalidArgument { argument: refused, .. } = refused else { panic!("{refused}") };
        assert_eq!(refused, argument);
    }
    engine.continue_condition(key, good.clone(), longest).unwrap();
    misuse(&engine.continue_condition(key, good.clone(), 1));
    let closed = engine.take_batch().pop().unwrap();
    let delay = closed.step_options.and_then(|options| options.next_attempt_delay_seconds);
    assert_eq!((closed.action, closed.kind), (OperationAction::Retry, OperationType::Step));
    assert_eq!((closed.payload.as_deref(), delay), (Some(&*good), Some(longest)));
}

#[test]
fn a_child_context_is_closed_once_with_a_result_or_an_error() {
    for fails in [false, true] {
        let mut engine = engine(Vec::new());
        let key = child(&mut engine);
        let close = |engine: &mut Engine| {
            if fails {
                return engine.fail_child(key, ErrorObject::new("E", "why"));
            }
            engine.close_child(key, ChildResult::Inline(Some("1".to_owned())))
        };
        close(&mut engine).unwrap();
        misuse(&close(&mut engine));
        let closed = engine.take_batch().pop().unwrap();
        let expected = if fails { OperationAction::Fail } else { OperationAction::Succeed };
        assert_eq!((closed.action, closed.kind), (expected, OperationType::Context));
        let payload = closed.payload.as_deref();
        let error_type = closed.error.as_ref().and_then(|error| error.error_type.as_deref());
        assert_eq!((payload, error_type), if fails { (None, Some("E")) } else { (Some("1"), None) });
    }
}

#[test]
fn a_result_that_is_computed_again_is_not_recorded_again() {
    let (mut replay, key) = rebuilding();
    replay.close_child(key, ChildResult::ReplayChildren(None)).unwrap();
    assert_eq!((replay.queued(), replay.child_state(key).unwrap()), (0, ChildState::Pending));
    misuse(&replay.close_child(key, ChildResult::ReplayChildren(None)));
    assert!(replay.reveal(&change(&[key])).unwrap());
    assert_eq!(replay.child_state(key).unwrap(), ChildState::Done(Ok(None)));
}

#[test]
fn a_result_that_is_computed_again_is_as_large_as_it_was() {
    let (mut inline, key) = rebuilding();
    let small = ChildResult::Inline(Some("12345".to_owned()));
    let (expected, actual) = divergence(inline.close_child(key, small)).unwrap();
    assert!(expected.contains("succeeded with a result of more than 256 KiB"), "{expected}");
    assert!(actual.ends_with("came to one of 5 bytes"), "{actual}");
    let (mut fails, key) = rebuilding();
    let (_, actual) = divergence(fails.fail_child(key, ErrorObject::new("E", "why"))).unwrap();
    assert!(actual.ends_with("it failed: E: why"), "{actual}");
}

#[test]
fn what_is_left_out_further_below_a_context_is_found_out_when_that_is_closed() {
    let mut first = engine(Vec::new());
    let outer = child(&mut first);
    let inner = first.child(first.child_scope(outer).unwrap(), None, named("inner")).unwrap();
    first.wait(first.child_scope(inner).unwrap(), None, named("deep"), 5).unwrap();
    let starts = first.take_batch();
    for fails in [false, true] {
        let mut replay = engine(starts.iter().map(|start| record(start, "STARTED", 1)).collect());
        let outer = child(&mut replay);
        replay.child(replay.child_scope(outer).unwrap(), None, named("inner")).unwrap();
        let closed = if fails {
            replay.fail_child(outer, ErrorObject::default())
        } else {
            replay.close_child(outer, ChildResult::Inline(None))
        };
        let (expected, actual) = divergence(closed).unwrap();
        assert_eq!(expected, "a WAIT (Wait) named \"deep\"");
        assert!(actual.contains("named \"child\" around it"), "{actual}");
    }
}

#[test]
fn what_is_skipped_below_a_context_is_not_left_out() {
    let mut first = engine(Vec::new());
    let outer = child(&mut first);
    let inside = first.child_scope(outer).unwrap();
    for name in ["skipped", "left out"] {
        let inner = first.child(inside, None, named(name)).unwrap();
        first.wait(first.child_scope(inner).unwrap(), None, Identity::default(), 5).unwrap();
    }
    let starts = first.take_batch();
    let mut replay = engine(starts.iter().map(|start| record(start, "STARTED", 1)).collect());
    let outer = child(&mut replay);
    let inside = replay.child_scope(outer).unwrap();
    replay.skip(inside, 1).unwrap();
    let closed = |replay: &mut Engine| divergence(replay.close_child(outer, ChildResult::Inline(None)));
    assert!(closed(&mut replay).is_some_and(|(expected, _)| expected.contains("\"left out\"")));
    replay.skip(inside, 2).unwrap();
    assert_eq!(closed(&mut replay), None);
}
