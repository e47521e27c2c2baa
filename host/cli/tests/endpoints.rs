//! What an endpoint can make `durawasm execution` do, whatever it answers, and when it does not answer.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod asking;
mod common;
mod serving;

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use asking::{at, code, prepared, refused};
use common::{err, json_of, out};
use durawasm_report::is_unsafe;
use serde_json::{Value, json};

/// An execution of an endpoint.
const ARN: &str = "arn:aws:lambda:r:000000000000:function:f:$LATEST/durable-execution/n/0-1";

#[test]
fn an_endpoint_elsewhere_gets_no_unsigned_request() {
    let list = ["execution", "list", "order"];
    refused(&at("http://192.0.2.1:9", &list), 2, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
    let output = prepared("http://192.0.2.1:9", &keys, &list).output().unwrap();
    refused(&output, 2, "set AWS_REGION");
    refused(&at("nowhere", &list), 2, "DURAWASM_ENDPOINT: \"nowhere\" is no endpoint");
    let option = at("http://192.0.2.1:9", &["execution", "--endpoint", "ftp://x", "list", "order"]);
    refused(&option, 2, "--endpoint: \"ftp://x\" is no endpoint");
}

/// An endpoint that answers each request with these bytes.
fn answering(answer: Vec<u8>) -> String {
    answering_each(move |_| answer.clone())
}

/// An endpoint that answers each request with what `answer` makes of its head.
fn answering_each(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer(&read_head(&mut stream));
            // The client may have enough before the end.
            let _ = stream.write_all(&answer);
        }
    });
    url
}

fn read_head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn http(status: &str, more: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{more}connection: close\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

#[test]
fn what_answers_may_be_anything() {
    let get = ["execution", "list", "order"];
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    refused(&at(&closed, &get), 6, "it cannot be reached");
    let mut endless = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec();
    endless.resize(66 << 20, b' ');
    for (answer, says) in [
        (http("200 OK", "", "<html>"), "is not the AWS Lambda durable execution API"),
        (http("200 OK", "", "{\"DurableExecutions\": 7}"), "is not the AWS Lambda durable execution API"),
        (http("404 Not Found", "", "<html>"), "HTTP status 404"),
        (http("302 Found", "location: http://192.0.2.1/\r\n", ""), "redirects are not followed"),
        (http("503 Service Unavailable", "", ""), "HTTP status 503"),
        (http("200 OK", "", "{\"NextMarker\": \"m\"}"), "names itself as the next"),
        (b"SSH-2.0-server\r\n".to_vec(), "cannot be reached"),
        (endless, "more than 67108864 bytes"),
        (Vec::new(), "cannot be reached"),
    ] {
        refused(&at(&answering(answer), &get), 6, says);
    }
}

#[test]
fn what_an_endpoint_says_controls_no_terminal() {
    let hostile = "\u{1b}[2J\nforged: ok\u{202e}\u{7}";
    let listed = json!({ "DurableExecutions": [{
        "DurableExecutionArn": hostile, "DurableExecutionName": hostile, "FunctionArn": hostile, "Status": hostile,
        "StartTimestamp": 1,
    }]});
    let got = json!({
        "DurableExecutionArn": hostile, "DurableExecutionName": hostile, "FunctionArn": hostile, "Status": hostile,
        "StartTimestamp": 1, "InputPayload": hostile, "Result": hostile, "Error": {"ErrorMessage": hostile},
        "PauseDetails": {"PauseRequestTimestamp": 1, "ExecutionTimeoutPaused": true, "Reason": hostile},
    });
    let refusal = json!({ "__type": hostile, "message": hostile });
    for (answer, arguments) in [
        (http("200 OK", "", &listed.to_string()), vec!["list", "f"]),
        (http("200 OK", "", &listed.to_string()), vec!["list", "f", "--json"]),
        (http("200 OK", "", &got.to_string()), vec!["get", ARN]),
        (http("200 OK", "", &got.to_string()), vec!["get", ARN, "--json"]),
        (http("400 Bad Request", "", &refusal.to_string()), vec!["get", ARN]),
        (http("202 Accepted", "x-amz-durable-execution-arn: \u{1b}[2J\r\n", ""), vec!["start", "f"]),
    ] {
        let output = at(&answering(answer), &[&["execution"], &*arguments].concat());
        for text in [out(&output), err(&output)] {
            let wrong: Vec<char> = text.chars().filter(|c| *c != '\n' && is_unsafe(*c)).collect();
            assert!(wrong.is_empty(), "{arguments:?}: {wrong:?} in {text:?}");
            assert!(!text.lines().any(|line| line.starts_with("forged")), "{arguments:?}: {text:?}");
        }
    }
}

#[test]
fn an_interrupt_ends_the_waiting_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let waiting = prepared(&url, &[], &["execution", "wait", ARN]).stderr(Stdio::piped()).spawn().unwrap();
    // It asks after it has begun to listen for signals, and gets no answer.
    let (mut stream, _) = listener.accept().unwrap();
    read_head(&mut stream);
    assert!(Command::new("kill").args(["-INT", &waiting.id().to_string()]).status().unwrap().success());
    let output = waiting.wait_with_output().unwrap();
    refused(&output, 130, "interrupted: it goes on, and `durawasm execution wait");
}

#[test]
fn a_history_as_json_is_written_page_by_page() {
    let event = |id: u64| json!({ "EventId": id, "EventType": "StepStarted", "Name": "a \u{1b}[2J\nb" });
    let page = move |ids: &[u64], next: Value| {
        let events: Vec<Value> = ids.iter().map(|id| event(*id)).collect();
        http("200 OK", "", &json!({ "Events": events, "NextMarker": next }).to_string())
    };
    let history = ["execution", "history", ARN, "--json"];
    let pages = move |last: Vec<u8>| {
        answering_each(move |head| match head {
            head if head.contains("Marker=second") => page(&[3], json!("third")),
            head if head.contains("Marker=third") => last.clone(),
            _ => page(&[1, 2], json!("second")),
        })
    };
    let whole = at(&pages(page(&[], Value::Null)), &history);
    assert_eq!(code(&whole), 0, "{}", err(&whole));
    let expected = json!([event(1), event(2), event(3)]);
    assert_eq!(json_of(&whole), expected);
    // As the other commands write JSON.
    let written = durawasm_report::json(&serde_json::to_string_pretty(&expected).unwrap());
    assert_eq!(out(&whole), format!("{written}\n"));

    // Nobody takes a part for the whole.
    let failing =
        at(&pages(http("404 Not Found", "x-amzn-errortype: ResourceNotFoundException\r\n", "{}")), &history);
    refused(&failing, 2, "ResourceNotFoundException");
    assert!(serde_json::from_str::<Value>(&out(&failing)).is_err(), "{}", out(&failing));
    let none = at(&answering(page(&[], Value::Null)), &history);
    assert_eq!(json_of(&none), json!([]));
}

/// Answers without end, of which each has its size.
#[test]
fn what_is_kept_of_many_pages_has_a_bound() {
    let execution = |status: &str| {
        json!({
            "DurableExecutionArn": ARN, "DurableExecutionName": "n", "FunctionArn": "f", "Status": status,
            "StartTimestamp": 1,
        })
    };
    let endless = move |status: &'static str| {
        let number = AtomicU64::new(0);
        answering_each(move |head| {
            if !head.contains("/history") && !head.contains("/functions/") {
                return http("200 OK", "", &execution(status).to_string());
            }
            let next = format!("m{}", number.fetch_add(1, Ordering::Relaxed));
            let page = json!({ "Events": [], "DurableExecutions": [execution(status)], "NextMarker": next });
            http("200 OK", "", &format!("{page}{}", " ".repeat(60 << 20)))
        })
    };
    let shown = at(&endless("RUNNING"), &["execution", "history", ARN]);
    assert_eq!(code(&shown), 0, "{}", err(&shown));
    assert!(out(&shown).starts_with("RUNNING after "), "{}", out(&shown));
    let says = format!("the history of {ARN} is larger than 256 MiB: only the operations at its beginning");
    assert!(err(&shown).contains(&says), "{}", err(&shown));

    let waited = at(&endless("SUCCEEDED"), &["execution", "wait", ARN, "--json"]);
    assert_eq!(code(&waited), 0, "{}", err(&waited));
    let report = json_of(&waited);
    assert_eq!((&report["status"], &report["complete"]), (&json!("SUCCEEDED"), &json!(false)));
    assert!(err(&waited).contains(&says), "{}", err(&waited));

    let listed = at(&endless("RUNNING"), &["execution", "list", "f", "--json", "--limit", "1000"]);
    assert_eq!((code(&listed), json_of(&listed).as_array().unwrap().len()), (0, 5), "{}", err(&listed));
    let says =
        "there are more executions: the list of these 5 has more than 256 MiB already; --status, --since";
    assert!(err(&listed).contains(says), "{}", err(&listed));
}

#[test]
fn requests_that_others_can_read_are_warned_of() {
    let here = answering(http("200 OK", "", "{}"));
    // The same listener, under an address that is not one of the loopback.
    let elsewhere = here.replace("127.0.0.1", "0.0.0.0");
    let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_REGION", "eu-north-1")];
    let list = ["execution", "list", "order", "--json"];
    for (url, warnings) in [(&here, 0), (&elsewhere, 1)] {
        let output = prepared(url, &keys, &list).output().unwrap();
        assert_eq!((code(&output), json_of(&output)), (0, json!([])), "{}", err(&output));
        assert_eq!(err(&output).lines().count(), warnings, "{}", err(&output));
        let says =
            format!("warning: requests to {url} are signed, but neither they nor the answers are encrypted");
        assert_eq!(err(&output).matches(&says).count(), warnings, "{}", err(&output));
    }
}

#[test]
fn the_time_to_wait_includes_the_search_for_the_execution() {
    // Nobody accepts the connection.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let began = Instant::now();
    let wait = ["execution", "wait", "--function", "f", "o-1", "--timeout", "200ms"];
    refused(&at(&url, &wait), 7, "did not tell within 200ms which execution o-1 is");
    // A request has a minute.
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
}
