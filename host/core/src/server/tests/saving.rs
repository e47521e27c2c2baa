//! Executions that a store keeps: they go on as if nothing had been, whenever the server forgets them or its process
//! ends, and a commit that fails leaves no trace.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use proptest::prelude::*;

use super::{
    properties::{Act, act, any_act, any_script, check},
    world::*,
};
use crate::{
    ambient::SeededEntropy,
    protocol::{
        ErrorObject, ExecutionArn, ExecutionStatus, Limits, OperationAction, OperationType as Type,
        OperationUpdate, ServiceError, StepOptions, Timestamp,
    },
    server::{
        AnswerOrder, Changes, ExecutionManager, ExecutionSummary, ExecutionView, InvokeOutcome,
        ListExecutions, Lookup, Next, OpenExecution, PendingExternal, Saved, ScriptedAnswer, StartExecution,
        Store, StoreError, Summary, saved_origin, verify_saved,
    },
};

/// A store in memory, which outlives the servers that use it.
#[derive(Clone, Default)]
pub(super) struct Shelf(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    kept: BTreeMap<ExecutionArn, (Summary, Saved)>,
    fails: bool,
    commits: usize,
}

struct Opened {
    shelf: Shelf,
    process: u64,
}

impl Shelf {
    pub(super) fn open(&self, process: u64) -> Box<dyn Store> {
        Box::new(Opened { shelf: self.clone(), process })
    }

    fn manager(&self, process: u64, limits: Limits) -> ExecutionManager {
        ExecutionManager::new(Arc::new(SeededEntropy::new(1)), limits).with_store(self.open(process))
    }

    pub(super) fn fail(&self, fails: bool) {
        self.0.lock().unwrap().fails = fails;
    }

    fn commits(&self) -> usize {
        self.0.lock().unwrap().commits
    }

    fn saved(&self, arn: &ExecutionArn) -> (Summary, Saved) {
        self.0.lock().unwrap().kept[arn].clone()
    }
}

fn put(all: &mut Vec<String>, parts: &[(usize, String)]) {
    for (place, part) in parts {
        if let Some(old) = all.get_mut(*place) {
            old.clone_from(part);
        } else {
            assert_eq!(all.len(), *place, "no part is missing");
            all.push(part.clone());
        }
    }
}

impl Store for Opened {
    fn commit(&mut self, changes: &[Changes], deleted: &[ExecutionArn]) -> Result<(), StoreError> {
        let mut inside = self.shelf.0.lock().unwrap();
        if inside.fails {
            return Err(StoreError("the disk is full".into()));
        }
        inside.commits += 1;
        for arn in deleted {
            inside.kept.remove(arn);
        }
        for Changes { summary, execution, operations, events, invocations } in changes {
            let (known, saved) =
                inside.kept.entry(summary.arn.clone()).or_insert_with(|| (summary.clone(), Saved::default()));
            known.clone_from(summary);
            saved.execution.clone_from(execution);
            put(&mut saved.operations, operations);
            put(&mut saved.events, events);
            put(&mut saved.invocations, invocations);
        }
        Ok(())
    }

    fn list(&mut self, list: &ListExecutions) -> Result<Vec<ExecutionSummary>, StoreError> {
        let inside = self.shelf.0.lock().unwrap();
        let summaries = inside.kept.values().map(|(summary, _)| ExecutionSummary {
            arn: summary.arn.clone(),
            standing: summary.standing,
            start: summary.start,
            end: summary.end,
        });
        Ok(list.of(summaries))
    }

    fn open(&mut self) -> Result<Vec<OpenExecution>, StoreError> {
        let inside = self.shelf.0.lock().unwrap();
        let open = inside.kept.values().filter(|(summary, _)| summary.end.is_none());
        let open = open.map(|(summary, _)| OpenExecution {
            arn: summary.arn.clone(),
            due: summary.due,
            caller: summary.invoked_by.as_ref().map(|invoker| invoker.execution.clone()),
        });
        Ok(open.collect())
    }

    fn ended_before(&mut self, time: Timestamp, most: usize) -> Result<Vec<ExecutionArn>, StoreError> {
        let inside = self.shelf.0.lock().unwrap();
        let ended = inside.kept.values().filter(|(summary, _)| summary.end.is_some_and(|end| end < time));
        Ok(ended.map(|(summary, _)| summary.arn.clone()).take(most).collect())
    }

    fn load(&mut self, arn: &ExecutionArn) -> Result<Option<Saved>, StoreError> {
        Ok(self.shelf.0.lock().unwrap().kept.get(arn).map(|(_, saved)| saved.clone()))
    }

    fn find(&mut self, by: Lookup<'_>) -> Result<Option<ExecutionArn>, StoreError> {
        let inside = self.shelf.0.lock().unwrap();
        let is_it = |summary: &Summary| match by {
            Lookup::Id(id) => summary.id == id,
            Lookup::Name { function, name } => {
                summary.arn.parts().is_some_and(|(of, _, named)| (of, named) == (function, name))
            }
            Lookup::Invoker(invoker) => summary.invoked_by.as_ref() == Some(invoker),
        };
        Ok(inside.kept.values().find(|(summary, _)| is_it(summary)).map(|(summary, _)| summary.arn.clone()))
    }

    fn process(&self) -> u64 {
        self.process
    }
}

/// A view without the ids that are random.
fn same(mut view: ExecutionView) -> ExecutionView {
    let execution = std::mem::replace(&mut Arc::make_mut(&mut view.operations[0]).id, "".into());
    for operation in &mut view.operations {
        if let Some(details) = &mut Arc::make_mut(operation).callback_details {
            details.callback_id = None;
        }
    }
    for event in &mut view.events {
        use crate::protocol::EventDetails as Details;
        let event = Arc::make_mut(event);
        event.id.take_if(|id| *id == execution);
        match &mut event.details {
            Details::CallbackStarted(details) => details.callback_id = "".into(),
            Details::InvocationCompleted(details) => details.request_id = "".into(),
            _ => {}
        }
    }
    for invocation in &mut view.invocations {
        invocation.request_id = "".into();
    }
    view
}

/// What is needed next, without the ids of callbacks.
fn same_next(mut next: Next) -> Next {
    if let Next::WaitForExternal { what } = &mut next {
        for pending in what {
            if let PendingExternal::Callback { callback_id, .. } = pending {
                *callback_id = "".into();
            }
        }
    }
    next
}

/// A world whose executions are kept on a shelf.
fn on_shelf(shelf: &Shelf, start: StartExecution, limits: Limits) -> World {
    let mut world = World::idle(StartExecution::new("other", None), limits.clone());
    world.manager = shelf.manager(1, limits);
    world.arn = world.manager.start_execution(world.now, start).unwrap();
    world.manager.commit(world.now).unwrap();
    world
}

fn commit(world: &mut World) {
    world.manager.commit(world.now).unwrap();
}

/// What happens to the server that keeps its executions in a store, after a request.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// Nothing.
    Commit,
    /// It forgets what it can.
    Release,
    /// It forgets everything.
    Reload,
    /// The commit fails, and the request is made again.
    Fail,
}

fn any_then() -> impl Strategy<Value = Then> {
    prop_oneof![3 => Just(Then::Commit), 2 => Just(Then::Release), 2 => Just(Then::Reload), 1 => Just(Then::Fail)]
}

/// What is asked of a server with a store has the same results as without one, whatever becomes of its memory.
fn compare(
    acts: Vec<(Act, Then)>,
    script: Vec<ScriptedAnswer>,
    in_turn: bool,
    timeout: Option<u64>,
) -> Result<(), TestCaseError> {
    let answer_order = if in_turn { AnswerOrder::InTurn } else { AnswerOrder::ByCallback };
    let execution_name = Some("n".to_owned());
    let start = StartExecution {
        execution_name,
        answers: script,
        answer_order,
        timeout_seconds: timeout,
        ..StartExecution::new("f", None)
    };
    let limits = Limits { page_operations: 3, ..Limits::default() };
    let shelf = Shelf::default();
    let mut plain = World::idle(start.clone(), limits.clone());
    let mut kept = on_shelf(&shelf, start, limits.clone());
    let (mut tokens, mut kept_tokens) = (Vec::new(), Vec::new());
    for (next, then) in acts {
        if plain.poll() == Next::Invoke {
            plain.invoke();
            kept.invoke();
            prop_assert_eq!(plain.returned_at, kept.returned_at);
            commit(&mut kept);
        }
        act(&mut plain, next.clone(), &mut tokens);
        if matches!(then, Then::Fail) {
            let now = kept.now;
            let before = kept.view();
            commit(&mut kept);
            let (token, request_id, count) = (kept.token.clone(), kept.request_id.clone(), kept_tokens.len());
            act(&mut kept, next.clone(), &mut kept_tokens);
            shelf.fail(true);
            let failed = kept.manager.commit(kept.now);
            shelf.fail(false);
            if failed.is_err() {
                kept.now = now;
                prop_assert_eq!(kept.view(), before);
                (kept.token, kept.request_id) = (token, request_id);
                kept_tokens.truncate(count);
                act(&mut kept, next, &mut kept_tokens);
            }
        } else {
            act(&mut kept, next, &mut kept_tokens);
        }
        commit(&mut kept);
        match then {
            Then::Commit | Then::Fail => {}
            Then::Release => {
                let arn = kept.arn.clone();
                kept.manager.release(&arn);
            }
            Then::Reload => kept.manager = shelf.manager(1, limits.clone()),
        }
        prop_assert_eq!(same_next(plain.poll()), same_next(kept.poll()));
        let (plain_view, kept_view) = (same(plain.view()), same(kept.view()));
        prop_assert_eq!(&plain_view.operations, &kept_view.operations);
        prop_assert_eq!(&plain_view.events, &kept_view.events);
        prop_assert_eq!(plain_view.invocations, kept_view.invocations);
        prop_assert_eq!(
            (plain_view.status, plain_view.result, plain_view.error),
            (kept_view.status, kept_view.result, kept_view.error)
        );
        check(&mut kept);
        commit(&mut kept);
    }
    // What is exported and imported is the same.
    let (summary, saved) = shelf.saved(&kept.arn);
    let changes = verify_saved(&saved, summary.saved_at).unwrap();
    // What was open in an execution that is over is left in the store, and not restored.
    if summary.standing.status() == ExecutionStatus::Running {
        prop_assert_eq!(
            changes.operations.into_iter().map(|(_, text)| text).collect::<Vec<_>>(),
            saved.operations
        );
    }
    prop_assert_eq!(changes.events.into_iter().map(|(_, text)| text).collect::<Vec<_>>(), saved.events);
    Ok(())
}

/// A step that became READY while its invocation was running, and a reload before the invocation ends.
#[test]
fn acts_that_once_differed() {
    let step = |action| OperationUpdate::new("f".into(), Type::Step, action);
    let retry = OperationUpdate {
        step_options: Some(StepOptions { next_attempt_delay_seconds: Some(1) }),
        error: Some(ErrorObject::new("Broken", "for a reason")),
        ..step(OperationAction::Retry)
    };
    let context = OperationUpdate::new("a".into(), Type::Context, OperationAction::Start);
    let acts = vec![
        (Act::Checkpoint(vec![step(OperationAction::Start)]), Then::Commit),
        (Act::Checkpoint(vec![retry]), Then::Commit),
        (Act::Pass(1), Then::Commit),
        (Act::Checkpoint(vec![context.clone()]), Then::Commit),
        (Act::Checkpoint(vec![context]), Then::Reload),
        (Act::Suspend, Then::Commit),
    ];
    compare(acts, Vec::new(), false, None).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn a_store_changes_nothing(
        acts in prop::collection::vec((any_act(), any_then()), 1..60),
        script in any_script(),
        in_turn in any::<bool>(),
        timeout in prop::option::of(1..30_u64),
    ) {
        compare(acts, script, in_turn, timeout)?;
    }

    #[test]
    fn damaged_parts_are_refused_or_whole(
        acts in prop::collection::vec(any_act(), 1..20),
        part in 0..4_usize,
        which in any::<prop::sample::Index>(),
        change in prop_oneof![Just("{}".to_owned()), Just(String::new()), Just("null".to_owned()), "[a-z\"{}:,0-9]{0,40}"],
    ) {
        let shelf = Shelf::default();
        let mut kept = on_shelf(&shelf, StartExecution::new("f", None), Limits::default());
        for next in acts {
            if kept.poll() == Next::Invoke {
                kept.invoke();
            }
            act(&mut kept, next, &mut Vec::new());
        }
        commit(&mut kept);
        let (summary, mut saved) = shelf.saved(&kept.arn);
        prop_assert!(verify_saved(&saved, summary.saved_at).is_ok());
        let parts = match part {
            0 => &mut saved.operations,
            1 => &mut saved.events,
            _ => &mut saved.invocations,
        };
        match parts.len() {
            0 => saved.execution = change,
            count => parts[which.index(count)] = change,
        }
        prop_assert!(verify_saved(&saved, summary.saved_at).is_err());
    }
}

/// The server's process ends while an invocation is running, and another one goes on.
#[test]
fn an_interrupted_invocation_is_over_and_costs_no_retry() {
    let shelf = Shelf::default();
    let start = StartExecution {
        invocation_retry: crate::server::InvocationRetry { max_retries: 0, first_delay_seconds: 1 },
        ..StartExecution::new("f", None)
    };
    let mut world = on_shelf(&shelf, start, Limits::default());
    for process in 2..5 {
        world.invoke();
        world.try_checkpoint(vec![wait(&format!("w{process}"), 5), start_step(process)]).unwrap();
        commit(&mut world);
        let (token, request_id) = (world.token.clone(), world.request_id.clone());
        world.pass(2);
        world.manager = shelf.manager(process, Limits::default());
        assert_eq!(world.poll(), Next::Invoke);
        assert_eq!(
            world.manager.checkpoint(world.now, &world.arn, &token, vec![]).unwrap_err(),
            ServiceError::InvalidToken
        );
        let late = world.manager.complete_invocation(
            world.now,
            &world.arn,
            &request_id,
            crate::protocol::InvocationResult::Crashed(ErrorObject::default()),
        );
        assert!(matches!(late, Err(ServiceError::InvocationNotRunning(_))), "{late:?}");
        let view = world.view();
        let last = view.invocations.last().unwrap();
        assert_eq!(last.end, Some(world.now));
        assert_eq!(last.error.as_ref().unwrap().error_type.as_deref(), Some("Runtime.HostEnded"));
        assert_eq!(view.events.last().unwrap().event_type, crate::protocol::EventType::InvocationCompleted);
        check(&mut world);
        commit(&mut world);
    }
    world.invoke();
    assert_eq!(world.succeed("1"), Next::Closed);
    assert_eq!(world.view().status, ExecutionStatus::Succeeded);
}

fn start_step(number: u64) -> crate::protocol::OperationUpdate {
    start(&format!("s{number}"), Type::Step)
}

/// An outcome that the handler had checkpointed is final, although its invocation never returned.
#[test]
fn a_decided_execution_ends_although_its_process_did() {
    let shelf = Shelf::default();
    let mut world = on_shelf(&shelf, StartExecution::new("f", None), Limits::default());
    world.invoke();
    let id = world.view().operations[0].id.clone();
    world.checkpoint(vec![succeed(id.as_str(), Type::Execution, "42")]);
    commit(&mut world);
    world.manager = shelf.manager(2, Limits::default());
    assert_eq!(world.poll(), Next::Closed);
    assert_eq!(world.view().result.as_deref(), Some("42"));
}

/// Timers that came due while no process ran fire in their order, each at its own time.
#[test]
fn timers_that_came_due_meanwhile_fire_in_their_order() {
    let shelf = Shelf::default();
    let mut world = on_shelf(&shelf, StartExecution::new("f", None), Limits::default());
    world.invoke();
    world.checkpoint(vec![wait("late", 9), wait("early", 3), wait("same", 9)]);
    world.suspend();
    commit(&mut world);
    world.pass(3600);
    world.manager = shelf.manager(2, Limits::default());
    assert_eq!(world.poll(), Next::Invoke);
    let view = world.view();
    let ends =
        view.events.iter().filter(|event| event.event_type == crate::protocol::EventType::WaitSucceeded);
    let ends: Vec<_> = ends
        .map(|event| (event.id.as_ref().unwrap().as_str(), event.event_timestamp.as_millis() - START))
        .collect();
    assert_eq!(ends, [("early", 3_000), ("late", 9_000), ("same", 9_000)]);
}

/// Invokes whose targets did not end are handed out again; one that was answered, even if that is held, is not.
#[test]
fn open_invokes_are_handed_out_again() {
    let shelf = Shelf::default();
    let mut world = on_shelf(&shelf, StartExecution::new("f", None), Limits::default());
    world.invoke();
    world.checkpoint(vec![invoke("open", "target"), invoke("held", "target"), invoke("done", "target")]);
    assert_eq!(world.manager.take_invokes(&world.arn).unwrap().len(), 3);
    let outcome = || InvokeOutcome::Succeeded(Some("1".into()));
    world.manager.complete_invoke(world.now, &world.arn, &"held".into(), outcome()).unwrap();
    commit(&mut world);
    world.manager = shelf.manager(2, Limits::default());
    world.poll();
    let again = world.manager.take_invokes(&world.arn).unwrap();
    assert_eq!(again.iter().map(|invoke| invoke.operation_id.as_str()).collect::<Vec<_>>(), ["open", "done"]);
    assert_eq!(world.operation("held").status, crate::protocol::OperationStatus::Succeeded);

    // The target of an invoke is started once, whichever process starts it.
    let target = |manager: &mut ExecutionManager, world_now, arn: &ExecutionArn| {
        let request = StartExecution {
            invoked_by: Some((arn.clone(), "open".into())),
            ..StartExecution::new("target", None)
        };
        manager.start_execution(world_now, request).unwrap()
    };
    let first = target(&mut world.manager, world.now, &world.arn);
    commit(&mut world);
    world.manager = shelf.manager(3, Limits::default());
    assert_eq!(target(&mut world.manager, world.now, &world.arn), first);
}

#[test]
fn a_name_belongs_to_one_execution_of_a_function() {
    let shelf = Shelf::default();
    let named = |function: &str| StartExecution {
        execution_name: Some("n".into()),
        ..StartExecution::new(function, None)
    };
    let mut world = on_shelf(&shelf, named("f"), Limits::default());
    let refused = "the function has an execution with the name \"n\" already";
    for restarts in [false, true] {
        if restarts {
            world.manager = shelf.manager(2, Limits::default());
        }
        let error = world.manager.start_execution(world.now, named("f")).unwrap_err();
        assert!(error.to_string().contains(refused), "{error}");
    }
    // Of one group of requests as well, before anything is committed.
    world.manager.start_execution(world.now, named("g")).unwrap();
    assert!(world.manager.start_execution(world.now, named("g")).is_err());
    world.manager.start_execution(world.now, named("h")).unwrap();
    commit(&mut world);
}

/// Ids and tokens of a later process are not those of an earlier one, although the seed is the same.
#[test]
fn a_seed_gives_no_id_twice() {
    let shelf = Shelf::default();
    let mut world = on_shelf(&shelf, StartExecution::new("f", None), Limits::default());
    let mut seen = std::collections::HashSet::new();
    for process in 2..6 {
        world.invoke();
        assert!(seen.insert(world.request_id.to_string()) && seen.insert(world.token.to_string()));
        world.checkpoint(vec![callback(&format!("c{process}"), 0, 0)]);
        assert!(seen.insert(world.callback_id(&format!("c{process}")).to_string()));
        commit(&mut world);
        world.manager = shelf.manager(process, Limits::default());
        world.poll();
        let other = world.manager.start_execution(world.now, StartExecution::new("f", None)).unwrap();
        assert!(seen.insert(other.to_string()));
        commit(&mut world);
    }
}

/// What an execution is charged for does not grow when it is loaded: payloads that an operation and its events have in
/// common count once, however long they are as JSON.
#[test]
fn a_loaded_execution_is_charged_as_before() {
    let shelf = Shelf::default();
    let input = format!("\"{}\"", "\\\\".repeat(20_000));
    let mut world = on_shelf(&shelf, StartExecution::new("f", Some(input)), Limits::default());
    world.invoke();
    let result = format!("\"{}\"", "\\n".repeat(100_000));
    world.checkpoint(vec![
        start("s", Type::Step),
        succeed("s", Type::Step, &result),
        start("t", Type::Step).name("named"),
        fail("t", Type::Step),
        invoke("i", "target").with(|update| update.payload = Some(result.as_str().into())),
        callback("c", 5, 5),
    ]);
    world.suspend();
    commit(&mut world);
    let before = world.manager.budget(&world.arn).unwrap().used();
    world.manager = shelf.manager(2, Limits::default());
    let after = world.manager.budget(&world.arn).unwrap().used();
    assert!(after <= before && after * 2 > before, "{before} -> {after}");
}

/// Requests that change nothing do not write.
#[test]
fn reading_writes_nothing() {
    let shelf = Shelf::default();
    let mut world = on_shelf(&shelf, StartExecution::new("f", None), Limits::default());
    world.invoke();
    world.checkpoint(vec![wait("w", 60)]);
    world.suspend();
    commit(&mut world);
    let commits = shelf.commits();
    for _ in 0..3 {
        world.view();
        world.poll();
        world.manager.has_news(world.now, &world.arn.clone()).unwrap();
        commit(&mut world);
        let arn = world.arn.clone();
        world.manager.release(&arn);
        assert!(world.manager.get_checkpoints_by_execution(&arn).is_none(), "nothing needs it in memory");
    }
    assert_eq!(shelf.commits(), commits);
}

/// A host that continues an execution brings answers for callbacks that are open already.
#[test]
fn answers_are_added_to_open_callbacks() {
    let shelf = Shelf::default();
    let start = StartExecution { origin: Some("first".into()), ..StartExecution::new("f", None) };
    let mut world = on_shelf(&shelf, start, Limits::default());
    world.invoke();
    world.checkpoint(vec![callback("a", 0, 0).name("a"), callback("b", 0, 0).name("b")]);
    world.suspend();
    commit(&mut world);
    world.manager = shelf.manager(2, Limits::default());
    let answer =
        |name: &str, text: &str| ScriptedAnswer::new(name, std::time::Duration::from_secs(5), ok(text));
    let answers = vec![answer("b", "1"), answer("c", "2"), answer("a", "3")];
    world.manager.add_answers(world.now, &world.arn, answers, Some("second".into())).unwrap();
    commit(&mut world);
    assert_eq!(saved_origin(&shelf.saved(&world.arn).1).unwrap().1.as_deref(), Some("second"));
    world.manager = shelf.manager(3, Limits::default());
    world.pass(5);
    assert_eq!(world.poll(), Next::Invoke);
    assert_eq!(world.operation("a").result().map(|text| &**text), Some("3"));
    assert_eq!(world.operation("b").result().map(|text| &**text), Some("1"));
    // The one that is left waits for its callback.
    world.invoke();
    world.checkpoint(vec![callback("c", 0, 0).name("c")]);
    world.suspend();
    world.pass(5);
    world.poll();
    assert_eq!(world.operation("c").result().map(|text| &**text), Some("2"));
}

/// An execution of the store that is not whole is refused by name, and others go on.
#[test]
fn a_damaged_record_is_named() {
    let shelf = Shelf::default();
    let mut world = on_shelf(&shelf, StartExecution::new("f", None), Limits::default());
    let other = world.manager.start_execution(world.now, StartExecution::new("f", None)).unwrap();
    commit(&mut world);
    shelf.0.lock().unwrap().kept.get_mut(&other).unwrap().1.events.clear();
    world.manager = shelf.manager(2, Limits::default());
    assert_eq!(world.poll(), Next::Invoke);
    // Without its events an execution can be read; without its first operation it cannot.
    shelf.0.lock().unwrap().kept.get_mut(&other).unwrap().1.operations.clear();
    let error = world.manager.poll(world.now, &other).unwrap_err();
    assert!(matches!(&error, ServiceError::Store(why) if why.contains(other.as_str())), "{error}");
}
