//! Which answers of a script had no effect, and why.

use std::time::Duration;

use super::world::*;
use crate::{
    protocol::{Limits, OperationStatus as Status, OperationUpdate},
    server::{Answer, ScriptedAnswer, StartExecution, Unused, unused_answers},
};

fn after(callback: &str, millis: u64, answer: Answer) -> ScriptedAnswer {
    ScriptedAnswer::new(callback, Duration::from_millis(millis), answer)
}

fn every(answer: ScriptedAnswer) -> ScriptedAnswer {
    ScriptedAnswer { every: true, ..answer }
}

/// The unused answers of an execution that starts these callbacks, and ends after 20 seconds.
fn unused(callbacks: Vec<OperationUpdate>, answers: &[ScriptedAnswer]) -> Vec<(usize, Unused)> {
    let start = StartExecution { answers: answers.to_vec(), ..StartExecution::new("f", None) };
    let mut world = World::of(start, Limits::default());
    world.checkpoint(callbacks);
    world.pass(20);
    world.succeed("1");
    let view = world.view();
    let unused = unused_answers(answers, &view).into_iter();
    unused.map(|(answer, why)| (answers.iter().position(|other| *other == answer).unwrap(), why)).collect()
}

fn late(status: Option<Status>, millis: u64) -> Unused {
    Unused::TooLate { status, after: Duration::from_millis(millis) }
}

#[test]
fn answers_that_were_given_are_not_reported() {
    let callbacks = vec![
        callback("1", 0, 0).name("a"),
        callback("2", 0, 0).name("a"),
        callback("3", 0, 0).name("beats"),
        callback("4", 0, 0).name("open"),
    ];
    let answers = [
        after("a", 0, ok("at once")),
        after("a", 2000, Answer::Failure(error("No"))),
        after("beats", 1000, Answer::Heartbeat),
        after("beats", 2000, ok("alive")),
        after("open", 20_000, Answer::Heartbeat),
    ];
    assert_eq!(unused(callbacks, &answers), []);
}

#[test]
fn answers_without_a_callback_and_answers_too_many_are_told_apart() {
    let answers = [
        after("a", 1000, ok("first")),
        after("typo", 1000, ok("x")),
        after("a", 1000, ok("second")),
        after("a*", 1000, ok("third")),
    ];
    let expected = [(1, Unused::NoCallback), (2, Unused::TooMany), (3, Unused::TooMany)];
    assert_eq!(unused(vec![callback("1", 0, 0).name("a")], &answers), expected);
}

#[test]
fn an_answer_is_late_if_the_callback_or_the_execution_ended_first() {
    let callbacks = vec![
        callback("1", 5, 0).name("times out"),
        callback("2", 0, 5).name("between"),
        callback("3", 0, 0).name("open"),
        callback("4", 0, 0).name("never"),
    ];
    let answers = [
        after("times out", 6000, ok("x")),
        after("between", 400, Answer::Heartbeat),
        // In the last 300 milliseconds of a second.
        after("between", 5700, ok("x")),
        after("open", 20_001, Answer::Heartbeat),
        after("never", 60_000, ok("x")),
    ];
    let timed_out = Some(Status::TimedOut);
    let expected = [
        (0, late(timed_out, 5000)),
        (2, late(timed_out, 5400)),
        (3, late(None, 20_000)),
        (4, late(None, 20_000)),
    ];
    assert_eq!(unused(callbacks, &answers), expected);
}

#[test]
fn an_answer_that_was_due_when_its_callback_ended_is_late_unless_it_ended_it() {
    let callbacks = vec![callback("1", 5, 0).name("times out"), callback("2", 0, 0).name("answered")];
    let answers = [
        after("times out", 5000, ok("x")),
        // The answer comes first, and ends the callback.
        after("answered", 3000, Answer::Heartbeat),
        after("answered", 2000, ok("x")),
    ];
    let expected = [(0, late(Some(Status::TimedOut), 5000)), (1, late(Some(Status::Succeeded), 2000))];
    assert_eq!(unused(callbacks, &answers), expected);
}

#[test]
fn an_answer_for_every_callback_is_used_if_one_of_them_took_it_in_time() {
    let callbacks = || vec![callback("1", 5, 0).name("slow"), callback("2", 0, 0).name("other")];
    let answers = [every(after("*", 6000, ok("x"))), every(after("nothing*", 1000, ok("x")))];
    assert_eq!(unused(callbacks(), &answers), [(1, Unused::NoCallback)]);
    let answers = [every(after("slow", 6000, ok("x")))];
    assert_eq!(unused(callbacks(), &answers), [(0, late(Some(Status::TimedOut), 5000))]);
    let answers = [after("*", 1000, ok("one")), every(after("slow", 1000, ok("x")))];
    assert_eq!(unused(vec![callback("1", 0, 0).name("slow")], &answers), [(1, Unused::TooMany)]);
}

#[test]
fn a_callback_without_a_name_has_that_of_its_context() {
    use crate::protocol::OperationType::Context;
    let callbacks = vec![start("context", Context).name("approval"), callback("1", 0, 0).parent("context")];
    assert_eq!(unused(callbacks, &[after("approval", 1000, ok("x"))]), []);
}
