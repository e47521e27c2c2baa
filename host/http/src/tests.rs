//! The whole API over a socket, with handlers of the test's own: `greets` ends at once, `waits` waits for a callback.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use durawasm_core::{
    invocation::{InvocationReport, LogBuffer},
    orchestrator::{Environment, EnvironmentOptions, Function, Invocable, Invocation, Invoked},
    protocol::{
        ErrorObject, InvocationOutput, InvocationResult, OperationAction, OperationType, OperationUpdate,
        ServiceError,
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{AccessKeys, Api, ApiOptions, Bounds, LogTails, Server, Stopping};

/// Greets whom its input names, and fails for others.
struct Greets;

/// Waits for its callback, and returns its result.
struct Waits;

/// Works until it is stopped.
struct Works;

/// Sleeps for five seconds of its clock.
struct Sleeps;

impl Invocable for Sleeps {
    fn invoke<'a>(&'a self, invocation: Invocation<'a>) -> Invoked<'a> {
        Box::pin(async move {
            let clock = invocation.around.clock;
            clock.sleep(Some(clock.now().plus_seconds(5))).await;
            report(InvocationOutput::succeeded(Some("\"slept\"".to_owned())))
        })
    }
}

impl Invocable for Works {
    fn invoke<'a>(&'a self, invocation: Invocation<'a>) -> Invoked<'a> {
        Box::pin(async move {
            let stopped = invocation.around.client.watch(&invocation.input.durable_execution_arn).await;
            stopped.news().await;
            report(InvocationOutput::pending())
        })
    }
}

fn input(invocation: &Invocation<'_>) -> Value {
    let execution = &invocation.input.initial_execution_state.operations[0];
    let input = execution.execution_details.as_ref().unwrap().input_payload.as_deref();
    serde_json::from_str(input.unwrap_or("null")).unwrap()
}

fn report(output: InvocationOutput) -> InvocationReport {
    InvocationReport { result: InvocationResult::Output(output), checkpoints: 0 }
}

impl Invocable for Greets {
    fn invoke<'a>(&'a self, invocation: Invocation<'a>) -> Invoked<'a> {
        Box::pin(async move {
            report(match input(&invocation).as_str() {
                Some(name) => InvocationOutput::succeeded(Some(json!(format!("Hello, {name}")).to_string())),
                None => InvocationOutput::failed(ErrorObject::new("NoName", "it is no name")),
            })
        })
    }
}

impl Invocable for Waits {
    fn invoke<'a>(&'a self, invocation: Invocation<'a>) -> Invoked<'a> {
        Box::pin(async move {
            let input = invocation.input;
            if let Some(callback) = input.initial_execution_state.operations.get(1) {
                let details = callback.callback_details.as_ref().unwrap();
                let result = json!({ "answer": details.result, "error": details.error });
                if callback.status.is_terminal() {
                    return report(InvocationOutput::succeeded(Some(result.to_string())));
                }
                return report(InvocationOutput::pending());
            }
            let update = OperationUpdate::new("c".into(), OperationType::Callback, OperationAction::Start);
            let (arn, token) = (&input.durable_execution_arn, &input.checkpoint_token);
            match invocation.around.client.checkpoint(arn, token, vec![update]).await {
                Ok(_) => report(InvocationOutput::pending()),
                Err(error) => {
                    InvocationReport { result: InvocationResult::Crashed(error.to_error()), checkpoints: 0 }
                }
            }
        })
    }
}

struct Served {
    address: SocketAddr,
    api: Arc<Api>,
    stop: oneshot::Sender<Stopping>,
    serving: JoinHandle<Result<(), ServiceError>>,
}

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    fn is(&self, status: u16, name: &str) {
        assert_eq!(self.status, status, "{} {}", self.head, self.body);
        assert_eq!(self.header("x-amzn-errortype"), Some(name), "{}", self.head);
        assert!(self.body["message"].is_string() || self.body["Message"].is_string(), "{}", self.body);
        assert!(self.header("x-amzn-requestid").is_some());
    }
}

fn exchange(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    // The server may answer before it has read everything.
    drop(stream.write_all(bytes));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: serde_json::from_str(body).unwrap_or_default() }
}

fn arn_path(arn: &str, action: &str) -> String {
    let encoded = arn.replace(':', "%3A").replace('/', "%2F").replace('$', "%24");
    format!("/2025-12-01/durable-executions/{encoded}{action}")
}

fn invocations(function: &str) -> String {
    format!("/2015-03-31/functions/{function}:$LATEST/invocations")
}

const EVENT: (&str, &str) = ("X-Amz-Invocation-Type", "Event");

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_mins(2);

/// Looks again and again until there is something.
///
/// # Panics
/// When there is not in the time that a test waits.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

impl Served {
    async fn start() -> Self {
        Self::with(Bounds::default(), None).await
    }

    async fn with(bounds: Bounds, keys: Option<AccessKeys>) -> Self {
        let tails = LogTails::new(Arc::new(LogBuffer::default()));
        let options = EnvironmentOptions { answers_from_outside: true, ..EnvironmentOptions::default() };
        let mut environment = Environment::empty(options, tails.clone()).unwrap();
        let functions: [(&str, bool, Arc<dyn Invocable>); 6] = [
            ("greets", true, Arc::new(Greets)),
            ("waits", true, Arc::new(Waits)),
            ("works", true, Arc::new(Works)),
            ("plain", false, Arc::new(Greets)),
            ("sleeps", true, Arc::new(Sleeps)),
            ("naps", false, Arc::new(Sleeps)),
        ];
        for (name, durable, handler) in functions {
            environment.register(Function { name: name.into(), durable, handler });
        }
        let api = Api::new(environment, tails, ApiOptions { bounds, ..ApiOptions::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::new(listener, api.clone(), keys);
        let (stop, stopped) = oneshot::channel();
        let address = server.address().unwrap();
        let serving = tokio::spawn(server.run(async {
            match stopped.await {
                Ok(stopping) => stopping,
                Err(_) => std::future::pending().await,
            }
        }));
        Self { address, api, stop, serving }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        let (address, bytes) = (self.address, [head.as_bytes(), body].concat());
        tokio::task::spawn_blocking(move || exchange(address, &bytes)).await.unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"").await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], body.to_string().as_bytes()).await
    }

    /// Starts an execution of `waits`, and returns its ARN and its callback's id once it is suspended.
    async fn waiting(&self) -> (String, String) {
        let started = self.send("POST", &invocations("waits"), &[EVENT], b"{}").await;
        assert_eq!(started.status, 202);
        let arn = started.header("x-amz-durable-execution-arn").unwrap().to_owned();
        let id = until("a suspension", async || {
            let view = self.api.server().view(&arn.as_str().into()).await.unwrap();
            view.invocations.last().filter(|invocation| invocation.end.is_some())?;
            view.operations[1].callback_details.clone().unwrap().callback_id
        });
        let id = id.await.to_string();
        (arn, id)
    }

    async fn until(&self, arn: &str, status: &str) {
        until(status, async || (self.get(&arn_path(arn, "")).await.body["Status"] == status).then_some(()))
            .await;
    }
}

fn callback(id: &str, action: &str) -> String {
    let id = id.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("/2025-12-01/durable-execution-callbacks/{id}/{action}")
}

#[tokio::test]
async fn invocations_of_all_types() {
    let served = Served::start().await;
    let answer = served.post(&invocations("greets"), &json!("Ada")).await;
    assert_eq!((answer.status, &answer.body), (200, &json!("Hello, Ada")));
    assert_eq!(answer.header("x-amz-executed-version"), Some("$LATEST"));
    assert!(answer.header("x-amz-durable-execution-arn").unwrap().contains(":function:greets:$LATEST/"));
    assert_eq!(answer.header("x-amz-function-error"), None);
    let failed = served.post(&invocations("greets"), &json!(7)).await;
    assert_eq!((failed.status, failed.header("x-amz-function-error")), (200, Some("Unhandled")));
    assert_eq!(failed.body, json!({ "errorType": "NoName", "errorMessage": "it is no name" }));
    let dry = [("X-Amz-Invocation-Type", "DryRun")];
    assert_eq!(served.send("POST", &invocations("waits"), &dry, b"").await.status, 204);
    let plain = served.post("/2015-03-31/functions/plain/invocations", &json!("Ada")).await;
    assert_eq!((plain.status, &plain.body), (200, &json!("Hello, Ada")));
    assert_eq!(plain.header("x-amz-durable-execution-arn"), None);
    served.send("POST", &invocations("greets"), &[], b"{").await.is(400, "InvalidRequestContentException");
    served.post(&invocations("nobody"), &json!(1)).await.is(404, "ResourceNotFoundException");
    served
        .post("/2015-03-31/functions/greets/invocations", &json!("Ada"))
        .await
        .is(400, "InvalidParameterValueException");
    served
        .post("/2015-03-31/functions/greets:prod/invocations", &json!("Ada"))
        .await
        .is(404, "ResourceNotFoundException");
    for header in [
        ("X-Amz-Tenant-Id", "t"),
        ("X-Amz-Client-Context", "e30="),
        ("X-Amz-Log-Type", "All"),
        ("X-Amz-Invocation-Type", "x"),
    ] {
        served
            .send("POST", &invocations("greets"), &[header], b"\"Ada\"")
            .await
            .is(400, "InvalidParameterValueException");
    }
    let large = json!("x".repeat((1 << 20) - 1)).to_string();
    served
        .send("POST", &invocations("greets"), &[EVENT], large.as_bytes())
        .await
        .is(413, "RequestTooLargeException");
}

#[tokio::test]
async fn callbacks_are_answered_once() {
    let served = Served::start().await;
    let (arn, id) = served.waiting().await;
    assert_eq!(served.send("POST", &callback(&id, "heartbeat"), &[], b"").await.status, 200);
    assert_eq!(served.send("POST", &callback(&id, "succeed"), &[], b"yes").await.status, 200);
    served.until(&arn, "SUCCEEDED").await;
    let got = served.get(&arn_path(&arn, "")).await.body;
    assert_eq!(got["Result"], json!({ "answer": "yes", "error": null }).to_string());
    served.send("POST", &callback(&id, "succeed"), &[], b"no").await.is(400, "CallbackTimeoutException");
    served.send("POST", &callback(&id, "heartbeat"), &[], b"").await.is(400, "CallbackTimeoutException");
    served
        .send("POST", &callback("bm9uZQ==", "heartbeat"), &[], b"")
        .await
        .is(404, "ResourceNotFoundException");
    served
        .send("POST", &callback("n%20one", "fail"), &[], b"")
        .await
        .is(400, "InvalidParameterValueException");
    let (arn, id) = served.waiting().await;
    let rejected = json!({ "ErrorType": "Rejected", "ErrorMessage": "not today" });
    assert_eq!(served.post(&callback(&id, "fail"), &rejected).await.status, 200);
    served.until(&arn, "SUCCEEDED").await;
    assert!(served.get(&arn_path(&arn, "")).await.body["Result"].as_str().unwrap().contains("not today"));
}

#[tokio::test]
async fn errors_from_outside_have_a_mebibyte_however_they_are_written() {
    let served = Served::start().await;
    let (arn, id) = served.waiting().await;
    let large = json!({ "ErrorMessage": "x".repeat((1 << 20) + 1) });
    for path in [callback(&id, "fail"), arn_path(&arn, "/stop")] {
        served.post(&path, &large).await.is(400, "InvalidParameterValueException");
    }
    // As clients write it that write ASCII only: two bytes of UTF-8 as six.
    let escaped = format!("{{\"ErrorMessage\":\"{}\"}}", "\\u00e9".repeat(1 << 19));
    let failed = served.send("POST", &callback(&id, "fail"), &[], escaped.as_bytes()).await;
    assert_eq!(failed.status, 200, "{}", failed.body);
    served.until(&arn, "SUCCEEDED").await;
    let (arn, _) = served.waiting().await;
    let stopped = served.send("POST", &arn_path(&arn, "/stop"), &[], escaped.as_bytes()).await;
    assert_eq!(stopped.status, 200, "{}", stopped.body);
    let view = served.get(&arn_path(&arn, "")).await.body;
    assert_eq!(view["Error"]["ErrorMessage"].as_str().map(str::len), Some(1 << 20));
}

#[tokio::test]
async fn names_are_idempotent_until_they_are_deleted() {
    let served = Served::start().await;
    let start = async |event: &str| {
        let name = [("X-Amz-Durable-Execution-Name", "n")];
        served.send("POST", &invocations("greets"), &name, event.as_bytes()).await
    };
    let (one, two) = tokio::join!(start("\"Ada\""), start("\"Ada\""));
    let arn = one.header("x-amz-durable-execution-arn").unwrap();
    assert_eq!(two.header("x-amz-durable-execution-arn"), Some(arn));
    assert_eq!((&one.body, &two.body), (&json!("Hello, Ada"), &json!("Hello, Ada")));
    start("\"Bob\"").await.is(409, "DurableExecutionAlreadyStartedException");
    assert_eq!(served.send("DELETE", &arn_path(arn, ""), &[], b"").await.status, 202);
    served.get(&arn_path(arn, "")).await.is(404, "ResourceNotFoundException");
    assert_eq!(start("\"Bob\"").await.body, json!("Hello, Bob"));
}

#[tokio::test]
async fn names_are_looked_up_before_versions() {
    let served = Served::start().await;
    let named = async |function: &str, name: &str, event: &str, kind: &str| {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        let headers = [("X-Amz-Durable-Execution-Name", name), ("X-Amz-Invocation-Type", kind)];
        served.send("POST", &path, &headers, event.as_bytes()).await
    };
    let first = named("greets:$LATEST", "n", "\"Ada\"", "RequestResponse").await;
    let arn = first.header("x-amz-durable-execution-arn").unwrap();
    for (kind, status) in [("RequestResponse", 200), ("Event", 202)] {
        let again = named("greets:7", "n", "\"Ada\"", kind).await;
        assert_eq!(again.status, status, "{}", again.body);
        assert_eq!(again.header("x-amz-durable-execution-arn"), Some(arn));
        assert_eq!(again.header("x-amz-executed-version"), Some("$LATEST"));
    }
    let (missing, another) = ("ResourceNotFoundException", "DurableExecutionAlreadyStartedException");
    for (function, name, event, kind, status, error) in [
        ("greets:7", "n", "\"Bob\"", "Event", 409, another),
        ("greets:7", "m", "\"Ada\"", "Event", 404, missing),
        ("greets:7", "n", "\"Ada\"", "DryRun", 404, missing),
        ("waits:7", "n", "\"Ada\"", "Event", 404, missing),
        ("nobody:7", "n", "\"Ada\"", "Event", 404, missing),
    ] {
        named(function, name, event, kind).await.is(status, error);
    }
}

#[tokio::test]
async fn executions_are_paused_resumed_stopped_and_deleted() {
    let served = Served::start().await;
    let (arn, id) = served.waiting().await;
    let pause = json!({ "Reason": "lunch", "ClientToken": "t" });
    assert_eq!(served.post(&arn_path(&arn, "/pause"), &pause).await.status, 202);
    assert_eq!(served.post(&arn_path(&arn, "/pause"), &pause).await.status, 202);
    served.post(&arn_path(&arn, "/pause"), &json!({})).await.is(409, "ResourceConflictException");
    let paused = served.get(&arn_path(&arn, "")).await.body;
    assert_eq!((&paused["Status"], &paused["PauseDetails"]["Reason"]), (&json!("PAUSED"), &json!("lunch")));
    let bare = served.get(&arn_path(&arn, "?IncludeExecutionData=false")).await.body;
    assert_eq!(
        (&bare["ExecutionDataIncluded"], &bare["PauseDetails"]["Reason"]),
        (&json!(false), &Value::Null)
    );
    let listed = served.get("/2025-12-01/functions/waits/durable-executions?Statuses=PAUSED").await.body;
    assert_eq!(listed["DurableExecutions"][0]["DurableExecutionArn"], arn);
    served.send("DELETE", &arn_path(&arn, ""), &[], b"").await.is(409, "ResourceConflictException");
    assert_eq!(served.send("POST", &callback(&id, "succeed"), &[], b"yes").await.status, 200);
    let view = served.api.server().view(&arn.as_str().into()).await.unwrap();
    assert_eq!(view.invocations.len(), 1);
    assert_eq!(served.post(&arn_path(&arn, "/resume"), &json!({})).await.status, 202);
    served.until(&arn, "SUCCEEDED").await;
    served.post(&arn_path(&arn, "/resume"), &json!({})).await.is(409, "ResourceConflictException");
    let (arn, _) = served.waiting().await;
    let stopped = served.post(&arn_path(&arn, "/stop"), &json!({ "ErrorType": "Enough" })).await;
    assert!(stopped.status == 200 && stopped.body["StopTimestamp"].is_number(), "{}", stopped.body);
    assert_eq!(served.get(&arn_path(&arn, "")).await.body["Error"]["ErrorType"], "Enough");
    served.send("POST", &arn_path(&arn, "/stop"), &[], b"").await.is(400, "InvalidParameterValueException");
}

#[tokio::test]
async fn histories_and_lists_come_in_pages() {
    let served = Served::start().await;
    for name in ["Ada", "Bob", "Cyd"] {
        served.post(&invocations("greets"), &json!(name)).await;
    }
    let list = "/2025-12-01/functions/greets/durable-executions?MaxItems=2";
    let first = served.get(list).await.body;
    let marker = first["NextMarker"].as_str().unwrap();
    let second = served.get(&format!("{list}&Marker={marker}")).await.body;
    let count = |page: &Value| page["DurableExecutions"].as_array().unwrap().len();
    assert_eq!((count(&first), count(&second), second.get("NextMarker")), (2, 1, None));
    served
        .get(&format!("{list}&Marker={marker}&ReverseOrder=true"))
        .await
        .is(400, "InvalidParameterValueException");
    served.get("/2025-12-01/functions/nobody/durable-executions").await.is(404, "ResourceNotFoundException");
    let arn = first["DurableExecutions"][0]["DurableExecutionArn"].as_str().unwrap();
    for reverse in [false, true] {
        let (mut marker, mut ids) = (String::new(), Vec::new());
        loop {
            let path = arn_path(arn, &format!("/history?MaxItems=2&ReverseOrder={reverse}{marker}"));
            let page = served.get(&path).await.body;
            ids.extend(
                page["Events"].as_array().unwrap().iter().map(|event| event["EventId"].as_u64().unwrap()),
            );
            let Some(next) = page["NextMarker"].as_str() else { break };
            marker = format!("&Marker={next}");
        }
        if reverse {
            ids.reverse();
        }
        assert_eq!(ids, [1, 2, 3]);
    }
    let bare = served.get(&arn_path(arn, "/history?IncludeExecutionData=false")).await.body;
    assert_eq!(bare["Events"][0]["ExecutionStartedDetails"]["Input"], json!({ "Truncated": true }));
    assert!(!bare.to_string().contains("Hello"), "{bare}");
}

#[tokio::test]
async fn more_than_the_bounds_allow_is_refused() {
    let served = Served::with(Bounds { open_executions: 1, ..Bounds::default() }, None).await;
    // One that waits has no place.
    served.waiting().await;
    let works = served.send("POST", &invocations("works"), &[EVENT], b"{}").await;
    let refused = served.post(&invocations("greets"), &json!("Ada")).await;
    refused.is(429, "TooManyRequestsException");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.body["Reason"], "ConcurrentInvocationLimitExceeded");
    let page = served.api.options.metrics.page().unwrap();
    for series in
        [r#"requests_refused_total{reason="executions"} 1"#, r#"requests_refused_total{reason="bodies"} 0"#]
    {
        assert!(page.contains(series), "{page}");
    }
    let arn = works.header("x-amz-durable-execution-arn").unwrap();
    assert_eq!(served.send("POST", &arn_path(arn, "/stop"), &[], b"").await.status, 200);
    // The place is free soon after the end.
    until("a place", async || {
        (served.post(&invocations("greets"), &json!("Ada")).await.status != 429).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_a_signature_nothing_passes_but_health() {
    let keys =
        AccessKeys::new([("AKIDEXAMPLE00001".to_owned(), "an-example-of-a-secret".to_owned())]).unwrap();
    let served = Served::with(Bounds::default(), Some(keys)).await;
    served.post(&invocations("greets"), &json!("Ada")).await.is(403, "MissingAuthenticationTokenException");
    let basic = [("authorization", "Basic x")];
    served.send("POST", &invocations("greets"), &basic, b"").await.is(403, "IncompleteSignatureException");
    assert_eq!(served.get("/health").await.status, 200);
}

/// A request in its own words.
async fn exchanged(served: &Served, text: &str) -> Answer {
    let (address, bytes) = (served.address, text.as_bytes().to_vec());
    tokio::task::spawn_blocking(move || exchange(address, &bytes)).await.unwrap()
}

#[tokio::test]
async fn web_pages_are_refused() {
    let served = Served::start().await;
    for (host, refused) in [
        ("localhost", false),
        ("LocalHost:9001", false),
        ("127.0.0.1:80", false),
        ("127.1.2.3", false),
        ("[::1]:9001", false),
        ("example.com", true),
        ("localhost.example.com:9001", true),
        ("10.0.0.1", true),
        ("", true),
    ] {
        let text = format!("GET /health HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        assert_eq!(exchanged(&served, &text).await.status == 403, refused, "{host:?}");
    }
    let page = [("Origin", "http://localhost:3000")];
    served.send("POST", &invocations("greets"), &page, b"\"Ada\"").await.is(403, "AccessDeniedException");
}

/// What is wrong with the head is said before the body is read, and does not end the connection without an answer.
#[tokio::test]
async fn odd_signatures_are_refused_by_their_heads() {
    let key = "AKIDEXAMPLE00001";
    let keys = AccessKeys::new([(key.to_owned(), "an-example-of-a-secret".to_owned())]).unwrap();
    let served = Served::with(Bounds::default(), Some(keys)).await;
    let now = chrono::Utc::now();
    let (day, date) = (now.format("%Y%m%d"), now.format("%Y%m%dT%H%M%SZ"));
    for (signed, host, name) in [
        ("host;x-amz-date", "host: x\r\n", "InvalidSignatureException"),
        ("host;x-amz-date", "", "IncompleteSignatureException"),
        ("host;range;x-amz-date", "host: x\r\n", "IncompleteSignatureException"),
        ("host;host;x-amz-date", "host: x\r\n", "IncompleteSignatureException"),
        ("x-amz-date;host", "host: x\r\n", "IncompleteSignatureException"),
        ("Host;x-amz-date", "host: x\r\n", "IncompleteSignatureException"),
    ] {
        let text = format!(
            "GET /2025-12-01/functions/greets/durable-executions HTTP/1.1\r\n{host}x-amz-date: {date}\r\n\
             authorization: AWS4-HMAC-SHA256 Credential={key}/{day}/us-east-1/lambda/aws4_request, \
             SignedHeaders={signed}, Signature=00\r\nconnection: close\r\n\r\n"
        );
        exchanged(&served, &text).await.is(403, name);
    }
    // A stranger's body is not waited for.
    let text =
        format!("POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 5000000\r\n\r\n", invocations("greets"));
    exchanged(&served, &text).await.is(403, "MissingAuthenticationTokenException");
}

#[tokio::test]
async fn a_server_that_stops_accepts_nothing() {
    let served = Served::start().await;
    served.waiting().await;
    let _ = served.stop.send(Stopping { grace: Duration::from_mins(1) });
    // An execution that waits does not keep the server.
    served.serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(served.address).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_request_gets_an_answer(
        requests in prop::collection::vec(
            (
                prop::sample::select(vec!["GET", "POST", "DELETE", "PUT", "X"]),
                prop::sample::select(vec![
                    "/2015-03-31/functions/greets/invocations", "/2015-03-31/functions/%ff/invocations",
                    "/2025-12-01/functions/greets/durable-executions", "/2025-12-01/durable-executions/x/pause",
                    "/2025-12-01/durable-execution-callbacks/bm9uZQ/fail", "/2025-12-01/durable-executions//",
                    "/2025-12-01/durable-executions/arn:aws:lambda:r-r-1:000000000000:function:f:1/durable-execution/n/i/checkpoint",
                    "/",
                ]),
                prop::option::of("(MaxItems|Marker|Statuses|Qualifier|StartedAfter|ReverseOrder)=[!-\"$%'-~]{0,9}"),
                "[ -~]{0,20}",
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..64),
                    (1_usize..400).prop_map(|depth| "[".repeat(depth).into_bytes()),
                ],
            ),
            1..40,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let served = Served::start().await;
            for (method, path, query, header, body) in &requests {
                let path = query.as_ref().map_or((*path).to_owned(), |query| format!("{path}?{query}"));
                let headers = [("X-Amz-Durable-Execution-Name", &**header)];
                let answer = served.send(method, &path, &headers, body).await;
                let what = format!("{method} {path} {header:?} {body:?}: {} {}", answer.head, answer.body);
                let ours = answer.header("x-amzn-requestid").is_some();
                // What is no HTTP is answered by the HTTP library.
                assert!(ours || answer.status == 400, "{what}");
                assert!(answer.status != 0 && answer.status < 500, "{what}");
                let named = answer.header("x-amzn-errortype").is_some();
                assert!(!ours || named == (answer.status >= 400), "{what}");
            }
            assert_eq!(served.get("/health").await.status, 200);
        });
    }
}

#[tokio::test]
async fn skipped_time_passes_what_sleeps_however_many_may_run() {
    let served = Served::with(Bounds { invocations: 1, ..Bounds::default() }, None).await;
    let before = served.api.now();
    // Time stands still until all of them run or wait for their turn.
    let actor = served.api.environment.clock().actor();
    let mut started = Vec::new();
    for _ in 0..3 {
        let answer = served.send("POST", &invocations("sleeps"), &[EVENT], b"1").await;
        let arn = answer.header("x-amz-durable-execution-arn").unwrap().to_owned();
        until("its invocation", async || {
            let view = served.api.server().view(&arn.as_str().into()).await.unwrap();
            (!view.invocations.is_empty()).then_some(())
        })
        .await;
        started.push(arn);
    }
    drop(actor);
    for arn in started {
        let arn = arn.as_str().into();
        let ended = timeout(PATIENCE, served.api.server().ended(&arn)).await;
        ended.expect("skipped time stands still").unwrap();
    }
    let slept = served.post(&invocations("naps"), &json!(1)).await;
    assert_eq!((slept.status, slept.body), (200, json!("slept")));
    assert!(served.api.now() >= before.plus_seconds(5));
    // Nobody is awake: the clock goes on.
    let advanced = served.post("/durawasm/clock/advance", &json!({ "Duration": "1h" })).await;
    assert_eq!(advanced.status, 200, "{}", advanced.body);
}
