//! The test guests run natively and as a component with equal histories, event for event.

use std::{sync::Arc, time::Duration};

use crate::common::{
    native, random_cases,
    workflow::{ANSWERS, Kind, workflow},
};
use durawasm_core::{
    orchestrator::{EnvironmentOptions, Run},
    server::{Answer, InvocationView, ScriptedAnswer, StartExecution},
};
use durawasm_testing::{Disturbance, ErrorObject, Event, EventType, OperationType, Timestamp};
use proptest::{prelude::*, test_runner::Config};
use serde::Serialize;
use serde_json::{Value, json};

/// A run of one of the test guests' functions.
struct Case<'a> {
    function: &'a str,
    event: String,
    /// The callback's name, the delay and the value of each answer.
    answers: Vec<(&'a str, &'a str, Value)>,
    disturbances: Vec<Disturbance>,
}

impl<'a> Case<'a> {
    fn new(function: &'a str, event: &impl Serialize) -> Self {
        let event = serde_json::to_string(event).unwrap();
        Self { function, event, answers: Vec::new(), disturbances: Vec::new() }
    }

    fn parts(&self) -> (EnvironmentOptions, StartExecution) {
        let mut start = StartExecution::new(self.function, Some(self.event.clone()));
        let answer = |(callback, after, value): &(&str, &str, Value)| {
            let after = durawasm_core::parse_duration(after).unwrap();
            ScriptedAnswer::new(*callback, after, Answer::Success(Some(value.to_string())))
        };
        start.answers = self.answers.iter().map(answer).collect();
        let disturbances = self.disturbances.clone();
        (EnvironmentOptions { disturbances, ..EnvironmentOptions::default() }, start)
    }

    async fn in_component(&self) -> Run {
        let (options, start) = self.parts();
        native::in_component(options, start).await
    }

    async fn natively(&self) -> Run {
        let (options, start) = self.parts();
        native::natively(options, start).await
    }

    /// Runs the case both ways, and compares everything recorded.
    async fn is_the_same(&self) {
        let (component, native) = (self.in_component().await, self.natively().await);
        let what = || format!("{} {}\n{}", self.function, self.event, side_by_side(&component, &native));
        assert_eq!(record(&component), record(&native), "{}", what());
        assert_eq!(component.checkpoints, native.checkpoints, "{}", what());
    }
}

/// Everything recorded, in the wire format.
fn record(run: &Run) -> Value {
    let view = &run.view;
    let operations: Vec<_> = view.operations.iter().filter(|o| o.kind != OperationType::Execution).collect();
    let invocations: Vec<_> = view.invocations.iter().map(invocation).collect();
    without_stacks(json!([format!("{:?}", view.status), view.events, operations, invocations]))
}

fn invocation(view: &InvocationView) -> Value {
    json!([view.request_id, view.start, view.end, view.error.as_ref().map(ToString::to_string)])
}

/// Only a component has a stack trace of the handler's functions when the host ends its run.
fn without_stacks(mut value: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("StackTrace");
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut value);
    value
}

/// Both histories, for the message of a failed comparison.
fn side_by_side(component: &Run, native: &Run) -> String {
    let line = |event: Option<&Arc<Event>>| {
        event.map(|event| serde_json::to_string(event).unwrap()).unwrap_or_default()
    };
    let (one, other) = (&component.view.events, &native.view.events);
    (0..one.len().max(other.len()))
        .map(|n| (line(one.get(n)), line(other.get(n))))
        .map(|(one, other)| if one == other { format!("= {one}\n") } else { format!("c {one}\nn {other}\n") })
        .collect()
}

/// Functions and events with equal results in both ways. Functions that observe clocks or randomness outside of
/// operations are omitted.
fn cases() -> Vec<(&'static str, Value)> {
    let items =
        json!([{"waits": [3, 1]}, {"waits": [1], "fails": true}, {}, {"size": 400_000, "waits": [2]}]);
    let inputs = json!([{"after": 5}, {"after": 2, "fails": true}, {"after": 3, "spawned": true}]);
    let call = |function: &str, payload: Value| json!({"function": function, "payload": payload});
    vec![
        ("greet", json!("Ada")),
        ("empty", json!(1)),
        ("two_steps_and_wait", json!(3 * 86_400)),
        ("flaky", json!({"failures": 2, "max_attempts": 5})),
        ("flaky", json!({"failures": 9, "max_attempts": 4})),
        ("two_waits", json!([10, 1])),
        ("two_waits", json!([5, 5])),
        ("child", json!(4)),
        ("nested_children", json!(4)),
        ("concurrent_children", json!(5)),
        ("awaits_in_reverse", json!(null)),
        ("abandons_a_builder", json!(null)),
        ("invalid_argument", json!(null)),
        ("typed_failure", json!(51)),
        ("bad_event", json!({"customer": {"name": 3}, "items": []})),
        ("many_steps", json!(100)),
        ("many_concurrent_steps", json!(600)),
        ("many_waits", json!(30)),
        ("map_of_steps", json!(30)),
        ("big_result", json!(300_000)),
        ("big_result", json!(7_000_000)),
        ("batch", json!({"items": items})),
        ("batch", json!({"items": items, "limit": 2, "percentage": 100, "flat": true})),
        ("batch", json!({"items": items, "parallel": true, "min": 1})),
        ("many_items", json!(2500)),
        ("nested_maps", json!(3)),
        ("combine", json!({"how": "race", "inputs": inputs})),
        ("combine", json!({"how": "select_ok", "inputs": inputs})),
        ("combine", json!({"how": "try_join_all", "inputs": inputs})),
        ("combine", json!({"how": "join_all", "inputs": inputs})),
        ("races_a_retry", json!(1)),
        ("races_a_retry", json!(5)),
        ("invokes", call("greet", json!("you"))),
        ("invokes", call("plain", json!(1))),
        ("invokes", call("plain", json!("x"))),
        ("invokes", call("two_steps_and_wait", json!(60))),
        ("invokes", call("typed_failure", json!(1))),
        ("invokes", call("nobody", json!(1))),
        ("invokes_or_fails", call("typed_failure", json!(3))),
        ("invokes_in_own_format", json!("ab1")),
        ("invokes_all", json!([call("many_waits", json!(3)), call("plain_async", json!("abc"))])),
        ("counts_down", json!(4)),
        ("polls", json!({"needed": 3, "allowed": 9})),
        ("polls", json!({"needed": 9, "allowed": 2})),
        ("polls", json!({"needed": 9, "allowed": 9, "fails": 2})),
        ("polls_much", json!(3_000_000)),
        ("filtered_retries", json!({"fails_with": "Throttled", "retryable": ["Throttled"]})),
        ("saga", json!({"steps": [["a", "ok"], ["b", "fails"], ["c", "waits"]]})),
        ("saga", json!({"steps": [["a", "waits"], ["b", "ok"]], "mode": "optimistic"})),
        ("returns", json!({"Err": "no"})),
        (
            "sequence",
            json!([{"step": ["a", 1]}, {"fails": "b"}, {"callback": ["c", 5]}, {"child": ["d", [{"wait": ["e", 3]}]]}]),
        ),
        ("races", json!(null)),
        ("saga_in_child", json!(null)),
        ("saga_of_many", json!(null)),
        ("checkpoint_costs", json!({"mode": "batched", "steps": 20, "wait": 3})),
        ("checkpoint_costs", json!({"mode": "eager", "steps": 20, "wait": 3})),
        ("checkpoint_costs", json!({"mode": "optimistic", "steps": 600, "wait": 3})),
        ("checkpoint_costs", json!({"mode": "optimistic", "steps": 50, "flush_every": 7})),
        ("draws", json!([3, 1])),
        ("tells", json!(null)),
        ("logs", json!(null)),
        ("prints", json!(null)),
        ("divergent", json!(null)),
        ("hides_divergence", json!(null)),
        ("hangs_in_step", json!(null)),
        ("hangs_on_foreign_future", json!(null)),
        ("slow_body", json!(["waits", 2, false])),
        ("watched", json!({"hook": "", "how": ""})),
        ("watched_by_both", json!({"hook": "", "how": ""})),
        ("watched_by_teller", json!({"hook": "", "how": ""})),
        ("watched_by_troubled", json!({"hook": "on_operation_start", "how": "fails"})),
    ]
}

#[tokio::test]
async fn histories_are_the_same_event_for_event() {
    for (function, event) in cases() {
        Case::new(function, &event).is_the_same().await;
    }
}

#[tokio::test]
async fn callbacks_are_made_and_answered_the_same() {
    for (function, event) in [
        ("callback", json!({"name": "ask"})),
        ("callback", json!({"name": "ask", "timeout": 5})),
        ("callback", json!({"name": "ask", "heartbeat": 5})),
        ("callback", json!({"name": "ask", "timeout": 0, "heartbeat": 0})),
        ("await_approval", json!({"name": "ask", "submitter_failures": 2})),
        ("await_approval", json!({"name": "ask", "timeout": 4})),
    ] {
        let case =
            Case { answers: vec![("ask", "10s", json!({"yes": true}))], ..Case::new(function, &event) };
        case.is_the_same().await;
    }
}

/// The type and message of a panic without the source location, which only a component has.
fn without_place(error: &ErrorObject) -> (String, String) {
    let message = error.error_message.clone().unwrap();
    let what = message.strip_prefix("the handler panicked").unwrap();
    let what = what.split_once(": ").unwrap().1;
    (error.error_type.clone().unwrap(), what.to_owned())
}

#[tokio::test]
async fn a_panic_is_tried_again_and_fails_the_execution_the_same() {
    let kinds = |run: &Run| -> Vec<(EventType, Timestamp)> {
        run.view.events.iter().map(|event| (event.event_type, event.event_timestamp)).collect()
    };
    for function in ["panics", "panics_in_step"] {
        let case = Case::new(function, &json!(null));
        let (component, native) = (case.in_component().await, case.natively().await);
        let [one, other] = [&component, &native].map(|run| without_place(run.view.error.as_ref().unwrap()));
        assert_eq!(one, other);
        assert_eq!(kinds(&component), kinds(&native));
        assert_eq!((native.view.invocations.len(), native.checkpoints), (3, component.checkpoints));
    }
    let case = Case::new("at_most_once_panics", &json!(null));
    assert_eq!(case.natively().await.view.error.unwrap().error_type.unwrap(), "StepInterrupted");
}

/// All faults that can be injected at the n-th event of their kind.
fn disturbance(at: u64) -> impl Strategy<Value = Disturbance> {
    prop_oneof![
        Just(Disturbance::DieBeforeCheckpoint(at)),
        Just(Disturbance::DieAfterCheckpoint(at)),
        Just(Disturbance::DieAtOperation(at)),
        Just(Disturbance::FailCheckpoint(at)),
        Just(Disturbance::LoseCheckpoint(at)),
        Just(Disturbance::SlowCheckpoint(at, Duration::from_secs(4))),
        Just(Disturbance::ReplayAtEveryCheckpoint),
    ]
}

#[tokio::test]
async fn what_is_done_on_purpose_leaves_the_same_marks() {
    for at in 1..=4 {
        for disturbance in [
            Disturbance::DieBeforeCheckpoint(at),
            Disturbance::DieAfterCheckpoint(at),
            Disturbance::DieAtOperation(at),
            Disturbance::FailCheckpoint(at),
            Disturbance::LoseCheckpoint(at),
            Disturbance::SlowCheckpoint(at, Duration::from_secs(4)),
            Disturbance::ReplayAtEveryCheckpoint,
        ] {
            for (function, event) in [
                ("two_steps_and_wait", json!(60)),
                ("watched_by_both", json!({"hook": "", "how": ""})),
                ("saga", json!({"steps": [["a", "ok"], ["b", "fails"]]})),
                ("checkpoint_costs", json!({"mode": "optimistic", "steps": 20, "flush_every": 3})),
            ] {
                let case = Case { disturbances: vec![disturbance], ..Case::new(function, &event) };
                case.is_the_same().await;
            }
        }
    }
}

/// A case of a random workflow, with answers for its callbacks.
fn of(workflow: &[Value], disturbances: Vec<Disturbance>) -> Case<'static> {
    let answers = ANSWERS.map(|after| ("outside", after, json!(after)));
    Case { answers: answers.to_vec(), disturbances, ..Case::new("workflow", &workflow) }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(Config { max_shrink_iters: 300, ..random_cases(200) })]

    /// For any operations and any nesting.
    #[test]
    fn any_workflow_has_the_same_history(workflow in workflow(Kind::Anywhere)) {
        block_on(of(&workflow, Vec::new()).is_the_same());
    }

    /// Also if runs are interrupted or delayed at the same points.
    #[test]
    fn any_workflow_suffers_the_same(
        workflow in workflow(Kind::Anywhere),
        disturbances in (1..20_u64, 1..20_u64).prop_flat_map(|(one, other)| [disturbance(one), disturbance(other)]),
    ) {
        block_on(of(&workflow, disturbances.to_vec()).is_the_same());
    }

    /// A fresh run takes over at every point without changing the result.
    #[test]
    fn a_native_replay_at_every_point_changes_nothing(workflow in workflow(Kind::Anywhere)) {
        let straight = block_on(of(&workflow, Vec::new()).natively());
        let replayed = block_on(of(&workflow, vec![Disturbance::ReplayAtEveryCheckpoint]).natively());
        prop_assert_eq!(record(&straight), record(&replayed));
    }
}
