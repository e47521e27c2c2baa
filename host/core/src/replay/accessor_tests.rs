//! Tests of what an engine tells about operations and scopes, and of the limits of identities.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{
    CheckpointMode, ChildResult, Engine, Identity, Interest, Key, ReplayError, ScopeKey, Semantics, SetKey,
    StepPlan,
};
use crate::{
    budget::{Budget, HostBudget},
    protocol::{CallbackOptions, Limits, Operation, OperationAction, OperationStatus, OperationUpdate},
    time::Timestamp,
};

fn engine(records: Vec<Arc<Operation>>) -> Engine {
    let execution = json!({"Id": "e", "Type": "EXECUTION", "StartTimestamp": 100, "Status": "STARTED"});
    let mut all = vec![Arc::new(serde_json::from_value(execution).unwrap())];
    all.extend(records);
    Engine::new(all, Limits::default(), 1000)
}

/// The record of a START that has ended.
fn ended(start: &OperationUpdate, sequence: u64) -> Arc<Operation> {
    let mut value = serde_json::to_value(start).unwrap();
    let object = value.as_object_mut().unwrap();
    object.remove("Action");
    object.insert("Status".to_owned(), json!("SUCCEEDED"));
    object.insert("StartTimestamp".to_owned(), json!(100));
    object.insert("EndTimestamp".to_owned(), json!(100 + sequence));
    let mut operation: Operation = serde_json::from_value(value).unwrap();
    (operation.sequence, operation.start_sequence) = (sequence, 1);
    Arc::new(operation)
}

fn identity(name: Option<&str>, sub_type: Option<&str>) -> Identity {
    Identity { name: name.map(str::to_owned), sub_type: sub_type.map(str::to_owned) }
}

fn step(engine: &mut Engine, timeout: Option<Duration>) -> Key {
    let plan = StepPlan { semantics: Semantics::AtLeastOncePerRetry, timeout };
    engine.step(engine.root(), None, identity(None, None), plan).unwrap()
}

#[test]
fn names_and_sub_types_have_lengths_and_characters() {
    let accepted = |identity: Identity| {
        let mut engine = engine(Vec::new());
        let started = engine.wait(engine.root(), None, identity, 5);
        assert!(matches!(started, Ok(_) | Err(ReplayError::InvalidArgument { .. })), "{started:?}");
        started.is_ok()
    };
    for (sub_type, allowed) in [
        ("", false),
        ("a", true),
        ("Wait-for_callback2", true),
        (&*"s".repeat(32), true),
        (&*"s".repeat(33), false),
        ("two words", false),
        ("dot.", false),
        ("é", false),
    ] {
        assert_eq!(accepted(identity(None, Some(sub_type))), allowed, "sub-type {sub_type:?}");
    }
    for (name, allowed) in
        [("", false), (" ~", true), (&*"n".repeat(256), true), (&*"n".repeat(257), false), ("a\nb", false)]
    {
        assert_eq!(accepted(identity(Some(name), None)), allowed, "name {name:?}");
    }
}

#[test]
fn numbers_of_handles_convert_both_ways() {
    for number in [0, 1, 7, u32::MAX] {
        assert_eq!(Key::from_number(number).to_number(), number);
        assert_eq!(ScopeKey::from_number(number).to_number(), number);
        assert_eq!(SetKey::from_number(number).to_number(), number);
    }
}

#[test]
fn scopes_tell_the_context_that_they_belong_to() {
    let mut engine = engine(Vec::new());
    let root = engine.root();
    assert_eq!((engine.namespace(root).unwrap(), engine.scope_parent(root).unwrap()), ("", None));
    let child = engine.child(root, None, identity(None, None)).unwrap();
    let id = engine.id(child).unwrap().clone();
    let scope = engine.child_scope(child).unwrap();
    assert_eq!(
        (engine.namespace(scope).unwrap(), engine.scope_parent(scope).unwrap()),
        (id.as_str(), Some(&id))
    );
    let flat = engine.flat(scope, None).unwrap();
    assert_ne!(engine.namespace(flat).unwrap(), id.as_str());
    assert_eq!(engine.scope_parent(flat).unwrap(), Some(&id), "a flat scope has no context of its own");
}

#[test]
fn operations_are_started_ended_and_on_record() {
    let mut first = engine(Vec::new());
    for seconds in [5, 6] {
        first.wait(first.root(), None, identity(None, None), seconds).unwrap();
    }
    let starts = first.take_batch();
    let mut engine = engine(vec![ended(&starts[0], 1), ended(&starts[1], 2)]);
    let id = &starts[0].id;
    assert!(!engine.was_started(id), "it is on record only");
    assert_eq!(engine.records().len(), 2);
    assert_eq!(engine.record(id).unwrap().id, *id);
    assert!(engine.record(&"unknown".into()).is_none());
    let waits =
        [5, 6].map(|seconds| engine.wait(engine.root(), None, identity(None, None), seconds).unwrap());
    assert!(engine.was_started(id) && !engine.was_started(&"unknown".into()));
    assert_eq!(waits.map(|wait| engine.ended(wait).unwrap()), [None, None]);
    assert!(engine.reveal(&[(waits[0], Interest::Change)]).unwrap());
    assert_eq!(waits.map(|wait| engine.ended(wait).unwrap()), [Some(OperationStatus::Succeeded), None]);
    assert_eq!(waits.map(|wait| engine.is_ready(wait, Interest::Change).unwrap()), [true, false]);
}

#[test]
fn attempts_count_from_one_and_keep_their_timeout() {
    let mut engine = engine(Vec::new());
    let timeouts = [None, Some(Duration::from_secs(3))];
    let steps = timeouts.map(|timeout| step(&mut engine, timeout));
    for (step, timeout) in steps.into_iter().zip(timeouts) {
        assert_eq!(engine.body_timeout(step).unwrap(), timeout);
        assert_eq!(engine.attempt(step).unwrap(), 1);
    }
}

#[test]
fn time_does_not_go_back() {
    let mut engine = engine(Vec::new());
    engine.advance_time(Timestamp::from_millis(150_000));
    engine.advance_time(Timestamp::from_millis(120_000));
    assert_eq!(engine.time(), Timestamp::from_millis(150_000));
}

#[test]
fn starts_that_nothing_depends_on_are_taken_back() {
    let mut engine = engine(Vec::new());
    let closed = step(&mut engine, None);
    engine.succeed(closed, None).unwrap();
    let options = CallbackOptions { timeout_seconds: None, heartbeat_timeout_seconds: None };
    engine.callback(engine.root(), None, identity(None, None), options).unwrap();
    engine.take_back_starts();
    assert_eq!(engine.queued(), 2, "the START and the end of the step");
}

#[test]
fn an_engine_charges_the_budget_that_it_was_given() {
    let budget = Budget::new(1 << 20, HostBudget::default());
    let mut engine = engine(Vec::new()).with_budget(&budget);
    step(&mut engine, None);
    assert!(budget.used() > 0);
    assert_eq!(engine.budget().used(), budget.used());
}

#[test]
fn results_keep_their_limits() {
    for (bytes, action) in [(10, OperationAction::Succeed), (11, OperationAction::Fail)] {
        let execution = json!({"Id": "e", "Type": "EXECUTION", "StartTimestamp": 100, "Status": "STARTED"});
        let records = vec![Arc::new(serde_json::from_value(execution).unwrap())];
        let limits = Limits { payload_bytes: 10, ..Limits::default() };
        let mut engine = Engine::new(records, limits, 1000);
        let key = step(&mut engine, None);
        engine.succeed(key, Some("x".repeat(bytes))).unwrap();
        assert_eq!(engine.take_batch().last().unwrap().action, action, "{bytes} bytes");
    }
    for (bytes, fits) in [(Limits::INLINE_RESULT_BYTES, true), (Limits::INLINE_RESULT_BYTES + 1, false)] {
        let mut engine = engine(Vec::new());
        let child = engine.child(engine.root(), None, identity(None, None)).unwrap();
        let closed = engine.close_child(child, ChildResult::Inline(Some("x".repeat(bytes))));
        assert_eq!(closed.is_ok(), fits, "{bytes} bytes");
    }
}

#[test]
fn operations_and_scopes_are_each_as_many_as_their_limit() {
    type Start = fn(&mut Engine) -> Result<(), ReplayError>;
    let starts: [Start; 3] = [
        |engine| engine.wait(engine.root(), None, identity(None, None), 5).map(drop),
        |engine| engine.child(engine.root(), None, identity(None, None)).map(drop),
        |engine| engine.flat(engine.root(), None).map(drop),
    ];
    for start in starts {
        let mut engine = Engine::new(Vec::new(), Limits::default(), 3);
        for _ in 0..3 {
            start(&mut engine).unwrap();
        }
        assert_eq!(start(&mut engine), Err(ReplayError::TooManyOperations(3)));
    }
}

#[test]
fn wait_sets_are_few_and_their_entries_charged_beyond_two_for_each_operation() {
    let budget = Budget::new(1 << 20, HostBudget::default());
    let mut engine = engine(Vec::new()).with_budget(&budget);
    let key = step(&mut engine, None);
    let sets: Vec<_> = (0..16).map(|_| engine.new_set().unwrap()).collect();
    assert!(matches!(engine.new_set(), Err(ReplayError::Misuse(_))));
    let mut used = Vec::new();
    for set in &sets[..5] {
        let before = budget.used();
        engine.add_to_set(*set, key, Interest::Change, 7).unwrap();
        used.push(budget.used() - before);
    }
    assert_eq!(used[..2], [0, 0]);
    assert!(used[2] > 0, "charged in advance for some more");
    let before = budget.used();
    engine.remove_from_set(sets[4], 7).unwrap();
    engine.add_to_set(sets[5], key, Interest::Change, 7).unwrap();
    assert_eq!(budget.used(), before, "the place is used again");
}

#[test]
fn an_engine_tells_its_mode_and_which_operations_are_new() {
    let mut first = engine(Vec::new());
    first.wait(first.root(), None, identity(None, None), 5).unwrap();
    let starts = first.take_batch();
    let mut engine = engine(vec![ended(&starts[0], 1)]);
    for mode in [CheckpointMode::Eager, CheckpointMode::Optimistic, CheckpointMode::Batched] {
        engine.set_mode(mode);
        assert_eq!(engine.mode(), mode);
    }
    let [known, new] =
        [5, 6].map(|seconds| engine.wait(engine.root(), None, identity(None, None), seconds).unwrap());
    assert_eq!([known, new].map(|wait| engine.is_new(wait)), [false, true]);
}

#[test]
fn bodies_are_open_from_their_entry_to_their_end_and_contexts_have_none() {
    let mut engine = engine(Vec::new());
    let child = engine.child(engine.root(), None, identity(None, None)).unwrap();
    assert!(engine.enter(child).is_err());
    let again = step(&mut engine, None);
    assert!(!engine.has_open_body() && !engine.is_about_to_run_once());
    engine.enter(again).unwrap();
    assert!(engine.has_open_body() && !engine.is_about_to_run_once());
    engine.succeed(again, None).unwrap();
    assert!(!engine.has_open_body());
}
