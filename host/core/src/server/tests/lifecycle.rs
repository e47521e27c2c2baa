use super::world::*;
use crate::{
    protocol::{
        EventDetails, ExecutionStatus, InvocationOutput, InvocationResult, InvocationStatus, Limits,
        OperationAction as Action, OperationStatus as Status, OperationType as Type, RetryDetails,
        ServiceError, StepOptions, Timestamp,
    },
    server::{InvocationRetry, Next, StartExecution},
};

fn invalid<T: std::fmt::Debug>(outcome: Result<T, ServiceError>) -> String {
    match outcome {
        Err(
            error @ (ServiceError::InvalidParameterValue(_)
            | ServiceError::InvalidToken
            | ServiceError::InvocationNotRunning(_)),
        ) => error.message().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_step_and_the_end() {
    let mut world = World::new();
    let changed = world.checkpoint(vec![start("s", Type::Step), succeed("s", Type::Step, "1")]);
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].step_details.as_ref().unwrap().attempt, 1);
    assert_eq!(world.checkpoint(vec![]), []);
    assert_eq!(world.succeed("2"), Next::Closed);
    assert_eq!(
        world.history(),
        ["ExecutionStarted", "StepStarted s", "StepSucceeded s", "InvocationCompleted", "ExecutionSucceeded"]
    );
    let view = world.view();
    assert_eq!((view.status, view.result.as_deref()), (ExecutionStatus::Succeeded, Some("2")));
    assert_eq!((view.checkpoints, view.invocations.len(), view.end), (2, 1, Some(world.now)));
    assert_eq!(view.operations[0].status, Status::Succeeded);
    assert!(view.events.iter().zip(1..).all(|(event, id)| event.event_id == id));
    let json = serde_json::to_value(&view.events).unwrap();
    assert_eq!(json[2]["StepSucceededDetails"]["RetryDetails"]["CurrentAttempt"], 1);
    assert_eq!(json[3]["InvocationCompletedDetails"]["RequestId"], *world.request_id);
    assert_eq!(json[4]["Id"], json[0]["Id"]);
}

#[test]
fn a_wait_suspends_until_its_end() {
    let mut world = World::new();
    world.checkpoint(vec![wait("w", 60)]);
    let end = world.now.plus_seconds(60);
    assert_eq!(world.suspend(), Next::WaitUntil(end));
    world.pass(59);
    assert_eq!(world.poll(), Next::WaitUntil(end));
    assert!(invalid(world.manager.start_invocation(world.now, &world.arn)).contains("nothing has changed"));
    world.pass(1);
    world.invoke();
    assert_eq!(world.state.operations[1].status, Status::Succeeded);
    assert_eq!(world.checkpoint(vec![]), [], "the state told of it");
    world.succeed("1");
    assert_eq!(
        world.history(),
        [
            "ExecutionStarted",
            "WaitStarted w",
            "InvocationCompleted",
            "WaitSucceeded w",
            "InvocationCompleted",
            "ExecutionSucceeded"
        ]
    );
    let events = world.view().events;
    assert_eq!(events[3].details, EventDetails::WaitSucceeded { duration: 60 });
    assert_eq!(events[3].event_timestamp, end);
}

#[test]
fn what_is_due_at_once_happens_before_the_next_invocation() {
    let mut world = World::new();
    world.checkpoint(vec![wait("a", 10), wait("b", 5), wait("c", 10), wait("d", 11)]);
    world.suspend();
    world.pass(10);
    world.invoke();
    let done = |world: &mut World, id| world.operation(id).status == Status::Succeeded;
    assert!(
        done(&mut world, "a") && done(&mut world, "b") && done(&mut world, "c") && !done(&mut world, "d")
    );
    assert_eq!(world.history()[6..], ["WaitSucceeded b", "WaitSucceeded a", "WaitSucceeded c"]);
    let numbers: Vec<_> = ["b", "a", "c"].map(|id| world.operation(id).sequence).into();
    assert!(numbers.is_sorted() && numbers[0] < numbers[1], "{numbers:?}");
}

#[test]
fn attempts_of_a_step() {
    let mut world = World::new();
    world.checkpoint(vec![start("s", Type::Step), retry("s", 3)]);
    let ready = world.now.plus_seconds(3);
    assert_eq!(world.operation("s").step_details.as_ref().unwrap().next_attempt_timestamp, Some(ready));
    assert_eq!(world.suspend(), Next::WaitUntil(ready));
    world.pass(3);
    world.invoke();
    let step = &world.state.operations[1];
    assert_eq!(
        (step.status, step.step_details.as_ref().unwrap().next_attempt_timestamp),
        (Status::Ready, None)
    );
    world.checkpoint(vec![start("s", Type::Step)]);
    world.checkpoint(vec![fail("s", Type::Step)]);
    let details: Vec<_> = world
        .view()
        .events
        .iter()
        .filter_map(|event| match &event.details {
            EventDetails::StepFailed(details) => Some(details.retry_details),
            _ => None,
        })
        .collect();
    assert_eq!(
        details,
        [
            RetryDetails { current_attempt: 1, next_attempt_delay_seconds: Some(3) },
            RetryDetails { current_attempt: 2, next_attempt_delay_seconds: None }
        ]
    );
    assert_eq!(
        world.history()[1..],
        ["StepStarted s", "StepFailed s", "InvocationCompleted", "StepStarted s", "StepFailed s"]
    );
}

#[test]
fn an_invocation_is_told_what_the_last_one_that_returned_had_got() {
    let mut world = World::new();
    assert_eq!(world.returned_at, Some(0));
    world.checkpoint(vec![start("s", Type::Step), retry("s", 1), wait("w", 1)]);
    let got = world.operation("w").sequence;
    world.suspend();
    world.pass(1);
    world.invoke();
    let ready = world.operation("s").sequence;
    assert!(ready > got);
    world.checkpoint(vec![start("s", Type::Step), wait("x", 60)]);
    assert_eq!(world.operation("s").sequence, ready, "it keeps the position at which it became ready");
    world.crash();
    world.pass(10);
    world.invoke();
    assert_eq!(world.returned_at, Some(got), "what crashed does not count");
    let started = world.operation("x").sequence;
    world.suspend();
    world.pass(60);
    world.invoke();
    assert!(world.operation("x").sequence > started);
    assert_eq!(world.returned_at, Some(started));
}

#[test]
fn a_condition_keeps_its_state_between_attempts() {
    let mut world = World::new();
    let retry_with = |state: &str| {
        update("c", Type::Step, Action::Retry).with(|update| {
            update.payload = Some(state.into());
            update.step_options = Some(StepOptions { next_attempt_delay_seconds: Some(1) });
        })
    };
    world.checkpoint(vec![start("c", Type::Step)]);
    world.checkpoint(vec![retry_with("7")]);
    world.suspend();
    world.pass(1);
    world.invoke();
    assert_eq!(world.state.operations[1].result().unwrap().as_ref(), "7");
    world.checkpoint(vec![retry("c", 1)]);
    assert_eq!(world.operation("c").result().unwrap().as_ref(), "7");
    assert_eq!(world.history()[2..], ["StepSucceeded c", "InvocationCompleted", "StepFailed c"]);
}

#[test]
fn news_during_an_invocation_leads_to_another() {
    let mut world = World::new();
    world.checkpoint(vec![wait("w", 1), wait("v", 100)]);
    world.pass(1);
    assert_eq!(world.poll(), Next::Running { deadline: Some(Timestamp::from_millis(START + 100_000)) });
    assert_eq!(world.suspend(), Next::Invoke);
    world.invoke();
    assert_eq!(world.suspend(), Next::WaitUntil(Timestamp::from_millis(START + 100_000)));
}

#[test]
fn news_that_a_poll_told_leads_to_no_other() {
    let mut world = World::new();
    world.checkpoint(vec![wait("w", 1), wait("v", 100)]);
    world.pass(1);
    let told = world.checkpoint(vec![]);
    assert_eq!(told.iter().map(|operation| operation.id.as_str()).collect::<Vec<_>>(), ["w"]);
    assert!(matches!(world.suspend(), Next::WaitUntil(_)));
}

#[test]
fn a_wait_that_is_called_off_leaves_no_deadline() {
    let mut world = World::new();
    world.checkpoint(vec![wait("w", 5), callback("c", 0, 0)]);
    world.checkpoint(vec![update("w", Type::Wait, Action::Cancel)]);
    assert!(matches!(world.suspend(), Next::WaitForExternal { .. }));
    assert_eq!(world.history()[3], "WaitCancelled w");
    assert_eq!(world.operation("w").status, Status::Cancelled);
}

#[test]
fn crashes_are_retried_with_growing_delays_then_fail_the_execution() {
    let mut world = World::new();
    assert_eq!(world.crash(), Next::WaitUntil(world.now.plus_seconds(1)));
    assert!(invalid(world.manager.start_invocation(world.now, &world.arn)).contains("too early"));
    world.pass(1);
    world.invoke();
    assert_eq!(world.crash(), Next::WaitUntil(world.now.plus_seconds(2)));
    world.pass(2);
    world.invoke();
    assert_eq!(world.crash(), Next::Closed);
    let view = world.view();
    assert_eq!((view.status, view.error), (ExecutionStatus::Failed, Some(error("Runtime.ExitError"))));
    assert_eq!(
        world.history(),
        [
            "ExecutionStarted",
            "InvocationCompleted",
            "InvocationCompleted",
            "InvocationCompleted",
            "ExecutionFailed"
        ]
    );
    assert!(view.invocations.iter().all(|invocation| invocation.error.is_some()));
}

#[test]
fn an_invocation_that_returns_ends_a_row_of_crashes() {
    let mut world = World::new();
    for _ in 0..5 {
        world.crash();
        world.pass(1);
        world.invoke();
        let id = format!("w{}", world.now.as_millis());
        world.checkpoint(vec![wait(&id, 1)]);
        world.suspend();
        world.pass(1);
        world.invoke();
    }
    assert_eq!(world.view().status, ExecutionStatus::Running);
}

#[test]
fn what_happens_while_backing_off_waits_for_its_end() {
    let mut start = StartExecution::new("f", None);
    start.invocation_retry = InvocationRetry { max_retries: 1, first_delay_seconds: 10 };
    let mut world = World::of(start, Limits::default());
    world.checkpoint(vec![wait("w", 1)]);
    let end = world.now.plus_seconds(10);
    world.crash();
    world.pass(1);
    assert_eq!(world.poll(), Next::WaitUntil(end));
    assert_eq!(world.operation("w").status, Status::Succeeded);
    world.pass(9);
    world.invoke();
    assert_eq!(world.crash(), Next::Closed);
}

#[test]
fn outputs_that_the_service_refuses_count_as_crashes() {
    let failed_with_result =
        InvocationOutput { result: Some("1".into()), ..InvocationOutput::failed(error("Broken")) };
    let succeeded_with_error =
        InvocationOutput { error: Some(error("Broken")), ..InvocationOutput::succeeded(None) };
    let pending_with_result =
        InvocationOutput { status: InvocationStatus::Pending, result: Some("1".into()), error: None };
    let too_large = InvocationOutput::succeeded(Some("x".repeat(6 * 1024 * 1024 + 1)));
    for (output, why) in [
        (InvocationOutput::pending(), "nothing is pending"),
        (failed_with_result, "FAILED with a result"),
        (succeeded_with_error, "SUCCEEDED with an error"),
        (pending_with_result, "PENDING with a result"),
        (too_large, "more than 6291456"),
    ] {
        let mut world = World::new();
        assert!(matches!(world.complete(InvocationResult::Output(output)), Next::WaitUntil(_)), "{why}");
        let error = world.view().invocations[0].error.clone().unwrap();
        assert_eq!(error.error_type.as_deref(), Some("Runtime.InvalidOutput"));
        assert!(error.error_message.as_ref().unwrap().contains(why), "{error}");
    }
}

#[test]
fn a_checkpointed_outcome_counts_whatever_comes_then() {
    let decide = || succeed("any-id", Type::Execution, "9");
    let outputs = [
        InvocationResult::Output(InvocationOutput::succeeded(Some(String::new()))),
        InvocationResult::Output(InvocationOutput::pending()),
        InvocationResult::Crashed(error("Runtime.ExitError")),
    ];
    for result in outputs {
        let mut world = World::of(
            StartExecution { timeout_seconds: Some(5), ..StartExecution::new("f", None) },
            Limits::default(),
        );
        world.checkpoint(vec![start("s", Type::Step), decide()]);
        assert!(invalid(world.try_checkpoint(vec![succeed("s", Type::Step, "1")])).contains("on record"));
        assert_eq!(world.checkpoint(vec![]), []);
        world.pass(60);
        assert!(invalid(world.manager.stop_execution(world.now, &world.arn, None)).contains("over"));
        assert_eq!(world.complete(result), Next::Closed);
        let view = world.view();
        assert_eq!((view.status, view.result.as_deref()), (ExecutionStatus::Succeeded, Some("9")));
        assert_eq!(world.history()[2..], ["InvocationCompleted", "ExecutionSucceeded"]);
    }
    let mut world = World::new();
    world.checkpoint(vec![fail("x", Type::Execution)]);
    world.succeed("");
    assert_eq!(world.view().error, Some(error("Broken")));
}

/// An execution without a timeout may take a year. No timer marks its end, and nothing happens after it.
#[test]
fn an_execution_outlives_no_year() {
    const YEAR: u64 = 31_622_400;
    let world = |timeout_seconds, longest_execution| {
        let limits = Limits { longest_execution, ..Limits::default() };
        World::of(StartExecution { timeout_seconds, ..StartExecution::new("f", None) }, limits)
    };
    let mut stalls = world(None, Some(YEAR));
    stalls.checkpoint(vec![callback("c", 0, 0)]);
    assert!(matches!(stalls.suspend(), Next::WaitForExternal { .. }), "it is no timer");

    let mut waits = world(None, Some(YEAR));
    waits.checkpoint(vec![wait("w", YEAR)]);
    waits.suspend();
    waits.pass(YEAR);
    assert_eq!(waits.poll(), Next::Invoke, "what is due at the last instant happens");
    waits.invoke();
    waits.checkpoint(vec![start("s", Type::Step), retry("s", 60)]);
    waits.suspend();
    waits.pass(60);
    assert_eq!(waits.poll(), Next::Closed);
    let view = waits.view();
    assert_eq!(
        (view.status, view.end.unwrap().since(view.start).as_secs()),
        (ExecutionStatus::TimedOut, YEAR)
    );
    let error = view.error.unwrap();
    assert_eq!(error.error_type.as_deref(), Some("Execution.Timeout"));
    let message = error.error_message.unwrap();
    assert!(
        message.contains("timeout of 366days; not over by then: STEP after 1 attempt until"),
        "{message}"
    );

    for (timeout, longest) in [(None, None), (Some(YEAR), Some(5))] {
        let mut goes_on = world(timeout, longest);
        goes_on.checkpoint(vec![wait("w", YEAR - 1)]);
        goes_on.suspend();
        goes_on.pass(YEAR - 1);
        assert_eq!(goes_on.poll(), Next::Invoke, "{timeout:?} {longest:?}");
    }
}

#[test]
fn an_empty_result_without_a_checkpoint_is_an_empty_result() {
    let mut world = World::new();
    world.succeed("");
    assert_eq!(world.view().result.as_deref(), Some(""));
}

#[test]
fn tokens_work_once_and_only_in_their_invocation() {
    let mut world = World::new();
    let first = world.token.clone();
    world.checkpoint(vec![wait("w", 1)]);
    let refused = |world: &mut World, token| {
        invalid(world.manager.checkpoint(world.now, &world.arn, token, vec![])) == "Invalid checkpoint token"
            && invalid(world.manager.get_state(world.now, &world.arn, token, ""))
                == "Invalid checkpoint token"
    };
    assert!(refused(&mut world, &first));
    let last = world.token.clone();
    world.suspend();
    assert!(refused(&mut world, &last));
    world.pass(1);
    world.invoke();
    assert!(refused(&mut world, &first) && refused(&mut world, &last));
    let crashed = world.token.clone();
    world.crash();
    assert!(refused(&mut world, &crashed));
}

#[test]
fn one_invocation_at_a_time() {
    let mut world = World::new();
    assert!(invalid(world.manager.start_invocation(world.now, &world.arn)).contains("is running"));
    let other = world.manager.complete_invocation(
        world.now,
        &world.arn,
        "other",
        InvocationResult::Crashed(error("x")),
    );
    assert!(invalid(other).contains("is not running"));
    world.succeed("1");
    assert!(invalid(world.manager.start_invocation(world.now, &world.arn)).contains("is over"));
}

#[test]
fn the_state_comes_in_pages() {
    let limits = Limits { page_operations: 3, ..Limits::default() };
    let mut world = World::of(StartExecution::new("f", None), limits);
    let steps = ["a", "b", "c", "d", "e"];
    world.checkpoint(steps.map(|id| start(id, Type::Step)).into());
    world.checkpoint(vec![wait("w", 1)]);
    world.suspend();
    world.pass(1);
    world.invoke();
    assert_eq!(world.listed(), ["a", "b"]);
    let mut marker = world.state.next_marker.clone();
    let mut ids = Vec::new();
    while let Some(current) = marker {
        assert!(
            invalid(world.manager.get_state(world.now, &world.arn, &world.token, "3"))
                .contains("Invalid marker")
        );
        let page = world.manager.get_state(world.now, &world.arn, &world.token, &current).unwrap();
        ids.extend(page.operations.iter().map(|operation| operation.id.to_string()));
        marker = page.next_marker;
    }
    assert_eq!(ids, ["c", "d", "e", "w"]);
    world.checkpoint(vec![]);
}

#[test]
fn finished_contexts_are_listed_without_their_children() {
    let mut world = World::new();
    let child = |id, parent| start(id, Type::Context).parent(parent);
    world.checkpoint(vec![start("a", Type::Context), child("b", "a"), child("c", "b"), wait("w", 1)]);
    world.checkpoint(vec![start("x", Type::Context), child("y", "x"), child("z", "y")]);
    world.checkpoint(vec![
        succeed_context("a", false),
        succeed_context("y", false),
        succeed_context("x", true),
    ]);
    world.suspend();
    world.pass(1);
    world.invoke();
    assert_eq!(world.listed(), ["a", "w", "x", "y"]);
}

#[test]
fn an_execution_times_out_idle_or_running() {
    let start = || StartExecution { timeout_seconds: Some(10), ..StartExecution::new("f", None) };
    let mut world = World::of(start(), Limits::default());
    world.checkpoint(vec![wait("w", 10), callback("c", 0, 0)]);
    world.suspend();
    world.pass(10);
    assert_eq!(world.poll(), Next::Closed);
    assert_eq!(world.history()[3..], ["InvocationCompleted", "ExecutionTimedOut"]);
    let callback = world.answer("c", ok("1"));
    assert!(matches!(callback, Err(ServiceError::CallbackOver(_))), "{callback:?}");

    let mut world = World::of(start(), Limits::default());
    world.pass(11);
    assert_eq!(invalid(world.try_checkpoint(vec![])), "Invalid checkpoint token");
    assert_eq!(world.crash(), Next::Closed);
    assert_eq!(world.history()[1..], ["InvocationCompleted", "ExecutionTimedOut"]);
    let view = world.view();
    assert_eq!(view.status, ExecutionStatus::TimedOut);
    assert_eq!(view.error.unwrap().error_type.as_deref(), Some("Execution.Timeout"));
    assert_eq!(view.end, Some(Timestamp::from_millis(START + 10_000)));
}

#[test]
fn an_execution_is_stopped() {
    let mut world = World::new();
    world.checkpoint(vec![wait("w", 10)]);
    world.manager.stop_execution(world.now, &world.arn, Some(error("Enough"))).unwrap();
    assert_eq!(world.history()[2..], ["InvocationCompleted", "ExecutionStopped"]);
    assert_eq!(world.suspend(), Next::Closed);
    world.pass(100);
    assert_eq!(world.history().len(), 4);
    assert_eq!(world.view().error, Some(error("Enough")));
    assert!(invalid(world.manager.stop_execution(world.now, &world.arn, None)).contains("over"));
}

#[test]
fn a_seeded_server_repeats_itself() {
    let run = || {
        let mut world = World::new();
        world.checkpoint(vec![callback("c", 0, 0), wait("w", 1)]);
        world.suspend();
        world.pass(1);
        world.invoke();
        world.succeed("1");
        (world.token.clone(), world.view())
    };
    assert_eq!(run(), run());
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let mut world = World::new();
    let other = "arn:aws:lambda:us-east-1:000000000000:function:f:1/durable-execution/a/b".into();
    assert!(matches!(world.manager.poll(world.now, &other), Err(ServiceError::NotFound(_))));
    let unknown = world.manager.complete_callback(world.now, &"AAAA".into(), ok("1"));
    assert!(matches!(unknown, Err(ServiceError::CallbackNotFound(_))));
}

#[test]
fn starts_and_ends_are_numbered_in_the_order_of_the_updates() {
    let mut world = World::new();
    world.checkpoint(vec![start("a", Type::Step), start("b", Type::Step), succeed("a", Type::Step, "1")]);
    world.checkpoint(vec![]);
    world.checkpoint(vec![succeed("b", Type::Step, "1")]);
    let (a, b) = (world.operation("a"), world.operation("b"));
    assert_eq!((a.start_sequence, a.sequence), (2, 4));
    assert_eq!((b.start_sequence, b.sequence), (3, 5));
}
