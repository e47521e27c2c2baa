//! Tests of what the server keeps: it is charged before, to the execution and to the host.

use std::sync::Arc;

use super::world::*;
use crate::{
    ambient::SeededEntropy,
    budget::HostBudget,
    protocol::{
        ErrorObject, ExecutionStatus, InvocationResult, Limits, OperationStatus, OperationType as Type,
        ServiceError,
    },
    server::{Answer, ExecutionManager, InvokeOutcome, Next, StartExecution},
};

const BUDGET: usize = 300_000;

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// An execution whose budget is small, within a host's.
fn world(host: &HostBudget) -> World {
    let limits = Limits { execution_bytes: BUDGET, ..Limits::default() };
    let mut world = World::idle(StartExecution::new("f", None), limits.clone());
    let mut manager =
        ExecutionManager::new(Arc::new(SeededEntropy::new(1)), limits).with_host_budget(host.clone());
    world.arn = manager.start_execution(world.now, StartExecution::new("f", None)).unwrap();
    world.manager = manager;
    world.invoke();
    world
}

/// Leaves this many bytes of the host's budget.
fn fill(host: &HostBudget, rest: usize) -> crate::budget::Charge {
    let filler = crate::budget::Budget::new(usize::MAX, host.clone());
    let mut charge = filler.hold();
    charge.grow(host.limit() - host.used() - rest).unwrap();
    charge
}

#[track_caller]
fn failed_for(world: &mut World, kind: &str) {
    let view = world.view();
    assert_eq!(view.status, ExecutionStatus::Failed);
    let error = view.error.unwrap();
    let message = error.error_message.unwrap_or_default();
    assert_eq!(error.error_type.as_deref(), Some(kind), "{message}");
    assert!(message.contains(&format!("at most {BUDGET}")), "{message}");
    assert_eq!(view.invocations.iter().filter(|invocation| invocation.end.is_none()).count(), 0);
}

#[test]
fn an_execution_that_exceeds_its_budget_fails_and_no_other() {
    let host = HostBudget::default();
    let mut world = world(&host);
    let other = world.manager.start_execution(world.now, StartExecution::new("g", None)).unwrap();
    world.checkpoint(vec![start("a", Type::Step)]);
    let events = world.view().events.len();
    let refused = world.try_checkpoint(vec![succeed("a", Type::Step, &text(BUDGET))]);
    assert!(
        matches!(&refused, Err(ServiceError::InvalidParameterValue(why)) if why.contains("the execution makes")),
        "{refused:?}"
    );
    failed_for(&mut world, "Execution.ByteLimitExceeded");
    // The ends of the invocation and of the execution.
    assert_eq!(world.view().events.len(), events + 2, "nothing of the update is kept");
    assert!(matches!(world.try_checkpoint(vec![]), Err(ServiceError::InvalidToken)));
    assert_eq!(world.manager.poll(world.now, &other).unwrap(), Next::Invoke);
    let used = host.used();
    assert!(used > 0 && used < BUDGET);
    drop(world);
    assert_eq!(host.used(), 0);
}

#[test]
fn names_and_errors_and_attempts_are_charged() {
    let grows = |act: &dyn Fn(&mut World), least: usize| {
        let host = HostBudget::default();
        let mut world = world(&host);
        world.checkpoint(vec![start("step", Type::Step)]);
        let before = host.used();
        act(&mut world);
        let grown = host.used() - before;
        assert!(grown >= least, "{grown}");
    };
    let stack_trace = vec![String::new(); 1_000];
    let error = ErrorObject { stack_trace, ..ErrorObject::default() };
    let fails = fail("step", Type::Step).with(|update| update.error = Some(error.clone()));
    grows(&|world| drop(world.checkpoint(vec![fails.clone()])), 2 * 24_000);
    grows(&|world| drop(world.checkpoint(vec![retry("step", 1)])), 200);
    let named = start("n", Type::Step).with(|update| update.name = Some(text(256).into()));
    grows(&|world| drop(world.checkpoint(vec![named.clone()])), 1_000);
    let invokes = invoke("i", "target").with(|update| update.payload = Some(text(10_000).into()));
    grows(&|world| drop(world.checkpoint(vec![invokes.clone()])), 11_000);
}

#[test]
fn a_full_host_refuses_what_asks_and_changes_nothing() {
    let host = HostBudget::new(1 << 20);
    let mut world = world(&host);
    world.checkpoint(vec![callback("callback", 0, 0), invoke("invoke", "target")]);
    let full = fill(&host, 5_000);
    let before = world.view();
    let large = || succeed("a", Type::Step, &text(9_000));
    let refused = world.try_checkpoint(vec![start("a", Type::Step), large()]);
    assert!(
        matches!(&refused, Err(ServiceError::InvalidParameterValue(why)) if why.contains("all executions")),
        "{refused:?}"
    );
    assert!(world.answer("callback", Answer::Success(Some(text(9_000)))).is_err());
    // An error is kept three times.
    assert!(world.answer("callback", Answer::Failure(ErrorObject::new("E", text(3_000)))).is_err());
    assert!(world.manager.start_execution(world.now, StartExecution::new("g", Some("1".into()))).is_err());
    assert_eq!(world.view(), before);
    let outcome = InvokeOutcome::Succeeded(Some(text(9_000)));
    world.manager.complete_invoke(world.now, &world.arn, &"invoke".into(), outcome).unwrap();
    drop(full);
    world.checkpoint(vec![start("a", Type::Step), large()]);
    world.answer("callback", Answer::Success(Some(text(9_000)))).unwrap();
    assert_eq!(world.suspend(), Next::Invoke);
    let invoke = world.operation("invoke");
    assert_eq!(invoke.status, OperationStatus::Failed);
    assert_eq!(invoke.error().unwrap().error_type.as_deref(), Some("Sandbox.HostByteLimitExceeded"));
}

#[test]
fn what_waits_goes_on_while_the_host_is_full() {
    let host = HostBudget::new(1 << 20);
    let mut world = world(&host);
    world.checkpoint(vec![wait("wait", 5), callback("callback", 0, 0)]);
    world.suspend();
    let _full = fill(&host, 0);
    world.pass(5);
    world.invoke();
    world.checkpoint(vec![]);
    world.answer("callback", Answer::Success(None)).unwrap();
    assert_eq!(world.operation("callback").status, OperationStatus::Succeeded);
    world.suspend();
    world.invoke();
}

#[test]
fn an_answer_or_an_outcome_beyond_the_budget_ends_the_execution() {
    let (result, error) = (Some(text(BUDGET)), ErrorObject::new("E", text(BUDGET / 3)));
    for answer in [Some(Answer::Success(result.clone())), Some(Answer::Failure(error)), None] {
        let mut world = world(&HostBudget::default());
        world.checkpoint(vec![callback("callback", 0, 0), invoke("invoke", "target")]);
        world.suspend();
        if let Some(answer) = answer {
            world.answer("callback", answer).unwrap_err();
        } else {
            let outcome = InvokeOutcome::Succeeded(result.clone());
            world.manager.complete_invoke(world.now, &world.arn, &"invoke".into(), outcome).unwrap();
        }
        failed_for(&mut world, "Execution.ByteLimitExceeded");
    }
}

#[test]
fn a_result_beyond_the_budget_fails_at_once_and_one_beyond_the_hosts_is_tried_again() {
    let mut world = world(&HostBudget::default());
    assert_eq!(world.succeed(&text(BUDGET)), Next::Closed);
    failed_for(&mut world, "Execution.ByteLimitExceeded");

    let host = HostBudget::new(1 << 20);
    let mut world = self::world(&host);
    let full = fill(&host, 5_000);
    assert!(matches!(world.succeed(&text(9_000)), Next::WaitUntil(_)));
    drop(full);
    world.pass(1);
    world.invoke();
    assert_eq!(world.succeed(&text(9_000)), Next::Closed);
    assert_eq!(world.view().status, ExecutionStatus::Succeeded);
}

#[test]
fn the_error_of_a_crash_is_kept_in_a_bounded_form() {
    let host = HostBudget::default();
    let mut world = world(&host);
    let error = ErrorObject {
        error_type: Some(text(1 << 20)),
        error_message: Some(text(1 << 20)),
        error_data: Some(text(1 << 20)),
        stack_trace: vec![String::new(); 1 << 20],
    };
    let before = host.used();
    world.complete(InvocationResult::Crashed(error));
    let kept = world.view().invocations[0].error.clone().unwrap().kept();
    assert!(kept < 60_000, "{kept}");
    assert!(host.used() - before >= 3 * kept);
}
