//! Endpoints that fail: in passing, which no case notices, and for good, after which no execution is left.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use durawasm_client::{Access, Endpoint};
use durawasm_conformance::{Case, CaseId, ConformanceRunner, Outcome, Verdict};
use serde_json::{Value, json};

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:greet:$LATEST/durable-execution/n/0";

/// What an endpoint does with a request.
enum Does {
    /// It answers with this status, these headers and this body.
    Answers(u16, &'static [(&'static str, &'static str)], Value),
    /// It closes the connection.
    Closes,
}

/// The answer to a start.
fn started() -> Does {
    Does::Answers(202, &[("x-amz-durable-execution-arn", ARN)], Value::Null)
}

fn refuses(status: u16) -> Does {
    Does::Answers(status, &[], json!({ "__type": "ServiceException", "message": "not now" }))
}

fn execution(status: &str) -> Does {
    let mut execution = json!({
        "DurableExecutionArn": ARN, "DurableExecutionName": "n", "FunctionArn": "f", "Status": status,
        "StartTimestamp": 1,
    });
    if status != "RUNNING" {
        execution["EndTimestamp"] = json!(2);
        execution["Result"] = json!("\"done\"");
    }
    Does::Answers(200, &[], execution)
}

fn history(types: &[&str]) -> Does {
    let event = |(at, kind): (usize, &&str)| {
        let id = format!("i{at}");
        json!({ "EventType": kind, "EventId": at + 1, "Id": id, "EventTimestamp": 1 })
    };
    let events: Vec<Value> = types.iter().enumerate().map(event).collect();
    Does::Answers(200, &[], json!({ "Events": events }))
}

/// Serves one request of each connection from a script, and then nothing more. Returns where, and the heads of the
/// requests.
fn scripted(script: Vec<Does>) -> (Endpoint, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let told = heads.clone();
    thread::spawn(move || {
        for (does, stream) in script.into_iter().zip(listener.incoming()) {
            let mut stream = stream.unwrap();
            told.lock().unwrap().push(head_of(&mut stream));
            let Does::Answers(status, headers, body) = does else { continue };
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let mut answer =
                format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                answer += &format!("{name}: {value}\r\n");
            }
            stream.write_all(format!("{answer}\r\n{body}").as_bytes()).unwrap();
        }
    });
    (endpoint, heads)
}

/// Reads a request. Its body is as long as its head says.
fn head_of(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = value(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    stream.read_exact(&mut vec![0; length]).unwrap();
    head
}

fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// What each request does: its method, and the end of its path.
fn requests(heads: &[String]) -> Vec<String> {
    let short = |head: &String| {
        let (method, path) = head.lines().next().unwrap().split_once(' ').unwrap();
        let path = path.split([' ', '?']).next().unwrap();
        format!("{method} {}", path.rsplit('/').next().unwrap().rsplit("%2f").next().unwrap())
    };
    heads.iter().map(short).collect()
}

fn run(script: Vec<Does>) -> (Outcome, Vec<String>) {
    let (endpoint, heads) = scripted(script);
    let text = "
Input: kim
ExpectedResult: {ExecutionStatus: SUCCEEDED, Result: done}
ExpectedExecutionHistory:
  - {EventType: StepStarted, EventId: 2}
";
    let case = Case::parse(CaseId::new("greet"), "", text).unwrap();
    let report = ConformanceRunner::from_endpoint(endpoint, Access::Unsigned).run(&[case], |_| {});
    let heads = heads.lock().unwrap().clone();
    (report.outcomes[0].clone(), heads)
}

#[test]
fn no_case_notices_what_fails_in_passing() {
    let (outcome, heads) = run(vec![
        refuses(429),
        Does::Closes,
        started(),
        refuses(500),
        execution("RUNNING"),
        refuses(503),
        execution("SUCCEEDED"),
        history(&["ExecutionStarted", "StepStarted", "ExecutionSucceeded"]),
    ]);
    assert_eq!(outcome.verdict, Verdict::Passed, "{outcome}");
    let (starts, looks) = heads.split_at(3);
    // All of them mean one execution.
    let names: Vec<_> = starts.iter().map(|head| value(head, "x-amz-durable-execution-name")).collect();
    assert!(names[0].is_some_and(|name| name.starts_with("conformance-")), "{names:?}");
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    assert_eq!(requests(starts), ["post invocations"; 3]);
    assert_eq!(requests(looks), ["get 0", "get 0", "get history", "get 0", "get history"]);
}

#[test]
fn an_execution_whose_case_cannot_go_on_is_stopped() {
    let (outcome, heads) = run(vec![
        started(),
        refuses(400),
        // Also the stop may fail in passing.
        refuses(503),
        Does::Answers(200, &[], json!({ "StopTimestamp": 2 })),
    ]);
    assert_eq!(outcome.verdict, Verdict::Failed, "{outcome}");
    assert!(
        outcome.explanation[0].contains("it could not be run") && outcome.explanation[0].contains("not now")
    );
    assert_eq!(requests(&heads), ["post invocations", "get 0", "post stop", "post stop"]);
}
