//! Outgoing HTTP: what is granted arrives, what is not is refused, and no request or response exceeds its bounds.

use std::{sync::Arc, time::Duration};

use durawasm_testing::{
    ExecutionStatus, LocalDurableTestRunner, ReplayVerdict, SandboxLimits, TestEnvironmentConfig, TestResult,
};
use serde_json::{Value, json};

use crate::cloud::http::{Answering, Received, Reply, Server};

const GUESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/http-guests");

fn handler(function: &str) -> LocalDurableTestRunner {
    bounded(function, |_| {})
}

fn bounded(function: &str, change: impl FnOnce(&mut SandboxLimits)) -> LocalDurableTestRunner {
    let mut limits = SandboxLimits::default();
    change(&mut limits);
    let component = LocalDurableTestRunner::build(GUESTS).unwrap();
    LocalDurableTestRunner::with_limits(component, &limits).unwrap().function(function)
}

async fn server(answer: impl Fn(Received) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(Arc::new(move |received| {
        let reply = answer(received);
        Box::pin(async { reply }) as Answering
    }))
    .await
}

/// Says what it got.
async fn echo() -> Server {
    server(|got| {
        let body = format!("{} /{} {}", got.method, got.path.join("/"), got.body);
        Reply { status: 200, headers: Vec::new(), body }
    })
    .await
}

fn get(url: impl std::fmt::Display) -> Value {
    json!({ "method": "GET", "url": url.to_string() })
}

fn value(result: &TestResult) -> Value {
    assert_eq!(result.get_status(), ExecutionStatus::Succeeded, "{:?}", result.get_error());
    result.get_result_as().unwrap()
}

/// The lines of the log with this text.
fn logged(result: &TestResult, text: &str) -> usize {
    result.get_log().iter().filter(|line| line.message.contains(text)).count()
}

#[tokio::test]
async fn a_client_for_wasi_http_works() {
    let server = echo().await;
    let address = server.address;
    let wanted = json!([
        get(format!("http://{address}/a/b?c=d")),
        {"method": "POST", "url": format!("http://{address}/form"), "body": "text"},
        {"method": "PURGE", "url": format!("http://localhost:{}/x", address.port())},
    ]);
    let local = format!("localhost:{}=PURGE", address.port());
    let runner = handler("fetches").allow_http(&address.to_string()).unwrap().allow_http(&local).unwrap();
    let result = runner.run(wanted).await.unwrap();
    let bodies = ["GET /a/b ", "POST /form text", "PURGE /x "];
    let expected: Vec<_> = bodies.iter().map(|body| json!({"status": 200, "body": body})).collect();
    assert_eq!(value(&result), json!(expected));
    let received = server.received();
    assert_eq!(received.len(), 3);
    assert_eq!(received[0].query["c"], "d");
    assert_eq!(received[0].headers["host"], address.to_string());
}

#[tokio::test]
async fn nothing_is_sent_without_a_grant() {
    let server = echo().await;
    let url = format!("http://{}", server.address);
    let result = handler("fetches").run(json!([get(&url)])).await.unwrap();
    let error = value(&result)[0]["error"].clone();
    assert!(error.as_str().unwrap().contains("HttpRequestDenied"), "{error}");
    assert_eq!(logged(&result, "GET http://127.0.0.1:"), 1, "{:?}", result.get_log());
    assert_eq!(logged(&result, "it is not granted; HTTP requests to nothing are (--allow-http)"), 1);
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn another_host_port_or_method_is_refused() {
    let (server, other) = (echo().await, echo().await);
    let (address, port) = (server.address, server.address.port());
    let grant = format!("{address}=GET");
    let wanted = json!([
        get(format!("http://{address}/")),
        {"method": "POST", "url": format!("http://{address}/")},
        {"method": "CONNECT", "url": format!("http://{address}/")},
        get(format!("http://{}/", other.address)),
        get(format!("http://localhost:{port}/")),
        get(format!("http://127.0.0.2:{port}/")),
        get(format!("http://user@{address}/")),
        get(format!("http://2130706433:{port}/")),
    ]);
    let result = handler("fetches").allow_http(&grant).unwrap().run(wanted).await.unwrap();
    let got = value(&result);
    assert_eq!(got[0]["status"], 200);
    let errors = ["Denied", "Denied", "Denied", "Denied", "Denied", "UriInvalid", "UriInvalid"];
    for (got, expected) in got.as_array().unwrap()[1..].iter().zip(errors) {
        assert!(got["error"].as_str().unwrap().contains(expected), "{got}");
    }
    assert_eq!((server.received().len(), other.received().len()), (1, 0));
}

#[tokio::test]
async fn an_authority_has_one_spelling() {
    let server = echo().await;
    let (address, port) = (server.address, server.address.port());
    for (authority, expected) in [
        (address.to_string(), json!(200)),
        (format!("LocalHost:{port}"), json!(200)),
        (format!("[::ffff:127.0.0.1]:{port}"), json!(200)),
        (format!("user:word@{address}"), json!("ErrorCode::HttpRequestUriInvalid")),
        (format!("127.1:{port}"), json!("ErrorCode::HttpRequestUriInvalid")),
        ("127.0.0.1:".to_owned(), json!("ErrorCode::HttpRequestUriInvalid")),
        ("127.0.0.1:0".to_owned(), json!("ErrorCode::HttpRequestUriInvalid")),
        (format!("127.0.0.1:0{port}"), json!("ErrorCode::HttpRequestUriInvalid")),
    ] {
        let runner = handler("asks").allow_http(&address.to_string()).unwrap();
        let runner = runner.allow_http(&format!("localhost:{port}")).unwrap();
        let result = runner.run(json!([authority, false])).await.unwrap();
        assert_eq!(value(&result), expected, "{authority}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_a_named_error() {
    let server = echo().await;
    let runner = handler("asks").allow_http(&server.address.to_string()).unwrap();
    let result = runner.run(json!([server.address.to_string(), true])).await.unwrap();
    assert_eq!(value(&result), json!("ErrorCode::TlsProtocolError"));
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_redirect_is_the_guest_s_own_affair() {
    let other = echo().await;
    let to = format!("http://{}/", other.address);
    let server = server(move |_| Reply::json(302, &Value::Null).with("location", to.clone())).await;
    let runner = handler("fetches").allow_http(&server.address.to_string()).unwrap();
    let result = runner.run(json!([get(format!("http://{}/", server.address))])).await.unwrap();
    assert_eq!(value(&result)[0]["status"], 302);
    assert_eq!((server.received().len(), other.received().len()), (1, 0));
}

#[tokio::test]
async fn between_operations_nothing_is_sent() {
    let server = echo().await;
    let runner = handler("fetches_outside").allow_http(&server.address.to_string()).unwrap();
    let result = runner.run(get(format!("http://{}/", server.address))).await.unwrap();
    let error = value(&result)["error"].clone();
    assert!(error.as_str().unwrap().contains("inside the bodies of steps only"), "{error}");
    assert_eq!(result.get_invocations().len(), 2);
    assert_eq!(logged(&result, "inside the bodies of steps only"), 1, "{:?}", result.get_log());
    assert!(server.received().is_empty());
}

/// A server that never answers.
async fn silent() -> Server {
    Server::start(Arc::new(|_| Box::pin(std::future::pending()) as Answering)).await
}

#[tokio::test]
async fn a_request_ends_by_its_deadline() {
    let server = silent().await;
    let runner = bounded("fetches", |limits| limits.http.time = Duration::from_millis(200));
    let runner = runner.allow_http(&server.address.to_string()).unwrap();
    let result = runner.run(json!([get(format!("http://{}/", server.address))])).await.unwrap();
    let error = value(&result)[0]["error"].clone();
    assert!(error.as_str().unwrap().contains("HttpResponseTimeout"), "{error}");
}

#[tokio::test]
async fn the_timeout_of_a_step_ends_its_request() {
    for skip_time in [true, false] {
        let server = silent().await;
        let runner = handler("hangs").allow_http(&server.address.to_string()).unwrap();
        let config = TestEnvironmentConfig { skip_time, ..TestEnvironmentConfig::default() };
        let result = runner.config(config).run(get(format!("http://{}/", server.address))).await.unwrap();
        let failed = value(&result)["failed"].clone();
        assert!(failed.is_string(), "{}", value(&result));
    }
}

#[tokio::test]
async fn requests_are_counted() {
    let server = echo().await;
    let url = format!("http://{}/", server.address);
    let limits = |limits: &mut SandboxLimits| limits.http.requests = 3;
    let runner = || bounded("fetches", limits).allow_http(&server.address.to_string()).unwrap();
    let result = runner().run(json!(vec![get(&url); 3])).await.unwrap();
    assert_eq!(result.get_status(), ExecutionStatus::Succeeded);
    let result = runner().run(json!(vec![get(&url); 4])).await.unwrap();
    // The steps that are on record are not run again, so the next invocation sends the fourth.
    assert_eq!(result.get_status(), ExecutionStatus::Succeeded);
    assert_eq!(result.get_invocations().len(), 2);
    let error = format!("{:?}", result.get_history_events());
    assert!(error.contains("the handler sent 4 HTTP requests; an invocation may 3"), "{error}");
}

#[tokio::test]
async fn a_guest_does_not_hold_all_connections_there_can_be() {
    let server = echo().await;
    let event = json!([format!("http://{}/", server.address), 100]);
    let result = handler("opens").allow_http(&server.address.to_string()).unwrap().run(event).await.unwrap();
    // A response that has arrived as a whole needs no connection.
    assert_eq!(value(&result), json!(100));
    let large = server_of_bytes(10 << 20).await;
    let event = json!([format!("http://{}/", large.address), 100]);
    let result = handler("opens").allow_http(&large.address.to_string()).unwrap().run(event).await.unwrap();
    assert_eq!(value(&result), json!({ "open": 32, "error": "ErrorCode::ConnectionLimitReached" }));
}

async fn server_of_bytes(bytes: usize) -> Server {
    server(move |_| Reply { status: 200, headers: Vec::new(), body: "x".repeat(bytes) }).await
}

fn failure(result: &TestResult) -> (String, String) {
    let shown: String = result.get_history_lines().join("\n").chars().take(2_000).collect();
    let error = result.get_error().unwrap_or_else(|why| panic!("{why}:\n{shown}"));
    (error.error_type.clone().unwrap(), error.error_message.clone().unwrap())
}

#[tokio::test]
async fn the_bytes_of_responses_are_limited() {
    let server = server_of_bytes(3 << 20).await;
    let url = format!("http://{}/", server.address);
    let runner = |mib: u64| {
        let runner = bounded("fetches", |limits| limits.http.bytes = mib << 20);
        runner.allow_http(&server.address.to_string()).unwrap()
    };
    let result = runner(4).run(json!([get(&url)])).await.unwrap();
    assert_eq!(value(&result)[0]["body"].as_str().unwrap().len(), 3 << 20);
    let result = runner(2).run(json!([get(&url)])).await.unwrap();
    let (kind, message) = failure(&result);
    assert_eq!(kind, "Sandbox.HttpLimitExceeded");
    assert!(message.contains("bytes by HTTP; an invocation may 2097152"), "{message}");
}

#[tokio::test]
async fn the_bytes_of_requests_are_limited() {
    let server = echo().await;
    let event = |bytes: usize| json!([format!("http://{}/", server.address), bytes]);
    let runner = || {
        let runner = bounded("uploads", |limits| limits.http.bytes = 4 << 20);
        runner.allow_http(&server.address.to_string()).unwrap()
    };
    let result = runner().run(event(1 << 20)).await.unwrap();
    assert_eq!(value(&result), json!({ "written": 1 << 20, "status": 200 }));
    let result = runner().run(event(1 << 30)).await.unwrap();
    assert_eq!(failure(&result).0, "Sandbox.HttpLimitExceeded");
}

#[tokio::test]
async fn what_the_host_keeps_of_requests_is_charged() {
    let large = server_of_bytes(10 << 20).await;
    let event = |count: usize| json!([format!("http://{}/", large.address), count]);
    let runner = |bytes: usize| {
        let runner = handler("opens").execution_bytes(bytes);
        runner.allow_http(&large.address.to_string()).unwrap()
    };
    // Each of 20 connections has buffers, and a part of a body that is not taken.
    let result = runner(16 << 20).run(event(20)).await.unwrap();
    assert_eq!(value(&result), json!(20));
    let result = runner(4 << 20).run(event(20)).await.unwrap();
    let (kind, message) = failure(&result);
    assert_eq!(kind, "Execution.ByteLimitExceeded");
    assert!(message.contains("at most 4194304 are kept for one execution"), "{message}");
    // What is taken and closed is given back: 40 responses in turn need no more than one.
    let small = server_of_bytes(100 << 10).await;
    let wanted = json!(vec![get(format!("http://{}/", small.address)); 40]);
    let runner = handler("fetches").execution_bytes(20 << 20);
    let result = runner.allow_http(&small.address.to_string()).unwrap().run(wanted).await.unwrap();
    assert_eq!(value(&result).as_array().unwrap().len(), 40);
}

#[tokio::test]
async fn header_fields_do_not_fill_the_host() {
    let result = handler("makes_fields").run(json!(100)).await.unwrap();
    assert_eq!(value(&result), json!(100));
    let result = handler("makes_fields").run(json!(100_000)).await.unwrap();
    assert_eq!(result.get_status(), ExecutionStatus::Failed);
}

#[test]
fn a_check_finds_a_request_that_a_crash_sends_twice() {
    let serving = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = serving.block_on(echo());
    for (method, finding) in [("GET", false), ("POST", true)] {
        let runner = handler("fetches").allow_http(&server.address.to_string()).unwrap();
        let event = json!([{ "method": method, "url": format!("http://{}/", server.address) }]);
        let report = serving.block_on(runner.check(event)).unwrap();
        assert_eq!(report.verdict, ReplayVerdict::Deterministic, "{report}");
        let details: Vec<_> = report.findings.iter().map(|finding| finding.detail.as_str()).collect();
        assert_eq!(details.iter().any(|detail| detail.contains("HTTP request")), finding, "{report}");
    }
}
