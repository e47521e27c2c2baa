//! Tests of attempts that instances before did not end, and of what each kind of operation is asked for.

use std::sync::Arc;

use serde_json::json;

use super::{
    CheckpointMode, ChildState, ConditionState, Engine, Identity, Key, ReplayError, StepState,
    tests::{AGAIN, ONCE, change, child_and_wait, divergence, engine, named, record, step, wait, waits},
};
use crate::protocol::{Operation, OperationUpdate};

/// The record of a step or a condition with details.
fn with_details(start: &OperationUpdate, status: &str, details: serde_json::Value) -> Arc<Operation> {
    let mut value = serde_json::to_value(&*record(start, status, 2)).unwrap();
    value.as_object_mut().unwrap().remove("EndTimestamp");
    value["StepDetails"] = details;
    let operation: Operation = serde_json::from_value(value).unwrap();
    Arc::new(Operation { sequence: 2, start_sequence: 1, ..operation })
}

fn start_of_a_step() -> OperationUpdate {
    let mut first = engine(Vec::new());
    step(&mut first, "a", AGAIN);
    first.take_batch().remove(0)
}

/// The start of a condition, and how it is started again.
fn condition(engine: &mut Engine) -> Key {
    engine.condition(engine.root(), None, named("c"), "1".to_owned()).unwrap()
}

#[test]
fn an_attempt_that_goes_on_follows_those_on_record() {
    let start = start_of_a_step();
    let recorded = |status: &str| engine(vec![with_details(&start, status, json!({ "Attempt": 2 }))]);
    for (status, semantics, state) in [
        ("READY", AGAIN, StepState::Run(3)),
        ("STARTED", AGAIN, StepState::Run(3)),
        ("STARTED", ONCE, StepState::Interrupted(3)),
    ] {
        let mut replay = recorded(status);
        let key = step(&mut replay, "a", semantics);
        assert!(replay.reveal(&change(&[key])).unwrap());
        assert_eq!((replay.step_state(key).unwrap(), replay.attempt(key).unwrap()), (state, 3), "{status}");
    }
    let mut replay = recorded("STARTED");
    let key = step(&mut replay, "a", AGAIN);
    assert!(replay.reveal(&change(&[key])).unwrap());
    let mut fresh = replay.restarted(Some(key)).unwrap();
    let key = step(&mut fresh, "a", AGAIN);
    assert!(fresh.reveal(&change(&[key])).unwrap());
    assert_eq!((fresh.step_state(key).unwrap(), fresh.attempt(key).unwrap()), (StepState::TimedOut(3), 3));
}

#[test]
fn what_is_due_stays_due_until_its_end_is_on_record() {
    let start = start_of_a_step();
    let mut early = engine(Vec::new());
    early.set_mode(CheckpointMode::Optimistic);
    let key = step(&mut early, "a", AGAIN);
    early.succeed(key, Some("7".to_owned())).unwrap();
    early.apply(vec![record(&start, "STARTED", 2)]).unwrap();
    assert!(early.reveal(&change(&[key])).unwrap());
    assert_eq!(early.step_state(key).unwrap(), StepState::Done(Ok(Some("7".into()))));

    let mut replay = engine(vec![record(&start, "READY", 6)]);
    let key = step(&mut replay, "a", AGAIN);
    replay.apply(vec![record(&start, "READY", 6)]).unwrap();
    assert!(replay.reveal(&change(&[key])).unwrap());
    assert_eq!(replay.step_state(key).unwrap(), StepState::Run(1));
}

/// Of two instances after the one to which the START was acknowledged, the first does not come to the body.
#[test]
fn an_at_most_once_body_that_was_never_entered_runs_however_often_instances_change() {
    let mut first = engine(Vec::new());
    let (s, w) = (step(&mut first, "s", ONCE), wait(&mut first, "w"));
    let starts = first.take_batch();
    first.apply(vec![record(&starts[0], "STARTED", 2), record(&starts[1], "SUCCEEDED", 5)]).unwrap();
    assert_eq!(first.step_state(s).unwrap(), StepState::Run(1));
    assert!(first.reveal(&change(&[w])).unwrap());
    let mut second = first.restarted(None).unwrap();
    let s = step(&mut second, "s", ONCE);
    wait(&mut second, "w");
    assert_eq!(second.step_state(s).unwrap(), StepState::Pending, "it goes on after w");
    let mut third = second.restarted(None).unwrap();
    let keys = [step(&mut third, "s", ONCE), wait(&mut third, "w")];
    assert!(third.reveal(&change(&keys)).unwrap() && third.reveal(&change(&keys)).unwrap());
    assert_eq!(third.step_state(keys[0]).unwrap(), StepState::Run(1));
}

#[test]
fn a_condition_goes_on_with_the_state_of_its_latest_record() {
    let mut first = engine(Vec::new());
    condition(&mut first);
    let start = first.take_batch().remove(0);
    let known = |status, state: &str| with_details(&start, status, json!({ "Attempt": 1, "Result": state }));
    let mut replay = engine(vec![known("PENDING", "7")]);
    let key = condition(&mut replay);
    replay.apply(vec![known("READY", "8")]).unwrap();
    assert!(replay.reveal(&change(&[key])).unwrap());
    let state = ConditionState::Run { attempt: 2, state: Some("8".into()) };
    assert_eq!(replay.condition_state(key).unwrap(), state);
}

#[test]
fn an_operation_has_no_states_of_another_kind() {
    fn refused<T: std::fmt::Debug>(state: Result<T, ReplayError>) -> String {
        match state {
            Err(ReplayError::Misuse(why)) => why,
            other => panic!("{other:?}"),
        }
    }
    let start = child_and_wait().remove(0);
    for (summary, rebuilds) in [("", None), ("s", Some("s".into()))] {
        let mut value = serde_json::to_value(&*record(&start, "SUCCEEDED", 3)).unwrap();
        value["ContextDetails"] = json!({ "ReplayChildren": true, "Result": summary });
        let mut replay = engine(vec![Arc::new(serde_json::from_value(value).unwrap())]);
        let child = replay.child(replay.root(), None, named("child")).unwrap();
        assert_eq!(replay.child_state(child).unwrap(), ChildState::Rebuild(rebuilds));
        assert!(refused(replay.step_state(child)).contains("not a step"));
        assert!(refused(replay.condition_state(child)).contains("not a condition"));
    }
    let mut replay = engine(vec![record(&start_of_a_step(), "STARTED", 2)]);
    let interrupted = step(&mut replay, "a", ONCE);
    let mut first = engine(Vec::new());
    let slow = step(&mut first, "a", AGAIN);
    let start = first.take_batch().remove(0);
    first.apply(vec![record(&start, "STARTED", 2)]).unwrap();
    let mut fresh = first.restarted(Some(slow)).unwrap();
    let timed_out = step(&mut fresh, "a", AGAIN);
    for (engine, step, state) in
        [(&replay, interrupted, StepState::Interrupted(1)), (&fresh, timed_out, StepState::TimedOut(1))]
    {
        assert_eq!(engine.step_state(step).unwrap(), state);
        assert!(refused(engine.child_state(step)).contains("not a child context"));
        assert!(refused(engine.condition_state(step)).contains("not a condition"));
    }
}

#[test]
fn a_scope_without_an_operation_is_opened_where_none_is_on_record() {
    let start = waits(&["a"]).remove(0);
    let mut replay = engine(vec![record(&start, "SUCCEEDED", 1)]);
    let (expected, actual) = divergence(replay.flat(replay.root(), None).map(drop)).unwrap();
    assert_eq!((&*expected, &*actual), ("a WAIT (Wait) named \"a\"", "opened a scope without an operation"));
    replay.flat(replay.root(), None).unwrap();
}

#[test]
fn nothing_is_started_in_a_context_that_is_over() {
    let start = child_and_wait().remove(0);
    let mut replay = engine(vec![record(&start, "SUCCEEDED", 3)]);
    let child = replay.child(replay.root(), None, named("child")).unwrap();
    let inside = replay.child_scope(child).unwrap();
    for refused in [
        replay.wait(inside, None, named("inside"), 5).map(drop),
        replay.child(inside, None, Identity::default()).map(drop),
        replay.flat(inside, None).map(drop),
    ] {
        let Err(ReplayError::Misuse(why)) = refused else { panic!("{refused:?}") };
        assert!(why.contains("in a context that is over"), "{why}");
    }
}
