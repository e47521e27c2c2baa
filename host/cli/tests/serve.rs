//! `durawasm serve` as a process: its arguments, its line, its end.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;
mod serving;

use std::{
    fs,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use common::err;
use durawasm_report::is_unsafe;
use serde_json::{Value, json};
use serving::{Serving, arn_path, durawasm, guests};

#[test]
fn functions_are_served_until_a_signal() {
    let functions = [format!("hello={}#greet", guests()), format!("says={}", guests())];
    let mut serving = Serving::start(&["--function", &functions[0], "--function", &functions[1]]);
    assert_eq!(serving.send("GET", "/health", "").0, 200);
    let hello = "/2015-03-31/functions/hello:$LATEST/invocations";
    assert_eq!(serving.send("POST", hello, "\"Ada\""), (200, "\"Hello, Ada\"".to_owned()));
    let says = "/2015-03-31/functions/says:$LATEST/invocations";
    assert_eq!(serving.send("POST", says, "\"a line that ENDS\"").0, 200);
    assert_eq!(serving.send("POST", "/2015-03-31/functions/greet:$LATEST/invocations", "1").0, 404);
    let id = serving.process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(serving.process.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    serving.lines.read_to_string(&mut rest).unwrap();
    let lines: Vec<Value> = rest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = lines.iter().find(|line| line["message"] == "a line that ENDS").unwrap();
    assert!(said["execution"].as_str().unwrap().contains(":function:says:"), "{said}");
}

#[test]
fn with_credentials_nobody_is_served_without_a_signature() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.toml");
    fs::write(&keys, "[keys]\nAKIDEXAMPLE00001 = \"an-example-of-a-secret\"\n").unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    let function = format!("greet={}", guests());
    let serving = Serving::start(&["--function", &function, "--credentials", keys.to_str().unwrap()]);
    let (status, body) = serving.send("POST", "/2015-03-31/functions/greet:$LATEST/invocations", "1");
    assert_eq!(status, 403, "{body}");
    assert_eq!(serving.send("GET", "/health", "").0, 200);
}

#[test]
fn what_is_refused_before_anything_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let open = file("open.toml", "[keys]\nAKIDEXAMPLE00001 = \"an-example-of-a-secret\"\n", 0o644);
    let none = file("none.toml", "[keys]\n", 0o600);
    let weak = file("weak.toml", "[keys]\nAKIDEXAMPLE00001 = \"guess\"\n", 0o600);
    for (arguments, words) in [
        (vec!["--no-config"], "there is no function to serve"),
        (vec!["--function", "greet"], "NAME=COMPONENT"),
        (vec!["--function", "a b=x.wasm"], "is no name of a function"),
        (vec!["--function", "a=x.wasm", "--function", "a=y.wasm"], "names a twice"),
        (vec!["--function", "a=nowhere.wasm"], "there is no nowhere.wasm"),
        (vec!["--listen", "0.0.0.0:0", "--function", "a=x.wasm"], "--credentials"),
        (vec!["--credentials", &open, "--function", "a=x.wasm"], "chmod 600"),
        (vec!["--credentials", &none, "--function", "a=x.wasm"], "no access key"),
        (vec!["--credentials", &weak, "--function", "a=x.wasm"], "less than 16"),
    ] {
        let refused = durawasm(&[&["serve", "--store", ":memory:"], &*arguments].concat());
        let said = err(&refused);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert!(!said.contains("guess"), "{said}");
    }
    let unknown = format!("nothing={}", guests());
    let said = err(&durawasm(&["serve", "--store", ":memory:", "--function", &unknown]));
    assert!(said.contains("name one of them after a #"), "{said}");
}

#[test]
fn executions_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("s.db");
    let function = format!("callback={}", guests());
    let arguments = ["--function", &*function, "--quiet"];
    let mut first = Serving::start_on(&store, &arguments);
    let event = json!({ "name": "reply" });
    let arn = first.try_start("callback", "order-1", &event).unwrap();
    let history = arn_path(&arn, "/history");
    let id = loop {
        let history: Value = serde_json::from_str(&first.send("GET", &history, "").1).unwrap();
        let mut events = history["Events"].as_array().unwrap().iter();
        if let Some(started) = events.find(|event| event["EventType"] == "CallbackStarted") {
            break started["CallbackStartedDetails"]["CallbackId"].as_str().unwrap().to_owned();
        }
    };
    // Nobody else may use the store meanwhile.
    let second = durawasm(&["serve", "--store", store.to_str().unwrap(), "--function", &function]);
    assert!(err(&second).contains("another process has this store open"), "{}", err(&second));
    first.kill();

    let again = Serving::start_on(&store, &arguments);
    assert_eq!(again.try_start("callback", "order-1", &event).unwrap(), arn);
    let running = "/2025-12-01/functions/callback/durable-executions?Statuses=RUNNING";
    let listed: Value = serde_json::from_str(&again.send("GET", running, "").1).unwrap();
    assert_eq!(listed["DurableExecutions"][0]["DurableExecutionArn"], arn);
    let id = id.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let succeed = format!("/2025-12-01/durable-execution-callbacks/{id}/succeed");
    assert_eq!(again.send("POST", &succeed, "\"yes\"").0, 200);
    let ended = loop {
        let view: Value = serde_json::from_str(&again.send("GET", &arn_path(&arn, ""), "").1).unwrap();
        if view["Status"] != "RUNNING" {
            break view;
        }
    };
    assert_eq!(ended["Status"], "SUCCEEDED", "{ended}");
    assert!(ended["Result"].as_str().unwrap().contains("\"answer\":\"yes\""), "{ended}");
    assert_eq!(again.send("DELETE", &arn_path(&arn, ""), "").0, 202);
    assert_eq!(again.send("GET", &arn_path(&arn, ""), "").0, 404);
}

/// What the page of metrics has for this series.
fn metric(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series));
    line.unwrap_or_else(|| panic!("{series}: {page}")).trim().parse().unwrap()
}

#[test]
fn metrics_tell_what_the_store_and_the_functions_did() {
    let folder = tempfile::tempdir().unwrap();
    let function = format!("greet={}", guests());
    let serving = Serving::start_on(&folder.path().join("s.db"), &["--function", &function, "--quiet"]);
    let greet = "/2015-03-31/functions/greet:$LATEST/invocations";
    assert_eq!(serving.send("POST", greet, "\"Ada\"").0, 200);
    let (status, page) = serving.send("GET", "/metrics", "");
    assert_eq!(status, 200);
    assert!(page.ends_with("# EOF\n"), "{page}");
    assert!(metric(&page, "durawasm_store_commit_duration_seconds_count") >= 2.0);
    for (series, value) in [
        ("durawasm_store_commit_failures_total", "0"),
        ("durawasm_requests_total{operation=\"Invoke\",status=\"200\"}", "1"),
        ("durawasm_executions_started_total{function=\"greet\"}", "1"),
        ("durawasm_executions_ended_total{function=\"greet\",status=\"SUCCEEDED\"}", "1"),
    ] {
        assert!(page.lines().any(|line| line == format!("{series} {value}")), "{series} {value}: {page}");
    }
}

/// What `serve` writes to standard error while it answers requests, one of them with text that controls terminals.
fn traced(json: bool, arguments: &[&str]) -> String {
    let function = format!("greet={}", guests());
    let arguments = [&["--function", &function, "--quiet"], arguments].concat();
    let mut serving = match json {
        true => Serving::start_heard(Path::new(":memory:"), &arguments, Stdio::piped()),
        false => Serving::start_as_text(&arguments),
    };
    assert_eq!(serving.send("POST", "/2015-03-31/functions/greet:$LATEST/invocations", "\"Ada\"").0, 200);
    let hostile = "/2015-03-31/functions/%1b%5b2J%0aforged%c2%85/invocations";
    assert_eq!(serving.send("POST", hostile, "1").0, 400);
    assert_eq!(serving.send("GET", "/health", "").0, 200);
    // Until then, the end of the execution may not have been told.
    while metric(&serving.send("GET", "/metrics", "").1, "durawasm_executions_at_work") > 0.0 {}
    let said = serving.terminate();
    let wrong: Vec<char> = said.chars().filter(|c| *c != '\n' && is_unsafe(*c)).collect();
    assert!(wrong.is_empty(), "{said:?}");
    said
}

#[test]
fn a_trace_tells_what_the_server_does_and_nothing_without_it() {
    for quiet in [&[][..], &["--trace", "off"], &["--trace", "warn"]] {
        assert_eq!(traced(true, quiet), "", "{quiet:?}");
    }
    let told = traced(true, &["--trace", "debug"]);
    let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let with = |message: &str| -> Vec<&Value> {
        lines.iter().filter(|line| line["fields"]["message"] == message).collect()
    };
    let answered = with("answered");
    let operations = answered.iter().map(|line| line["span"]["operation"].as_str().unwrap());
    let operations: Vec<&str> = operations.filter(|operation| *operation != "Metrics").collect();
    assert_eq!(operations, ["Invoke", "Health"], "{told}");
    assert_eq!(answered[0]["fields"]["status"], 200);
    assert!(answered[0]["span"]["id"].is_string() && answered[0]["level"] == "INFO", "{told}");
    let refused = with("refused");
    assert_eq!(refused[0]["fields"]["status"], 400);
    assert!(refused[0]["fields"]["error"].as_str().unwrap().contains("forged"), "{told}");
    let [ended] = *with("the execution has ended") else { panic!("{told}") };
    assert!(ended["span"]["arn"].as_str().unwrap().contains(":function:greet:"), "{told}");
    let [invoked] = *with("the invocation has ended") else { panic!("{told}") };
    assert_eq!(
        (&invoked["fields"]["outcome"], &invoked["span"]["function"]),
        (&json!("succeeded"), &json!("greet"))
    );
    assert_eq!(invoked["spans"][0]["arn"], ended["span"]["arn"], "{told}");
}

#[test]
fn a_trace_as_text_has_a_line_for_each_event() {
    let told = traced(false, &["--trace", "info"]);
    assert!(told.lines().all(|line| line.contains(" INFO ") && line.contains("durawasm_http::")), "{told}");
    let line =
        |words: &str| told.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{told}"));
    assert!(line("the execution has ended").contains("execution{arn="), "{told}");
    assert!(line("refused status=400").contains("request{id="), "{told}");
    assert!(!told.contains("the invocation has ended"), "{told}");
}
