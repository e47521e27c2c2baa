//! The end of a server, and its bounds on connections.

use std::time::Duration;

use durawasm_http::Bounds;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Served, until};

#[tokio::test]
async fn a_server_that_stops_ends_what_runs_and_accepts_nothing() {
    let mut served = Served::start().await;
    let arn = served.started("callback", &json!({ "name": "reply" })).await;
    served.callback(&arn).await;
    served.stop(Duration::from_mins(1));
    // An execution that waits does not keep the server.
    served.serving.take().unwrap().await.unwrap().unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn a_request_that_waits_is_dropped_after_the_grace() {
    let mut served = Served::start().await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let body = json!({ "name": "reply" }).to_string();
    let head = format!(
        "POST /2015-03-31/functions/callback:$LATEST/invocations HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let list = "/2025-12-01/functions/callback/durable-executions";
    until("the execution", async || {
        let listed = served.raw("GET", list, &[], b"").await.body;
        (listed["DurableExecutions"] != json!([])).then_some(())
    })
    .await;
    served.stop(Duration::from_millis(1));
    served.serving.take().unwrap().await.unwrap().unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    assert_eq!(String::from_utf8_lossy(&answer), "");
}

#[tokio::test]
async fn a_client_that_sends_slowly_is_not_waited_for() {
    let quick = Duration::from_millis(300);
    let served = Served::with(Bounds { body_time: quick, ..Bounds::default() }, None).await;
    let late = served.bytes(b"POST /2015-03-31/functions/greet:$LATEST/invocations HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 9\r\n\r\n\"A").await;
    assert_eq!((late.status, late.header("x-amzn-errortype")), (408, Some("requesttimeoutexception")));
    // A head that does not come ends the connection.
    let served = Served::with(Bounds { head_time: quick, ..Bounds::default() }, None).await;
    served.bytes(b"GET /health HTTP/1.1\r\nhost").await;
}

#[tokio::test]
async fn more_connections_than_allowed_wait() {
    let served = Served::with(Bounds { connections: 1, ..Bounds::default() }, None).await;
    let first = TcpStream::connect(served.address).await.unwrap();
    let waiting = served.raw("GET", "/health", &[], b"");
    let mut waiting = std::pin::pin!(waiting);
    let early = tokio::time::timeout(Duration::from_millis(50), &mut waiting).await;
    assert!(early.is_err(), "the first connection has the only place");
    drop(first);
    assert_eq!(waiting.await.status, 200);
}

#[tokio::test]
async fn executions_are_deleted_after_their_retention() {
    let bounds = Bounds { retention: Some(Duration::ZERO), ..Bounds::default() };
    let served = Served::with(bounds, None).await;
    let arn = served.started("greet", &json!("Ada")).await;
    // Virtual time passes only while something waits for it.
    served.started("two_steps_and_wait", &json!(3600)).await;
    let arn = arn.as_str().into();
    until("its deletion", async || served.api.server().view(&arn).await.err()).await;
}
