//! Tests of refused requests: the reason is given, and the state does not change.

use super::world::*;
use crate::{
    protocol::{
        ErrorObject, Limits, OperationAction as Action, OperationType as Type, OperationUpdate, ServiceError,
        StepOptions,
    },
    server::{ExecutionManager, StartExecution},
};

/// One operation of each kind and state.
fn world() -> World {
    let mut world = World::new();
    world.checkpoint(vec![
        start("started", Type::Step),
        start("pending", Type::Step),
        start("ready", Type::Step),
        start("done", Type::Step),
        start("context", Type::Context),
        start("closed", Type::Context),
        wait("wait", 100),
        wait("over", 1),
        callback("callback", 0, 0),
        invoke("invoke", "target"),
    ]);
    world.checkpoint(vec![
        retry("pending", 100),
        retry("ready", 1),
        succeed("done", Type::Step, "1"),
        succeed("closed", Type::Context, "1"),
    ]);
    world.pass(1);
    world.checkpoint(vec![]);
    world
}

#[track_caller]
fn refused(world: &mut World, batch: Vec<OperationUpdate>, why: &str) {
    let before = world.view();
    let text = format!("{batch:?}");
    match world.try_checkpoint(batch) {
        Err(ServiceError::InvalidParameterValue(message)) => {
            assert!(message.contains(why), "{message:?} for {text}");
        }
        other => panic!("{other:?} for {text}, not {why:?}"),
    }
    assert_eq!(world.view(), before, "{why}");
    assert_eq!(world.checkpoint(vec![]), [], "the token still works: {why}");
}

#[test]
fn transitions() {
    let mut world = world();
    let retry_both = retry("started", 1).with(|update| update.payload = Some("1".into()));
    let retry_at_once = retry("started", 0);
    let retry_whenever =
        retry("started", 1).with(|update| update.step_options = Some(StepOptions::default()));
    let retry_without = retry("started", 1).with(|update| update.step_options = None);
    let no_function = start("new", Type::ChainedInvoke);
    let succeed_error = fail("started", Type::Step).with(|update| update.action = Action::Succeed);
    let fail_payload = succeed("started", Type::Step, "1").with(|update| update.action = Action::Fail);
    for (update, why) in [
        (start("started", Type::Step), "Invalid current STEP state to start: operation started is STARTED."),
        (start("pending", Type::Step), "Invalid current STEP state to start: operation pending is PENDING."),
        (start("done", Type::Step), "Invalid current STEP state to start: operation done is SUCCEEDED."),
        (
            succeed("pending", Type::Step, "1"),
            "Invalid current STEP state to close: operation pending is PENDING.",
        ),
        (fail("done", Type::Step), "Invalid current STEP state to close"),
        (
            succeed("new", Type::Step, "1"),
            "Invalid current STEP state to close: operation new does not exist.",
        ),
        (retry("pending", 1), "Invalid current STEP state to re-attempt"),
        (retry("new", 1), "Invalid current STEP state to re-attempt"),
        (retry_both, "Cannot provide both error and payload to RETRY a STEP"),
        (retry_at_once, "NextAttemptDelaySeconds of operation started is 0; 1 to 31622400"),
        (retry("started", 31_622_401), "is 31622401"),
        (retry_whenever, "NextAttemptDelaySeconds of operation started is missing"),
        (retry_without, "NextAttemptDelaySeconds of operation started is missing"),
        (update("started", Type::Step, Action::Cancel), "Invalid STEP action: CANCEL"),
        (succeed_error, "Cannot provide an Error for SUCCEED action"),
        (fail_payload, "Cannot provide a Payload for FAIL action"),
        (start("context", Type::Context), "Cannot start a CONTEXT that already exists"),
        (succeed("closed", Type::Context, "1"), "Invalid current CONTEXT state to close"),
        (fail("new", Type::Context), "Invalid current CONTEXT state to close"),
        (update("context", Type::Context, Action::Retry), "Invalid CONTEXT action: RETRY"),
        (wait("wait", 1), "Cannot start a WAIT that already exists"),
        (wait("new", 0), "WaitSeconds of operation new is 0"),
        (start("new", Type::Wait), "WaitSeconds of operation new is missing"),
        (succeed("wait", Type::Wait, "1"), "Invalid WAIT action: SUCCEED"),
        (
            update("over", Type::Wait, Action::Cancel),
            "Cannot cancel a WAIT that does not exist or has already completed",
        ),
        (update("new", Type::Wait, Action::Cancel), "Cannot cancel a WAIT"),
        (callback("callback", 0, 0), "Cannot start a CALLBACK that already exists"),
        (callback("new", 100_000_000, 0), "TimeoutSeconds of operation new is 100000000; 0 to 99999999"),
        (callback("new", 0, 100_000_000), "HeartbeatTimeoutSeconds"),
        (fail("callback", Type::Callback), "Invalid CALLBACK action: FAIL"),
        (invoke("invoke", "target"), "Cannot start a CHAINED_INVOKE that already exists"),
        (no_function, "FunctionName of operation new is not the name of a function"),
        (invoke("new", "a function"), "is not the name of a function"),
        (succeed("invoke", Type::ChainedInvoke, "1"), "Invalid CHAINED_INVOKE action: SUCCEED"),
        (update("new", Type::ChainedInvoke, Action::Cancel), "Cannot cancel a CHAINED_INVOKE"),
        (start("x", Type::Execution), "Invalid EXECUTION action: START"),
        (start("wait", Type::Step), "operation wait is a WAIT, not a STEP"),
        (succeed("started", Type::Context, "1"), "operation started is a STEP, not a CONTEXT"),
        (succeed("started", Type::Execution, "1"), "operation started is a STEP, not a EXECUTION"),
    ] {
        refused(&mut world, vec![start("first", Type::Step), update], why);
    }
    // Updates that are legal are accepted.
    world.checkpoint(vec![succeed("ready", Type::Step, "1"), retry("started", 1)]);
}

#[test]
fn parents() {
    let mut world = world();
    for (batch, why) in [
        (vec![start("new", Type::Step).parent("nobody")], "nobody, of operation new: it does not exist"),
        (vec![start("new", Type::Step).parent("started")], "it is not a CONTEXT"),
        (vec![start("new", Type::Step).parent("later"), start("later", Type::Context)], "it does not exist"),
        (vec![start("step", Type::Step), start("new", Type::Step).parent("step")], "it is not a CONTEXT"),
        (vec![start("new", Type::Context).parent("new")], "it does not exist"),
        (vec![succeed("context", Type::Context, "1").parent("context")], "it is the operation itself"),
        (vec![succeed("started", Type::Step, "1").parent("context")], "the operation has another"),
    ] {
        refused(&mut world, batch, why);
    }
    world.checkpoint(vec![start("new", Type::Context), start("child", Type::Step).parent("new")]);
}

#[test]
fn repetitions() {
    let mut world = world();
    let twice = "Cannot update the same operation twice in a single request";
    for (batch, why) in [
        (vec![start("new", Type::Step), start("new", Type::Step)], twice),
        (vec![succeed("started", Type::Step, "1"), fail("started", Type::Step)], twice),
        (vec![start("new", Type::Step), succeed("new", Type::Step, "1"), fail("new", Type::Step)], twice),
        (vec![retry("started", 1), start("started", Type::Step)], twice),
        (vec![wait("new", 1), update("new", Type::Wait, Action::Cancel)], twice),
        (vec![start("new", Type::Step), succeed("new", Type::Context, "1")], "is a STEP, not a CONTEXT"),
        (
            vec![succeed("x", Type::Execution, "1"), start("new", Type::Step)],
            "EXECUTION checkpoint must be the last update.",
        ),
        (
            vec![succeed("x", Type::Execution, "1"), fail("y", Type::Execution)],
            "Cannot checkpoint multiple EXECUTION updates.",
        ),
    ] {
        refused(&mut world, batch, why);
    }
    world.checkpoint(vec![
        start("a", Type::Step),
        retry("a", 1),
        start("b", Type::Context),
        fail("b", Type::Context),
        start("ready", Type::Step),
        succeed("ready", Type::Step, "1"),
    ]);
}

#[test]
fn texts_and_sizes() {
    let mut world = world();
    let named = |name: &str| start("new", Type::Step).name(name);
    let sub =
        |sub_type: &str| start("new", Type::Step).with(|update| update.sub_type = Some(sub_type.into()));
    let large = |bytes| succeed("started", Type::Step, &"x".repeat(bytes));
    let large_error = fail("started", Type::Step)
        .with(|update| update.error = Some(ErrorObject::new("E", "x".repeat(32 * 1024))));
    let steps = |count: usize| (0..count).map(|i| start(&format!("s{i}"), Type::Step)).collect::<Vec<_>>();
    for (batch, why) in [
        (vec![start("", Type::Step)], "the operation id has 0 characters"),
        (vec![start(&"x".repeat(65), Type::Step)], "the operation id has 65 characters"),
        (vec![start("a b", Type::Step)], "the operation id has a character at position 2"),
        (vec![named("")], "the name of operation new is not 1 to 256 printable ASCII"),
        (vec![named(&"x".repeat(257))], "the name of operation new"),
        (vec![named("tab\t")], "the name of operation new"),
        (vec![named("\u{fc}")], "the name of operation new"),
        (vec![sub("")], "the sub-type of operation new is not 1 to 32"),
        (vec![sub(&"x".repeat(33))], "the sub-type"),
        (vec![sub("a b")], "the sub-type"),
        (vec![large(6 * 1024 * 1024 + 1)], "the payload of operation started has 6291457 bytes"),
        (vec![large_error], "Error object size must be at most 32768 bytes: operation started has 32769."),
        (vec![large(750 * 1024), start("new", Type::Step)], "more than one update may have at most 768000"),
        (steps(251), "the checkpoint has 251 updates; at most 250"),
    ] {
        refused(&mut world, batch, why);
    }
    world.checkpoint(steps(250));
    world.checkpoint(vec![large(6 * 1024 * 1024)]);
    world.checkpoint(vec![start("n", Type::Step).name(&"x ~".repeat(85))]);
}

#[test]
fn quotas() {
    let limits = Limits { operations: Some(3), written_bytes: Some(10), ..Limits::default() };
    let mut world = World::of(StartExecution::new("f", Some("12".into())), limits);
    let steps = |ids: &[&str]| ids.iter().map(|id| start(id, Type::Step)).collect::<Vec<_>>();
    world.checkpoint(steps(&["a"]));
    refused(&mut world, steps(&["b", "c", "d"]), "more than 3 operations");
    world.checkpoint(steps(&["b", "c"]));
    refused(&mut world, vec![succeed("a", Type::Step, "123456789")], "written 11 bytes; at most 10");
    world.checkpoint(vec![succeed("a", Type::Step, "12345678")]);
}

#[test]
fn starts() {
    let mut manager =
        ExecutionManager::new(std::sync::Arc::new(crate::ambient::SeededEntropy::new(1)), Limits::default());
    let start = || StartExecution::new("f", None);
    let large = format!("\"{}\"", "x".repeat(6 * 1024 * 1024));
    for (start, why) in [
        (StartExecution::new("", None), "the function's name \"\""),
        (StartExecution::new("a:b", None), "the function's name"),
        (StartExecution { function_version: "one".into(), ..start() }, "the function's version \"one\""),
        (StartExecution { execution_name: Some("a b".into()), ..start() }, "the execution's name"),
        (StartExecution { execution_name: Some("x".repeat(65)), ..start() }, "65 characters"),
        (StartExecution { timeout_seconds: Some(0), ..start() }, "timeout is 0 s; 1 to 31622400"),
        (StartExecution { timeout_seconds: Some(31_622_401), ..start() }, "timeout is 31622401 s"),
        (StartExecution { input: Some("{".into()), ..start() }, "is not JSON"),
        (StartExecution { input: Some(large), ..start() }, "input has 6291458 bytes"),
    ] {
        let refused = manager.start_execution(crate::protocol::Timestamp::from_millis(0), start).unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
    }
}

#[test]
fn a_history_has_an_end() {
    let limits = Limits { events: 4, ..Limits::default() };
    let mut world = World::of(StartExecution::new("f", None), limits);
    world.checkpoint(vec![start("a", Type::Step), start("b", Type::Step), start("c", Type::Step)]);
    let refused = world.try_checkpoint(vec![succeed("a", Type::Step, "1")]).unwrap_err().to_string();
    assert!(refused.contains("the execution's history has 4 events"), "{refused}");
    let view = world.view();
    assert_eq!(view.status, crate::protocol::ExecutionStatus::Failed);
    let error = view.error.unwrap();
    assert_eq!(error.error_type.as_deref(), Some("Execution.EventLimitExceeded"));
    let message = error.error_message.unwrap();
    assert!(message.ends_with("not over by then: STEP, STEP, STEP"), "{message}");
}
