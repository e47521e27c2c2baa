//! Tests of the engine with records and updates, without a sandbox or a server.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::{
    CheckpointMode, ChildResult, ChildState, ConditionState, Engine, Identity, Interest, Key, ReplayError,
    Semantics, StepPlan, StepState,
};
use crate::protocol::{CallbackOptions, ErrorObject, Limits, Operation, OperationAction, OperationUpdate};

pub(super) const ONCE: Semantics = Semantics::AtMostOncePerRetry;
pub(super) const AGAIN: Semantics = Semantics::AtLeastOncePerRetry;

pub(super) fn engine(records: Vec<Arc<Operation>>) -> Engine {
    let execution = json!({"Id": "e", "Type": "EXECUTION", "StartTimestamp": 100, "Status": "STARTED"});
    let mut all = vec![Arc::new(serde_json::from_value(execution).unwrap())];
    all.extend(records);
    Engine::new(all, Limits::default(), 1000)
}

pub(super) fn named(name: &str) -> Identity {
    Identity { name: Some(name.to_owned()), sub_type: None }
}

/// The record that a service makes of a START.
pub(super) fn record(start: &OperationUpdate, status: &str, sequence: u64) -> Arc<Operation> {
    let mut value = serde_json::to_value(start).unwrap();
    let object = value.as_object_mut().unwrap();
    object.remove("Action");
    object.insert("Status".to_owned(), json!(status));
    object.insert("StartTimestamp".to_owned(), json!(100));
    object.insert("EndTimestamp".to_owned(), json!(100 + sequence));
    let mut operation: Operation = serde_json::from_value(value).unwrap();
    operation.sequence = sequence;
    operation.start_sequence = 1;
    Arc::new(operation)
}

pub(super) fn step(engine: &mut Engine, name: &str, semantics: Semantics) -> Key {
    engine.step(engine.root(), None, named(name), semantics.into()).unwrap()
}

pub(super) fn wait(engine: &mut Engine, name: &str) -> Key {
    engine.wait(engine.root(), None, named(name), 5).unwrap()
}

/// The STARTs of these waits.
pub(super) fn waits(names: &[&str]) -> Vec<OperationUpdate> {
    let mut first = engine(Vec::new());
    for name in names {
        wait(&mut first, name);
    }
    first.take_batch()
}

fn actions(engine: &mut Engine) -> Vec<OperationAction> {
    engine.take_batch().iter().map(|update| update.action).collect()
}

pub(super) fn change(keys: &[Key]) -> Vec<(Key, Interest)> {
    keys.iter().map(|key| (*key, Interest::Change)).collect()
}

#[test]
fn a_new_step_runs_at_once_or_after_its_start_is_acknowledged() {
    let mut engine = engine(Vec::new());
    let again = step(&mut engine, "again", AGAIN);
    let once = step(&mut engine, "once", ONCE);
    assert_eq!(engine.step_state(again).unwrap(), StepState::Run(1));
    assert_eq!(engine.step_state(once).unwrap(), StepState::Pending);
    let starts = engine.take_batch();
    engine.apply(vec![record(&starts[1], "STARTED", 1)]).unwrap();
    assert_eq!(engine.step_state(once).unwrap(), StepState::Run(1));
}

#[test]
fn an_outcome_shows_when_it_is_on_record_and_the_guest_waits() {
    let mut engine = engine(Vec::new());
    let key = step(&mut engine, "a", AGAIN);
    engine.succeed(key, Some("7".to_owned())).unwrap();
    let batch = engine.take_batch();
    assert_eq!(
        batch.iter().map(|u| u.action).collect::<Vec<_>>(),
        [OperationAction::Start, OperationAction::Succeed]
    );
    assert!(!engine.reveal(&change(&[key])).unwrap(), "it is not on record yet");
    engine.apply(vec![record(&batch[0], "SUCCEEDED", 1)]).unwrap();
    assert_eq!(engine.step_state(key).unwrap(), StepState::Pending, "the guest does not wait yet");
    assert!(engine.reveal(&change(&[key])).unwrap());
    assert!(matches!(engine.step_state(key).unwrap(), StepState::Done(Ok(_))));
    assert_eq!(engine.time().as_millis(), 101_000);
}

#[test]
fn the_optimistic_mode_shows_an_outcome_before_it_is_on_record() {
    let mut engine = engine(Vec::new());
    engine.set_mode(CheckpointMode::Optimistic);
    let key = step(&mut engine, "a", AGAIN);
    engine.succeed(key, Some("7".to_owned())).unwrap();
    assert_eq!(engine.step_state(key).unwrap(), StepState::Pending, "the guest does not wait yet");
    assert!(engine.reveal(&change(&[key])).unwrap());
    assert_eq!(engine.step_state(key).unwrap(), StepState::Done(Ok(Some("7".into()))));
    assert_eq!(engine.queued(), 2);
}

#[test]
fn what_is_on_record_shows_before_what_is_not_yet() {
    let ended: Vec<_> = waits(&["a"]).iter().map(|start| record(start, "SUCCEEDED", 3)).collect();
    let mut engine = engine(ended);
    engine.set_mode(CheckpointMode::Optimistic);
    let (a, b) = (wait(&mut engine, "a"), step(&mut engine, "b", AGAIN));
    engine.succeed(b, None).unwrap();
    let set = engine.new_set().unwrap();
    engine.add_to_set(set, b, Interest::Change, 0).unwrap();
    engine.add_to_set(set, a, Interest::Change, 1).unwrap();
    assert_eq!(engine.take_from_set(set).unwrap(), [1], "on a replay both are on record, in this order");
    assert_eq!(engine.take_from_set(set).unwrap(), [0]);
    assert_eq!(engine.queued(), 2);
}

#[test]
fn an_outcome_that_was_not_sent_yet_waits_for_its_turn_whatever_the_service_says_meanwhile() {
    let mut engine = engine(Vec::new());
    engine.set_mode(CheckpointMode::Optimistic);
    let keys = ["a", "b"].map(|name| step(&mut engine, name, AGAIN));
    let starts: Vec<_> =
        engine.take_batch().into_iter().filter(|update| update.action == OperationAction::Start).collect();
    for key in keys {
        engine.succeed(key, Some("7".to_owned())).unwrap();
    }
    // The starts are on record, the outcomes are not.
    engine.apply(starts.iter().map(|start| record(start, "STARTED", 2)).collect()).unwrap();
    for key in keys {
        assert_eq!(engine.step_state(key).unwrap(), StepState::Pending, "the guest does not wait yet");
    }
    // The outcomes are recorded now, in another order than the one in which they were to be shown.
    engine.apply(vec![record(&starts[1], "SUCCEEDED", 3), record(&starts[0], "SUCCEEDED", 5)]).unwrap();
    assert!(engine.reveal(&change(&keys)).unwrap());
    assert_eq!(engine.step_state(keys[0]).unwrap(), StepState::Pending);
    assert!(matches!(engine.step_state(keys[1]).unwrap(), StepState::Done(_)));
    assert!(engine.reveal(&change(&keys[..1])).unwrap());
    assert!(matches!(engine.step_state(keys[0]).unwrap(), StepState::Done(_)));
}

#[test]
fn what_has_begun_is_no_attempt_unless_it_is_a_step() {
    let starts = waits(&["w"]);
    let mut engine = engine(Vec::new());
    let key = wait(&mut engine, "w");
    engine.apply(vec![record(&starts[0], "STARTED", 2)]).unwrap();
    assert_eq!(engine.step_state(key).unwrap(), StepState::Pending);
    assert!(!engine.reveal(&change(&[key])).unwrap());
    engine.apply(vec![record(&starts[0], "SUCCEEDED", 3)]).unwrap();
    assert!(engine.reveal(&change(&[key])).unwrap());
    assert!(matches!(engine.step_state(key).unwrap(), StepState::Done(Ok(_))));
}

#[test]
fn the_next_deadline_is_the_earliest_of_waits_and_retries() {
    let mut first = engine(Vec::new());
    let _ = (step(&mut first, "s", AGAIN), wait(&mut first, "w"), step(&mut first, "t", AGAIN));
    let starts = first.take_batch();
    let with = |start: &OperationUpdate, status: &str, details: &str, key: &str, at: i64| {
        let mut value = serde_json::to_value(&*record(start, status, 2)).unwrap();
        value.as_object_mut().unwrap().remove("EndTimestamp");
        value[details] = json!({ key: at });
        Arc::new(serde_json::from_value::<Operation>(value).unwrap())
    };
    let records = vec![
        with(&starts[0], "PENDING", "StepDetails", "NextAttemptTimestamp", 250),
        with(&starts[1], "STARTED", "WaitDetails", "ScheduledEndTimestamp", 300),
        with(&starts[2], "READY", "StepDetails", "NextAttemptTimestamp", 200),
    ];
    let mut replay = engine(records);
    let (s, w, t) = (step(&mut replay, "s", AGAIN), wait(&mut replay, "w"), step(&mut replay, "t", AGAIN));
    let next = |keys: &[Key]| replay.next_deadline(&change(keys)).map(|at| at.as_millis() / 1000);
    assert_eq!(next(&[s, w, t]), Some(250));
    assert_eq!((next(&[w, t]), next(&[w])), (Some(300), Some(300)));
    assert_eq!((next(&[t]), next(&[])), (None, None), "what is ready has no time to come");
}

#[test]
fn what_a_started_step_comes_to_depends_on_its_semantics() {
    let mut first = engine(Vec::new());
    let _ = step(&mut first, "a", AGAIN);
    let start = first.take_batch().remove(0);
    for (semantics, state) in [(AGAIN, StepState::Run(1)), (ONCE, StepState::Interrupted(1))] {
        for returned_at in [0, 1] {
            let replay = engine(vec![record(&start, "STARTED", 1)]);
            let mut replay = replay.with_returned_at(Some(returned_at));
            let key = step(&mut replay, "a", semantics);
            if returned_at == 1 {
                assert_eq!(
                    replay.step_state(key).unwrap(),
                    StepState::Pending,
                    "the guest does not wait yet"
                );
                assert!(replay.reveal(&change(&[key])).unwrap());
            }
            assert_eq!(replay.step_state(key).unwrap(), state);
            assert_eq!(replay.queued(), 0, "there is no second START");
        }
    }
    let mut replay = engine(vec![record(&start, "READY", 2)]);
    let key = step(&mut replay, "a", AGAIN);
    assert!(replay.reveal(&change(&[key])).unwrap());
    assert!(matches!(replay.step_state(key).unwrap(), StepState::Run(_)));
    assert_eq!(actions(&mut replay), [OperationAction::Start]);
}

/// A step with this record, and a wait that ended at rank 5: the order in which a guest that waits for both sees them.
/// Either no invocation that returned has got a change of theirs, or one has got the end of the wait.
fn shown_of_both(
    semantics: Semantics,
    status: &str,
    sequence: u64,
    end_was_seen: bool,
) -> (Vec<&'static str>, Engine) {
    let mut first = engine(Vec::new());
    let _ = step(&mut first, "a", semantics);
    wait(&mut first, "b");
    let starts = first.take_batch();
    let records = vec![record(&starts[0], status, sequence), record(&starts[1], "SUCCEEDED", 5)];
    let mut replay = engine(records).with_returned_at(Some(if end_was_seen { 5 } else { 0 }));
    let mut waited_for = vec![step(&mut replay, "a", semantics), wait(&mut replay, "b")];
    let (a, set) = (waited_for[0], replay.new_set().unwrap());
    for (token, key) in (0..).zip(&waited_for) {
        replay.add_to_set(set, *key, Interest::Change, token).unwrap();
    }
    let mut shown = Vec::new();
    while !waited_for.is_empty() {
        let Some(token) = replay.take_from_set(set).unwrap().pop() else { break };
        waited_for.pop();
        shown.push(if token == 0 { "a" } else { "b" });
    }
    assert_eq!(replay.revealed(), if shown.contains(&"b") { 5 } else { 0 }, "no completion but b's is shown");
    assert!(!shown.contains(&"a") || replay.is_ready(a, Interest::Change).unwrap());
    (shown, replay)
}

#[test]
fn an_attempt_goes_on_after_what_the_guest_is_shown_before_it() {
    assert_eq!(shown_of_both(AGAIN, "READY", 4, false).0, ["a", "b"]);
    assert_eq!(shown_of_both(AGAIN, "READY", 4, true).0, ["b", "a"], "it may have been dropped at b's end");
    assert_eq!(shown_of_both(AGAIN, "READY", 6, false).0, ["b", "a"]);
    assert_eq!(shown_of_both(AGAIN, "PENDING", 4, false).0, ["b"]);
    for semantics in [AGAIN, ONCE] {
        let shown = shown_of_both(semantics, "STARTED", 2, false).0;
        assert_eq!(shown, ["a", "b"], "it began before b ended");
        let shown = shown_of_both(semantics, "STARTED", 2, true).0;
        assert_eq!(shown, ["b", "a"], "it may have been dropped at b's end");
    }
    let (shown, mut replay) = shown_of_both(ONCE, "READY", 4, false);
    assert_eq!(shown, ["b"], "its start is not acknowledged");
    assert_eq!(actions(&mut replay), [OperationAction::Start]);
}

#[test]
fn the_start_of_an_attempt_is_sent_when_its_turn_has_come() {
    let mut first = engine(Vec::new());
    let _ = step(&mut first, "a", AGAIN);
    wait(&mut first, "b");
    let starts = first.take_batch();
    let mut replay = engine(vec![record(&starts[0], "READY", 6), record(&starts[1], "SUCCEEDED", 5)]);
    let keys = [step(&mut replay, "a", AGAIN), wait(&mut replay, "b")];
    assert_eq!(replay.attempt(keys[0]).unwrap(), 1);
    assert!(replay.reveal(&change(&keys)).unwrap());
    assert_eq!((replay.revealed(), replay.queued()), (5, 0));
    assert!(!replay.is_replaying());
    assert!(replay.reveal(&change(&keys)).unwrap());
    assert_eq!((replay.revealed(), actions(&mut replay)), (5, vec![OperationAction::Start]));
    assert!(!replay.reveal(&change(&keys)).unwrap(), "it goes on once");
}

#[test]
fn a_success_on_record_is_told_before_it_is_shown() {
    let mut first = engine(Vec::new());
    let _ = step(&mut first, "a", AGAIN);
    let start = first.take_batch().remove(0);
    for (status, told) in
        [("SUCCEEDED", Some((4, None))), ("FAILED", None), ("READY", None), ("STARTED", None)]
    {
        let mut replay = engine(vec![record(&start, status, 4)]).with_returned_at(Some(4));
        let key = step(&mut replay, "a", AGAIN);
        assert_eq!(replay.recorded_success(key).unwrap(), told, "{status}");
        assert_eq!((replay.step_state(key).unwrap(), replay.revealed()), (StepState::Pending, 0));
    }
    assert_eq!(first.recorded_success(Key::from_number(0)).unwrap(), None, "it has not run");
}

#[test]
fn interrupted_attempts_go_on_in_the_order_of_their_starts() {
    let mut first = engine(Vec::new());
    let names = ["a", "b", "c"];
    let _ = names.map(|name| step(&mut first, name, AGAIN));
    let starts = first.take_batch();
    let records = starts.iter().zip([3, 1, 2]).map(|(start, sequence)| {
        let mut record = Operation::clone(&record(start, "STARTED", sequence));
        record.start_sequence = sequence;
        Arc::new(record)
    });
    // An invocation that returned had got all of this, so it may have dropped the steps.
    let mut replay = engine(records.collect()).with_returned_at(Some(3));
    let set = replay.new_set().unwrap();
    for (token, name) in (0..).zip(names) {
        let key = step(&mut replay, name, AGAIN);
        replay.add_to_set(set, key, Interest::Change, token).unwrap();
    }
    let order: Vec<_> = (0..3).map(|_| replay.take_from_set(set).unwrap()).collect();
    assert_eq!(order, [[1], [2], [0]]);
}

#[test]
fn a_retry_belongs_to_a_later_invocation() {
    let mut engine = engine(Vec::new());
    let key = step(&mut engine, "a", AGAIN);
    engine.retry(key, ErrorObject::new("E", "e"), 1).unwrap();
    let start = engine.take_batch().remove(0);
    for status in ["PENDING", "READY"] {
        engine.apply(vec![record(&start, status, 2)]).unwrap();
        assert_eq!(engine.step_state(key).unwrap(), StepState::Pending, "{status}");
    }
    assert_eq!(engine.queued(), 0);
}

#[test]
fn a_callbacks_id_shows_with_the_change_that_made_it() {
    let mut first = engine(Vec::new());
    let options = CallbackOptions::default();
    first.callback(first.root(), None, named("c"), options).unwrap();
    let start = first.take_batch().remove(0);
    let mut made = Operation::clone(&record(&start, "SUCCEEDED", 9));
    made.callback_details = serde_json::from_value(json!({"CallbackId": "aWQ=", "Result": "r"})).unwrap();
    let mut replay = engine(vec![Arc::new(made)]);
    let key = replay.callback(replay.root(), None, named("c"), options).unwrap();
    let ready = |replay: &Engine| {
        [Interest::CallbackId, Interest::Change].map(|interest| replay.is_ready(key, interest).unwrap())
    };
    assert_eq!((replay.callback_id(key).unwrap(), ready(&replay)), (None, [false, false]));
    assert!(replay.reveal(&[(key, Interest::CallbackId)]).unwrap());
    assert_eq!(ready(&replay), [true, false]);
    assert_eq!(replay.callback_id(key).unwrap(), Some("aWQ="));
    assert_eq!(replay.step_state(key).unwrap(), StepState::Pending, "the answer came later");
    assert!(replay.reveal(&change(&[key])).unwrap());
    assert!(matches!(replay.step_state(key).unwrap(), StepState::Done(Ok(Some(_)))));
}

#[test]
fn another_operation_than_on_record_is_found_out() {
    let start = waits(&["a"]).remove(0);
    let recorded = || engine(vec![record(&start, "SUCCEEDED", 1)]);
    let mut other_name = recorded();
    let mut other_kind = recorded();
    let mut other_sub_type = recorded();
    let identity = Identity { sub_type: Some("Pause".to_owned()), ..named("a") };
    for refused in [
        other_name.wait(other_name.root(), None, named("b"), 5),
        other_kind.step(other_kind.root(), None, named("a"), AGAIN.into()),
        other_sub_type.wait(other_sub_type.root(), None, identity, 5),
    ] {
        let Err(ReplayError::NonDeterministic(divergence)) = refused else { panic!("{refused:?}") };
        assert_eq!(divergence.expected, "a WAIT (Wait) named \"a\"");
    }
    let ended = recorded().check_return().unwrap_err().to_string();
    assert!(ended.contains("ended without starting it"), "{ended}");
}

/// The starts of a child and of a wait in it.
pub(super) fn child_and_wait() -> Vec<OperationUpdate> {
    let mut first = engine(Vec::new());
    let child = first.child(first.root(), None, named("child")).unwrap();
    let inside = first.child_scope(child).unwrap();
    first.wait(inside, None, named("inside"), 5).unwrap();
    first.take_batch()
}

pub(super) fn divergence(result: Result<(), ReplayError>) -> Option<(String, String)> {
    match result {
        Ok(()) => None,
        Err(ReplayError::NonDeterministic(divergence)) => Some((divergence.expected, divergence.actual)),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_new_start_before_a_recorded_one_is_found_out() {
    let starts = waits(&["a", "b"]);
    let recorded = || starts.iter().map(|start| record(start, "SUCCEEDED", 5)).collect();
    let again =
        |engine: &mut Engine, name: &str| engine.wait(engine.root(), Some(2), named(name), 5).map(drop);
    for (mode, found) in
        [(CheckpointMode::Batched, true), (CheckpointMode::Eager, true), (CheckpointMode::Optimistic, false)]
    {
        let mut engine = engine(recorded());
        engine.set_mode(mode);
        engine.wait(engine.root(), Some(1), named("a"), 5).unwrap();
        engine.wait(engine.root(), Some(3), named("new"), 5).unwrap();
        let said = divergence(again(&mut engine, "b"));
        assert_eq!(said.is_some(), found, "{mode:?} {said:?}");
        if let Some((expected, actual)) = said {
            assert!(expected.contains("named \"b\" comes next on record"), "{expected}");
            assert!(actual.contains("started a WAIT (Wait) named \"new\" before"), "{actual}");
        }
    }
    // An operation that the service sends during the invocation was not on record when it began.
    let mut engine = engine(Vec::new());
    engine.wait(engine.root(), Some(3), named("new"), 5).unwrap();
    engine.apply(recorded()).unwrap();
    assert_eq!(divergence(again(&mut engine, "b")), None);
}

#[test]
fn what_is_left_out_below_a_context_or_before_a_suspension_is_found_out() {
    let starts = child_and_wait();
    let recorded = || starts.iter().map(|start| record(start, "STARTED", 1)).collect();
    let mut asks_for_all = engine(recorded());
    let child = asks_for_all.child(asks_for_all.root(), None, named("child")).unwrap();
    let suspended = divergence(asks_for_all.check_suspension()).unwrap();
    assert_eq!(suspended.0, "a WAIT (Wait) named \"inside\"");
    assert_eq!(suspended.1, "waits for something else without having started it");
    let closed = divergence(asks_for_all.close_child(child, ChildResult::Inline(None))).unwrap();
    assert!(
        closed.1.contains("ended a CONTEXT (RunInChildContext) named \"child\" around it"),
        "{}",
        closed.1
    );
    let inside = asks_for_all.child_scope(child).unwrap();
    asks_for_all.wait(inside, None, named("inside"), 5).unwrap();
    assert_eq!(divergence(asks_for_all.check_suspension()), None);
    assert_eq!(divergence(asks_for_all.close_child(child, ChildResult::Inline(None))), None);

    let mut optimistic = engine(recorded());
    optimistic.set_mode(CheckpointMode::Optimistic);
    let child = optimistic.child(optimistic.root(), None, named("child")).unwrap();
    assert_eq!(divergence(optimistic.check_suspension()), None);
    assert_eq!(divergence(optimistic.close_child(child, ChildResult::Inline(None))), None);
}

#[test]
fn the_characters_of_names_are_told() {
    use crate::protocol::ChainedInvokeOptions;
    for (function, tenant, said) in [
        ("a b", None, "\"a b\" is not 1 to 256 of A-Z a-z 0-9 - _ . : $"),
        ("", None, "\"\" is not 1 to 256 of A-Z a-z 0-9 - _ . : $"),
        ("f", Some("a,b"), "\"a,b\" is not 1 to 256 of A-Z a-z 0-9 . _ : / = + - @ and spaces"),
    ] {
        let mut engine = engine(Vec::new());
        let options =
            ChainedInvokeOptions { function_name: function.into(), tenant_id: tenant.map(Into::into) };
        let refused = engine.invoke(engine.root(), None, named("i"), options, None).unwrap_err().to_string();
        assert!(refused.ends_with(said), "{refused}");
    }
}

#[test]
fn misuse_is_refused() {
    let mut engine = engine(Vec::new());
    let key = step(&mut engine, "a", AGAIN);
    engine.succeed(key, None).unwrap();
    let once = step(&mut engine, "once", ONCE);
    for refused in [
        engine.succeed(key, None),
        engine.fail(key, ErrorObject::default()),
        engine.succeed(once, None),
        engine.wait(engine.root(), Some(1), named("again"), 5).map(drop),
        engine.step_state(Key::from_number(77)).map(drop),
    ] {
        assert!(matches!(refused, Err(ReplayError::Misuse(_))), "{refused:?}");
    }
    let refused = engine.wait(engine.root(), None, named("a"), 0);
    assert!(matches!(refused, Err(ReplayError::InvalidArgument { argument: "duration", .. })), "{refused:?}");
}

#[test]
fn replaying_ends_with_the_last_completion_on_record() {
    let starts = waits(&["a", "b"]);
    let mut replay = engine(vec![record(&starts[0], "SUCCEEDED", 1), record(&starts[1], "STARTED", 2)]);
    let a = wait(&mut replay, "a");
    assert!(replay.is_replaying());
    assert!(replay.reveal(&change(&[a])).unwrap());
    assert!(replay.is_replaying(), "b is on record, and was not asked for");
    let _ = wait(&mut replay, "b");
    assert!(!replay.is_replaying());
}

#[test]
fn what_was_skipped_is_not_missed_nor_what_is_below_it() {
    let mut first = engine(Vec::new());
    let child = first.child(first.root(), None, named("c")).unwrap();
    let scope = first.child_scope(child).unwrap();
    first.wait(scope, None, named("inner"), 5).unwrap();
    wait(&mut first, "after");
    let starts = first.take_batch();
    let records = || starts.iter().map(|start| record(start, "STARTED", 1)).collect::<Vec<_>>();
    let mut replay = engine(records());
    replay.skip(replay.root(), 1).unwrap();
    assert!(replay.is_replaying(), "the last is still to come");
    replay.wait(replay.root(), Some(2), named("after"), 5).unwrap();
    assert!(!replay.is_replaying());
    replay.check_return().unwrap();
    let mut started = engine(records());
    started.child(started.root(), None, named("c")).unwrap();
    started.skip(started.root(), 1).unwrap();
    started.skip(started.root(), 1).unwrap();
    assert!(started.check_return().unwrap_err().to_string().contains("\"after\""));
    started.wait(started.root(), Some(2), named("after"), 5).unwrap();
    started.check_return().unwrap();
}

#[test]
fn what_the_service_sends_unasked_does_not_end_the_replay() {
    let starts = waits(&["a", "b", "c", "d"]);
    let mut replay = engine(vec![record(&starts[0], "SUCCEEDED", 1), record(&starts[1], "STARTED", 1)]);
    let (root, a) = (replay.root(), wait(&mut replay, "a"));
    assert!(replay.reveal(&change(&[a])).unwrap());
    let [b, c, d] = [(); 3].map(|()| replay.claim(root).unwrap());
    replay.apply(starts[2..].iter().map(|start| record(start, "STARTED", 2)).collect()).unwrap();
    assert!(replay.is_replaying(), "an earlier run has started b");
    replay.wait(root, Some(c), named("c"), 5).unwrap();
    assert!(replay.is_replaying(), "c was not on record");
    replay.skip(root, d).unwrap();
    assert!(replay.is_replaying(), "d was not on record");
    assert!(divergence(replay.check_return()).is_some_and(|(expected, _)| expected.contains("\"b\"")));
    replay.wait(root, Some(b), named("b"), 5).unwrap();
    assert!(!replay.is_replaying());
    assert_eq!(replay.check_return(), Ok(()));
}

#[test]
fn an_attempt_that_took_too_long_is_found_so_by_the_next_instance() {
    for semantics in [AGAIN, ONCE] {
        let mut first = engine(Vec::new());
        let plan = StepPlan { semantics, timeout: Some(std::time::Duration::from_secs(1)) };
        let key = first.step(first.root(), None, named("a"), plan).unwrap();
        let start = first.take_batch().remove(0);
        first.apply(vec![record(&start, "STARTED", 1)]).unwrap();
        assert_eq!(first.step_state(key).unwrap(), StepState::Run(1));
        let mut fresh = first.restarted(Some(key)).unwrap();
        let key = fresh.step(fresh.root(), None, named("a"), plan).unwrap();
        assert_eq!(fresh.step_state(key).unwrap(), StepState::TimedOut(1));
        assert_eq!(fresh.time().as_millis(), 100_000);
        fresh.retry(key, ErrorObject::new("StepTimeout", "too long"), 1).unwrap();
        assert_eq!(actions(&mut fresh), [OperationAction::Retry]);
    }
    let mut engine = engine(Vec::new());
    let plan = StepPlan { semantics: AGAIN, timeout: Some(std::time::Duration::ZERO) };
    let refused = engine.step(engine.root(), None, named("a"), plan);
    assert!(matches!(refused, Err(ReplayError::InvalidArgument { argument: "timeout-ms", .. })));
}

#[test]
fn a_fresh_instance_need_not_ask_for_what_is_below_a_context_that_is_over() {
    let mut first = engine(Vec::new());
    let outer = first.child(first.root(), None, named("outer")).unwrap();
    let in_outer = first.child_scope(outer).unwrap();
    let inner = first.child(in_outer, None, named("inner")).unwrap();
    let in_inner = first.child_scope(inner).unwrap();
    first.wait(in_inner, None, named("deep"), 5).unwrap();
    let starts = first.take_batch();
    let with_order = |(index, start): (usize, &OperationUpdate)| {
        let mut record = Operation::clone(&record(start, "SUCCEEDED", 10 + index as u64));
        record.start_sequence = 1 + index as u64;
        Arc::new(record)
    };
    first.apply(starts.iter().enumerate().map(with_order).collect()).unwrap();
    let mut fresh = first.restarted(None).unwrap();
    let outer = fresh.child(fresh.root(), None, named("outer")).unwrap();
    assert!(fresh.reveal(&change(&[outer])).unwrap());
    assert_eq!(divergence(fresh.check_return()), None);
}

#[test]
fn what_ends_below_a_context_that_is_over_is_asked_for_by_no_later_instance() {
    let mut first = engine(Vec::new());
    let outer = first.child(first.root(), None, named("outer")).unwrap();
    let in_outer = first.child_scope(outer).unwrap();
    let inner = first.child(in_outer, None, named("inner")).unwrap();
    first.wait(first.child_scope(inner).unwrap(), None, named("deep"), 5).unwrap();
    let starts = first.take_batch();
    let mut open = Operation::clone(&record(&starts[2], "STARTED", 3));
    open.end_timestamp = None;
    let over = [record(&starts[0], "SUCCEEDED", 4), record(&starts[1], "STARTED", 2), Arc::new(open)];
    first.apply(over.to_vec()).unwrap();
    // The second instance is not fed what is below the closed context. The wait ends meanwhile.
    let mut second = first.restarted(None).unwrap();
    let outer = second.child(second.root(), None, named("outer")).unwrap();
    assert!(second.reveal(&change(&[outer])).unwrap());
    second.apply(vec![record(&starts[2], "SUCCEEDED", 5)]).unwrap();
    assert_eq!(divergence(second.check_return()), None);
    let mut third = second.restarted(None).unwrap();
    let outer = third.child(third.root(), None, named("outer")).unwrap();
    assert!(third.reveal(&change(&[outer])).unwrap());
    assert_eq!(divergence(third.check_return()), None);
}

/// A service that first says that two contexts are in each other does not keep the host in their circle.
#[test]
fn a_circle_of_parents_has_an_end() {
    let mut first = engine(Vec::new());
    let outer = first.child(first.root(), None, named("outer")).unwrap();
    first.child(first.child_scope(outer).unwrap(), None, named("inner")).unwrap();
    wait(&mut first, "left out");
    let starts = first.take_batch();
    let recorded = |start: &OperationUpdate| record(start, "STARTED", 1);
    let mut outer = Operation::clone(&recorded(&starts[0]));
    outer.parent_id = Some(starts[1].id.clone());
    let mut replay = engine(vec![Arc::new(outer), recorded(&starts[1]), recorded(&starts[2])]);
    // This groups the operations by their parents, once.
    replay.skip(replay.root(), 99).unwrap();
    replay.apply(vec![recorded(&starts[0])]).unwrap();
    let outer = replay.child(replay.root(), None, named("outer")).unwrap();
    let inner = replay.child(replay.child_scope(outer).unwrap(), None, named("inner")).unwrap();
    replay.close_child(inner, ChildResult::Inline(None)).unwrap();
    replay.close_child(outer, ChildResult::Inline(None)).unwrap();
    let found = divergence(replay.check_return());
    assert!(found.is_some_and(|(expected, _)| expected.contains("left out")));
}

#[test]
fn what_the_last_instance_was_about_to_run_goes_on_at_its_place() {
    for entered in [false, true] {
        let mut first = engine(Vec::new());
        let (s, _) = (step(&mut first, "s", AGAIN), wait(&mut first, "w"));
        let starts = first.take_batch();
        first.apply(vec![record(&starts[0], "STARTED", 2), record(&starts[1], "SUCCEEDED", 5)]).unwrap();
        if entered {
            first.enter(s).unwrap();
        }
        let mut fresh = first.restarted(None).unwrap();
        let (s, w) = (step(&mut fresh, "s", AGAIN), wait(&mut fresh, "w"));
        let set = fresh.new_set().unwrap();
        fresh.add_to_set(set, s, Interest::Change, 0).unwrap();
        fresh.add_to_set(set, w, Interest::Change, 1).unwrap();
        let seen = [fresh.take_from_set(set).unwrap(), fresh.take_from_set(set).unwrap()];
        assert_eq!(seen, [[0], [1]], "entered: {entered}");
    }
}

/// An instance dies in a retry after it has recorded a completion, with or without a START that followed from it.
#[test]
fn an_interrupted_retry_follows_a_completion_that_is_known_to_have_been_seen() {
    for (went_on, order) in [(false, [[0], [1]]), (true, [[1], [0]])] {
        let mut first = engine(Vec::new());
        step(&mut first, "s", AGAIN);
        for name in ["w", "next"] {
            wait(&mut first, name);
        }
        let starts = first.take_batch();
        let with_start = |index: usize, status, sequence| {
            let mut record = Operation::clone(&record(&starts[index], status, sequence));
            record.start_sequence = 1 + index as u64;
            record.step_details.get_or_insert_default().attempt = 1;
            Arc::new(record)
        };
        let mut records = vec![with_start(0, "STARTED", 1), with_start(1, "SUCCEEDED", 5)];
        records.extend(went_on.then(|| with_start(2, "STARTED", 6)));
        let mut fresh = engine(records).with_returned_at(Some(0));
        let (s, w) = (step(&mut fresh, "s", AGAIN), wait(&mut fresh, "w"));
        let set = fresh.new_set().unwrap();
        fresh.add_to_set(set, s, Interest::Change, 0).unwrap();
        fresh.add_to_set(set, w, Interest::Change, 1).unwrap();
        let first = fresh.take_from_set(set).unwrap();
        if went_on {
            wait(&mut fresh, "next");
        }
        assert_eq!([first, fresh.take_from_set(set).unwrap()], order, "went on: {went_on}");
    }
}

#[test]
fn a_condition_sees_the_state_that_its_last_check_left() {
    let mut first = engine(Vec::new());
    first.condition(first.root(), None, named("c"), "1".to_owned()).unwrap();
    let start = first.take_batch().remove(0);
    let mut value = serde_json::to_value(&*record(&start, "READY", 2)).unwrap();
    value.as_object_mut().unwrap().remove("EndTimestamp");
    value["StepDetails"] = json!({ "Attempt": 3, "Result": "7" });
    let mut replay = engine(vec![Arc::new(serde_json::from_value(value).unwrap())]);
    let key = replay.condition(replay.root(), None, named("c"), "1".to_owned()).unwrap();
    assert!(replay.reveal(&change(&[key])).unwrap());
    assert_eq!(
        replay.condition_state(key).unwrap(),
        ConditionState::Run { attempt: 4, state: Some("7".into()) }
    );
}

#[test]
fn an_end_without_an_error_on_record_is_told_by_its_status() {
    let starts = waits(&["w"]);
    for (status, name) in
        [("TIMED_OUT", "TimedOut"), ("CANCELLED", "Cancelled"), ("STOPPED", "Stopped"), ("FAILED", "Failed")]
    {
        let mut replay = engine(vec![record(&starts[0], status, 3)]);
        let key = wait(&mut replay, "w");
        assert!(replay.reveal(&change(&[key])).unwrap());
        let expected = ErrorObject::new(name, format!("the WAIT ended as {status}"));
        assert_eq!(replay.step_state(key).unwrap(), StepState::Done(Err(expected)));
    }
}

#[test]
fn completions_without_a_place_in_the_order_go_by_their_times() {
    let starts = waits(&["a", "b"]);
    let at = |start: &OperationUpdate, end: u64| {
        let mut record = Operation::clone(&record(start, "SUCCEEDED", end));
        (record.sequence, record.start_sequence) = (0, 0);
        Arc::new(record)
    };
    let mut replay = engine(vec![at(&starts[0], 50), at(&starts[1], 20)]);
    let keys = ["a", "b"].map(|name| wait(&mut replay, name));
    assert!(replay.reveal(&change(&keys)).unwrap());
    assert_eq!(replay.step_state(keys[0]).unwrap(), StepState::Pending, "the later one");
    assert!(matches!(replay.step_state(keys[1]).unwrap(), StepState::Done(Ok(_))));
    assert_eq!(replay.time().as_millis(), 120_000);
}

#[test]
fn a_child_is_rebuilt_where_its_record_says_so() {
    let start = child_and_wait().remove(0);
    for (details, rebuilt) in [(json!({ "ReplayChildren": true }), true), (json!({ "Result": "1" }), false)] {
        let mut value = serde_json::to_value(&*record(&start, "SUCCEEDED", 3)).unwrap();
        value["ContextDetails"] = details;
        let mut operation: Operation = serde_json::from_value(value).unwrap();
        (operation.sequence, operation.start_sequence) = (3, 1);
        let mut replay = engine(vec![Arc::new(operation)]);
        let key = replay.child(replay.root(), None, named("child")).unwrap();
        let expected = if rebuilt { ChildState::Rebuild(None) } else { ChildState::Pending };
        assert_eq!(replay.child_state(key).unwrap(), expected);
        if !rebuilt {
            assert!(replay.reveal(&change(&[key])).unwrap());
            assert_eq!(replay.child_state(key).unwrap(), ChildState::Done(Ok(Some("1".into()))));
        }
    }
}

#[test]
fn what_is_on_record_is_known_by_its_place() {
    let starts = waits(&["a"]);
    let replay = engine(vec![record(&starts[0], "STARTED", 1)]);
    assert_eq!([1, 2].map(|place| replay.is_recorded(replay.root(), place).unwrap()), [true, false]);
    let mut first = engine(Vec::new());
    wait(&mut first, "a");
    assert!(!first.is_recorded(first.root(), 1).unwrap(), "what was started is not on record yet");
}

#[test]
fn a_divergence_is_an_error_with_its_words() {
    let divergence = super::Divergence {
        id: "1".into(),
        expected: "a STEP (Step) named \"a\"".to_owned(),
        actual: "started a WAIT (Wait)".to_owned(),
    };
    let error = divergence.to_error();
    assert_eq!(error.error_type.as_deref(), Some("NonDeterministicExecutionError"));
    let message = error.error_message.unwrap();
    assert!(message.contains("Operation 1 is recorded as a STEP (Step) named \"a\", and now"), "{message}");
    assert!(message.contains("the handler started a WAIT (Wait)"), "{message}");
}

#[test]
fn a_wait_set_takes_each_operation_and_token_once() {
    let mut engine = engine(Vec::new());
    let (a, b) = (wait(&mut engine, "a"), wait(&mut engine, "b"));
    let set = engine.new_set().unwrap();
    assert!(matches!(engine.take_from_set(set), Err(ReplayError::Misuse(_))), "it is empty");
    engine.add_to_set(set, a, Interest::Change, 1).unwrap();
    assert!(matches!(engine.add_to_set(set, a, Interest::Change, 2), Err(ReplayError::Misuse(_))));
    engine.remove_from_set(set, 1).unwrap();
    engine.remove_from_set(set, 1).unwrap();
    engine.add_to_set(set, b, Interest::Change, 1).unwrap();
    assert!(matches!(engine.add_to_set(set, a, Interest::Change, 1), Err(ReplayError::Misuse(_))));
    let other = super::SetKey::from_number(9);
    assert!(matches!(engine.remove_from_set(other, 1), Err(ReplayError::Misuse(_))));
}

proptest! {
    /// A wait set shows the same operations as a list does, in the same order.
    #[test]
    fn a_wait_set_shows_what_a_list_shows(
        sequences in proptest::collection::vec(1_u64..6, 1..12),
        known in proptest::collection::vec(any::<bool>(), 12),
        abandoned in proptest::collection::vec(any::<bool>(), 12),
    ) {
        let names: Vec<String> = (0..sequences.len()).map(|n| format!("w{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let ended: Vec<_> =
            waits(&names).iter().zip(&sequences).map(|(start, s)| record(start, "SUCCEEDED", *s)).collect();
        let started: Vec<_> = ended.iter().zip(&known).map(|(ended, known)| {
            let mut record = Operation::clone(ended);
            if !known {
                record.status = crate::protocol::OperationStatus::Started;
            }
            Arc::new(record)
        }).collect();
        let run = |in_set: bool| {
            let mut replay = engine(started.clone());
            let keys: Vec<Key> = names.iter().map(|name| wait(&mut replay, name)).collect();
            let mut pending: Vec<(u64, Key)> = (0..).zip(keys).collect();
            let set = replay.new_set().unwrap();
            for (token, key) in &pending {
                replay.add_to_set(set, *key, Interest::Change, *token).unwrap();
            }
            for ((token, _), gone) in pending.clone().iter().zip(&abandoned) {
                if *gone {
                    replay.remove_from_set(set, *token).unwrap();
                    pending.retain(|(other, _)| other != token);
                }
            }
            let mut told = false;
            let mut turns = Vec::new();
            while !pending.is_empty() {
                let ready = if in_set {
                    replay.take_from_set(set).unwrap()
                } else {
                    let keys: Vec<Key> = pending.iter().map(|(_, key)| *key).collect();
                    let ready = |replay: &Engine| -> Vec<u64> {
                        let ready = |key| replay.is_ready(key, Interest::Change).unwrap();
                        pending.iter().filter(|(_, key)| ready(*key)).map(|(token, _)| *token).collect()
                    };
                    if ready(&replay).is_empty() {
                        replay.reveal(&change(&keys)).unwrap();
                    }
                    ready(&replay)
                };
                if ready.is_empty() {
                    assert!(!std::mem::replace(&mut told, true), "all has been told, and something never shows");
                    replay.apply(ended.clone()).unwrap();
                }
                pending.retain(|(token, _)| !ready.contains(token));
                turns.push((ready, replay.revealed()));
            }
            turns
        };
        prop_assert_eq!(run(true), run(false));
    }

    /// However completions are distributed over answers, each wait of the guest shows the next change completely and in
    /// order.
    #[test]
    fn completions_show_in_the_recorded_order(sequences in proptest::collection::vec(1_u64..6, 1..12)) {
        let names: Vec<String> = (0..sequences.len()).map(|n| format!("w{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let records = waits(&names).iter().zip(&sequences).map(|(start, s)| record(start, "SUCCEEDED", *s)).collect();
        let mut replay = engine(records);
        let keys: Vec<Key> = names.iter().map(|name| wait(&mut replay, name)).collect();
        let mut changes = sequences.clone();
        changes.sort_unstable();
        changes.dedup();
        for shown in changes {
            prop_assert!(replay.reveal(&change(&keys)).unwrap());
            for (key, sequence) in keys.iter().zip(&sequences) {
                prop_assert_eq!(replay.is_ready(*key, Interest::Change).unwrap(), *sequence <= shown);
            }
        }
        prop_assert!(!replay.reveal(&change(&keys)).unwrap());
        prop_assert!(replay.check_return().is_ok());
    }
}

#[test]
fn an_outcome_that_shows_early_has_the_attempt_that_it_closed() {
    let mut first = engine(Vec::new());
    let _ = step(&mut first, "a", AGAIN);
    let start = first.take_batch().remove(0);
    let with_attempts = |status, attempts: u32| {
        let mut value = serde_json::to_value(&*record(&start, status, 2)).unwrap();
        value["StepDetails"] = json!({ "Attempt": attempts });
        let mut operation: Operation = serde_json::from_value(value).unwrap();
        (operation.sequence, operation.start_sequence) = (attempts.into(), 1);
        Arc::new(operation)
    };
    let mut replay = engine(vec![with_attempts("READY", 2)]);
    replay.set_mode(CheckpointMode::Optimistic);
    let key = step(&mut replay, "a", AGAIN);
    assert!(replay.reveal(&change(&[key])).unwrap());
    assert_eq!(replay.step_state(key).unwrap(), StepState::Run(3));
    replay.fail(key, ErrorObject::new("E", "e")).unwrap();
    assert!(replay.reveal(&change(&[key])).unwrap());
    assert!(matches!(replay.step_state(key).unwrap(), StepState::Done(Err(_))));
    assert_eq!(replay.attempt(key).unwrap(), 3, "it shows before it is on record");
    replay.apply(vec![with_attempts("FAILED", 3)]).unwrap();
    assert_eq!(replay.attempt(key).unwrap(), 3, "it is on record");
}
