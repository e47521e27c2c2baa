//! Complete runs: the function is invoked and polled, and the result is reported.

use std::sync::{Arc, Mutex};

use aws_sdk_lambda::{
    Client, Config,
    config::{
        BehaviorVersion, ConfigBag, Credentials, Intercept, Region, RuntimeComponents,
        interceptors::BeforeTransmitInterceptorContextRef,
    },
    error::BoxError,
};
use durawasm_core::{
    protocol::{ExecutionArn, Operation, OperationType},
    server::ExecutionView,
};
use durawasm_testing::{CloudDurableTestRunner, ExecutionStatus, OperationStatus, TestError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    lambda::{Lambda, LambdaOptions, quick},
    operations::{compared, visible_in_history},
};
use crate::common::{error, handler};

#[tokio::test]
async fn a_result_of_its_type() {
    #[derive(Deserialize)]
    struct Greeting(String);
    let lambda = Lambda::start().await;
    let result = lambda.runner::<Greeting>("greet").run("Ada").await.unwrap();
    assert_eq!(result.get_status(), ExecutionStatus::Succeeded);
    let Greeting(greeting) = result.get_result().unwrap();
    assert_eq!(greeting, "Hello, Ada");
    assert_eq!(result.get_invocations().len(), 1);
    assert_eq!(result.get_operations_by_status(OperationStatus::Succeeded).len(), 1);
}

#[tokio::test]
async fn a_failure() {
    let lambda = Lambda::start().await;
    let result = lambda.runner::<Value>("typed_failure").run(7).await.unwrap();
    assert_eq!(result.get_status(), ExecutionStatus::Failed);
    assert!(result.get_result().is_err());
    let local = handler("typed_failure").run(7).await.unwrap();
    assert_eq!(error(&result), error(&local));
}

/// The operation without members that differ between executions.
fn comparable(operation: &Operation) -> Operation {
    let mut operation = visible_in_history(operation);
    if let Some(details) = &mut operation.callback_details {
        details.callback_id = None;
    }
    // The error of a failed wait for a callback contains the callback's id.
    if let Some(error) = operation.context_details.as_mut().and_then(|details| details.error.as_mut()) {
        error.stack_trace.retain(|frame| !frame.starts_with("callback "));
    }
    operation
}

#[tokio::test]
async fn operations_are_those_of_a_local_run() {
    for (function, event) in [
        ("two_steps_and_wait", json!(3600)),
        ("flaky", json!({"failures": 2, "max_attempts": 5})),
        ("flaky", json!({"failures": 9, "max_attempts": 3})),
        ("nested_children", json!(3)),
        ("concurrent_children", json!(4)),
        ("invokes", json!({"function": "greet", "payload": "Ada"})),
        ("invokes", json!({"function": "plain", "payload": 4})),
        ("invokes", json!({"function": "nowhere", "payload": 4})),
        ("callback", json!({"name": "reply", "timeout": 60})),
        ("callback", json!({"name": "reply", "heartbeat": 9})),
        ("await_approval", json!({"name": "approve", "submitter_failures": 1, "timeout": 5})),
        ("panics_in_step", json!(null)),
        (
            "workflow",
            json!([{"saga": 2}, {"condition": 3}, {"caught": "fails"}, {"race": [{"wait": 9}, {"wait": 1}]}]),
        ),
    ] {
        // Its time starts at the same instant as that of a local run.
        let lambda = Lambda::start().await;
        let remote = lambda.runner::<Value>(function).run(&event).await.unwrap();
        let local = handler(function).run(&event).await.unwrap();
        let operations = |operations: &[Operation]| operations.iter().map(comparable).collect::<Vec<_>>();
        assert_eq!(
            operations(remote.get_operations()),
            operations(local.get_operations()),
            "{function} {event}"
        );
        assert_eq!(remote.get_status(), local.get_status(), "{function} {event}");
        let invocations = |result: &durawasm_testing::TestResult| {
            let all = result.get_invocations().iter();
            all.map(|i| (i.start_timestamp, i.end_timestamp, i.error.clone())).collect::<Vec<_>>()
        };
        assert_eq!(invocations(&remote), invocations(&local), "{function} {event}");
    }
}

/// The host's view of an execution, reduced to what the API reports.
fn as_reported(view: ExecutionView) -> ExecutionView {
    let (has, tells) = compared(&view);
    assert_eq!(has, tells);
    ExecutionView { operations: tells.into_iter().map(Arc::new).collect(), checkpoints: 0, ..view }
}

#[tokio::test]
async fn a_history_in_pages_is_whole() {
    for page in [1, 3, 7, 1000] {
        let lambda = Lambda::with(LambdaOptions { page, ..LambdaOptions::default() }).await;
        let runner = lambda.runner::<Value>("concurrent_children");
        let view = runner.execute(5, |_| {}).await.unwrap();
        assert!(view.events.len() > 30, "{}", view.events.len());
        assert_eq!(view, as_reported(lambda.view(&view.arn).await));
        let asked = lambda.asked("GetDurableExecutionHistory");
        let pages =
            asked.iter().rev().take_while(|asked| asked.request.query.contains_key("Marker")).count() + 1;
        assert_eq!(pages, view.events.len().div_ceil(page));
    }
}

#[tokio::test]
async fn each_look_is_told_of() {
    let lambda = Lambda::start().await;
    let mut looks = Vec::new();
    let runner = lambda.runner::<Value>("many_waits");
    let view = runner.execute(30, |view| looks.push(view.clone())).await.unwrap();
    assert_eq!(looks.last(), Some(&view));
    let mut events = 0;
    for look in &looks {
        assert!(look.events.len() >= events, "known events do not disappear");
        events = look.events.len();
        assert_eq!(look.arn, view.arn);
        assert_eq!(look.events[..], view.events[..events]);
    }
    assert_eq!(lambda.asked("GetDurableExecution").len(), looks.len());
}

#[tokio::test]
async fn each_run_is_an_execution_of_its_own() {
    let lambda = Lambda::start().await;
    let runner = lambda.runner::<Value>("greet:$LATEST");
    let beside = runner.clone();
    let (one, other) = tokio::join!(runner.execute("Ada", |_| {}), beside.execute("Ada", |_| {}));
    assert_ne!(one.unwrap().arn, other.unwrap().arn);
    let (one, refused) = tokio::join!(runner.run("Ada"), runner.run("Ada"));
    assert!(one.is_ok() && matches!(refused, Err(TestError::AlreadyRunning)), "{refused:?}");
}

#[tokio::test]
async fn what_has_no_version_is_the_latest() {
    let lambda = Lambda::start().await;
    for (function, qualifier) in [("greet", Some("$LATEST")), ("greet:prod", None)] {
        lambda.runner::<Value>(function).run("Ada").await.unwrap();
        let asked = lambda.asked("Invoke").pop().unwrap();
        assert_eq!(asked.of, function);
        assert_eq!(asked.request.query.get("Qualifier").map(String::as_str), qualifier);
        assert_eq!(asked.request.body, "\"Ada\"");
        let name = &asked.request.headers["x-amz-durable-execution-name"];
        assert!(name.starts_with("durawasm-test-"), "{name}");
    }
}

/// Records the operations that a client calls.
#[derive(Debug, Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Intercept for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.lock().unwrap().push(context.request().uri().to_owned());
        Ok(())
    }
}

#[tokio::test]
async fn a_client_of_the_tests_own_is_used() {
    let (lambda, recorder) = (Lambda::start().await, Recorder::default());
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-north-1"))
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .endpoint_url(lambda.url())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .interceptor(recorder.clone())
        .build();
    let runner = CloudDurableTestRunner::<Value>::with_client("greet", Client::from_conf(config));
    runner.with_config(quick()).run("Ada").await.unwrap();
    let sent = recorder.0.lock().unwrap().clone();
    assert!(sent.first().is_some_and(|first| first.contains("/functions/greet/invocations")), "{sent:?}");
    assert!(sent.len() >= 3, "{sent:?}");
    let signed = &lambda.asked("Invoke")[0].request.headers["authorization"];
    assert!(signed.contains("Credential=id/") && signed.contains("/eu-north-1/lambda/"), "{signed}");
}

#[tokio::test]
async fn the_execution_comes_first_among_the_operations() {
    let lambda = Lambda::start().await;
    let view = lambda.runner::<Value>("greet").execute("Ada", |_| {}).await.unwrap();
    let (execution, arn) = (&view.operations[0], ExecutionArn::from(view.arn.as_str()));
    assert_eq!(execution.kind, OperationType::Execution);
    assert_eq!(execution.name.as_deref(), arn.parts().map(|(_, _, name)| name));
    assert_eq!(view.input.as_deref(), Some("\"Ada\""));
    assert_eq!(view.result.as_deref(), Some("\"Hello, Ada\""));
}
