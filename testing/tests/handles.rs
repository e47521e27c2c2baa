//! Tests that act while the handler runs: they wait for operations, answer callbacks, and advance time.

use std::time::Duration;

use crate::common::{handler, history, value};
use durawasm_testing::{
    CallbackDetails, ErrorObject, ExecutionStatus, LocalDurableTestRunner, NativeHandler, OperationStatus,
    OperationType, TestError, TestResult, WaitingOperationStatus::*,
};
use serde_json::{Value, json};

/// A callback that times out after a day, then a step.
fn approval() -> Value {
    json!([{"callback": ["approval", 86_400]}, {"step": ["after", 1]}])
}

fn sequence() -> LocalDurableTestRunner {
    handler("sequence")
}

fn seconds(result: &TestResult) -> u64 {
    result.get_duration().as_secs()
}

/// Lets the run go on as far as it can while the test does nothing.
async fn others_go_on() {
    for _ in 0..5000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_callback_is_answered_while_the_handler_runs_and_no_time_passes() {
    let runner = sequence();
    let approval_handle = runner.operation("approval");
    let answer = async {
        let callback = approval_handle.wait_for_data(Submitted).await?;
        assert_eq!(callback.get_status(), OperationStatus::Started);
        let details: CallbackDetails = callback.get_callback_details()?;
        assert!(!details.callback_id.is_empty() && details.result.is_none());
        callback.send_callback_success(r#"{"by":"kim"}"#).await?;
        let over = callback.wait_for_data(Completed).await?;
        assert_eq!(over.get_callback_details::<Value>()?.result, Some(json!({"by": "kim"})));
        Ok::<_, TestError>(())
    };
    let (result, answered) = tokio::join!(runner.run(approval()), answer);
    answered.unwrap();
    let result = result.unwrap();
    assert_eq!(value(&result), json!([{"by": "kim"}, 1]));
    assert_eq!((seconds(&result), result.get_invocations().len()), (0, 2));
}

#[tokio::test]
async fn a_wait_for_callback_is_submitted_when_its_submitter_has_run() {
    let runner = sequence();
    let handle = runner.operation("approval");
    let answer = async {
        let context = handle.wait_for_data(Submitted).await.unwrap();
        assert_eq!(context.get_type(), OperationType::Context);
        assert!(context.is_callback());
        let children = context.get_child_operations();
        let kinds: Vec<_> = children.iter().map(|child| (child.get_type(), child.get_status())).collect();
        let expected = [
            (OperationType::Callback, OperationStatus::Started),
            (OperationType::Step, OperationStatus::Succeeded),
        ];
        assert_eq!(kinds, expected);
        let error = ErrorObject::new("Rejected", "too expensive");
        context.send_callback_failure(&error).await.unwrap();
    };
    let event = json!([{"wait_for_callback": "approval"}]);
    let (result, ()) = tokio::join!(runner.run(event), answer);
    let result = result.unwrap();
    assert!(value(&result)[0]["failed"].is_string(), "{}", value(&result));
    let details: CallbackDetails = runner.get_operation("approval").unwrap().get_callback_details().unwrap();
    assert_eq!(details.error.unwrap().error_type.as_deref(), Some("Rejected"));
}

#[tokio::test]
async fn the_context_of_a_wait_for_callback_holds_time_by_itself() {
    let runner = handler("await_approval");
    let handle = runner.operation("approval");
    let answer = async {
        let context = handle.wait_for_data(Submitted).await.unwrap();
        // What is found holds time as the handle does that it was waited for with.
        let found = runner.get_operation("approval").unwrap();
        drop((handle, context));
        others_go_on().await;
        found.send_callback_success("7").await.unwrap();
    };
    let (result, ()) = tokio::join!(runner.run(json!({"name": "approval", "timeout": 9})), answer);
    let result = result.unwrap();
    assert_eq!((value(&result), seconds(&result)), (json!(7), 0));
}

#[tokio::test]
async fn a_submitter_that_is_tried_again_has_not_submitted() {
    let runner = handler("await_approval");
    let handle = runner.operation("approval");
    let answer = async {
        let approval = handle.wait_for_data(Submitted).await.unwrap();
        let submitter = &approval.get_child_operations()[1];
        assert_eq!(submitter.get_step_details::<Value>().unwrap().attempt, Some(3));
        approval.send_callback_success("7").await.unwrap();
    };
    let event = json!({"name": "approval", "submitter_failures": 2});
    let (result, ()) = tokio::join!(runner.run(event), answer);
    let result = result.unwrap();
    assert_eq!((value(&result), seconds(&result)), (json!(7), 2));
}

#[tokio::test]
async fn nobody_waits_for_a_submitter_that_has_failed() {
    let runner = handler("await_approval");
    let failed = runner.run(json!({"name": "approval", "submitter_failures": 9})).await.unwrap();
    assert_eq!(failed.get_status(), ExecutionStatus::Failed);
    let context = runner.operation("approval").wait_for_data(Submitted).await.unwrap();
    assert_eq!(context.get_status(), OperationStatus::Failed);
}

#[tokio::test]
async fn the_test_advances_time_to_the_timeout_or_waits_for_it() {
    let runner = sequence();
    let handle = runner.operation("approval");
    let act = async {
        handle.wait_for_data(Submitted).await.unwrap();
        runner.advance_time(Duration::from_hours(23)).await.unwrap();
        assert_eq!(handle.get().unwrap().get_status(), OperationStatus::Started);
        runner.advance_time(Duration::from_hours(1)).await.unwrap();
        assert_eq!(handle.wait_for_data(Completed).await.unwrap().get_status(), OperationStatus::TimedOut);
    };
    let (result, ()) = tokio::join!(runner.run(approval()), act);
    assert_eq!(seconds(&result.unwrap()), 86_400);
    drop(handle);

    // A wait for the end indicates that the test does not answer.
    let handle = runner.operation("approval");
    let act = async { handle.wait_for_data(Completed).await.unwrap().get_status() };
    let (result, status) = tokio::join!(runner.run(approval()), act);
    assert_eq!((seconds(&result.unwrap()), status), (86_400, OperationStatus::TimedOut));

    // Without a handle no answer is expected, and time advances by itself.
    drop(handle);
    assert_eq!(seconds(&runner.run(approval()).await.unwrap()), 86_400);
}

#[tokio::test]
async fn heartbeats_move_what_is_held() {
    // The guest's callback requires a heartbeat at least every minute.
    let runner = handler("callback");
    let handle = runner.operation_by_index(0);
    let act = async {
        let callback = handle.wait_for_data(Submitted).await.unwrap();
        for _ in 0..3 {
            runner.advance_time(Duration::from_secs(40)).await.unwrap();
            callback.send_callback_heartbeat().await.unwrap();
        }
        callback.send_callback_success("\"late\"").await.unwrap();
    };
    let event = json!({"name": "beats", "timeout": 1000, "heartbeat": 60});
    let (result, ()) = tokio::join!(runner.run(event), act);
    let result = result.unwrap();
    assert_eq!(result.get_status(), ExecutionStatus::Succeeded, "{:?}", history(&result));
    assert_eq!(seconds(&result), 120);
}

#[tokio::test]
async fn an_execution_without_a_deadline_waits_for_the_test_as_long_as_it_holds_a_handle() {
    let event = json!([{"callback": ["approval", 0]}]);
    let runner = sequence();
    let handle = runner.operation("approval");
    let act = async {
        handle.wait_for_data(Submitted).await.unwrap();
        others_go_on().await;
        // Without a handle no answer is expected.
        drop(handle);
    };
    let (result, ()) = tokio::join!(runner.run(&event), act);
    let error = result.unwrap_err();
    assert!(matches!(&error, TestError::Stalled(what) if what.contains("approval")), "{error}");

    let handle = runner.operation("approval");
    let neglectful = runner.clone().answer_timeout(Duration::from_millis(50));
    let held = neglectful.operation("approval");
    let error = neglectful.run(&event).await.unwrap_err().to_string();
    assert!(error.contains("callback \"approval\"") && error.contains("drop the handle"), "{error}");
    drop((handle, held));
}

#[tokio::test]
async fn what_was_answered_or_is_over_takes_no_answer() {
    let runner = sequence();
    let handle = runner.operation("approval");
    let early = handle.send_callback_success("1").await.unwrap_err();
    assert!(matches!(early, TestError::OperationNotFound(_)), "{early}");
    let act = async {
        let callback = handle.wait_for_data(Submitted).await.unwrap();
        callback.send_callback_success("1").await.unwrap();
        for again in [callback.send_callback_success("2").await, callback.send_callback_heartbeat().await] {
            assert!(matches!(again, Err(TestError::CallbackAlreadyCompleted(_))), "{again:?}");
        }
    };
    let (result, ()) = tokio::join!(runner.run(approval()), act);
    assert_eq!(value(&result.unwrap())[0], 1);
    let late = handle.send_callback_success("3").await.unwrap_err();
    assert!(matches!(late, TestError::CallbackAlreadyCompleted(_)), "{late}");
    let step = runner.get_operation("after").unwrap().send_callback_success("1").await.unwrap_err();
    assert!(matches!(step, TestError::NotCallbackOperation), "{step}");
}

#[tokio::test]
async fn who_waits_in_vain_is_told_when_the_execution_is_over() {
    let runner = sequence();
    let handle = runner.operation("never");
    let event = json!([{"step": ["a", 1]}, {"wait": ["w", 3600]}, {"child": ["c", []]}]);
    let (result, waited) = tokio::join!(runner.run(&event), handle.wait_for_data(Started));
    result.unwrap();
    let error = waited.unwrap_err();
    assert!(matches!(&error, TestError::ExecutionCompletedEarly(name, Started) if name.contains("never")));
    assert_eq!(error.to_string(), "the execution ended before operation \"never\" was started");
    for name in ["a", "w", "c"] {
        let submitted = runner.operation(name).wait_for_data(Submitted).await.unwrap_err();
        assert!(matches!(submitted, TestError::NotCallbackOperation), "{name}: {submitted}");
    }
    // A wait for an operation that has ended returns at once.
    assert_eq!(runner.operation("w").wait_for_data(Completed).await.unwrap().get_name(), Some("w"));
}

#[tokio::test]
async fn a_test_stops_an_execution() {
    let runner = sequence();
    let handle = runner.operation("approval");
    let act = async {
        handle.wait_for_data(Submitted).await.unwrap();
        runner.stop(Some(ErrorObject::new("Enough", "it was stopped"))).await.unwrap();
    };
    let (result, ()) = tokio::join!(runner.run(approval()), act);
    let result = result.unwrap();
    assert_eq!(result.get_status(), ExecutionStatus::Stopped);
    assert_eq!(result.get_error().unwrap().error_type.as_deref(), Some("Enough"));
    assert!(matches!(runner.stop(None).await, Err(TestError::ExecutionNotFound(_))));
}

#[tokio::test]
async fn time_can_be_advanced_only_where_it_skips_and_while_something_runs() {
    let runner = sequence();
    let early = runner.advance_time(Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(early, TestError::ExecutionNotFound(_)), "{early}");
    let real =
        sequence().config(durawasm_testing::TestEnvironmentConfig { skip_time: false, ..Default::default() });
    let handle = real.operation("approval");
    let act = async {
        let callback = handle.wait_for_data(Submitted).await.unwrap();
        let error = real.advance_time(Duration::from_secs(1)).await.unwrap_err();
        assert!(matches!(error, TestError::TimeIsReal), "{error}");
        callback.send_callback_success("1").await.unwrap();
    };
    let (result, ()) = tokio::join!(real.run(approval()), act);
    assert_eq!(value(&result.unwrap()), json!([1, 1]));
}

#[tokio::test]
async fn one_runner_follows_one_execution() {
    let runner = sequence();
    let event = json!([{"wait": ["w", 5]}]);
    let handle = runner.operation("approval");
    let beside = async {
        let callback = handle.wait_for_data(Submitted).await.unwrap();
        let other = runner.run(&event).await;
        assert!(matches!(other, Err(TestError::AlreadyRunning)));
        callback.send_callback_success("1").await.unwrap();
    };
    let (one, ()) = tokio::join!(runner.run(approval()), beside);
    assert!(one.is_ok());
    let clone = runner.clone();
    let (one, other) = tokio::join!(runner.run(&event), clone.run(&event));
    assert!(one.is_ok() && other.is_ok());
}

#[tokio::test]
async fn answers_while_other_things_happen_leave_their_times_as_they_are() {
    // A callback held by a test does not keep waits from ending before its deadline.
    let runner = handler("workflow").seed(Some(3));
    let event = json!([{"spawned": [{"wait": 3600}, "callback"]}]);
    let handle = runner.operation("outside");
    let act = async {
        handle.wait_for_data(Submitted).await.unwrap();
        // The callback times out after a minute; the wait takes an hour. Time stops before the minute is over.
        runner.advance_time(Duration::from_secs(59)).await.unwrap();
        handle.send_callback_success("\"yes\"").await.unwrap();
    };
    let (result, ()) = tokio::join!(runner.run(&event), act);
    let result = result.unwrap();
    let callback = result.get_operation("outside").unwrap();
    assert_eq!(callback.status, OperationStatus::Succeeded);
    assert_eq!(callback.end_timestamp.unwrap().since(callback.start_timestamp).as_secs(), 59);
    assert_eq!(seconds(&result), 3600);
}

#[tokio::test]
async fn an_execution_s_timeout_is_held_as_well() {
    let runner = sequence().execution_timeout(Duration::from_mins(1));
    let handle = runner.operation("approval");
    let act = async {
        let callback = handle.wait_for_data(Submitted).await.unwrap();
        others_go_on().await;
        callback.send_callback_success("1").await.unwrap();
    };
    let (result, ()) = tokio::join!(runner.run(approval()), act);
    let result = result.unwrap();
    assert_eq!((result.get_status(), seconds(&result)), (ExecutionStatus::Succeeded, 0));
}

#[tokio::test]
async fn who_waits_for_two_things_may_answer() {
    let runner = sequence();
    let handle = runner.operation("approval");
    let answer = async {
        let callback = handle.wait_for_data(Submitted).await.unwrap();
        others_go_on().await;
        callback.send_callback_success("1").await.unwrap();
    };
    let (result, over, ()) = tokio::join!(runner.run(approval()), handle.wait_for_data(Completed), answer);
    assert_eq!(over.unwrap().get_status(), OperationStatus::Succeeded);
    assert_eq!(seconds(&result.unwrap()), 0);
}

#[tokio::test]
async fn an_operation_of_a_run_that_is_over_holds_nothing_of_the_next() {
    let runner = sequence();
    let event = json!([{"callback": ["approval", 60]}]);
    let handle = runner.operation("approval");
    let act = async { handle.wait_for_data(Submitted).await.unwrap() };
    let (stopped, of_first) = tokio::join!(runner.run(&event), async {
        let operation = act.await;
        runner.stop(None).await.unwrap();
        operation
    });
    stopped.unwrap();
    drop(handle);
    // The same operation id, in another execution.
    let result = runner.run(&event).await.unwrap();
    assert_eq!(seconds(&result), 60);
    assert_eq!(of_first.get_id(), result.get_operations()[0].id.as_str());
    assert!(of_first.is_callback());
}

#[tokio::test]
async fn a_handle_answers_as_its_operation_does() {
    // The guest's callback requires a heartbeat at least every minute.
    let runner = handler("callback");
    let handle = runner.operation("beats");
    let act = async {
        handle.wait_for_data(Submitted).await.unwrap();
        runner.advance_time(Duration::from_secs(40)).await.unwrap();
        handle.send_callback_heartbeat().await.unwrap();
        runner.advance_time(Duration::from_secs(40)).await.unwrap();
        handle.send_callback_failure(&ErrorObject::new("Rejected", "too expensive")).await.unwrap();
    };
    let event = json!({"name": "beats", "timeout": 1000, "heartbeat": 60});
    let (result, ()) = tokio::join!(runner.run(event), act);
    let callback = result.unwrap().get_operation("beats").unwrap().clone();
    assert_eq!(callback.status, OperationStatus::Failed);
    assert_eq!(callback.end_timestamp.unwrap().since(callback.start_timestamp).as_secs(), 80);
    let details: CallbackDetails = handle.get().unwrap().get_callback_details().unwrap();
    assert_eq!(details.error.unwrap().error_type.as_deref(), Some("Rejected"));
}

#[tokio::test]
async fn what_is_printed_for_debugging_names_its_operation_or_function() {
    let runner = sequence();
    runner.run(json!([{"step": ["a-step", 1]}])).await.unwrap();
    let native = NativeHandler::plain("rate", |cents: u64| cents / 10);
    for (text, named) in [
        (format!("{:?}", runner.operation("a-step")), "a-step"),
        (format!("{:?}", runner.get_operation("a-step").unwrap()), "a-step"),
        (format!("{native:?}"), "rate"),
    ] {
        assert!(text.contains(named), "{text}");
    }
}

#[tokio::test]
async fn a_child_context_is_not_the_callback_in_it() {
    let runner = sequence();
    runner.run(json!([{"child": ["c", [{"callback": ["x", 5]}]]}])).await.unwrap();
    let context = runner.get_operation("c").unwrap();
    assert!(!context.is_callback() && runner.get_operation("x").unwrap().is_callback());
    let details = context.get_callback_details::<Value>().unwrap_err();
    assert!(matches!(details, TestError::OperationTypeMismatch { .. }), "{details}");
    let submitted = runner.operation("c").wait_for_data(Submitted).await.unwrap_err();
    assert!(matches!(submitted, TestError::NotCallbackOperation), "{submitted}");
}

#[tokio::test]
async fn who_gives_up_a_wait_for_the_end_may_answer_again() {
    let runner = sequence();
    let handle = runner.operation("approval");
    tokio::select! {
        biased;
        _ = handle.wait_for_data(Completed) => panic!("nothing runs yet"),
        () = others_go_on() => {}
    }
    let answer = async {
        while handle.get().is_none() {
            tokio::task::yield_now().await;
        }
        others_go_on().await;
        handle.send_callback_success("1").await.unwrap();
    };
    let (result, ()) = tokio::join!(runner.run(approval()), answer);
    assert_eq!(seconds(&result.unwrap()), 0);
}
