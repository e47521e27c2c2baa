//! The details that a test can read of an execution, each checked by value: a detail that is missing or constant fails
//! a test.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::common::handler;
use chrono::{DateTime, TimeDelta, Utc};
use durawasm_core::{
    ambient::{Clock as _, SystemClock},
    protocol::{DurableServiceClient, EventDetails, OperationAction, OperationUpdate, ServiceError},
    server::StartExecution,
};
use durawasm_guest::{BoxError, DurableContext, RetryDecision};
use durawasm_testing::{
    ErrorObject, Event, ExecutionStatus, LocalDurableTestRunner, MockDurableServiceClient, OnError,
    OperationStatus, OperationType, PrintConfig, QueueScheduler, Scheduler, StartInvocation,
    TestEnvironmentConfig, TimerScheduler, Timestamp, UpdateCheckpoint, WaitingOperationStatus,
    checkpoint_server::{CheckpointWorkerManager, GetExecution, StartDurableExecution},
};
use serde_json::{Value, json};

fn at(seconds: i64) -> DateTime<Utc> {
    Timestamp::Y2025.to_utc() + TimeDelta::seconds(seconds)
}

/// A child that succeeds and one that fails, an invoke that succeeds and one that fails, a callback, and a step that is
/// retried.
async fn all_kinds((): (), ctx: DurableContext) -> Result<u32, BoxError> {
    let packed = ctx
        .run_in_child_context(|ctx| async move { Ok(ctx.step(|_| async { Ok(7) }).name("pack").await?) })
        .name("ship")
        .await?;
    let returned = ctx
        .run_in_child_context(|_| async { Err::<(), BoxError>("nobody is at home".into()) })
        .name("deliver")
        .await;
    assert!(returned.is_err());
    let priced: u32 = ctx.invoke::<u32, _>("price", json!({"sku": 1})).name("price").await?;
    assert!(ctx.invoke::<u32, _>("stock", json!(null)).name("stock").await.is_err());
    let callback = ctx.create_callback::<String>().name("approval").await?;
    callback.result().await?;
    let flaky = |step: durawasm_guest::StepContext| async move {
        if step.attempt() == 1 { Err("not yet".into()) } else { Ok(1) }
    };
    let retry = |_: &durawasm_guest::StepError, _| RetryDecision::Retry { delay: Duration::from_mins(1) };
    let charged: u32 = ctx.step(flaky).name("charge").retry_strategy(retry).await?;
    Ok(packed + priced + charged)
}

fn runner() -> LocalDurableTestRunner<(), u32> {
    let sold =
        ErrorObject { error_data: Some("[1]".to_owned()), ..ErrorObject::new("Sold", "all is sold out") };
    LocalDurableTestRunner::new(all_kinds)
        .answer_invoke("price", "5s", 30)
        .unwrap()
        .answer_invoke_failure("stock", "0s", sold)
        .unwrap()
        .answer("approval", "1h", "yes")
        .unwrap()
}

#[tokio::test]
async fn operations_tell_all_that_is_special_about_them() {
    let runner = runner();
    let result = runner.run(()).await.unwrap();
    assert_eq!(result.get_result().unwrap(), &38);

    let of = |name: &str| runner.get_operation(name).unwrap();
    let ship = of("ship");
    assert_eq!(ship.get_context_details::<u32>().unwrap().result, Some(7));
    assert_eq!(ship.get_context_details::<u32>().unwrap().error, None);
    assert_eq!(of("pack").get_parent_id(), Some(ship.get_id()));
    assert_eq!(ship.get_parent_id(), None);
    let deliver = of("deliver").get_context_details::<Value>().unwrap();
    assert_eq!(deliver.result, None);
    assert_eq!(
        deliver.error.unwrap().error_message.as_deref(),
        Some("child function error: nobody is at home")
    );

    let price = of("price").get_invoke_details::<u32>().unwrap();
    assert_eq!((price.result, price.error), (Some(30), None));
    let stock = of("stock").get_invoke_details::<u32>().unwrap();
    let error = stock.error.unwrap();
    assert_eq!(stock.result, None);
    assert_eq!(
        (error.error_type.as_deref(), error.error_message.as_deref(), error.error_data.as_deref()),
        (Some("Sold"), Some("all is sold out"), Some("[1]"))
    );

    let approval = of("approval").get_callback_details::<String>().unwrap();
    let recorded = result.get_operation("approval").unwrap().callback_details.clone().unwrap();
    assert_eq!(approval.callback_id, recorded.callback_id.unwrap().to_string());
    assert_eq!((approval.result.as_deref(), approval.error), (Some("yes"), None));
    let again = handler("callback").answer("reply", "1s", 1).unwrap();
    again.run(json!({"name": "reply"})).await.unwrap();
    let other = again.get_operation("reply").unwrap().get_callback_details::<Value>().unwrap();
    assert!(!other.callback_id.is_empty() && other.callback_id != approval.callback_id);

    let attempts = of("charge").get_step_details::<u32>().unwrap();
    assert_eq!(
        (attempts.attempt, attempts.result, attempts.next_attempt_timestamp),
        (Some(2), Some(1), None)
    );
    assert_eq!(of("charge").get_type(), OperationType::Step);
}

#[tokio::test]
async fn a_step_between_two_attempts_tells_when_the_next_one_may_begin() {
    async fn retries((): (), ctx: DurableContext) -> Result<(), BoxError> {
        let retry =
            |_: &durawasm_guest::StepError, _| RetryDecision::Retry { delay: Duration::from_secs(90) };
        let never = |_| async { Err::<(), BoxError>("not yet".into()) };
        Ok(ctx.step(never).name("charge").retry_strategy(retry).await?)
    }
    let runner = LocalDurableTestRunner::new(retries).execution_timeout(Duration::from_mins(1));
    let result = runner.run(()).await.unwrap();
    assert_eq!(result.get_status(), ExecutionStatus::TimedOut);
    let charge = runner.get_operation("charge").unwrap();
    assert_eq!(charge.get_status(), OperationStatus::Pending);
    let details = charge.get_step_details::<()>().unwrap();
    assert_eq!((details.attempt, details.next_attempt_timestamp), (Some(1), Some(at(90))));
    assert_eq!(details.error.unwrap().error_message.as_deref(), Some("not yet"));
}

#[tokio::test]
async fn invocations_have_a_beginning_and_an_end() {
    async fn works((): (), ctx: DurableContext) -> Result<(), BoxError> {
        ctx.wait(Duration::from_secs(5)).await?;
        Ok(ctx.step(|_| async { Ok(()) }).await?)
    }
    let runner = LocalDurableTestRunner::new(works)
        .config(TestEnvironmentConfig { skip_time: true, checkpoint_delay: Some(2_000) });
    let result = runner.run(()).await.unwrap();
    let times: Vec<_> = result
        .get_invocations()
        .iter()
        .map(|i| (i.start_timestamp.unwrap(), i.end_timestamp.unwrap()))
        .collect();
    assert_eq!(times, [(at(0), at(2)), (at(7), at(9))]);
    let told: Vec<_> = result
        .get_history_events()
        .iter()
        .filter_map(|event| match &event.details {
            EventDetails::InvocationCompleted(details) => {
                Some((details.start_timestamp.to_utc(), details.end_timestamp.to_utc(), &*details.request_id))
            }
            _ => None,
        })
        .collect();
    let ids: Vec<_> = result.get_invocations().iter().map(|i| i.request_id.clone().unwrap()).collect();
    assert_eq!(told, [(at(0), at(2), ids[0].as_str()), (at(7), at(9), ids[1].as_str())]);
    assert_ne!(ids[0], ids[1]);
}

fn last_error(events: &[Arc<Event>]) -> ErrorObject {
    match &events.last().unwrap().details {
        EventDetails::ExecutionFailed { error }
        | EventDetails::ExecutionTimedOut { error }
        | EventDetails::ExecutionStopped { error } => error.payload.clone().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn how_an_execution_ended_is_told_by_its_last_event_too() {
    async fn fails((): (), _ctx: DurableContext) -> Result<(), BoxError> {
        Err("out of paper".into())
    }
    async fn waits((): (), ctx: DurableContext) -> Result<(), BoxError> {
        Ok(ctx.wait(Duration::from_secs(100)).await?)
    }
    let failed = LocalDurableTestRunner::new(fails).run(()).await.unwrap();
    let events: Vec<_> = failed.get_history_events().to_vec();
    assert_eq!(last_error(&events), failed.get_error().unwrap().clone());
    assert_eq!(last_error(&events).error_message.as_deref(), Some("out of paper"));
    let late =
        LocalDurableTestRunner::new(waits).execution_timeout(Duration::from_secs(10)).run(()).await.unwrap();
    let events: Vec<_> = late.get_history_events().to_vec();
    assert_eq!(last_error(&events).error_type.as_deref(), Some("Execution.Timeout"));
    let timeout = |events: &[Arc<Event>]| match &events[0].details {
        EventDetails::ExecutionStarted(details) => details.execution_timeout,
        other => panic!("{other:?}"),
    };
    assert_eq!((timeout(&events), timeout(failed.get_history_events())), (10, 0));

    let manager = CheckpointWorkerManager::new(None);
    manager.setup().await.unwrap();
    let start = StartDurableExecution(StartExecution::new("order", None));
    let arn = manager.send_api_request(start).await.unwrap();
    let server = manager.backend().unwrap().server;
    server.stop_execution(&arn, Some(ErrorObject::new("Halt", "by hand"))).await.unwrap();
    let view = manager.send_api_request(GetExecution(arn)).await.unwrap();
    assert_eq!(
        (view.status, last_error(&view.events)),
        (ExecutionStatus::Stopped, ErrorObject::new("Halt", "by hand"))
    );
}

/// Prints a table, for the test below.
#[tokio::test]
async fn prints_tables() {
    let result =
        handler("sequence").run(json!([{"step": ["reserve", 1]}, {"wait": ["supplier", 60]}])).await.unwrap();
    println!("BEGIN");
    result.print();
    result.print_with_config(PrintConfig {
        show_type: false,
        show_parent_id: true,
        ..PrintConfig::default()
    });
    println!("END");
}

#[test]
fn what_is_printed_is_the_table() {
    let this = std::env::current_exe().unwrap();
    let printed = std::process::Command::new(this)
        .args(["--exact", "details::prints_tables", "--nocapture"])
        .output()
        .unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let between = printed.split("BEGIN\n").nth(1).unwrap().split("END").next().unwrap();
    let expected = " name      type  status     start  end   duration
 reserve   STEP  SUCCEEDED  +0s    +0s   0s
 supplier  WAIT  SUCCEEDED  +0s    +1m   1m
 name      status     start  end   duration  parent
 reserve   SUCCEEDED  +0s    +0s   0s        -
 supplier  SUCCEEDED  +0s    +1m   1m        -
";
    let squeezed = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(squeezed(between), squeezed(expected), "{between}");
}

#[tokio::test]
async fn each_column_of_a_table_can_be_left_out() {
    let result = handler("sequence").run(json!([{"step": ["reserve", 1]}])).await.unwrap();
    let none = PrintConfig {
        show_parent_id: false,
        show_name: false,
        show_type: false,
        show_status: false,
        show_start_time: false,
        show_end_time: false,
        show_duration: false,
    };
    for (config, header, cell) in [
        (PrintConfig { show_parent_id: true, ..none }, "parent", "-"),
        (PrintConfig { show_name: true, ..none }, "name", "reserve"),
        (PrintConfig { show_type: true, ..none }, "type", "STEP"),
        (PrintConfig { show_status: true, ..none }, "status", "SUCCEEDED"),
        (PrintConfig { show_start_time: true, ..none }, "start", "+0s"),
        (PrintConfig { show_end_time: true, ..none }, "end", "+0s"),
        (PrintConfig { show_duration: true, ..none }, "duration", "0s"),
    ] {
        let table = result.get_table(config);
        let lines: Vec<&str> = table.lines().map(str::trim).collect();
        assert_eq!(lines, [header, cell]);
    }
}

#[tokio::test]
async fn a_manager_tells_what_is_dirty_and_what_is_over() {
    use durawasm_core::{
        ambient::SeededEntropy,
        protocol::{InvocationResult, Limits},
        server::{Answer, ExecutionManager},
    };
    let now = Timestamp::from_millis(0);
    let mut manager = ExecutionManager::new(Arc::new(SeededEntropy::new(1)), Limits::default());
    let arn = manager.start_execution(now, StartExecution::new("f", None)).unwrap();
    let started = manager.start_invocation(now, &arn).unwrap();
    let callback = OperationUpdate::new("c".into(), OperationType::Callback, OperationAction::Start);
    let answered = manager.checkpoint(now, &arn, &started.input.checkpoint_token, vec![callback]).unwrap();
    let state = |manager: &mut ExecutionManager| {
        let state = manager.get_checkpoints_by_execution(&arn).unwrap();
        (state.has_dirty_operations(), state.is_execution_completed())
    };
    assert_eq!(state(&mut manager), (false, false));
    let id = answered.operations[0].callback_details.clone().unwrap().callback_id.unwrap();
    manager.complete_callback(now, &id, Answer::Success(None)).unwrap();
    assert_eq!(state(&mut manager), (true, false), "the handler has not heard of the answer");
    manager.checkpoint(now, &arn, &answered.checkpoint_token, vec![]).unwrap();
    assert_eq!(state(&mut manager), (false, false));
    let output = durawasm_core::protocol::InvocationOutput::succeeded(None);
    manager.complete_invocation(now, &arn, &started.request_id, InvocationResult::Output(output)).unwrap();
    assert!(state(&mut manager).1);
}

#[tokio::test]
async fn to_set_up_what_runs_changes_nothing() {
    let manager = CheckpointWorkerManager::new(None);
    manager.setup().await.unwrap();
    let arn = manager.send_api_request(StartDurableExecution(StartExecution::new("f", None))).await.unwrap();
    manager.setup().await.unwrap();
    assert_eq!(manager.send_api_request(GetExecution(arn.clone())).await.unwrap().arn, arn);
    manager.teardown().await.unwrap();
    manager.setup().await.unwrap();
    assert!(manager.send_api_request(GetExecution(arn)).await.is_err(), "another thread, without executions");
}

/// What ran, in order.
type Told = Arc<Mutex<Vec<String>>>;

fn starts(told: &Told, what: &str) -> StartInvocation {
    let (told, what) = (Arc::clone(told), what.to_owned());
    Box::new(move || Box::pin(async move { told.lock().unwrap().push(what) }))
}

fn on_error(told: &Told) -> OnError {
    let told = Arc::clone(told);
    Box::new(move |error| told.lock().unwrap().push(format!("error: {error}")))
}

fn updates(told: &Told, outcome: Result<(), &'static str>) -> UpdateCheckpoint {
    let told = Arc::clone(told);
    Box::new(move || {
        Box::pin(async move {
            told.lock().unwrap().push("update".to_owned());
            outcome.map_err(|why| ServiceError::InvalidParameterValue(why.to_owned()))
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_timer_scheduler_goes_by_timestamps_and_flushes_and_tells_errors() {
    let told = Told::default();
    let now = SystemClock::new().now();
    let mut scheduler = TimerScheduler::new();
    assert!(!scheduler.has_scheduled_function());
    for (what, seconds) in [("late", 7200), ("early", 3600)] {
        scheduler.schedule_function(
            starts(&told, what),
            on_error(&told),
            Some(now.plus_seconds(seconds)),
            None,
        );
    }
    scheduler.schedule_function(
        starts(&told, "at once"),
        on_error(&told),
        None,
        Some(updates(&told, Ok(()))),
    );
    scheduler.schedule_function(
        starts(&told, "never"),
        on_error(&told),
        None,
        Some(updates(&told, Err("refused"))),
    );
    assert!(scheduler.has_scheduled_function());
    tokio::time::sleep(Duration::from_mins(30)).await;
    let first = told.lock().unwrap().clone();
    assert_eq!(first.len(), 4, "{first:?}");
    assert_eq!(first.iter().filter(|what| *what == "update").count(), 2);
    assert!(first.contains(&"at once".to_owned()) && !first.contains(&"never".to_owned()));
    assert!(first.iter().any(|what| what.starts_with("error: ") && what.contains("refused")), "{first:?}");
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(told.lock().unwrap()[4..], ["early"]);
    assert!(scheduler.has_scheduled_function());
    scheduler.flush_timers();
    assert!(!scheduler.has_scheduled_function());
    tokio::time::sleep(Duration::from_hours(5)).await;
    assert_eq!(told.lock().unwrap()[4..], ["early"], "what was flushed does not run");
}

#[tokio::test]
async fn a_queue_goes_by_its_order_and_tells_errors() {
    let told = Told::default();
    let mut queue = QueueScheduler::new();
    let later = Some(Timestamp::Y2025.plus_seconds(1_000_000));
    queue.schedule_function(starts(&told, "first"), on_error(&told), later, Some(updates(&told, Ok(()))));
    queue.schedule_function(
        starts(&told, "never"),
        on_error(&told),
        None,
        Some(updates(&told, Err("refused"))),
    );
    queue.schedule_function(starts(&told, "last"), on_error(&told), None, None);
    assert!(queue.has_scheduled_function());
    queue.wait_for_completion().await;
    let told = told.lock().unwrap().clone();
    assert_eq!(
        (&told[..3], told[4].as_str()),
        (&["update".to_owned(), "first".to_owned(), "update".to_owned()][..], "last")
    );
    assert!(told[3].contains("refused"), "{told:?}");
    assert!(!queue.has_scheduled_function());
}

#[tokio::test]
async fn a_mock_answers_in_the_order_of_its_script() {
    let refused = || Err(ServiceError::InvalidParameterValue("refused".to_owned()));
    let mock = MockDurableServiceClient::new()
        .with_checkpoint_responses(1)
        .with_checkpoint_response(refused())
        .with_checkpoint_response_with_operations("named", Vec::new())
        .with_checkpoint_responses(1)
        .with_get_state_response(Ok(durawasm_core::protocol::StatePage {
            operations: Vec::new(),
            next_marker: Some("more".into()),
        }))
        .with_get_state_response(Err(ServiceError::Unavailable("away".to_owned())));
    let mut tokens = Vec::new();
    for call in 0..4 {
        let token = format!("given-{call}");
        let answer = mock.checkpoint(&"arn".into(), &token.as_str().into(), Vec::new()).await;
        tokens.push(
            answer.map(|answer| answer.checkpoint_token.to_string()).map_err(|error| error.to_string()),
        );
    }
    assert_eq!(tokens[0], Ok("token-1".to_owned()));
    assert!(tokens[1].as_ref().unwrap_err().contains("refused"));
    assert_eq!((&tokens[2], &tokens[3]), (&Ok("named".to_owned()), &Ok("token-4".to_owned())));
    let given: Vec<_> = mock.get_checkpoint_calls().into_iter().map(|call| call.checkpoint_token).collect();
    assert_eq!(given, ["given-0", "given-1", "given-2", "given-3"]);
    let page = mock.get_state(&"arn".into(), &"t".into(), "first").await.unwrap();
    assert_eq!(page.next_marker.as_deref(), Some("more"));
    assert!(
        mock.get_state(&"arn".into(), &"t".into(), "second").await.unwrap_err().to_string().contains("away")
    );
    let markers: Vec<_> = mock.get_state_calls().into_iter().map(|call| call.marker).collect();
    assert_eq!(markers, ["first", "second"]);
    mock.clear_checkpoint_calls();
    assert!(mock.get_checkpoint_calls().is_empty() && mock.get_state_calls().len() == 2);
}

#[tokio::test]
async fn an_operation_that_was_waited_for_shows_itself_as_it_is_then() {
    let runner = handler("callback");
    let reply = runner.operation("reply");
    let acting = async {
        let callback = reply.wait_for_data(WaitingOperationStatus::Started).await.unwrap();
        let before = callback.get_operation_data();
        assert_eq!(
            (before.status, callback.get_status()),
            (OperationStatus::Started, OperationStatus::Started)
        );
        callback.send_callback_success("1").await.unwrap();
        let same = callback.wait_for_data(WaitingOperationStatus::Completed).await.unwrap();
        assert_eq!(
            (same.get_status(), callback.get_status()),
            (OperationStatus::Succeeded, OperationStatus::Succeeded)
        );
        assert_eq!(callback.get_callback_details::<u32>().unwrap().result, Some(1));
        assert!(callback.get_end_timestamp().is_some());
        assert_eq!(before.status, OperationStatus::Started, "what was taken before stays as it was");
    };
    let (result, ()) = tokio::join!(runner.run(json!({"name": "reply"})), acting);
    assert_eq!(result.unwrap().get_status(), ExecutionStatus::Succeeded);
}
