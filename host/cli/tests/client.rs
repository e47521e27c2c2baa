//! `durawasm execution`, `callback` and `completions`: the command line as a client of a server.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod asking;
mod common;
mod serving;

use std::{fs, os::unix::fs::PermissionsExt as _, process::Stdio};

use asking::{at, code, done, json_done, prepared, refused};
use common::{err, json_of, out, root};
use serde_json::json;
use serving::{Serving, guests, until};

/// Serves functions of the test handlers under their own names.
fn serving(functions: &[&str]) -> (Serving, String) {
    let functions: Vec<String> = functions.iter().map(|name| format!("{name}={}", guests())).collect();
    let mut arguments = vec!["--quiet"];
    arguments.extend(functions.iter().flat_map(|function| ["--function", function]));
    let serving = Serving::start(&arguments);
    let url = serving.endpoint();
    (serving, url)
}

/// The id of the callback, as soon as it is open.
fn callback_of(endpoint: &str, execution: &str, name: &str) -> String {
    let label = format!("callback {name}: ");
    until(format_args!("callback {name} of {execution}"), || {
        let shown = done(endpoint, &["execution", "history", execution]);
        shown.lines().find_map(|line| line.strip_prefix(&label)).map(str::to_owned)
    })
}

#[test]
fn an_execution_from_its_start_to_its_end() {
    let (_serving, url) = serving(&["greet", "typed_failure"]);
    let started = done(&url, &["execution", "start", "greet", "--event", "\"Ada\"", "--name", "a-1"]);
    let arn = started.trim();
    assert!(arn.contains(":function:greet:$LATEST/durable-execution/a-1/"), "{arn}");
    // The same again is the same execution.
    let again =
        done(&url, &["execution", "start", "greet:$LATEST", "-e", "\"Ada\"", "--name", "a-1", "--wait"]);
    assert_eq!(again.lines().next(), Some(arn));
    for words in ["greet", "STEP", "SUCCEEDED after ", " (1 invocation)", "result: \"Hello, Ada\""] {
        assert!(again.contains(words), "{words} in {again}");
    }
    let other = at(&url, &["execution", "start", "greet", "-e", "\"Bob\"", "--name", "a-1"]);
    refused(&other, 2, "DurableExecutionAlreadyStartedException");
    for named in [vec![arn], vec!["greet/a-1"], vec!["--function", "greet", "a-1"], vec!["-f", "greet", "a"]]
    {
        let waited = done(&url, &[&["execution", "wait"], &*named].concat());
        assert!(waited.contains("result: \"Hello, Ada\""), "{waited}");
    }
    let report = json_done(&url, &["execution", "wait", arn, "--json"]);
    assert_eq!(report["executionArn"], arn);
    assert_eq!((&report["function"], &report["status"]), (&json!("greet"), &json!("SUCCEEDED")));
    assert_eq!((&report["result"], &report["invocations"]), (&json!("Hello, Ada"), &json!(1)));
    assert_eq!(report["operations"][1]["Name"], "greet");
    let shown = done(&url, &["execution", "get", arn]);
    for words in ["name       a-1", "function   greet:$LATEST", "status     SUCCEEDED", "input      \"Ada\""]
    {
        assert!(shown.contains(words), "{words} in {shown}");
    }
    let got = json_done(&url, &["execution", "get", arn, "--json"]);
    assert_eq!((&got["Status"], &got["Result"]), (&json!("SUCCEEDED"), &json!("\"Hello, Ada\"")));
    let events = json_done(&url, &["execution", "history", "--json", arn]);
    assert_eq!((&events[0]["EventType"], &events[0]["EventId"]), (&json!("ExecutionStarted"), &json!(1)));
    let shown = done(&url, &["execution", "history", arn]);
    assert!(shown.contains("STEP") && shown.contains("SUCCEEDED after"), "{shown}");

    let failing = at(&url, &["execution", "start", "typed_failure", "--event", "7", "--wait", "--json"]);
    assert_eq!(code(&failing), 1, "{}", err(&failing));
    let report = json_of(&failing);
    assert_eq!((&report["status"], &report["result"]), (&json!("FAILED"), &json!(null)));
    assert_eq!(report["error"]["ErrorType"], "PaymentDeclined");
    let shown = at(&url, &["execution", "wait", report["executionArn"].as_str().unwrap()]);
    assert_eq!(code(&shown), 1);
    assert!(
        out(&shown).contains("FAILED after") && out(&shown).contains("error: PaymentDeclined"),
        "{}",
        out(&shown)
    );
}

#[test]
fn callbacks_are_answered_and_executions_controlled() {
    let (_serving, url) = serving(&["callback"]);
    let start = |name: &str| {
        done(&url, &["execution", "start", "callback", "-e", "{\"name\":\"reply\"}", "--name", name])
    };
    start("c-1");
    let id = callback_of(&url, "callback/c-1", "reply");
    let late = at(&url, &["execution", "wait", "callback/c-1", "--timeout", "10ms"]);
    refused(&late, 7, "it goes on");
    done(&url, &["callback", "heartbeat", &id]);
    let wrong = at(&url, &["callback", "succeed", &id, "--result", "yes"]);
    refused(&wrong, 2, "needs quotes");
    let answered = json_done(&url, &["callback", "succeed", &id, "--result", "\"yes\"", "--json"]);
    assert_eq!(answered, json!({ "callbackId": id }));
    let report = json_done(&url, &["execution", "wait", "callback/c-1", "--json"]);
    assert_eq!(report["result"]["answer"], "yes");
    refused(&at(&url, &["callback", "heartbeat", &id]), 2, "CallbackTimeoutException");

    start("c-2");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("result.json");
    fs::write(&file, "{\"from\": \"a file\"}").unwrap();
    let id = callback_of(&url, "callback/c-2", "reply");
    done(&url, &["callback", "succeed", &id, "--result-file", file.to_str().unwrap()]);
    let report = json_done(&url, &["execution", "wait", "callback/c-2", "--json"]);
    assert_eq!(report["result"]["answer"]["from"], "a file");

    start("c-3");
    let id = callback_of(&url, "callback/c-3", "reply");
    done(&url, &["callback", "fail", &id, "--error-type", "Rejected", "--error-message", "too expensive"]);
    let report = json_done(&url, &["execution", "wait", "callback/c-3", "--json"]);
    assert!(report["result"]["error"].as_str().unwrap().contains("too expensive"), "{report}");

    let arn = start("c-4");
    let arn = arn.trim();
    callback_of(&url, arn, "reply");
    assert_eq!(done(&url, &["execution", "pause", arn, "--reason", "a look"]), format!("paused {arn}\n"));
    let shown = done(&url, &["execution", "get", arn]);
    assert!(shown.contains("status     PAUS") && shown.contains(": a look"), "{shown}");
    let listed = json_done(&url, &["execution", "list", "callback", "--status", "paused,pausing", "--json"]);
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!((&listed[0]["executionArn"], &listed[0]["name"]), (&json!(arn), &json!("c-4")));
    done(&url, &["execution", "resume", arn]);
    let stop = ["execution", "stop", "-f", "callback", "c-4", "--error-type", "Cancelled"];
    let stopped = json_done(&url, &[&stop[..], &["--json"]].concat());
    assert!(stopped["executionArn"] == arn && stopped["endTimestamp"].is_number(), "{stopped}");
    let shown = at(&url, &["execution", "wait", arn]);
    assert_eq!(code(&shown), 1);
    assert!(
        out(&shown).contains("STOPPED after") && out(&shown).contains("error: Cancelled"),
        "{}",
        out(&shown)
    );
    assert_eq!(done(&url, &["execution", "delete", arn]), format!("deleted {arn}\n"));
    refused(&at(&url, &["execution", "get", arn]), 2, "ResourceNotFoundException");
}

#[test]
fn lists_and_names() {
    let (_serving, url) = serving(&["callback", "greet"]);
    let start = |function: &str, name: &str| {
        let event = json!({ "name": "reply" }).to_string();
        done(&url, &["execution", "start", function, "-e", &event, "--name", name])
    };
    (10..22).for_each(|number| drop(start("callback", &format!("o-{number}"))));
    let arn = start("callback", "p-1");
    let shown = done(&url, &["execution", "list", "callback", "--since", "1h", "--limit", "3"]);
    assert_eq!(shown.lines().count(), 4, "{shown}");
    assert!(shown.lines().nth(1).unwrap().contains("p-1"), "the latest first: {shown}");
    let more = at(&url, &["execution", "list", "callback", "--limit", "3"]);
    assert!(err(&more).contains("there are more executions: --limit"), "{}", err(&more));
    let all = json_done(&url, &["execution", "list", "callback", "--json"]);
    assert_eq!(all.as_array().unwrap().len(), 13);
    let none = json_done(&url, &["execution", "list", "callback", "--until", "1h", "--json"]);
    assert_eq!(none, json!([]));
    let one = json_done(&url, &["execution", "list", "callback", "--name", "o-11", "--json"]);
    assert_eq!((one.as_array().unwrap().len(), &one[0]["function"]), (1, &json!("callback")));

    let got = json_done(&url, &["execution", "get", "-f", "callback", "p", "--json"]);
    assert_eq!(got["DurableExecutionArn"], arn.trim());
    let ambiguous = at(&url, &["execution", "stop", "-f", "callback", "o-"]);
    refused(&ambiguous, 2, "may mean several executions of callback: o-21, o-20");
    let named = err(&ambiguous).matches("o-1").count() + err(&ambiguous).matches("o-2").count();
    assert!(named == 10 && err(&ambiguous).contains(", and 2 more"), "{}", err(&ambiguous));
    for (arguments, says) in [
        (vec!["get", "callback/o-1"], "callback has no execution o-1"),
        (vec!["get", "-f", "callback", "q"], "callback has no execution q"),
        (vec!["get", "o-10"], "state its function with --function"),
        (vec!["get", "nobody/o-10"], "ResourceNotFoundException"),
        (vec!["list", "nobody"], "ResourceNotFoundException"),
        (vec!["start", "nobody"], "ResourceNotFoundException"),
        (vec!["start", "greet", "--name", "a b"], "is not one of A-Z"),
        (vec!["start", "greet", "--event", "{"], "is not JSON"),
        (vec!["list", "greet", "--since", "1h", "--until", "2h"], "--since has to be before --until"),
    ] {
        refused(&at(&url, &[&["execution"], &*arguments].concat()), 2, says);
    }
    // The prefix stopped nothing.
    let running = json_done(&url, &["execution", "list", "callback", "--status", "RUNNING", "--json"]);
    assert_eq!(running.as_array().unwrap().len(), 13);

    // One that is found by the beginning of its name is told.
    let means = format!("p means p-1: {}\n", arn.trim());
    let stopped = at(&url, &["execution", "stop", "-f", "callback", "p", "--json"]);
    assert_eq!((code(&stopped), json_of(&stopped)["executionArn"].as_str()), (0, Some(arn.trim())));
    assert_eq!(err(&stopped), means);
    let deleted = at(&url, &["execution", "delete", "-f", "callback", "p"]);
    assert_eq!((code(&deleted), out(&deleted)), (0, format!("deleted {arn}")));
    assert_eq!(err(&deleted), means);
    let named = at(&url, &["execution", "stop", "-f", "callback", "o-10"]);
    assert_eq!((code(&named), err(&named).as_str()), (0, ""));
}

/// The name of the option that a line of a help text is about.
fn option(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let short = || line.strip_prefix('-')?.get(1..)?.strip_prefix(", --");
    line.strip_prefix("--").or_else(short)?.split([' ', '[', '<']).next()
}

#[test]
fn each_action_has_its_options_in_the_help_and_on_the_page() {
    let page = fs::read_to_string(root().join("docs/cli.md")).unwrap();
    for (command, actions) in [
        ("execution", &["start", "list", "get", "history", "wait", "stop", "delete", "pause", "resume"][..]),
        ("callback", &["succeed", "fail", "heartbeat"]),
        ("clock", &["show", "advance"]),
    ] {
        for action in actions {
            let help = done("http://127.0.0.1:9", &[command, action, "--help"]);
            let options: Vec<&str> = help.lines().filter_map(option).filter(|name| *name != "help").collect();
            assert!(options.contains(&"json") && options.contains(&"endpoint"), "{help}");
            for option in options {
                assert!(page.contains(&format!("--{option}")), "{command} {action} --{option}");
            }
        }
    }
}

#[test]
fn requests_are_signed_with_the_credentials_of_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.toml");
    fs::write(&keys, "[keys]\nAKIDEXAMPLE00001 = \"an-example-of-a-secret\"\n").unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    let function = format!("greet={}", guests());
    let arguments = ["--quiet", "--function", &function, "--credentials", keys.to_str().unwrap()];
    let serving = Serving::start(&arguments);
    let url = serving.endpoint();
    let key = ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE00001");
    let secret = ("AWS_SECRET_ACCESS_KEY", "an-example-of-a-secret");
    let run = |set: &[(&str, &str)], arguments: &[&str]| prepared(&url, set, arguments).output().unwrap();
    for token in [&[][..], &[("AWS_SESSION_TOKEN", "a token")]] {
        let set = [&[key, secret], token].concat();
        let event = ["execution", "start", "greet", "-e", "\"Ada Ä\"", "--wait"];
        let started = run(&set, &event);
        assert_eq!(code(&started), 0, "{}", err(&started));
        assert!(out(&started).contains("result: \"Hello, Ada Ä\""), "{}", out(&started));
        let listed =
            run(&set, &["execution", "list", "greet", "--status", "SUCCEEDED,FAILED", "--since", "1h"]);
        assert_eq!(code(&listed), 0, "{}", err(&listed));
    }
    // Requests with the same content at the same time are several.
    let start = ["execution", "start", "greet", "-e", "1"];
    let several =
        [(); 4].map(|()| prepared(&url, &[key, secret], &start).stdout(Stdio::null()).spawn().unwrap());
    for mut one in several {
        assert!(one.wait().unwrap().success());
    }
    let list = ["execution", "list", "greet"];
    refused(&run(&[], &list), 2, "MissingAuthenticationTokenException");
    refused(&run(&[key, ("AWS_SECRET_ACCESS_KEY", "another-secret-of-mine")], &list), 2, "InvalidSignature");
    refused(&run(&[key], &list), 2, "AWS_SECRET_ACCESS_KEY is not");
}

#[test]
fn each_shell_has_a_script() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = done("http://127.0.0.1:9", &["completions", shell]);
        assert!(script.contains("durawasm") && script.contains("execution"), "{shell}");
        assert!(!script.contains('\u{fffd}'), "{shell}");
    }
    let unknown = at("http://127.0.0.1:9", &["completions", "tcsh"]);
    assert_eq!(code(&unknown), 2);
}
