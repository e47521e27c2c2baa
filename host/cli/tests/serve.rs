//! `durawasm serve` as a process: its arguments, its line, its end.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;
mod serving;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use common::{err, out};
use durawasm_report::is_unsafe;
use serde_json::{Value, json};
use serving::{Serving, arn_path, durawasm, guests, until};

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
        (vec!["--alias", "order:2=1", "--function", "order=x.wasm"], "cannot name an alias"),
        (vec!["--alias", "order:prod=0", "--function", "order=x.wasm"], "is no version"),
        (vec!["--alias", "a:b=1", "--alias", "a:b=2", "--function", "a=x.wasm"], "a:b twice"),
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
    let skips = durawasm(&["serve", "--skip-time", "--store", "s.db", "--function", "a=x.wasm"]);
    assert_eq!(skips.status.code(), Some(2));
    assert!(err(&skips).contains("keeps executions in memory"), "{}", err(&skips));
    let unknown = format!("nothing={}", guests());
    let said = err(&durawasm(&["serve", "--store", ":memory:", "--function", &unknown]));
    assert!(said.contains("name one of them after a #"), "{said}");
    let greet = format!("greet={}", guests());
    for (alias, words) in [("order:prod=1", "order is not served"), ("greet:prod=7", "greet has version 1")] {
        let arguments = ["serve", "--store", ":memory:", "--function", &greet, "--alias", alias];
        let refused = durawasm(&arguments);
        assert_eq!(refused.status.code(), Some(2));
        assert!(err(&refused).contains(words), "{}", err(&refused));
    }
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
    let id = first.callback_of(&arn);
    // Nobody else may use the store meanwhile.
    let second = durawasm(&["serve", "--store", store.to_str().unwrap(), "--function", &function]);
    assert!(err(&second).contains("another process has this store open"), "{}", err(&second));
    first.kill();

    let again = Serving::start_on(&store, &arguments);
    assert_eq!(again.try_start("callback", "order-1", &event).unwrap(), arn);
    let listed = again.get("/2025-12-01/functions/callback/durable-executions?Statuses=RUNNING");
    assert_eq!(listed["DurableExecutions"][0]["DurableExecutionArn"], arn);
    again.succeed(&id, "\"yes\"");
    let ended = again.ended(&arn);
    assert_eq!(ended["Status"], "SUCCEEDED", "{ended}");
    assert!(ended["Result"].as_str().unwrap().contains("\"answer\":\"yes\""), "{ended}");
    assert_eq!(again.send("DELETE", &arn_path(&arn, ""), "").0, 202);
    assert_eq!(again.send("GET", &arn_path(&arn, ""), "").0, 404);
}

#[test]
fn skipped_time_passes_waits_but_not_what_the_outside_answers() {
    let functions = ["waits_for", "callback", "invokes"].map(|name| format!("{name}={}#{name}", guests()));
    let mut arguments: Vec<&str> = functions.iter().flat_map(|function| ["--function", function]).collect();
    arguments.extend(["--skip-time", "--start-time", "2031-05-01T00:00:00Z", "--quiet"]);
    let serving = Serving::spawn(&arguments);
    let now = || serving.get("/durawasm/clock")["Now"].clone();
    let start = |function: &str, name: &str, event: Value| serving.try_start(function, name, &event).unwrap();
    assert_eq!(serving.get("/durawasm/clock")["Skips"], true);

    let in_an_hour = start("callback", "in-an-hour", json!({ "name": "reply", "timeout": 3600 }));
    serving.callback_of(&in_an_hour);
    let wait = "/2015-03-31/functions/waits_for:$LATEST/invocations";
    assert_eq!(serving.send("POST", wait, "60"), (200, "60".to_owned()));
    let after_a_minute = now();
    assert!(after_a_minute.as_str().unwrap().starts_with("2031-05-01T00:01:0"), "{after_a_minute}");

    // An answer to another function is the same as one to its caller: neither has a timeout but that of an execution.
    let call = json!({ "function": "callback", "payload": { "name": "inner" } });
    let caller = start("invokes", "caller", call);
    let list = "/2025-12-01/functions/callback/durable-executions";
    let target = until("the execution of the function that is invoked", || {
        let listed = serving.get(list);
        let mut all = listed["DurableExecutions"].as_array().unwrap().iter();
        let target = all.find(|listed| listed["DurableExecutionName"] != "in-an-hour")?;
        Some(target["DurableExecutionArn"].as_str().unwrap().to_owned())
    });
    let inner = serving.callback_of(&target);
    let long = start("waits_for", "long", json!(7200));
    assert_eq!(now(), after_a_minute);
    assert_eq!(serving.get(&arn_path(&long, ""))["Status"], "RUNNING");

    let advanced = durawasm(&["clock", "advance", "2h 1m", "--endpoint", &serving.endpoint()]);
    assert!(out(&advanced).starts_with("2031-05-01T02:02:0"), "{}{}", out(&advanced), err(&advanced));
    let timed_out = serving.ended(&in_an_hour);
    assert!(timed_out["Result"].as_str().unwrap().contains("timed out"), "{timed_out}");
    assert_eq!(serving.ended(&long)["Status"], "SUCCEEDED");
    serving.succeed(&inner, "\"yes\"");
    assert_eq!(serving.ended(&caller)["Status"], "SUCCEEDED");

    for (body, words) in [
        ("{}", "missing field `Duration`"),
        (r#"{"Duration":"soon"}"#, "soon"),
        (r#"{"Duration":"800d"}"#, "366 days"),
    ] {
        let (status, said) = serving.send("POST", "/durawasm/clock/advance", body);
        assert_eq!(status, 400, "{said}");
        assert!(said.contains(words), "{said}");
    }
    let real = Serving::start(&["--function", &functions[0]]);
    assert_eq!(real.get("/durawasm/clock")["Skips"], false);
    let (status, said) = real.send("POST", "/durawasm/clock/advance", r#"{"Duration":"1s"}"#);
    assert!(status == 400 && said.contains("time is real"), "{said}");
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
    let mut serving = if json {
        Serving::start_heard(&[&["--store", ":memory:"], &*arguments].concat(), Stdio::piped())
    } else {
        Serving::start_as_text(&arguments)
    };
    assert_eq!(serving.send("POST", "/2015-03-31/functions/greet:$LATEST/invocations", "\"Ada\"").0, 200);
    let hostile = "/2015-03-31/functions/%1b%5b2J%0aforged%c2%85/invocations";
    assert_eq!(serving.send("POST", hostile, "1").0, 400);
    // What is no HTTP ends its connection.
    let mut stranger = TcpStream::connect(&serving.address).unwrap();
    stranger.write_all(b"\x1b[2J\r\n\r\n").unwrap();
    assert_eq!(serving::read(&mut stranger).unwrap().status, 400);
    assert_eq!(serving.send("GET", "/health", "").0, 200);
    // Until then, the end of the execution may not have been told.
    until("no execution at work", || {
        let page = serving.send("GET", "/metrics", "").1;
        (metric(&page, "durawasm_executions_at_work") < 1.0).then_some(())
    });
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
    let [failed] = *with("a connection failed") else { panic!("{told}") };
    assert!(failed["level"] == "DEBUG" && failed["fields"]["error"].is_string(), "{told}");
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
