//! `CheckpointDurableExecution` and `GetDurableExecutionState`, as a handler outside of the process asks.

use durawasm_core::{
    protocol::ExecutionArn,
    server::{PauseRequest, StartExecution, StartedInvocation},
};
use serde_json::{Value, json};

use super::{Raw, Served, path};

/// An execution that nobody runs but the test.
struct Outside {
    served: Served,
    arn: ExecutionArn,
    token: String,
}

impl Outside {
    async fn start() -> Self {
        let served = Served::start().await;
        let arn = served.api.server().start_execution(StartExecution::new("outside", None)).await.unwrap();
        let StartedInvocation { input, .. } = served.api.server().start_invocation(&arn).await.unwrap();
        Self { served, arn, token: input.checkpoint_token.to_string() }
    }

    async fn send(&self, body: &Value) -> Raw {
        let path = path(self.arn.as_str(), "/checkpoint");
        self.served.raw("POST", &path, &[], body.to_string().as_bytes()).await
    }

    async fn state(&self, query: &str) -> Raw {
        let token = self.token.replace('+', "%2B").replace('=', "%3D").replace('/', "%2F");
        let path = path(self.arn.as_str(), &format!("/state?CheckpointToken={token}{query}"));
        self.served.raw("GET", &path, &[], b"").await
    }
}

#[tokio::test]
async fn a_checkpoint_is_applied_once_for_a_client_token() {
    let mut outside = Outside::start().await;
    let update = json!({ "Id": "w", "Type": "WAIT", "Action": "START", "WaitOptions": { "WaitSeconds": 5 } });
    let body = json!({ "CheckpointToken": outside.token, "Updates": [update], "ClientToken": "c1" });
    let first = outside.send(&body).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(first.body["NewExecutionState"]["Operations"][0]["Id"], "w");
    assert_eq!(outside.send(&body).await.body, first.body);
    let stale = outside.send(&json!({ "CheckpointToken": outside.token })).await;
    assert_eq!((stale.status, &stale.body["message"]), (400, &json!("Invalid checkpoint token")));
    outside.token = first.body["CheckpointToken"].as_str().unwrap().to_owned();
    let poll = outside.send(&json!({ "CheckpointToken": outside.token })).await;
    assert_eq!(poll.status, 200);
}

#[tokio::test]
async fn a_state_comes_in_pages_of_the_wanted_size() {
    let mut outside = Outside::start().await;
    let updates: Vec<Value> =
        (0..5).map(|n| json!({ "Id": format!("s{n}"), "Type": "STEP", "Action": "START" })).collect();
    let sent = outside.send(&json!({ "CheckpointToken": outside.token, "Updates": updates })).await;
    outside.token = sent.body["CheckpointToken"].as_str().unwrap().to_owned();
    let (mut marker, mut ids) = (String::new(), Vec::new());
    loop {
        let page = outside.state(&format!("&MaxItems=2{marker}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let operations = page.body["Operations"].as_array().unwrap();
        assert!(operations.len() <= 2);
        ids.extend(operations.iter().map(|operation| operation["Id"].as_str().unwrap().to_owned()));
        let Some(next) = page.body["NextMarker"].as_str() else { break };
        marker = format!("&Marker={next}");
    }
    assert_eq!(ids[1..], ["s0", "s1", "s2", "s3", "s4"]);
    let bad = outside.state("&Marker=x").await;
    assert_eq!((bad.status, bad.header("x-amzn-errortype")), (400, Some("invalidparametervalueexception")));
}

#[tokio::test]
async fn an_answer_without_a_token_ends_the_invocation() {
    for stops in [true, false] {
        let outside = Outside::start().await;
        let server = outside.served.api.server();
        if stops {
            server.stop_execution(&outside.arn, None).await.unwrap();
        } else {
            let request = PauseRequest { reason: None, pause_timeout: true };
            server.pause_execution(&outside.arn, request).await.unwrap();
        }
        let over = outside.send(&json!({ "CheckpointToken": outside.token })).await;
        assert_eq!(over.status, 200, "{over:?}");
        assert_eq!(over.body, json!({ "NewExecutionState": { "Operations": [] } }));
    }
}

#[tokio::test]
async fn what_is_no_checkpoint() {
    let outside = Outside::start().await;
    for body in [
        json!({}),
        json!({ "CheckpointToken": "" }),
        json!({ "CheckpointToken": "x" }),
        json!({ "CheckpointToken": outside.token, "Updates": [{}] }),
        json!({ "CheckpointToken": outside.token, "Updates": 7 }),
        json!([]),
    ] {
        let refused = outside.send(&body).await;
        assert_eq!(
            (refused.status, refused.header("x-amzn-errortype")),
            (400, Some("invalidparametervalueexception")),
            "{body}"
        );
    }
}
