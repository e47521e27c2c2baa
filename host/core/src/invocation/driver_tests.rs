//! Tests of what a driver tells of its run, of its log, and of how it goes on for a guest that waits.

use std::sync::Arc;

use super::{
    Driver, Ended, Faults, LogLevel, LogSource, Need, log_limit,
    tests::{driver, driver_of, step, wait},
};
use crate::{
    ambient::VirtualClock,
    budget::{Budget, HostBudget},
    protocol::{
        CheckpointResponse, Limits, Operation, OperationStatus, OperationType, ServiceError, Timestamp,
    },
    replay::{CheckpointMode, Code, Engine, Interest},
};

/// Writes a line. Each takes 64 bytes beside its text.
fn write(driver: &mut Driver, text: &str) -> Result<(), Ended> {
    let clock = VirtualClock::new(Timestamp::Y2025);
    driver.log(&clock, (LogLevel::Info, LogSource::Log), text.to_owned(), Vec::new(), None)
}

/// An engine with a wait on record, which the guest has not started.
fn replaying() -> Engine {
    let recorded = Operation::new("w".into(), OperationType::Wait, Timestamp::Y2025);
    Engine::new(vec![Arc::new(recorded)], Limits::default(), 10)
}

#[test]
fn lines_of_replayed_code_are_kept_on_request() {
    let (mut driver, log) = driver_of(replaying(), Faults::default());
    driver.renew_log_budget(1000);
    assert!(driver.is_replaying() && !driver.keeps_replayed_lines());
    for (keep, text) in [(false, "before"), (true, "kept"), (false, "after")] {
        driver.keep_replayed_lines(keep);
        assert_eq!(driver.keeps_replayed_lines(), keep);
        write(&mut driver, text).unwrap();
    }
    let kept: Vec<_> = log.take().into_iter().map(|line| (line.message, line.replayed)).collect();
    assert_eq!(kept, [("kept".to_owned(), false)]);
}

#[test]
fn a_log_has_as_many_bytes_as_it_may() {
    let (mut driver, log) = driver(Faults::default());
    assert_eq!(driver.log_limit(), 150);
    let eleven = "12345678901";
    write(&mut driver, eleven).unwrap();
    let refused = write(&mut driver, "123456789012");
    assert_eq!(refused, Err(log_limit(150, 151)));
    let Err(Ended::Limit("Sandbox.LogLimitExceeded", why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("they take 151 bytes; at most 150 are allowed"), "{why}");
    write(&mut driver, eleven).unwrap();
    assert_eq!(write(&mut driver, ""), Err(log_limit(150, 214)));
    driver.renew_log_budget(64);
    write(&mut driver, "").unwrap();
    assert_eq!((driver.log_limit(), log.take().len()), (150, 3));
    assert_eq!(write(&mut driver, ""), Err(log_limit(150, 214)));
}

#[test]
fn a_driver_tells_whose_body_runs_and_why_its_run_was_ended() {
    let (mut driver, _) = driver(Faults::default());
    let key = step(&mut driver);
    assert_eq!((driver.body(), driver.body_operation(), driver.code()), (None, None, Code::New));
    driver.enter(key).unwrap();
    let id = driver.engine().id(key).unwrap().clone();
    assert_eq!((driver.body(), driver.body_operation(), driver.code()), (Some(key), Some(id), Code::Body));
    driver.leave(key).unwrap();
    assert_eq!((driver.body(), driver.ended()), (None, None));
    driver.end(Ended::StepTimedOut(key));
    assert_eq!(driver.ended(), Some(&Ended::StepTimedOut(key)));
    assert_eq!(driver.take_ended(), Some(Ended::StepTimedOut(key)));
    assert_eq!(driver.ended(), None);
    let (driver, _) = driver_of(replaying(), Faults::default());
    assert_eq!(driver.code(), Code::Replayed);
}

#[test]
fn an_invocation_is_the_first_if_nothing_is_on_record() {
    let is_first = |engine| driver_of(engine, Faults::default()).0.observation().is_first_invocation();
    assert!(is_first(Engine::new(Vec::new(), Limits::default(), 10)));
    assert!(!is_first(replaying()));
}

#[test]
fn a_refusal_for_bytes_is_told_from_any_other() {
    let budget = Budget::new(100, HostBudget::default());
    let exceeded = budget.charge(101).unwrap_err();
    let other = ServiceError::InvalidParameterValue("no".to_owned());
    let engine = Engine::new(Vec::new(), Limits::default(), 10).with_budget(&budget);
    let (mut here, _) = driver_of(engine, Faults::default());
    assert_eq!(here.answered(Err(exceeded.into())), Err(Ended::Refused(exceeded)));
    assert_eq!(here.answered(Err(other.clone())), Err(Ended::Service(other)));
    // A service elsewhere has a budget of its own.
    let (mut elsewhere, _) = driver(Faults::default());
    assert_eq!(elsewhere.answered(Err(exceeded.into())), Err(Ended::Service(exceeded.into())));
}

#[test]
fn looking_on_sends_what_is_queued_and_shows_what_is_next() {
    let (mut driver, _) = driver(Faults::default());
    let key = wait(&mut driver);
    let look_on = |driver: &mut Driver| driver.look_on(&[(key, Interest::Change)]).unwrap();
    let Need::Send(request) = look_on(&mut driver) else { panic!("the wait is not sent") };
    let [start] = &request.updates[..] else { panic!("{request:?}") };
    let over = Operation {
        status: OperationStatus::Succeeded,
        sub_type: start.sub_type.clone(),
        end_timestamp: Some(Timestamp::Y2025),
        ..Operation::new(start.id.clone(), OperationType::Wait, Timestamp::Y2025)
    };
    let answer = CheckpointResponse { checkpoint_token: "t2".into(), operations: vec![Arc::new(over)] };
    driver.answered(Ok(answer)).unwrap();
    assert_eq!(look_on(&mut driver), Need::Done(true), "it was sent");
    assert!(!driver.engine().is_ready(key, Interest::Change).unwrap());
    assert_eq!(look_on(&mut driver), Need::Done(true), "its end is shown");
    assert!(driver.engine().is_ready(key, Interest::Change).unwrap());
    assert_eq!(look_on(&mut driver), Need::Done(false));
}

#[test]
fn outcomes_that_show_early_are_sent_from_250_updates_on() {
    for (mode, updates, sends) in [
        (CheckpointMode::Optimistic, 249, false),
        (CheckpointMode::Optimistic, 250, true),
        (CheckpointMode::Batched, 250, false),
    ] {
        let engine = Engine::new(Vec::new(), Limits::default(), 1000);
        let (mut driver, _) = driver_of(engine, Faults::default());
        driver.engine_mut().set_mode(mode);
        for _ in 0..updates {
            wait(&mut driver);
        }
        driver.begin_wait();
        assert_eq!(matches!(driver.send(), Ok(Need::Send(_))), sends, "{mode:?} {updates}");
    }
}
