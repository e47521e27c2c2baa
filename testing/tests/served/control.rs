//! Callbacks; stop, pause, resume and delete.

use aws_sdk_lambda::{primitives::Blob, types::ErrorObject};
use serde_json::{Value, json};

use super::{Raw, Served, path, refused, until};

async fn waiting(served: &Served) -> (String, String) {
    let arn = served.started("callback", &json!({ "name": "reply" })).await;
    let id = served.callback(&arn).await;
    (arn, id)
}

#[tokio::test]
async fn callbacks_are_answered_once() {
    let served = Served::start().await;
    let client = served.client();
    let (arn, id) = waiting(&served).await;
    let beat = || client.send_durable_execution_callback_heartbeat().callback_id(&id).send();
    let succeed = || {
        let succeed = client.send_durable_execution_callback_success().callback_id(&id);
        succeed.result(Blob::new("\"yes\"")).send()
    };
    beat().await.unwrap();
    succeed().await.unwrap();
    served.until(&arn, "SUCCEEDED").await;
    let answer = client.get_durable_execution().durable_execution_arn(&arn).send().await.unwrap();
    let result: Value = serde_json::from_str(answer.result().unwrap()).unwrap();
    assert_eq!(result["answer"], json!("yes"));
    for (status, name, message) in [refused(succeed().await), refused(beat().await)] {
        assert_eq!((status, &*name), (400, "CallbackTimeoutException"), "{message}");
    }
    let (arn, id) = waiting(&served).await;
    let error = ErrorObject::builder().error_type("Rejected").error_message("not today").build();
    client.send_durable_execution_callback_failure().callback_id(id).error(error).send().await.unwrap();
    served.until(&arn, "SUCCEEDED").await;
    let view = served.api.server().view(&arn.as_str().into()).await.unwrap();
    assert!(view.result.unwrap().contains("not today"));
}

#[tokio::test]
async fn callbacks_that_are_not_there() {
    let served = Served::start().await;
    let client = served.client();
    let succeed = |id: &str| client.send_durable_execution_callback_success().callback_id(id).send();
    let (status, name, _) = refused(succeed("bm9uZQ==").await);
    assert_eq!((status, &*name), (404, "ResourceNotFoundException"));
    assert_eq!(refused(succeed("n one").await).1, "InvalidParameterValueException");
    let (_, id) = waiting(&served).await;
    let large = client.send_durable_execution_callback_success().callback_id(&id);
    let large = large.result(Blob::new("x".repeat((1 << 20) + 1))).send().await;
    assert_eq!(refused(large).1, "InvalidParameterValueException");
}

#[tokio::test]
async fn an_execution_is_stopped() {
    let served = Served::start().await;
    let client = served.client();
    let (arn, _) = waiting(&served).await;
    let error = ErrorObject::builder().error_type("Enough").build();
    let stop = || client.stop_durable_execution().durable_execution_arn(&arn);
    let stopped = stop().error(error).send().await.unwrap();
    let answer = client.get_durable_execution().durable_execution_arn(&arn).send().await.unwrap();
    assert_eq!(answer.status.as_str(), "STOPPED");
    assert_eq!(answer.end_timestamp, Some(stopped.stop_timestamp));
    assert_eq!(answer.error().unwrap().error_type(), Some("Enough"));
    assert_eq!(refused(stop().send().await).1, "InvalidParameterValueException");
}

fn is_refused(answer: &Raw, status: u16, name: &str) {
    assert_eq!(
        (answer.status, answer.header("x-amzn-errortype")),
        (status, Some(&*name.to_lowercase())),
        "{answer:?}"
    );
    assert!(answer.header("x-amzn-requestid").is_some());
    assert!(answer.body["message"].is_string() || answer.body["Message"].is_string(), "{answer:?}");
}

#[tokio::test]
async fn an_execution_is_paused_and_resumed() {
    let served = Served::start().await;
    let (arn, id) = waiting(&served).await;
    let send = async |action: &str, body: &Value| {
        served.raw("POST", &path(&arn, action), &[], body.to_string().as_bytes()).await
    };
    let pause = json!({ "Reason": "lunch", "ClientToken": "t1" });
    assert_eq!(send("/pause", &pause).await.status, 202);
    assert_eq!(send("/pause", &pause).await.status, 202, "the same request again");
    is_refused(&send("/pause", &json!({})).await, 409, "ResourceConflictException");
    is_refused(&send("/pause", &json!({ "ClientToken": "t1" })).await, 400, "InvalidParameterValueException");
    is_refused(&send("/pause", &json!({ "Reason": 7 })).await, 400, "InvalidParameterValueException");
    let paused = served.raw("GET", &path(&arn, ""), &[], b"").await.body;
    assert_eq!(paused["Status"], "PAUSED");
    assert_eq!(paused["PauseDetails"]["Reason"], "lunch");
    assert_eq!(paused["PauseDetails"]["ExecutionTimeoutPaused"], true);
    assert!(paused["PauseDetails"]["PauseRequestTimestamp"].is_number(), "{paused}");
    let client = served.client();
    client.send_durable_execution_callback_success().callback_id(id).send().await.unwrap();
    let listed = "/2025-12-01/functions/callback/durable-executions?Statuses=PAUSED";
    let listed = served.raw("GET", listed, &[], b"").await.body;
    assert_eq!(listed["DurableExecutions"][0]["DurableExecutionArn"], arn);
    let view = served.api.server().view(&arn.as_str().into()).await.unwrap();
    assert_eq!(view.invocations.len(), 1, "the answer starts no invocation");
    assert_eq!(send("/resume", &json!({ "Reason": "back" })).await.status, 202);
    served.until(&arn, "SUCCEEDED").await;
    is_refused(&send("/resume", &json!({})).await, 409, "ResourceConflictException");
    let events = served.raw("GET", &path(&arn, "/history"), &[], b"").await.body["Events"].clone();
    let events = events.as_array().unwrap();
    let event = |name: &str| events.iter().find(|event| event["EventType"] == name).unwrap();
    assert_eq!(event("ExecutionPaused")["ExecutionPausedDetails"]["Reason"]["Payload"], "lunch");
    assert_eq!(event("ExecutionResumed")["ExecutionResumedDetails"]["Reason"]["Payload"], "back");
}

#[tokio::test]
async fn a_running_invocation_is_over_at_its_next_checkpoint() {
    let served = Served::start().await;
    let (arn, id) = waiting(&served).await;
    // A pause between the answer and the next checkpoint of the handler, or before its invocation: either way it pauses.
    let client = served.client();
    let answer = client.send_durable_execution_callback_success().callback_id(id).send();
    let pause = path(&arn, "/pause");
    let (answer, paused) = tokio::join!(answer, served.raw("POST", &pause, &[], b"{}"));
    answer.unwrap();
    if paused.status == 202 {
        let standing = until("the pause, or the end", async || {
            let standing = served.raw("GET", &path(&arn, ""), &[], b"").await.body["Status"].clone();
            (standing != "PAUSING").then_some(standing)
        });
        if standing.await == "PAUSED" {
            assert_eq!(served.raw("POST", &path(&arn, "/resume"), &[], b"").await.status, 202);
        }
    }
    served.until(&arn, "SUCCEEDED").await;
}

#[tokio::test]
async fn only_what_has_ended_is_deleted() {
    let served = Served::start().await;
    let (arn, id) = waiting(&served).await;
    let delete = async || served.raw("DELETE", &path(&arn, ""), &[], b"").await;
    is_refused(&delete().await, 409, "ResourceConflictException");
    let client = served.client();
    client.send_durable_execution_callback_success().callback_id(id).send().await.unwrap();
    served.until(&arn, "SUCCEEDED").await;
    let deleted = delete().await;
    assert_eq!(deleted.status, 202);
    assert!(deleted.body["DeletionRequestTimestamp"].is_number(), "{deleted:?}");
    is_refused(&delete().await, 404, "ResourceNotFoundException");
    is_refused(&served.raw("GET", &path(&arn, ""), &[], b"").await, 404, "ResourceNotFoundException");
}

#[tokio::test]
async fn a_deleted_name_is_free() {
    let served = Served::start().await;
    let start = async |event: &str| {
        let name = [("x-amz-durable-execution-name", "n")];
        let path = "/2015-03-31/functions/greet/invocations?Qualifier=%24LATEST";
        let answer = served.raw("POST", path, &name, event.as_bytes()).await;
        (answer.status, answer.body.clone())
    };
    assert_eq!(start("\"Ada\"").await, (200, json!("Hello, Ada")));
    assert_eq!(start("\"Bob\"").await.0, 409);
    let list = served.raw("GET", "/2025-12-01/functions/greet/durable-executions", &[], b"").await.body;
    let arn = list["DurableExecutions"][0]["DurableExecutionArn"].as_str().unwrap().to_owned();
    assert_eq!(served.raw("DELETE", &path(&arn, ""), &[], b"").await.status, 202);
    assert_eq!(start("\"Bob\"").await, (200, json!("Hello, Bob")));
}
