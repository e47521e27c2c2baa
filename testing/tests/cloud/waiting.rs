//! Polling, waiting for operations and answering callbacks.

use std::{
    future::pending,
    time::{Duration, Instant},
};

use durawasm_core::{protocol::ErrorObject, server::ExecutionView};
use durawasm_testing::{
    Answer, CloudDurableTestRunner, CloudTestRunnerConfig, ExecutionStatus, OperationType, TestError,
    WaitingOperationStatus,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    http::Reply,
    lambda::{Asked, Instead, Lambda, LambdaOptions},
};

/// The id of the execution's callback, if it has one.
fn callback(view: &ExecutionView) -> Option<durawasm_core::protocol::CallbackId> {
    let callback = view.operations.iter().find(|operation| operation.kind == OperationType::Callback)?;
    callback.callback_details.as_ref()?.callback_id.clone()
}

/// Runs `callback`, and sends these answers as soon as its callback exists. Returns the result of the run and of each
/// answer.
async fn answered(answers: Vec<Answer>) -> (Value, Vec<Result<(), TestError>>) {
    let lambda = Lambda::start().await;
    let runner = lambda.runner::<Value>("callback");
    let (seen, mut look) = mpsc::unbounded_channel();
    let running = async {
        let event = json!({"name": "reply"});
        runner.execute(event, |view| drop(seen.send((callback(view), Instant::now())))).await
    };
    let answering = async {
        let id = loop {
            if let (Some(id), _) = look.recv().await.unwrap() {
                break id;
            }
        };
        // Polling continues until an answer arrives.
        for _ in 0..3 {
            look.recv().await.unwrap();
        }
        let mut outcomes = Vec::new();
        for answer in answers {
            outcomes.push(runner.api().complete_callback(&id, answer).await);
        }
        outcomes
    };
    let (view, outcomes) = tokio::join!(running, answering);
    let result = view.unwrap().result.unwrap();
    (serde_json::from_str(&result).unwrap(), outcomes)
}

#[tokio::test]
async fn a_callback_is_answered_while_the_execution_runs() {
    let (result, outcomes) = answered(vec![
        Answer::Heartbeat,
        Answer::Success(Some("\"yes\"".into())),
        Answer::Success(Some("\"late\"".into())),
        Answer::Failure(ErrorObject::new("Late", "too")),
        Answer::Heartbeat,
    ])
    .await;
    assert_eq!(result["answer"], json!("yes"));
    assert!(outcomes[0].is_ok() && outcomes[1].is_ok(), "{outcomes:?}");
    for outcome in &outcomes[2..] {
        assert!(matches!(outcome, Err(TestError::CallbackAlreadyCompleted(_))), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_callback_fails_with_all_that_an_error_has() {
    let error = ErrorObject {
        error_type: Some("Rejected".into()),
        error_message: Some("not today".into()),
        error_data: Some("{\"by\":\"Ada\"}".into()),
        stack_trace: vec!["desk".into()],
    };
    let (result, outcomes) = answered(vec![Answer::Failure(error)]).await;
    assert!(outcomes[0].is_ok(), "{outcomes:?}");
    assert_eq!(result["failed"], json!("ExternalFailure"));
    let text = result["error"].as_str().unwrap();
    assert!(text.contains("not today"), "{text}");
}

#[tokio::test]
async fn a_callback_that_is_none() {
    let lambda = Lambda::start().await;
    let api = lambda.runner::<Value>("callback").api().clone();
    for answer in [Answer::Success(None), Answer::Failure(ErrorObject::new("No", "no")), Answer::Heartbeat] {
        let refused = api.complete_callback(&"bm9uZQ==".into(), answer).await;
        assert!(matches!(refused, Err(TestError::CallbackNotFound(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn operations_are_waited_for_and_answered_by_handles() {
    let lambda = Lambda::start().await;
    let runner = lambda.runner::<Value>("await_approval");
    let approval = runner.operation("approve");
    let acting = async {
        let submitted = approval.wait_for_data(WaitingOperationStatus::Submitted).await.unwrap();
        assert!(submitted.is_callback());
        submitted.send_callback_heartbeat().await.unwrap();
        submitted.send_callback_success("\"yes\"").await.unwrap();
        let late = submitted.send_callback_success("\"late\"").await;
        assert!(matches!(late, Err(TestError::CallbackAlreadyCompleted(_))), "{late:?}");
        approval.wait_for_data(WaitingOperationStatus::Completed).await.unwrap()
    };
    let (result, completed) = tokio::join!(runner.run(json!({"name": "approve"})), acting);
    assert_eq!(result.unwrap().get_result().unwrap(), &json!("yes"));
    assert_eq!(completed.get_child_operations().len(), 2);
    let details = runner.get_operation("approve").unwrap().get_callback_details::<String>().unwrap();
    assert_eq!(details.result.as_deref(), Some("yes"));
    assert_eq!(runner.get_operations().len(), 3);
    assert_eq!(runner.get_operation_by_index(0).unwrap().get_name(), Some("approve"));
    let early = runner.operation("nothing").wait_for_data(WaitingOperationStatus::Started).await;
    assert!(matches!(early, Err(TestError::ExecutionCompletedEarly(..))), "{early:?}");
}

#[tokio::test]
async fn an_execution_is_stopped_while_it_runs() {
    let lambda = Lambda::start().await;
    let runner = lambda.runner::<Value>("callback");
    let acting = async {
        runner.operation("reply").wait_for_data(WaitingOperationStatus::Started).await.unwrap();
        runner.stop(Some(ErrorObject::new("Enough", "no more of it"))).await.unwrap();
    };
    let (result, ()) = tokio::join!(runner.run(json!({"name": "reply"})), acting);
    let result = result.unwrap();
    assert_eq!(result.get_status(), ExecutionStatus::Stopped);
    assert_eq!(result.get_error().unwrap().error_type.as_deref(), Some("Enough"));
    let over = runner.stop(None).await;
    assert!(matches!(over, Err(TestError::ExecutionNotFound(_))), "{over:?}");
}

/// Reports the execution as running for this many polls.
fn running_for(looks: usize) -> Instead {
    Box::new(move |asked: &Asked, before| {
        let running = asked.operation == "GetDurableExecution" && before < looks;
        let arn = asked.of.clone();
        running.then(|| {
            let answer = json!({
                "DurableExecutionArn": arn, "DurableExecutionName": "n", "FunctionArn": "f", "Status": "PAUSED",
                "StartTimestamp": 1,
            });
            Box::pin(async move { Reply::json(200, &answer) }) as super::http::Answering
        })
    })
}

#[tokio::test]
async fn looks_are_as_far_apart_as_was_asked() {
    let interval = Duration::from_millis(30);
    let options = LambdaOptions { instead: Some(running_for(4)), ..LambdaOptions::default() };
    let lambda = Lambda::with(options).await;
    let config = CloudTestRunnerConfig { poll_interval: 30, ..CloudTestRunnerConfig::default() };
    lambda.runner::<Value>("greet").with_config(config).run("Ada").await.unwrap();
    let looks: Vec<Instant> =
        lambda.asked("GetDurableExecution").iter().map(|asked| asked.request.at).collect();
    assert!(looks.len() >= 5, "{}", looks.len());
    for pair in looks.windows(2) {
        assert!(pair[1] - pair[0] >= interval, "{:?}", pair[1] - pair[0]);
    }
}

#[tokio::test]
async fn an_execution_that_is_over_when_it_is_first_looked_at_needs_one_look() {
    let lambda = Lambda::start().await;
    let view = lambda.runner::<Value>("greet").execute("Ada", |_| {}).await.unwrap();
    // Returns the execution that was started before, which has ended by now, instead of starting a new one.
    let arn = view.arn.to_string();
    let (execution, events) = (super::lambda::execution(&view), json!({ "Events": view.events }));
    let instead: Instead = Box::new(move |asked: &Asked, _| {
        let reply = match asked.operation {
            "Invoke" => Reply::json(202, &json!({})).with("x-amz-durable-execution-arn", &arn),
            "GetDurableExecution" => Reply::json(200, &execution),
            _ => Reply::json(200, &events),
        };
        Some(Box::pin(async move { reply }))
    });
    let over = Lambda::with(LambdaOptions { instead: Some(instead), ..LambdaOptions::default() }).await;
    let hour = CloudTestRunnerConfig { poll_interval: 3_600_000, ..CloudTestRunnerConfig::default() };
    let again = over.runner::<Value>("greet").with_config(hour).execute("Ada", |_| {}).await.unwrap();
    assert_eq!(again, view);
    assert_eq!(over.asked("GetDurableExecution").len(), 1);
}

async fn too_late(runner: CloudDurableTestRunner<Value>, event: Value) -> String {
    let timeout = Duration::from_secs(2);
    let config = CloudTestRunnerConfig { poll_interval: 5, timeout };
    match runner.with_config(config).run(event).await {
        Err(TestError::WaitTimeout(what)) => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_run_that_takes_too_long_says_what_it_waits_for() {
    let lambda = Lambda::start().await;
    let what = too_late(lambda.runner("callback"), json!({"name": "reply"})).await;
    assert!(what.contains("arn:aws:lambda:us-east-1:000000000000:function:callback:$LATEST/"), "{what}");
    assert!(what.contains("an answer to callback \"reply\"") && what.contains("after 2s"), "{what}");
}

#[tokio::test]
async fn a_run_ends_in_time_although_nobody_answers() {
    for (silent, expected) in [
        ("Invoke", "the invocation of greet as durawasm-test-"),
        ("GetDurableExecution", "has not been seen yet"),
    ] {
        let instead: Instead = Box::new(move |asked: &Asked, _| {
            (asked.operation == silent).then(|| Box::pin(pending()) as super::http::Answering)
        });
        let lambda = Lambda::with(LambdaOptions { instead: Some(instead), ..LambdaOptions::default() }).await;
        let what = too_late(lambda.runner("greet"), json!("Ada")).await;
        assert!(what.contains(expected), "{what}");
    }
}
