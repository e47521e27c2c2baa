//! Executions that are dispatched: who can go on is ready once, and nothing that can is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::saving::Shelf;
use crate::{
    ambient::SeededEntropy,
    protocol::{ExecutionArn, Limits, ServiceError, Timestamp},
    server::{
        ExecutionManager, InvocationRetry, Next, StartExecution,
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
    assert_eq!(first.take_ready(now, 9).0, std::slice::from_ref(&one));
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
    let (mut ready, _) = second.take_ready(now, 9);
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
    assert_eq!(second.take_ready(now, 9).0, std::slice::from_ref(&crashed));
    second.take_over(now, &crashed).unwrap();
    assert_ne!(second.start_invocation(now, &crashed).unwrap().request_id, waiting.request_id);
}

#[test]
fn a_failed_commit_loses_nobody() {
    let (shelf, now) = (Shelf::default(), Timestamp::Y2025);
    let mut server = manager(&shelf, 1);
    let one = server.start_execution(now, start("one")).unwrap();
    conclude(&mut server, now);
    assert_eq!(server.take_ready(now, 9).0, std::slice::from_ref(&one));
    shelf.fail(true);
    server.take_over(now, &one).unwrap();
    server.start_invocation(now, &one).unwrap();
    conclude(&mut server, now);
    server.leave(&one);
    conclude(&mut server, now);
    shelf.fail(false);
    assert_eq!(server.take_ready(now, 9).0, std::slice::from_ref(&one));
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
