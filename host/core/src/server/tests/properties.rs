//! Property tests of the server: after any sequence of requests nothing panics and the invariants hold.

use std::{collections::HashMap, time::Duration};

use proptest::prelude::*;

use super::world::*;
use crate::{
    protocol::{
        CheckpointToken, EventType, ExecutionStatus, InvocationResult, Limits, Operation,
        OperationAction as Action, OperationStatus as Status, OperationType as Type, OperationUpdate,
        ServiceError,
    },
    server::{
        Answer, AnswerOrder, ExecutionView, InvokeOutcome, Next, ScriptedAnswer, StartExecution,
        timers::Timer,
    },
};

#[derive(Debug, Clone)]
pub(super) enum Act {
    Checkpoint(Vec<OperationUpdate>),
    StaleToken(prop::sample::Index),
    Suspend,
    Succeed,
    Crash,
    Stop,
    Pass(u64),
    Answer(prop::sample::Index, Answer),
    CompleteInvoke(prop::sample::Index, InvokeOutcome),
    TakeInvokes,
}

fn any_update() -> impl Strategy<Value = OperationUpdate> {
    let id = prop::sample::select(vec!["a", "b", "c", "d", "e", "f", "g", "h"]);
    let parent = prop::option::weighted(0.4, prop::sample::select(vec!["a", "b", "c", "d"]));
    let kind = prop::sample::select(vec![Type::Step, Type::Wait, Type::Callback, Type::ChainedInvoke]);
    let close = prop::sample::select(vec![Action::Succeed, Action::Fail, Action::Retry, Action::Cancel]);
    let contexts = ["a", "b", "c", "d"];
    (id, parent, kind, prop::option::weighted(0.45, close), 0..6_u64, 0..3_u64, any::<bool>()).prop_map(
        move |(id, parent, kind, close, seconds, other, flag)| {
            // An id mostly has one kind and one parent; otherwise nearly every update would be refused.
            let kind = if contexts.contains(&id) { Type::Context } else { kind };
            let kind = match (id, flag) {
                ("e" | "f", true) => Type::Step,
                ("g", true) => Type::Callback,
                ("h", true) => Type::Wait,
                _ => kind,
            };
            let update = match (close, kind) {
                (None, Type::Wait) => wait(id, seconds),
                (None, Type::Callback) => callback(id, seconds, other),
                (None, Type::ChainedInvoke) => invoke(id, "target"),
                (None, _) => start(id, kind),
                (Some(Action::Succeed), Type::Context) => succeed_context(id, flag),
                (Some(Action::Succeed), _) => succeed(id, kind, "1"),
                (Some(Action::Fail), _) => fail(id, kind),
                (Some(Action::Retry), Type::Step) => retry(id, seconds),
                (Some(action), _) => update(id, kind, action),
            };
            match parent.filter(|parent| *parent < id && update.action == Action::Start) {
                Some(parent) => update.parent(parent),
                None => update,
            }
        },
    )
}

fn any_answer() -> impl Strategy<Value = Answer> {
    prop_oneof![Just(ok("1")), Just(Answer::Failure(error("No"))), Just(Answer::Heartbeat)]
}

pub(super) fn any_act() -> impl Strategy<Value = Act> {
    let outcome = prop_oneof![
        Just(InvokeOutcome::Succeeded(Some("1".into()))),
        Just(InvokeOutcome::Failed(error("E"))),
        Just(InvokeOutcome::TimedOut(error("E"))),
        Just(InvokeOutcome::Stopped(error("E"))),
    ];
    prop_oneof![
        12 => prop::collection::vec(any_update(), 1..4).prop_map(Act::Checkpoint),
        1 => any::<prop::sample::Index>().prop_map(Act::StaleToken),
        6 => Just(Act::Suspend),
        1 => Just(Act::Succeed),
        1 => Just(Act::Crash),
        1 => Just(Act::Stop),
        6 => (0..5_u64).prop_map(Act::Pass),
        4 => (any::<prop::sample::Index>(), any_answer()).prop_map(|(which, answer)| Act::Answer(which, answer)),
        4 => (any::<prop::sample::Index>(), outcome).prop_map(|(which, outcome)| Act::CompleteInvoke(which, outcome)),
        2 => Just(Act::TakeInvokes),
    ]
}

pub(super) fn any_script() -> impl Strategy<Value = Vec<ScriptedAnswer>> {
    let entry = (0..3000_u64, any_answer(), prop::sample::select(vec!["", "*"]))
        .prop_map(|(after, answer, name)| ScriptedAnswer::new(name, Duration::from_millis(after), answer));
    prop::collection::vec(entry, 0..4)
}

fn of_kind(view: &ExecutionView, kind: Type, which: prop::sample::Index) -> Option<Operation> {
    let all: Vec<_> = view.operations.iter().filter(|operation| operation.kind == kind).collect();
    (!all.is_empty()).then(|| Operation::clone(all[which.index(all.len())]))
}

pub(super) fn act(world: &mut World, act: Act, tokens: &mut Vec<CheckpointToken>) {
    let running = matches!(world.poll(), Next::Running { .. });
    match act {
        Act::Checkpoint(updates) if running => {
            let before = world.view();
            let used = world.token.clone();
            match world.try_checkpoint(updates) {
                Ok(_) => tokens.push(used),
                Err(ServiceError::InvalidParameterValue(_)) => assert_eq!(world.view(), before),
                Err(other) => panic!("{other}"),
            }
        }
        Act::StaleToken(which) if !tokens.is_empty() => {
            let outcome = world.manager.checkpoint(world.now, &world.arn, which.get(tokens), vec![]);
            let refused = ServiceError::InvalidToken;
            assert_eq!(outcome.unwrap_err(), refused);
        }
        Act::Suspend if running => {
            tokens.push(world.token.clone());
            world.suspend();
        }
        Act::Succeed if running => {
            tokens.push(world.token.clone());
            world.succeed("1");
        }
        Act::Crash if running => {
            tokens.push(world.token.clone());
            world.complete(InvocationResult::Crashed(error("Runtime.ExitError")));
        }
        Act::Stop => drop(world.manager.stop_execution(world.now, &world.arn, None)),
        Act::Pass(seconds) => world.pass(seconds),
        Act::Answer(which, answer) => {
            if let Some(operation) = of_kind(&world.view(), Type::Callback, which) {
                let open = operation.status == Status::Started && world.poll() != Next::Closed;
                assert_eq!(world.answer(operation.id.as_str(), answer).is_ok(), open);
            }
        }
        Act::CompleteInvoke(which, outcome) => {
            if let Some(operation) = of_kind(&world.view(), Type::ChainedInvoke, which) {
                let done = world.manager.complete_invoke(world.now, &world.arn, &operation.id, outcome);
                assert!(done.is_err() || operation.status == Status::Started);
            }
        }
        Act::TakeInvokes => drop(world.manager.take_invokes(&world.arn)),
        Act::Checkpoint(_) | Act::StaleToken(_) | Act::Suspend | Act::Succeed | Act::Crash => {}
    }
}

pub(super) fn check(world: &mut World) {
    let view = world.view();
    check_history(&view);
    check_operations(&view);
    check_timers(world, &view);
    check_listing(world, &view);
}

fn check_history(view: &ExecutionView) {
    assert_eq!(view.events[0].event_type, EventType::ExecutionStarted);
    for (event, id) in view.events.iter().zip(1..) {
        assert_eq!(event.event_id, id);
        assert_eq!(event.event_type, event.details.event_type());
    }
    assert!(view.events.is_sorted_by_key(|event| event.event_timestamp));
    let count =
        |types: &[EventType]| view.events.iter().filter(|event| types.contains(&event.event_type)).count();
    let ended = view.invocations.iter().filter(|invocation| invocation.end.is_some()).count();
    assert_eq!(count(&[EventType::InvocationCompleted]), ended);
    let ends = [
        EventType::ExecutionSucceeded,
        EventType::ExecutionFailed,
        EventType::ExecutionTimedOut,
        EventType::ExecutionStopped,
    ];
    let over = view.status != ExecutionStatus::Running;
    assert_eq!(count(&ends), usize::from(over));
    assert_eq!(ends.contains(&view.events.last().unwrap().event_type), over);
    assert_eq!(view.end.is_some(), over);
    // Each operation has one START and at most one end, which agrees with its status.
    let mut ends: HashMap<_, usize> = HashMap::new();
    for event in &view.events {
        use EventType as E;
        if let E::CallbackSucceeded
        | E::CallbackFailed
        | E::CallbackTimedOut
        | E::WaitSucceeded
        | E::WaitCancelled
        | E::ContextSucceeded
        | E::ContextFailed
        | E::ChainedInvokeSucceeded
        | E::ChainedInvokeFailed
        | E::ChainedInvokeTimedOut
        | E::ChainedInvokeStopped = event.event_type
        {
            *ends.entry(event.id.clone().unwrap()).or_default() += 1;
        }
    }
    for operation in
        view.operations.iter().filter(|operation| !matches!(operation.kind, Type::Step | Type::Execution))
    {
        let silent = operation.status == Status::Cancelled && operation.kind != Type::Wait;
        let expected = usize::from(operation.status.is_terminal() && !silent);
        assert_eq!(ends.get(&operation.id).copied().unwrap_or(0), expected, "{operation:?}");
    }
}

fn check_operations(view: &ExecutionView) {
    assert_eq!(view.operations[0].kind, Type::Execution);
    let mut kinds = HashMap::new();
    for operation in &view.operations {
        assert!(operation.start_sequence >= 1 && operation.sequence >= operation.start_sequence);
        assert_eq!(operation.end_timestamp.is_some(), operation.status.is_terminal());
        if let Some(parent) = &operation.parent_id {
            assert_eq!(kinds.get(parent), Some(&Type::Context), "a parent comes first");
        }
        assert_eq!(kinds.insert(operation.id.clone(), operation.kind), None, "ids are unique");
    }
    assert!(view.operations.is_sorted_by_key(|operation| operation.start_sequence));
}

/// Every timer belongs to an open operation, and every operation that time ends has exactly one timer.
fn check_timers(world: &World, view: &ExecutionView) {
    let execution = world.manager.get_checkpoints_by_execution(&world.arn).unwrap();
    let count = |timer: &Timer| execution.timers.all().filter(|scheduled| *scheduled == timer).count();
    if view.status != ExecutionStatus::Running {
        assert_eq!(execution.timers.all().count(), 0);
        return;
    }
    let mut outstanding = 0;
    for (index, operation) in view.operations.iter().enumerate() {
        let started = operation.status == Status::Started;
        let open = match operation.kind {
            Type::Wait => {
                assert_eq!(count(&Timer::WaitEnds(index)), usize::from(started));
                started
            }
            Type::Step => {
                assert_eq!(count(&Timer::StepReady(index)), usize::from(operation.status == Status::Pending));
                operation.status == Status::Pending
            }
            Type::Callback => {
                let timers = execution.timers.all().filter(|timer| {
                    matches!(timer, Timer::CallbackTimeout(i) | Timer::HeartbeatTimeout(i) | Timer::Answer(i, _) if *i == index)
                });
                assert!(started || timers.count() == 0);
                assert!(
                    count(&Timer::CallbackTimeout(index)) <= 1 && count(&Timer::HeartbeatTimeout(index)) <= 1
                );
                started
            }
            Type::ChainedInvoke => started,
            Type::Execution | Type::Context => false,
        };
        outstanding += usize::from(open);
    }
    assert_eq!(execution.operations.outstanding(), outstanding);
    assert!(execution.timers.next().is_none_or(|next| next > world.now));
}

/// The pages of the state contain exactly the listed operations.
fn check_listing(world: &mut World, view: &ExecutionView) {
    let by_id: HashMap<_, _> = view.operations.iter().map(|operation| (&operation.id, operation)).collect();
    let hidden = |operation: &Operation| {
        let mut above = operation.parent_id.as_ref().map(|id| by_id[id]);
        while let Some(context) = above {
            if context.status.is_terminal() && !context.context_details.as_ref().unwrap().replay_children {
                return true;
            }
            above = context.parent_id.as_ref().map(|id| by_id[id]);
        }
        false
    };
    let expected: Vec<_> = view.operations.iter().filter(|operation| !hidden(operation)).cloned().collect();
    let execution = world.manager.get_checkpoints_by_execution(&world.arn).unwrap();
    let mut page = execution.page(0);
    let mut listed = page.operations.clone();
    while let Some(marker) = page.next_marker {
        assert_eq!(page.operations.len(), 3);
        page = execution.page(execution.markers.read(&execution.execution_id, &marker).unwrap());
        listed.extend(page.operations.iter().cloned());
    }
    assert_eq!(listed, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn nothing_breaks(acts in prop::collection::vec(any_act(), 1..60), script in any_script(), in_turn in any::<bool>(), timeout in prop::option::of(1..30_u64)) {
        let answer_order = if in_turn { AnswerOrder::InTurn } else { AnswerOrder::ByCallback };
        let start = StartExecution { answers: script, answer_order, timeout_seconds: timeout, ..StartExecution::new("f", None) };
        let mut world = World::idle(start, Limits { page_operations: 3, ..Limits::default() });
        let mut tokens = Vec::new();
        for next in acts {
            if world.poll() == Next::Invoke {
                world.invoke();
                check(&mut world);
            }
            act(&mut world, next, &mut tokens);
            check(&mut world);
        }
    }

    /// A handler that starts operations and then only waits reaches its end: no wake-up is lost or spurious.
    #[test]
    fn whatever_is_started_ends(updates in prop::collection::vec(any_update(), 1..30)) {
        let mut world = World::new();
        for update in updates.into_iter().filter(|update| matches!(update.kind, Type::Wait | Type::Step)) {
            drop(world.try_checkpoint(vec![update]));
        }
        let mut invocations = 1;
        loop {
            let outstanding = world.manager.get_checkpoints_by_execution(&world.arn).unwrap().operations.outstanding();
            if outstanding == 0 {
                world.succeed("1");
                break;
            }
            let before = world.view().operations;
            match world.suspend() {
                Next::WaitUntil(deadline) => world.now = deadline,
                other => prop_assert!(false, "{:?} with {} outstanding", other, outstanding),
            }
            world.invoke();
            invocations += 1;
            prop_assert_ne!(world.view().operations, before);
        }
        prop_assert!(invocations <= 10);
    }
}
