//! Arguments and messages: grants, answers, durations, interrupts, questions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use common::{err, json_of, out, root};
use serde_json::{Value, json};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_durawasm"));
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command
}

fn durawasm(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// The component of the test handlers. The first test builds it.
fn guests() -> &'static str {
    static GUESTS: OnceLock<String> = OnceLock::new();
    GUESTS.get_or_init(|| {
        let built = json_of(&durawasm(&["build", "testing/guests", "--json"]));
        built["path"].as_str().unwrap().to_owned()
    })
}

/// Runs a test handler with skipped time.
fn run(function: &str, event: &Value, more: &[&str]) -> Output {
    let event = event.to_string();
    durawasm(&[&["run", guests(), "-f", function, "-e", &event, "--skip-time", "-q"], more].concat())
}

/// Writes a scenario file for the test handlers, and runs it.
fn test(scenarios: &str, more: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("data")).unwrap();
    let file = dir.path().join("s.test.yaml");
    fs::write(&file, format!("handler: {}\n{scenarios}", guests())).unwrap();
    durawasm(&[&["test", file.to_str().unwrap()], more].concat())
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn a_handler_reaches_what_is_granted_and_reports_say_what_that_was() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let event = json!({ "directory": "/data", "bytes": 1 });
    let nothing = json_of(&run("reaches", &event, &["--json"]));
    assert_eq!(nothing["result"]["variables"], json!({}));
    assert!(nothing["result"]["first"].is_string(), "{nothing}");
    let none = json!({ "env": [], "directories": [], "scratch": false, "http": [], "disk": null });
    assert_eq!(nothing["granted"], none);

    let shared = format!("{folder}::/data");
    let granted =
        command(&["run", guests(), "-f", "reaches", "-e", &event.to_string(), "--skip-time", "--json"])
            .args(["--env", "STAGE=test", "--env", "FROM_CALLER", "--dir", &shared, "--scratch"])
            .env("FROM_CALLER", "a secret")
            .output()
            .unwrap();
    let report = json_of(&granted);
    assert_eq!(report["result"]["variables"], json!({ "STAGE": "test", "FROM_CALLER": "a secret" }));
    assert_eq!((&report["result"]["first"], &report["result"]["second"]), (&json!(1), &json!(2)));
    let directories = json!([{ "host": folder, "guest": "/data", "access": "read-write" }]);
    let mut expected =
        json!({ "env": ["FROM_CALLER", "STAGE"], "directories": directories, "scratch": true });
    expected["http"] = json!([]);
    expected["disk"] = json!({ "bytes": 1 << 30, "files": 10_000 });
    assert_eq!(report["granted"], expected);

    let read_only = format!("{shared}:ro");
    let shown = run("reaches", &event, &["--dir", &read_only, "--env", "STAGE=test"]);
    let text = out(&shown);
    assert!(
        text.contains("Read-only") || text.contains("read-only") || text.contains("not permitted"),
        "{text}"
    );
    assert!(text.contains("granted: the environment variable STAGE (--env)\n"), "{text}");
    assert!(text.contains(&format!("granted: /data, which is {folder} here, to read (--dir)\n")), "{text}");
    let scratch = json_of(&run("reaches", &json!({ "directory": "/scratch" }), &["--scratch", "--json"]));
    assert_eq!(scratch["result"]["second"], json!(2));

    let inspected = json_of(&durawasm(&["inspect", guests(), "--json", "--env", "A=1", "--dir", &read_only]));
    assert_eq!(inspected["granted"]["directories"][0]["access"], json!("read-only"));
    assert!(inspected["imports"]["interfaces"].is_array());
    let text = out(&durawasm(&["inspect", guests(), "--env", "A=1"]));
    assert_eq!(text.lines().last().unwrap(), "granted: the environment variable A (--env)");
}

/// A server that answers every request with `ok`.
fn http_server() -> std::net::SocketAddr {
    use std::io::Write as _;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let head = BufReader::new(&stream).lines().map_while(Result::ok);
            let _ = head.take_while(|line| !line.is_empty()).count();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        }
    });
    address
}

#[test]
fn http_requests_are_granted_by_flags_and_scenarios_and_reported() {
    let http_guests = root().join("testing/http-guests");
    let http_guests = http_guests.to_str().unwrap();
    let address = http_server();
    let event = json!([{ "method": "GET", "url": format!("http://{address}/") }]).to_string();
    let run = |options: &[&str]| {
        let command = ["run", http_guests, "-f", "fetches", "-e", &event, "--skip-time"];
        durawasm(&[&command[..], options].concat())
    };
    let refused = run(&[]);
    assert!(out(&refused).contains("HttpRequestDenied"), "{}", out(&refused));
    assert!(err(&refused).contains("HTTP requests to nothing are (--allow-http)"), "{}", err(&refused));
    let grant = format!("{address}=GET");
    let granted = json_of(&run(&["--allow-http", &grant, "--json"]));
    assert_eq!(granted["result"], json!([{ "status": 200, "body": "ok" }]));
    assert_eq!(granted["granted"]["http"], json!([grant]));
    assert!(
        out(&run(&["--allow-http", &grant]))
            .contains(&format!("granted: HTTP requests: {grant} (--allow-http)\n"))
    );
    let limited = run(&["--allow-http", &grant, "--http-requests", "0"]);
    assert!(out(&limited).contains("Sandbox.HttpLimitExceeded"), "{}", out(&limited));

    let inspected = out(&durawasm(&["inspect", "--build", http_guests, "--allow-http", "example.com"]));
    assert!(inspected.contains("no requests but those that are granted, inside steps"), "{inspected}");
    assert_eq!(inspected.lines().last().unwrap(), "granted: HTTP requests: example.com (--allow-http)");

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.test.yaml");
    let scenario = format!(
        "handler: {http_guests}\nfunction: fetches\nevent: {event}\nallow_http: ['{grant}']\nlimits: {{ http_timeout: 10s, http_requests: 1, http_size: 1 }}\nscenarios: [{{ name: a, expect: {{ result: [{{ status: 200, body: ok }}] }} }}]\n"
    );
    std::fs::write(&file, scenario).unwrap();
    let passed = durawasm(&["test", file.to_str().unwrap()]);
    assert_eq!(code(&passed), 0, "{}{}", out(&passed), err(&passed));
}

#[test]
fn grants_that_cannot_be_given_are_refused_before_anything_runs() {
    for (options, says) in [
        (
            ["--env", "DURAWASM_NOT_SET"],
            "DURAWASM_NOT_SET is not set here; give it a value: DURAWASM_NOT_SET=VALUE",
        ),
        (["--env", "=x"], "cannot name an environment variable"),
        (
            ["--dir", "no-such-folder::/data"],
            "no-such-folder, which is to be the guest's /data, cannot be granted",
        ),
        (["--dir", "docs"], "is not HOST::GUEST"),
        (["--allow-http", "http://example.com"], "is a URL; give the host and the port alone"),
        (["--allow-http", "*.example.com"], "patterns and ranges cannot be granted"),
        (["--dir", "docs::data"], "begins with /"),
        (
            ["--env", &format!("LARGE={}", "x".repeat(25_000))],
            "the environment variables are 25021 bytes in all",
        ),
    ] {
        for args in
            [vec!["run", "no-such-crate"], vec!["inspect", "no-such-crate"], vec!["test", "examples/order"]]
        {
            let output = durawasm(&[&args[..], &options].concat());
            assert_eq!((code(&output), out(&output).as_str()), (2, ""), "{args:?} {options:?}");
            assert!(err(&output).contains(says), "{args:?} {options:?}: {}", err(&output));
        }
    }
}

#[test]
fn scenarios_grant_what_they_say_and_flags_come_on_top() {
    let scenarios = "function: reaches
env: [STAGE=file, KEPT=file]
dir: ['data::/data']
scenarios:
  - name: own
    event: { directory: /data }
    env: { STAGE: own }
    expect: { result: { variables: { STAGE: own, KEPT: file }, first: 1, second: 2, outside: 0 } }
  - name: scratch
    event: { directory: /scratch }
    scratch: true
    expect: { result: { variables: { STAGE: file, KEPT: file }, first: 1, second: 2, outside: 0 } }
";
    let passed = test(scenarios, &["--json"]);
    assert_eq!(code(&passed), 0, "{}{}", out(&passed), err(&passed));
    let granted = &json_of(&passed)["scenarios"][1]["granted"];
    assert_eq!((&granted["env"], &granted["scratch"]), (&json!(["KEPT", "STAGE"]), &json!(true)));
    let flagged = test(scenarios, &["--env", "STAGE=flag"]);
    assert_eq!(code(&flagged), 1);
    assert!(out(&flagged).contains("\"STAGE\": \"flag\""), "{}", out(&flagged));
    for (key, says) in [
        (
            "env: [DURAWASM_NOT_SET]",
            "scenario \"a\": the environment variable DURAWASM_NOT_SET is not set here",
        ),
        ("dir: ['nowhere::/data']", "which is to be the guest's /data, cannot be granted"),
        ("dir: [data]", "dir: \"data\" is not HOST::GUEST"),
        ("allow_http: ['example.com:x']", "allow_http: \"x\" is not a port"),
        ("env: 3", "a list of texts `NAME=VALUE` or `NAME`, or a table of texts"),
    ] {
        let refused = test(&format!("{key}\nscenarios: [{{ name: a, function: empty }}]\n"), &[]);
        assert_eq!(code(&refused), 2, "{key}");
        assert!(err(&refused).contains(says), "{key}: {}", err(&refused));
    }
}

#[test]
fn durations_are_told_in_days_and_months_are_refused() {
    let output = run("waits_days", &json!(365), &[]);
    let expected = "waits_days: time skipped, from 2025-01-01T00:00:00.000Z

 name   type  status     attempts  start  duration
 pause  WAIT  SUCCEEDED  -         +0s    365days

SUCCEEDED after 365days (2 invocations, 1 checkpoint)
result: null
";
    assert_eq!(out(&output), expected);
    for (options, says) in [
        (["--execution-timeout", "1month"], "months and years differ in length, so write days"),
        (["--execution-timeout", "2years"], "months and years differ in length, so write days"),
        (["--execution-timeout", "367days"], "1 to 31622400 (366days), or `none`"),
        (["--cpu-limit", "0s"], "no time at all"),
        (["--answer", "a=1M:success"], "months and years differ in length, so write days"),
        (["--start-time", "2553-01-01T00:00:00Z"], "2552 at the latest"),
    ] {
        let output = run("waits_days", &json!(1), &options);
        assert_eq!(code(&output), 2, "{options:?}");
        assert!(err(&output).contains(says), "{options:?}: {}", err(&output));
    }
    let scenario = "function: waits_days\nevent: 1\nscenarios: [{ name: a, expect: { duration: 1month } }]\n";
    let refused = test(scenario, &[]);
    assert_eq!(code(&refused), 2);
    assert!(err(&refused).contains("months and years differ in length, so write days"), "{}", err(&refused));
}

#[test]
fn answers_that_change_nothing_are_told_with_the_reason() {
    let late = json!({ "name": "reply", "timeout": 60 });
    for (answer, why) in [
        (
            "reply=2m:success:1",
            "the success for \"reply\" came too late: 2m after the callback was made, and it had TIMED_OUT after 1m",
        ),
        (
            "replay=success",
            "the success for \"replay\" was not used: no callback has that name; did you mean `reply`?",
        ),
    ] {
        let output = run("callback", &late, &["--answer", answer]);
        assert_eq!(err(&output), format!("warning: {why}\n"));
    }
    // The callback is still open when the execution times out, also at the same instant.
    for due in ["1h", "2h"] {
        let answer = format!("reply={due}:success:1");
        let output =
            run("callback", &json!({ "name": "reply" }), &["--execution-timeout", "1h", "--answer", &answer]);
        let why = format!(
            "came too late: {due} after the callback was made, and the execution was over 1h after it was made"
        );
        assert!(err(&output).contains(&why), "{}", err(&output));
    }
    let many = run("callback", &late, &["--answer", "reply=success:1", "--answer", "reply=failure"]);
    let why = "the failure for \"reply\" was not used: the callbacks of that name had other answers";
    assert_eq!(err(&many), format!("warning: {why}\n"));
    for in_time in ["reply=30s:success:1", "reply=30s 900us:success:1"] {
        assert_eq!(err(&run("callback", &late, &["--answer", in_time])), "");
    }

    let scenarios = "function: callback\nevent: { name: reply, timeout: 60 }\nscenarios:\n  - name: a\n    answers:\n      \
                     - { callback: reply, success: 1 }\n      - { callback: reply, failure: {} }\n";
    let tested = test(scenarios, &[]);
    assert!(out(&tested).contains(&format!("note: {why}")), "{}{}", out(&tested), err(&tested));
}

#[test]
fn an_answer_can_be_for_every_callback() {
    let all = run(
        "asks_many",
        &json!(12),
        &["--json", "--answer", "c3=success:3", "--answer-all", "c*=1h:success:0"],
    );
    let answers = json_of(&all)["result"].clone();
    assert_eq!(answers, json!([0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0]), "{}", err(&all));
    let unused = run("empty", &json!(null), &["--answer-all", "c*=success"]);
    assert!(err(&unused).contains("no callback has that name"), "{}", err(&unused));
    let scenario = "function: asks_many\nevent: 3\nscenarios:\n  - name: a\n    \
                    answers: [{ callback: 'c*', success: 7, every: true }]\n    expect: { result: [7, 7, 7] }\n";
    let tested = test(scenario, &[]);
    assert_eq!(code(&tested), 0, "{}{}", out(&tested), err(&tested));

    let stalled = run("asks_many", &json!(13), &[]);
    assert_eq!(code(&stalled), 5);
    let names: Vec<String> = (0..10).map(|n| format!("callback \"c{n}\"")).collect();
    let expected = format!(
        "error: the execution waits for {} and 3 more, and no answer is configured: use --answer, or give it a timeout\n",
        names.join(" and ")
    );
    assert_eq!(err(&stalled), expected);
}

#[test]
fn functions_end_as_the_command_line_says() {
    let event = json!({ "function": "elsewhere", "payload": 1 });
    for (end, told) in [
        ("success:[1]", json!({ "result": [1] })),
        ("5m:failure:Sold:out", json!("Sold")),
        ("timed-out", json!("Execution.Timeout")),
        ("stopped:Halt:no more", json!("Halt")),
    ] {
        let option = format!("elsewhere={end}");
        let output = run("invokes", &event, &["--json", "--function-answer", &option]);
        let report = json_of(&output);
        let result = &report["result"];
        assert!(
            *result == told || result["error"]["type"] == told || result["type"] == told,
            "{end}: {result}"
        );
        let statuses = [
            ("success", "SUCCEEDED"),
            ("failure", "FAILED"),
            ("timed-out", "TIMED_OUT"),
            ("stopped", "STOPPED"),
        ];
        let status = statuses.iter().find(|(word, _)| end.contains(word)).unwrap().1;
        let invoke =
            report["operations"].as_array().unwrap().iter().find(|o| o["Type"] == "CHAINED_INVOKE").unwrap();
        assert_eq!(invoke["Status"], json!(status), "{end}");
    }
    let unused = run("empty", &json!(null), &["--function-answer", "elsewhere=success"]);
    assert!(
        err(&unused).contains("the function \"elsewhere\" of --function-answer was not invoked"),
        "{}",
        err(&unused)
    );
    let itself = run("empty", &json!(null), &["--function-answer", "empty=success"]);
    assert_eq!(code(&itself), 2);
    assert!(err(&itself).contains("must not stand in for it"), "{}", err(&itself));
    let qualified = run("empty", &json!(null), &["--function-answer", "empty:prod=success"]);
    assert!(err(&qualified).contains("must not stand in for it"), "{}", err(&qualified));
    for other in ["elsewhere=failure", "elsewhere:prod=failure"] {
        let both = ["--function-answer", "elsewhere=success", "--function-answer", other];
        let twice = run("empty", &json!(null), &both);
        assert_eq!(code(&twice), 2);
        assert!(err(&twice).contains("says twice how elsewhere ends"), "{}", err(&twice));
    }

    let scenarios = "function: invokes\nevent: { function: elsewhere, payload: 1 }\nscenarios:\n  - name: a\n    \
                     functions: [{ name: elsewhere, status: STOPPED, error: { type: Halt } }]\n    expect:\n      \
                     operations: [{ type: CHAINED_INVOKE, status: STOPPED }]\n  - name: b\n    \
                     functions: [{ name: elsewhere, status: TIMED_OUT, after: 2h }]\n    expect:\n      \
                     operations: [{ type: CHAINED_INVOKE, status: TIMED_OUT }]\n";
    let tested = test(scenarios, &[]);
    assert_eq!(code(&tested), 0, "{}{}", out(&tested), err(&tested));
    let refused =
        test("scenarios: [{ name: a, functions: [{ name: f, result: 1, status: STOPPED }] }]\n", &[]);
    assert!(err(&refused).contains("only a function that SUCCEEDED has a `result`"), "{}", err(&refused));
}

#[test]
fn what_retries_for_ever_ends_and_says_what_it_was_at() {
    let output = run("never_saves", &json!(null), &["--execution-timeout", "2days"]);
    assert_eq!(code(&output), 1);
    let text = out(&output);
    let error = "error: Execution.Timeout: the execution took longer than its timeout of 2days; not over by then: STEP \
                 \"save\" after 2880 attempts until 2025-01-03T00:00:00.000Z\n";
    assert!(text.contains("TIMED_OUT after 2days (2880 invocations, 2880 checkpoints)\n"), "{text}");
    assert!(text.ends_with(error), "{text}");
}

#[test]
fn ends_that_say_little_come_with_advice() {
    for (function, event, says) in [
        ("recurses", json!("calls"), "the handler's stack overflowed: "),
        ("recurses", json!("memory"), "the handler's stack overflowed: "),
        (
            "sleeps_with_tokio",
            json!(null),
            "use ctx.wait() between operations, and std::thread::sleep() in a step's body",
        ),
        ("starts_a_thread", json!(null), "a handler has one thread; use spawn() of an operation"),
        (
            "blocks_on",
            json!(null),
            "block_on, which never returns for what a durable operation has to complete: .await",
        ),
    ] {
        let output = run(function, &event, &["--invocation-retries", "0", "--cpu-limit", "300ms"]);
        let text = out(&output);
        assert_eq!(code(&output), 1, "{function}");
        assert!(text.contains(says), "{function}: {text}");
    }
    let text = out(&run("recurses", &json!("memory"), &["--invocation-retries", "0"]));
    assert!(text.contains("deep_in_memory calls itself, and goes too deep"), "{text}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_shows_what_there_is_and_what_it_waits_for() {
    for signal in ["-INT", "-TERM"] {
        let scratch = tempfile::tempdir().unwrap();
        let mut command = command(&["run", guests(), "-f", "waits_days", "-e", "300", "--scratch"]);
        command.env("TMPDIR", scratch.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        errors.read_line(&mut line).unwrap();
        assert!(line.contains("about to wait"), "{line}");
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let mut rest = String::new();
        errors.read_to_string(&mut rest).unwrap();
        let mut output = String::new();
        child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert!(output.contains(" pause  WAIT  STARTED"), "{output}");
        assert!(output.contains("still RUNNING after "), "{output}");
        assert!(
            rest.starts_with(
                "error: interrupted: the execution is RUNNING, and it waits for WAIT \"pause\" until 20"
            ),
            "{rest}"
        );
        let ends = "Nothing of it is kept: the same command begins anew; with --skip-time it does not wait\n";
        assert!(rest.ends_with(ends), "{rest}");
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "the scratch directory is left");
    }
}

#[cfg(unix)]
#[test]
fn interrupted_scenarios_are_reported_as_far_as_they_came() {
    let dir = tempfile::tempdir().unwrap();
    let (file, report) = (dir.path().join("s.test.yaml"), dir.path().join("report.xml"));
    let scenarios = "scenarios:\n  - { name: quick, function: empty, event: null }\n  - { name: slow, function: waits_days, \
                     event: 300, real_time: true }\n  - { name: last, function: empty, event: null }\n";
    fs::write(&file, format!("handler: {}\n{scenarios}", guests())).unwrap();
    let mut command = command(&["test", file.to_str().unwrap(), "--junit", report.to_str().unwrap()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert!(line.contains("quick"), "{line}");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let (mut rest, mut errors) = (String::new(), String::new());
    output.read_to_string(&mut rest).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{errors}");
    assert_eq!(rest, "3 scenarios: 1 passed, 2 skipped\n");
    assert_eq!(errors, "error: interrupted: 1 of 3 scenarios were run to their end\n");
    let report = fs::read_to_string(report).unwrap();
    assert_eq!(report.matches("<skipped").count(), 2, "{report}");
}

#[test]
fn a_report_never_replaces_what_it_is_of() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("s.test.yaml");
    let scenarios =
        format!("handler: {}\nscenarios: [{{ name: a, function: empty, event: null }}]\n", guests());
    fs::write(&file, &scenarios).unwrap();
    let same = format!("{}/./s.test.yaml", dir.path().display());
    let refused = durawasm(&["test", file.to_str().unwrap(), "--junit", &same]);
    assert_eq!((code(&refused), out(&refused)), (2, String::new()));
    assert!(err(&refused).contains("the report must not replace the scenarios in"), "{}", err(&refused));
    assert_eq!(fs::read_to_string(&file).unwrap(), scenarios);
}

#[test]
fn a_stalled_execution_took_as_long_in_a_scenario_as_in_a_run() {
    let options = ["--answer", "reply=1h:heartbeat"];
    let stalled = run("callback", &json!({ "name": "reply" }), &options);
    assert_eq!(code(&stalled), 5);
    assert!(out(&stalled).contains("still RUNNING after 1h"), "{}", out(&stalled));
    let scenarios = "function: callback\nevent: { name: reply }\nscenarios:\n  - name: a\n    \
                     answers: [{ callback: reply, heartbeat: true, after: 1h }]\n    \
                     expect: { status: RUNNING, duration: 1h }\n";
    let tested = test(scenarios, &[]);
    assert_eq!(code(&tested), 0, "{}{}", out(&tested), err(&tested));
}

#[test]
fn nothing_on_the_command_line_commands_the_terminal() {
    for (arguments, exit) in [
        (&["run", "\u{1b}[2J.wasm"][..], 2),
        (&["run", "x.wasm", "--answer", "a=\u{1b}[2J"], 2),
        (&["run", "x.wasm", "--event", "\u{7}\u{202e}x"], 2),
        (&["\u{1b}[2J"], 2),
        (&["test", "\u{1b}[2J", "--json"], 2),
        (&["inspect", "examples", "--dir", "\u{1b}[2J::/data"], 2),
        (&["build", "\u{1b}[2J"], 3),
    ] {
        let output = durawasm(arguments);
        assert_eq!((code(&output), out(&output)), (exit, String::new()), "{arguments:?}");
        let said = err(&output);
        assert!(
            !said.is_empty() && !said.contains(['\u{1b}', '\u{7}', '\u{202e}']),
            "{arguments:?}: {said:?}"
        );
    }
}

#[cfg(target_os = "linux")]
mod terminal {
    use std::{fs::File, io::Write};

    use nix::pty::openpty;

    use super::*;

    /// Runs the command at a terminal, and types each line when the text before it appears. Returns the output and the
    /// exit code.
    fn at_terminal(arguments: &[&str], dialogue: &[(&str, &str)]) -> (String, i32) {
        let pty = openpty(None, None).unwrap();
        let (mut master, terminal) = (File::from(pty.master), File::from(pty.slave));
        let mut command = command(arguments);
        command.stdin(terminal.try_clone().unwrap()).stderr(terminal).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        drop(command);
        let mut seen = String::new();
        let mut lines = dialogue.iter();
        let mut next = lines.next();
        let mut from = 0;
        let mut buffer = [0; 4096];
        // A read from a terminal that no process has open returns an error.
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
            while let Some((wanted, line)) = next
                && let Some(at) = seen[from..].find(wanted)
            {
                from += at + wanted.len();
                master.write_all(format!("{line}\n").as_bytes()).unwrap();
                next = lines.next();
            }
        }
        (seen.replace('\r', ""), child.wait().unwrap().code().unwrap())
    }

    const QUESTION: &str = "reply waits: [s]uccess, [f]ailure, [h]eartbeat, [l]eave? ";
    const RESULT: &str = "  its result, as JSON [null]: ";

    fn asked(more: &[&str], dialogue: &[(&str, &str)]) -> (String, i32) {
        let event = r#"{"name":"reply"}"#;
        let arguments =
            [&["run", guests(), "-f", "callback", "-e", event, "-q", "--skip-time"], more].concat();
        at_terminal(&arguments, dialogue)
    }

    #[test]
    fn a_person_is_asked_about_callbacks_that_nobody_else_answers() {
        let (seen, code) =
            asked(&[], &[(QUESTION, "what?"), (QUESTION, "h"), (QUESTION, "s"), (RESULT, "{\"ok\":1}")]);
        let expected =
            format!("{QUESTION}what?\n  type s, f, h or l\n{QUESTION}h\n{QUESTION}s\n{RESULT}{{\"ok\":1}}\n");
        assert_eq!((seen.as_str(), code), (expected.as_str(), 0));

        let (seen, code) = asked(&[], &[(QUESTION, "l")]);
        assert_eq!(code, 5);
        assert!(
            seen.starts_with(&format!("{QUESTION}l\nerror: the execution waits for callback \"reply\"")),
            "{seen}"
        );
        assert!(seen.lines().all(|line| line.len() < 160), "{seen}");
    }

    #[test]
    fn nobody_is_asked_who_has_said_so_or_answered() {
        for more in [&["--no-input"][..], &["--json"]] {
            let (seen, code) = asked(more, &[]);
            assert_eq!(code, 5, "{more:?}");
            assert!(!seen.contains("waits: ["), "{seen}");
        }
        let (seen, code) = asked(&["--answer", "reply=2h:success:1"], &[]);
        assert_eq!((seen.as_str(), code), ("", 0));
    }
}
