//! `Invoke` of durable and plain functions.

use aws_sdk_lambda::{
    error::SdkError,
    operation::invoke::{InvokeError, InvokeOutput, builders::InvokeFluentBuilder},
    primitives::Blob,
    types::{InvocationType, LogType},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use durawasm_http::Bounds;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{Served, refused, until};

fn invoke(served: &Served, function: &str, event: &Value) -> InvokeFluentBuilder {
    served.client().invoke().function_name(function).payload(Blob::new(event.to_string()))
}

fn latest(served: &Served, function: &str, event: &Value) -> InvokeFluentBuilder {
    invoke(served, function, event).qualifier("$LATEST")
}

fn payload(blob: Option<Blob>) -> Value {
    serde_json::from_slice(&blob.unwrap().into_inner()).unwrap()
}

#[tokio::test]
async fn a_synchronous_invocation_stays_until_the_end_across_suspensions() {
    let served = Served::start().await;
    let answer = latest(&served, "two_steps_and_wait", &json!(3600)).send().await.unwrap();
    assert_eq!((answer.status_code, answer.function_error()), (200, None));
    assert_eq!(answer.executed_version(), Some("$LATEST"));
    let arn = answer.durable_execution_arn().unwrap().into();
    let view = served.api.server().view(&arn).await.unwrap();
    assert_eq!(view.invocations.len(), 2);
    assert_eq!(view.result.as_deref(), Some(&*payload(answer.payload).to_string()));
}

#[tokio::test]
async fn all_names_of_a_function_mean_it() {
    let served = Served::start().await;
    for name in [
        "greet:$LATEST",
        "123456789012:function:greet:$LATEST",
        "arn:aws:lambda:eu-north-1:123456789012:function:greet:$LATEST",
    ] {
        let answer = invoke(&served, name, &json!("Ada")).send().await.unwrap();
        assert_eq!(payload(answer.payload), json!("Hello, Ada"), "{name}");
    }
}

#[tokio::test]
async fn a_function_that_fails_says_how() {
    let served = Served::start().await;
    let answer = latest(&served, "typed_failure", &json!(7)).send().await.unwrap();
    assert_eq!((answer.status_code, answer.function_error()), (200, Some("Unhandled")));
    let arn = answer.durable_execution_arn().unwrap().into();
    let error = served.api.server().view(&arn).await.unwrap().error.unwrap();
    let payload = payload(answer.payload);
    assert_eq!(payload["errorType"], json!(error.error_type));
    assert_eq!(payload["errorMessage"], json!(error.error_message));
}

#[tokio::test]
async fn an_asynchronous_invocation_answers_at_once() {
    let served = Served::start().await;
    let event = latest(&served, "callback", &json!({ "name": "reply" }));
    let answer = event.invocation_type(InvocationType::Event).send().await.unwrap();
    assert_eq!((answer.status_code, answer.executed_version()), (202, Some("$LATEST")));
    let arn = answer.durable_execution_arn().unwrap().to_owned();
    served.callback(&arn).await;
    served.until(&arn, "RUNNING").await;
}

#[tokio::test]
async fn a_dry_run_runs_nothing() {
    let served = Served::start().await;
    let dry = |function| latest(&served, function, &json!(1)).invocation_type(InvocationType::DryRun).send();
    let answer = dry("callback").await.unwrap();
    assert_eq!((answer.status_code, answer.durable_execution_arn()), (204, None));
    assert_eq!(refused(dry("nowhere").await).1, "ResourceNotFoundException");
    let client = served.client();
    let list = client.list_durable_executions_by_function().function_name("callback").send().await.unwrap();
    assert_eq!(list.durable_executions().len(), 0);
}

#[tokio::test]
async fn a_plain_function_is_no_execution() {
    let served = Served::start().await;
    let answer = invoke(&served, "plain", &json!(4)).send().await.unwrap();
    assert_eq!((answer.status_code, answer.function_error()), (200, None));
    assert_eq!(answer.durable_execution_arn(), None);
    assert!(payload(answer.payload).is_number());
    let event = invoke(&served, "plain", &json!(4)).invocation_type(InvocationType::Event);
    assert_eq!(event.send().await.unwrap().status_code, 202);
    let named = invoke(&served, "plain", &json!(4)).durable_execution_name("n").send().await;
    assert_eq!(refused(named).1, "InvalidParameterValueException");
    let failed = invoke(&served, "plain", &json!("no number")).send().await.unwrap();
    assert_eq!(failed.function_error(), Some("Unhandled"));
}

#[tokio::test]
async fn the_end_of_the_log_is_sent_to_who_asks() {
    let served = Served::start().await;
    let event = json!("said at the end");
    let silent = latest(&served, "says", &event).send().await.unwrap();
    assert_eq!(silent.log_result(), None);
    let answer = latest(&served, "says", &event).log_type(LogType::Tail).send().await.unwrap();
    let log = STANDARD.decode(answer.log_result().unwrap()).unwrap();
    let log = String::from_utf8_lossy(&log).into_owned();
    assert!(log.contains("said at the end") && log.len() <= 4096, "{log}");
}

#[tokio::test]
async fn what_cannot_be_invoked() {
    let served = Served::start().await;
    for (function, code, status, words) in [
        ("nowhere:$LATEST", "ResourceNotFoundException", 404, "nowhere"),
        ("greet:prod", "ResourceNotFoundException", 404, "greet:prod"),
        ("greet:7", "ResourceNotFoundException", 404, "$LATEST"),
        ("greet", "InvalidParameterValueException", 400, "unqualified"),
        ("gr eet", "InvalidParameterValueException", 400, "gr eet"),
    ] {
        let (got, name, message) = refused(invoke(&served, function, &json!("Ada")).send().await);
        assert_eq!((got, &*name), (status, code), "{function}: {message}");
        assert!(message.contains(words), "{message}");
    }
    let other = latest(&served, "greet:prod", &json!("Ada")).send().await;
    assert_eq!(refused(other).1, "InvalidParameterValueException");
    let tenant = latest(&served, "greet", &json!("Ada")).tenant_id("t").send().await;
    assert!(refused(tenant).2.contains("tenancy"));
    let context = latest(&served, "greet", &json!("Ada")).client_context("e30=").send().await;
    assert!(refused(context).2.contains("client context"));
    let name = latest(&served, "greet", &json!("Ada")).durable_execution_name("a b").send().await;
    assert_eq!(refused(name).1, "InvalidParameterValueException");
    let client = served.client();
    let text = client.invoke().function_name("greet:$LATEST").payload(Blob::new("{")).send().await;
    let (status, name, message) = refused(text);
    assert_eq!((status, &*name), (400, "InvalidRequestContentException"), "{message}");
}

#[tokio::test]
async fn payloads_have_the_limits_of_the_service() {
    let served = Served::start().await;
    let text = |bytes: usize| json!("x".repeat(bytes - 2));
    let send = |kind, bytes| latest(&served, "greet", &text(bytes)).invocation_type(kind).send();
    assert!(send(InvocationType::Event, 1 << 20).await.is_ok());
    let (status, name, _) = refused(send(InvocationType::Event, (1 << 20) + 1).await);
    assert_eq!((status, &*name), (413, "RequestTooLargeException"));
    let (status, name, _) = refused(send(InvocationType::RequestResponse, (6 << 20) + 1).await);
    assert_eq!((status, &*name), (413, "RequestTooLargeException"));
}

#[tokio::test]
async fn a_name_and_a_payload_are_one_execution() {
    let served = Served::start().await;
    let start = |function, event: Value, name| {
        let invoke = latest(&served, function, &event).durable_execution_name(name);
        invoke.invocation_type(InvocationType::Event).send()
    };
    let arn =
        |answer: Result<InvokeOutput, SdkError<InvokeError>>| answer.unwrap().durable_execution_arn.unwrap();
    let event = json!({ "name": "reply" });
    let (one, two, three) = tokio::join!(
        start("callback", event.clone(), "n"),
        start("callback", event.clone(), "n"),
        start("callback", event.clone(), "m"),
    );
    let (one, two, three) = (arn(one), arn(two), arn(three));
    assert_eq!(one, two);
    assert_ne!(one, three);
    let (status, name, message) = refused(start("callback", json!({ "name": "other" }), "n").await);
    assert_eq!((status, &*name), (409, "DurableExecutionAlreadyStartedException"), "{message}");
    // The name is that of another function's execution as well.
    assert!(arn(start("greet", json!("Ada"), "n").await).contains(":greet:"));
    // It stays after the end, and a synchronous invocation gets the same result.
    let id = served.callback(&one).await;
    let client = served.client();
    let answered =
        client.send_durable_execution_callback_success().callback_id(id).result(Blob::new("\"yes\""));
    let waiting = latest(&served, "callback", &event).durable_execution_name("n").send();
    let (answered, waited) = tokio::join!(answered.send(), waiting);
    answered.unwrap();
    let waited = waited.unwrap();
    assert_eq!(waited.durable_execution_arn.as_deref(), Some(&*one));
    assert_eq!(payload(waited.payload)["answer"], json!("yes"));
    let after = latest(&served, "callback", &event).durable_execution_name("n").send().await.unwrap();
    assert_eq!(after.durable_execution_arn, Some(one));
    assert_eq!(payload(after.payload)["answer"], json!("yes"));
}

#[tokio::test]
async fn a_client_that_goes_away_ends_nothing() {
    let served = Served::start().await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let body = json!({ "name": "reply" }).to_string();
    let head = format!(
        "POST /2015-03-31/functions/callback/invocations?Qualifier=$LATEST HTTP/1.1\r\nhost: localhost\r\n\
         x-amz-durable-execution-name: n\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let client = served.client();
    let arn = served.execution_of("callback", None).await;
    let id = served.callback(&arn).await;
    drop(stream);
    client.send_durable_execution_callback_success().callback_id(id).send().await.unwrap();
    served.until(&arn, "SUCCEEDED").await;
}

#[tokio::test]
async fn more_executions_at_work_than_allowed_are_refused() {
    let served = Served::with(Bounds { open_executions: 1, ..Bounds::default() }, None).await;
    // One that waits for an answer is not at work; one whose target waits is.
    let waits = served.started("callback", &json!({ "name": "reply" })).await;
    served.callback(&waits).await;
    let event = json!({ "function": "callback", "payload": { "name": "reply" } });
    let caller = served.started("invokes", &event).await;
    let target = served.execution_of("callback", Some(&waits)).await;
    let id = served.callback(&target).await;
    let refused_here = latest(&served, "greet", &json!("Ada")).send().await;
    let answer = refused_here.as_ref().unwrap_err().raw_response().unwrap();
    let retry = answer.headers().get("retry-after").map(str::to_owned);
    let (status, name, _) = refused(refused_here);
    assert_eq!((status, &*name, retry.as_deref()), (429, "TooManyRequestsException", Some("1")));
    let success = served.client().send_durable_execution_callback_success();
    success.callback_id(id).result(Blob::new("\"yes\"")).send().await.unwrap();
    served.until(&caller, "SUCCEEDED").await;
    // The place is free soon after the end.
    until("a place", async || latest(&served, "greet", &json!("Ada")).send().await.ok()).await;
}

#[tokio::test]
async fn an_invoked_function_may_wait_for_an_answer_from_outside() {
    let served = Served::start().await;
    let event = json!({ "function": "callback", "payload": { "name": "reply" } });
    let caller = served.started("invokes", &event).await;
    let target = served.execution_of("callback", None).await;
    let id = served.callback(&target).await;
    served
        .client()
        .send_durable_execution_callback_success()
        .callback_id(id)
        .result(Blob::new("\"yes\""))
        .send()
        .await
        .unwrap();
    served.until(&caller, "SUCCEEDED").await;
}
