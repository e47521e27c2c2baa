//! The errors of all operations as AWS's client for Rust types them: its variants, with their members.

use aws_sdk_lambda::{
    Error,
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::{ErrorObject, InvocationType, ThrottleReason},
};
use durawasm_http::{AccessKeys, Bounds};
use serde_json::{Value, json};

use super::Served;

const NOBODY: &str = "arn:aws:lambda:us-east-1:000000000000:function:greet:$LATEST/durable-execution/n/0";

/// The id of no callback.
const NO_CALLBACK: &str = "bm9uZQ==";

/// The error of a request, as the client types it for all operations.
fn typed<T: std::fmt::Debug, E>(answer: Result<T, SdkError<E>>) -> Error
where
    Error: From<SdkError<E>>,
{
    answer.unwrap_err().into()
}

/// The errors of all operations on these names, each with the operation.
async fn errors(served: &Served, function: &str, arn: &str, callback: &str) -> Vec<(&'static str, Error)> {
    let client = served.client();
    let invoke = client.invoke().function_name(function).payload(Blob::new("\"Ada\""));
    let history = client.get_durable_execution_history().durable_execution_arn(arn);
    let list = client.list_durable_executions_by_function().function_name(function);
    let failure = client.send_durable_execution_callback_failure().callback_id(callback);
    let error = ErrorObject::builder().error_type("Rejected").build();
    vec![
        ("Invoke", typed(invoke.send().await)),
        ("Get", typed(client.get_durable_execution().durable_execution_arn(arn).send().await)),
        ("History", typed(history.send().await)),
        // A marker of nothing, where the function is there.
        ("List", typed(list.marker("x").send().await)),
        ("Stop", typed(client.stop_durable_execution().durable_execution_arn(arn).send().await)),
        ("Succeed", succeed(served, callback).await.unwrap_err()),
        ("Fail", typed(failure.error(error).send().await)),
        (
            "Beat",
            typed(client.send_durable_execution_callback_heartbeat().callback_id(callback).send().await),
        ),
    ]
}

async fn succeed(served: &Served, callback: &str) -> Result<(), Error> {
    let success = served.client().send_durable_execution_callback_success().callback_id(callback);
    success.result(Blob::new("\"yes\"")).send().await?;
    Ok(())
}

/// Starts an execution of `callback`, and returns its ARN and its callback once it waits.
async fn waiting(served: &Served, event: &Value) -> (String, String) {
    let arn = served.started("callback", event).await;
    let id = served.callback(&arn).await;
    (arn, id)
}

#[tokio::test]
async fn what_is_not_there() {
    let served = Served::start().await;
    for (operation, error) in errors(&served, "nowhere:$LATEST", NOBODY, NO_CALLBACK).await {
        let Error::ResourceNotFoundException(error) = error else { panic!("{operation}: {error:?}") };
        assert_eq!(error.r#type(), Some("User"), "{operation}");
        assert!(error.message().is_some_and(|message| !message.is_empty()), "{operation}");
    }
}

#[tokio::test]
async fn what_is_no_valid_value() {
    let served = Served::start().await;
    // A durable function is invoked with a version.
    let mut all = errors(&served, "greet", "order", "n one").await;
    let (arn, _) = waiting(&served, &json!({ "name": "reply" })).await;
    let client = served.client();
    let checkpoint = client.checkpoint_durable_execution().durable_execution_arn(&arn);
    all.push(("Checkpoint", typed(checkpoint.checkpoint_token("x").send().await)));
    let state = client.get_durable_execution_state().durable_execution_arn(&arn);
    all.push(("State", typed(state.checkpoint_token("x").send().await)));
    for (operation, error) in all {
        let Error::InvalidParameterValueException(error) = error else { panic!("{operation}: {error:?}") };
        assert_eq!(error.r#type(), Some("User"), "{operation}");
        assert!(error.message().is_some_and(|message| !message.is_empty()), "{operation}");
    }
    let invoke = client.invoke().function_name("greet:$LATEST").payload(Blob::new("{"));
    let error = typed(invoke.send().await);
    assert!(matches!(error, Error::InvalidRequestContentException(_)), "{error:?}");
}

#[tokio::test]
async fn a_name_that_is_taken() {
    let served = Served::start().await;
    let client = served.client();
    let start = |event: &str| {
        let invoke = client.invoke().function_name("greet").qualifier("$LATEST").durable_execution_name("n");
        invoke.invocation_type(InvocationType::Event).payload(Blob::new(event)).send()
    };
    let arn = start("\"Ada\"").await.unwrap().durable_execution_arn;
    assert_eq!(start("\"Ada\"").await.unwrap().durable_execution_arn, arn);
    let error = typed(start("\"Bob\"").await);
    let Error::DurableExecutionAlreadyStartedException(error) = error else { panic!("{error:?}") };
    assert!(error.message().is_some_and(|message| !message.is_empty()) && error.r#type() == Some("User"));
}

#[tokio::test]
async fn a_callback_that_was_answered_or_has_expired() {
    let served = Served::start().await;
    let client = served.client();
    let (_, answered) = waiting(&served, &json!({ "name": "reply" })).await;
    succeed(&served, &answered).await.unwrap();
    let (arn, expired) = waiting(&served, &json!({ "name": "reply", "timeout": 3600 })).await;
    let advance = served.raw("POST", "/durawasm/clock/advance", &[], br#"{"Duration":"2h"}"#).await;
    assert_eq!(advance.status, 200, "{advance:?}");
    served.until(&arn, "SUCCEEDED").await;
    let execution = client.get_durable_execution().durable_execution_arn(&arn).send().await.unwrap();
    assert!(execution.result().unwrap().contains("timed out"), "{execution:?}");
    for id in [answered, expired] {
        let failure = client.send_durable_execution_callback_failure().callback_id(&id);
        let failure = failure.error(ErrorObject::builder().error_type("Rejected").build());
        for (operation, error) in [
            ("Succeed", succeed(&served, &id).await.unwrap_err()),
            ("Fail", typed(failure.send().await)),
            ("Beat", typed(client.send_durable_execution_callback_heartbeat().callback_id(&id).send().await)),
        ] {
            let Error::CallbackTimeoutException(error) = error else { panic!("{operation}: {error:?}") };
            assert!(error.message().is_some_and(|message| !message.is_empty()), "{operation}");
        }
    }
}

#[tokio::test]
async fn more_than_there_is_room_for() {
    let served = Served::with(Bounds { open_executions: 1, ..Bounds::default() }, None).await;
    let client = served.client();
    // It is at work while the function that it has invoked waits.
    let event = json!({ "function": "callback", "payload": { "name": "reply" } });
    served.started("invokes", &event).await;
    let target = served.execution_of("callback", None).await;
    served.callback(&target).await;
    let invoke = client.invoke().function_name("greet:$LATEST");
    let error = typed(invoke.payload(Blob::new("\"Ada\"")).send().await);
    let Error::TooManyRequestsException(error) = error else { panic!("{error:?}") };
    assert_eq!(error.reason(), Some(&ThrottleReason::ConcurrentInvocationLimitExceeded));
    assert_eq!((error.retry_after_seconds(), error.r#type()), (Some("1"), Some("User")));
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    let invoke = client.invoke().function_name("greet:$LATEST").invocation_type(InvocationType::Event);
    let error = typed(invoke.payload(Blob::new(large)).send().await);
    assert!(matches!(error, Error::RequestTooLargeException(_)), "{error:?}");
}

/// What AWS's front end refuses for all services is in no operation's model. The client has no type for it, but its
/// name.
#[tokio::test]
async fn what_no_operation_has_a_type_for() {
    let keys = [("AKIDEXAMPLE00001".to_owned(), "an-example-of-a-secret".to_owned())];
    let served = Served::with(Bounds::default(), Some(AccessKeys::new(keys).unwrap())).await;
    for (key, secret, name) in [
        ("AKIDEXAMPLE00001", "another-secret-of-mine", "InvalidSignatureException"),
        ("AKIDEXAMPLE00002", "an-example-of-a-secret", "UnrecognizedClientException"),
    ] {
        let client = served.client_with(key, secret);
        let error = typed(client.get_durable_execution().durable_execution_arn(NOBODY).send().await);
        assert_eq!(error.code(), Some(name), "{error:?}");
        assert!(error.message().is_some_and(|message| !message.contains(secret)), "{error:?}");
    }
}
