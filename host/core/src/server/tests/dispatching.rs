//! Executions that are dispatched: who can go on is ready once, and nothing that can is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::saving::Shelf;
use crate::{
    ambient::SeededEntropy,
    protocol::{
        ChainedInvokeOptions, ExecutionArn, InvocationOutput, InvocationResult, Limits, OperationAction,
        OperationType, OperationUpdate, ServiceError, Timestamp,
    },
    server::{
        ExecutionManager, InvocationRetry, Next, PauseRequest, StartExecution,
        dispatch::{Dispatch, Need},
    },
};

/// What happens to one of a few executions.
#[derive(Debug, Clone)]
enum Happens {
    Needs(u8, Option<u64>),
    Ends(u8),
    Take(usize),
    Leaves(u8),
    Attends(u8),
    TimePasses(u64),
}

fn happens() -> impl Strategy<Value = Happens> {
    let one = 0..6_u8;
    prop_oneof![
        4 => (one.clone(), prop::option::of(0..5_u64)).prop_map(|(of, after)| Happens::Needs(of, after)),
        1 => one.clone().prop_map(Happens::Ends),
        3 => (0..4_usize).prop_map(Happens::Take),
        2 => one.clone().prop_map(Happens::Leaves),
        1 => one.prop_map(Happens::Attends),
        2 => (0..5_u64).prop_map(Happens::TimePasses),
    ]
}

fn arn(of: u8) -> ExecutionArn {
    ExecutionArn::new("f", "$LATEST", &format!("n{of}"), &format!("id-{of}"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    /// Against a model: the executions at work, and when the others can go on.
    #[test]
    fn each_is_taken_once_when_it_can_go_on(all in prop::collection::vec(happens(), 0..60)) {
        let mut dispatch = Dispatch::new(3);
        let (mut at_work, mut can) = (BTreeSet::new(), BTreeMap::new());
        let mut now = Timestamp::Y2025;
        for one in all {
            match one {
                Happens::Needs(of, after) => {
                    let need = after.map_or(Need::Answer, |after| Need::At(now.plus_seconds(after)));
                    dispatch.needs(&arn(of), need, now);
                    if !at_work.contains(&arn(of)) {
                        can.remove(&arn(of));
                        can.extend(after.map(|after| (arn(of), now.plus_seconds(after))));
                    }
                }
                Happens::Ends(of) => {
                    dispatch.needs(&arn(of), Need::Over, now);
                    can.remove(&arn(of));
                }
                Happens::Take(most) => {
                    let (taken, next) = dispatch.take(now, most);
                    let ready = can.iter().filter(|(_, time)| **time <= now).count();
                    prop_assert_eq!(taken.len(), ready.min(most));
                    for arn in taken {
                        prop_assert!(can.remove(&arn).is_some_and(|time| time <= now), "{arn}");
                        prop_assert!(at_work.insert(arn));
                    }
                    prop_assert_eq!(next, can.values().copied().filter(|time| *time > now).min());
                    prop_assert_eq!(dispatch.has_news(), ready > most);
                }
                Happens::Leaves(of) => {
                    dispatch.leave(&arn(of));
                    at_work.remove(&arn(of));
                }
                Happens::Attends(of) => {
                    prop_assert_eq!(dispatch.attend(&arn(of)), at_work.insert(arn(of)));
                    can.remove(&arn(of));
                }
                Happens::TimePasses(seconds) => now = now.plus_seconds(seconds),
            }
        }
        let (taken, _) = dispatch.take(now, 9);
        prop_assert_eq!(taken.len(), can.values().filter(|time| **time <= now).count());
    }
}

fn manager(shelf: &Shelf, process: u64) -> ExecutionManager {
    let manager = ExecutionManager::new(std::sync::Arc::new(SeededEntropy::new(1)), Limits::default());
    let mut manager = manager.with_store(shelf.open(process));
    manager.dispatch(Timestamp::Y2025, 2).unwrap();
    manager
}

fn conclude(manager: &mut ExecutionManager, now: Timestamp) {
    let touched = manager.touched();
    let committed = manager.commit(now);
    manager.look_at_touched(now, committed.is_err());
    manager.take_news();
    for arn in touched {
        manager.release(&arn);
    }
}

fn start(name: &str) -> StartExecution {
    StartExecution {
        execution_name: Some(name.to_owned()),
        idempotent: true,
        invocation_retry: InvocationRetry { max_retries: 0, first_delay_seconds: 1 },
        ..StartExecution::new("f", Some("1".to_owned()))
    }
}

#[test]
fn what_a_process_leaves_the_next_takes() {
    let (shelf, now) = (Shelf::default(), Timestamp::Y2025);
    let mut first = manager(&shelf, 1);
    let one = first.start_execution(now, start("one")).unwrap();
    conclude(&mut first, now);
    assert_eq!(first.take_ready(now, 9).ready, std::slice::from_ref(&one));
    first.take_over(now, &one).unwrap();
    first.start_invocation(now, &one).unwrap();
    conclude(&mut first, now);
    // The same request again, and another with its name.
    assert_eq!(first.start_execution(now, start("one")).unwrap(), one);
    let other = StartExecution { input: Some("2".to_owned()), ..start("one") };
    assert!(matches!(first.start_execution(now, other).unwrap_err(), ServiceError::AlreadyStarted(_)));
    let two = first.start_execution(now, start("two")).unwrap();
    let three = first.start_execution(now, start("three"));
    conclude(&mut first, now);
    // Two can go on, one of which is at work.
    assert!(three.is_ok(), "what is not committed does not count");
    assert!(matches!(
        first.start_execution(now, start("four")).unwrap_err(),
        ServiceError::TooManyRequests(_)
    ));
    conclude(&mut first, now);
    drop(first);

    let mut second = manager(&shelf, 2);
    let mut ready = second.take_ready(now, 9).ready;
    ready.sort();
    let mut expected = vec![one.clone(), two, three.unwrap()];
    expected.sort();
    assert_eq!(ready, expected);
    // The invocation of the first process is over, and costs no retry.
    second.take_over(now, &one).unwrap();
    assert_eq!(second.poll(now, &one).unwrap(), Next::Invoke);
    let (waiting, crashed) = (second.start_invocation(now, &one).unwrap(), one);
    // A process whose task for it was lost: whoever takes it over ends its invocation.
    second.leave(&crashed);
    conclude(&mut second, now);
    assert_eq!(second.take_ready(now, 9).ready, std::slice::from_ref(&crashed));
    second.take_over(now, &crashed).unwrap();
    assert_ne!(second.start_invocation(now, &crashed).unwrap().request_id, waiting.request_id);
}

#[test]
fn a_failed_commit_loses_nobody() {
    let (shelf, now) = (Shelf::default(), Timestamp::Y2025);
    let mut server = manager(&shelf, 1);
    let one = server.start_execution(now, start("one")).unwrap();
    conclude(&mut server, now);
    assert_eq!(server.take_ready(now, 9).ready, std::slice::from_ref(&one));
    shelf.fail(true);
    server.take_over(now, &one).unwrap();
    server.start_invocation(now, &one).unwrap();
    conclude(&mut server, now);
    server.leave(&one);
    conclude(&mut server, now);
    shelf.fail(false);
    assert_eq!(server.take_ready(now, 9).ready, std::slice::from_ref(&one));
    // One that is deleted in a commit that fails is still there.
    server.stop_execution(now, &one, None).unwrap();
    conclude(&mut server, now);
    shelf.fail(true);
    server.delete_execution(now, &one).unwrap();
    conclude(&mut server, now);
    shelf.fail(false);
    assert!(server.view(now, &one).is_ok());
    server.delete_execution(now, &one).unwrap();
    assert!(matches!(server.view(now, &one), Err(ServiceError::NotFound(_))), "before the commit already");
    conclude(&mut server, now);
    assert!(matches!(server.view(now, &one), Err(ServiceError::NotFound(_))));
    // Its name is free.
    assert_ne!(server.start_execution(now, start("one")).unwrap(), one);
}

/// The group of a commit that fails contains the request with which an execution was left: whoever ran it still does.
#[test]
fn who_leaves_with_a_failed_commit_has_not_left() {
    let (shelf, now) = (Shelf::default(), Timestamp::Y2025);
    let mut server = manager(&shelf, 1);
    let one = server.start_execution(now, start("one")).unwrap();
    conclude(&mut server, now);
    assert_eq!(server.take_ready(now, 9).ready, std::slice::from_ref(&one));
    server.take_over(now, &one).unwrap();
    shelf.fail(true);
    server.start_execution(now, start("another")).unwrap();
    server.leave_with_commit(&one);
    server.poll(now, &one).unwrap();
    conclude(&mut server, now);
    shelf.fail(false);
    server.poll(now, &one).unwrap();
    conclude(&mut server, now);
    assert_eq!(server.take_ready(now, 9).ready, []);
    server.leave_with_commit(&one);
    server.poll(now, &one).unwrap();
    conclude(&mut server, now);
    assert_eq!(server.take_ready(now, 9).ready, [one]);
}

/// Starts an invoke of `called`, and returns the caller and the target, which nobody runs.
fn invoked(server: &mut ExecutionManager, now: Timestamp) -> (ExecutionArn, ExecutionArn) {
    let caller = server.start_execution(now, start("caller")).unwrap();
    conclude(server, now);
    assert_eq!(server.take_ready(now, 9).ready, std::slice::from_ref(&caller));
    server.take_over(now, &caller).unwrap();
    let invocation = server.start_invocation(now, &caller).unwrap();
    let options = ChainedInvokeOptions { function_name: "called".into(), tenant_id: None };
    let update = OperationUpdate {
        chained_invoke_options: Some(options),
        ..OperationUpdate::new("i".into(), OperationType::ChainedInvoke, OperationAction::Start)
    };
    let token = invocation.input.checkpoint_token;
    server.checkpoint(now, &caller, &token, vec![update]).unwrap();
    let pending = InvocationResult::Output(InvocationOutput::pending());
    server.complete_invocation(now, &caller, &invocation.request_id, pending).unwrap();
    assert_eq!(server.take_invokes(&caller).unwrap().len(), 1);
    let target = start_target(server, now, &caller);
    conclude(server, now);
    (caller, target)
}

fn start_target(server: &mut ExecutionManager, now: Timestamp, caller: &ExecutionArn) -> ExecutionArn {
    let invoked_by = Some((caller.clone(), "i".into()));
    server.start_execution(now, StartExecution { invoked_by, ..StartExecution::new("called", None) }).unwrap()
}

/// Who runs a caller runs its targets. One whose caller has ended is run for itself.
#[test]
fn a_target_is_run_with_its_caller_and_after_it() {
    let now = Timestamp::Y2025;
    for restart in [false, true] {
        let shelf = Shelf::default();
        let mut server = manager(&shelf, 1);
        let (caller, target) = invoked(&mut server, now);
        assert_eq!(server.take_ready(now, 9).ready, [], "the caller is at work");
        if restart {
            server = manager(&shelf, 2);
            assert_eq!(server.take_ready(now, 9).ready, std::slice::from_ref(&caller));
        } else {
            server.leave(&caller);
            conclude(&mut server, now);
            assert_eq!(server.take_ready(now, 9).ready, std::slice::from_ref(&caller));
        }
        // Whoever takes it over runs the target again, and finds it.
        server.take_over(now, &caller).unwrap();
        assert_eq!(server.take_invokes(&caller).unwrap().len(), 1);
        assert_eq!(start_target(&mut server, now, &caller), target);
        server.stop_execution(now, &caller, None).unwrap();
        server.leave_with_commit(&caller);
        conclude(&mut server, now);
        let taken = server.take_ready(now, 9);
        assert_eq!((taken.ready, taken.ended), (vec![target], vec![caller]));
    }
}

/// What ends while nobody runs it is told, once.
#[test]
fn the_end_of_an_execution_that_waits_is_told() {
    let (shelf, now) = (Shelf::default(), Timestamp::Y2025);
    let mut server = manager(&shelf, 1);
    let one = server.start_execution(now, start("one")).unwrap();
    server.pause_execution(now, &one, PauseRequest { reason: None, pause_timeout: true }).unwrap();
    conclude(&mut server, now);
    let taken = server.take_ready(now, 9);
    assert_eq!((taken.ready, taken.ended), (vec![], vec![]), "it is paused");
    server.stop_execution(now, &one, None).unwrap();
    conclude(&mut server, now);
    assert!(server.has_dispatch_news());
    assert_eq!(server.take_ready(now, 9).ended, std::slice::from_ref(&one));
    server.view(now, &one).unwrap();
    server.take_news();
    conclude(&mut server, now);
    assert_eq!(server.take_ready(now, 9).ended, []);
}
