//! Reads files: each test checks the scenarios or the messages.

use std::{fmt::Write as _, time::Duration};

use serde_json::json;

use crate::{ExpectedError, ScenarioFile, read};
use durawasm_core::{
    orchestrator::{ScriptedFunction, TimeMode},
    protocol::{ErrorObject, ExecutionStatus, OperationType},
    server::{Answer, InvokeOutcome, ScriptedAnswer},
};

/// Reads a file with this text, in a folder with `event.json` and `events/good.json`. Messages come without the folder.
fn read_text(name: &str, text: impl AsRef<[u8]>) -> Result<ScenarioFile, String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("event.json"), "{\"from\": \"file\"}\n").unwrap();
    std::fs::create_dir(dir.path().join("events")).unwrap();
    std::fs::write(dir.path().join("events/good.json"), "1").unwrap();
    std::fs::write(dir.path().join("broken.json"), "{").unwrap();
    std::fs::write(dir.path().join(name), text).unwrap();
    let folder = format!("{}/", dir.path().display());
    read(&dir.path().join(name)).map_err(|error| error.to_string().replace(&folder, ""))
}

const TOML: &str = r#"
handler = "x.wasm"
function = "f"
seed = 3
execution_timeout = "2days"
event = { id = 1, at = 2025-01-31T09:00:00Z, list = [1.5, true, "x"] }
functions = [{ name = "shared", result = 1 }, { name = "price", result = 2 }]
limits = { memory = 64, service_quotas = true }

[[scenarios]]
name = "first"
start_time = 2025-02-01T00:00:00Z
invocation_retries = 0
limits.cpu_limit = "1s"
limits.total_memory = 128
limits.handles = 1000
limits.timers = 10
answers = [
    { callback = "a", after = "1h 30m", success = { ok = true } },
    { callback = "a", after = 5, failure = { message = "no", data = [1] } },
    { callback = "b*", heartbeat = true },
    { callback = "c" },
]
functions = [{ name = "price", after = "1m", error = { type = "Sold", message = "out" } }]

[scenarios.expect]
result_includes = { a = 1 }
duration = "1h"
invocations = 2
operations = [{ name = "s", type = "STEP", attempts = 2, result = 3, parent = "p", error = {} }]
operations_absent = ["z"]
log = ["hello"]

[[scenarios]]
name = "second"
function = "g"
event_file = "event.json"
real_time = true
expect = { error = { type = "T", message = "m" }, status = "TIMED_OUT" }

[[scenarios]]
name = "third"
expect.waiting_for = ["a"]
"#;

const YAML: &str = r#"
handler: x.wasm
function: f
seed: 3
execution_timeout: 2days
event: { id: 1, at: "2025-01-31T09:00:00Z", list: [1.5, true, x] }
functions:
  - { name: shared, result: 1 }
  - { name: price, result: 2 }
limits: { memory: 64, service_quotas: true }
scenarios:
  - name: first
    start_time: 2025-02-01T00:00:00Z
    invocation_retries: 0
    limits: { cpu_limit: 1s, total_memory: 128, handles: 1000, timers: 10 }
    answers:
      - { callback: a, after: 1h 30m, success: { ok: true } }
      - { callback: a, after: 5, failure: { message: "no", data: [1] } }
      - { callback: b*, heartbeat: true }
      - { callback: c, success: null }
    functions:
      - { name: price, after: 1m, error: { type: Sold, message: out } }
    expect:
      result_includes: { a: 1 }
      duration: 1h
      invocations: 2
      operations:
        - { name: s, type: STEP, attempts: 2, result: 3, parent: p, error: {} }
      operations_absent: [z]
      log: [hello]
  - name: second
    function: g
    event_file: event.json
    real_time: true
    expect: { error: { type: T, message: m }, status: TIMED_OUT }
  - name: third
    expect: { waiting_for: [a] }
"#;

#[test]
fn both_formats_say_the_same() {
    let (toml, yaml) = (read_text("x.toml", TOML).unwrap(), read_text("x.yaml", YAML).unwrap());
    assert_eq!(toml.scenarios, yaml.scenarios);
}

#[test]
fn the_files_in_the_documentation_can_be_read() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/scenarios.md");
    let text = std::fs::read_to_string(docs).unwrap();
    let block = |language: &str| {
        let (_, after) = text.split_once(&format!("```{language}\n")).unwrap();
        after.split_once("```").unwrap().0.to_owned()
    };
    let (toml, yaml) = (read_text("x.toml", block("toml")), read_text("x.yaml", block("yaml")));
    assert_eq!(toml.unwrap().scenarios, yaml.unwrap().scenarios);
}

#[test]
fn what_is_written_is_what_is_meant() {
    let file = read_text("x.toml", TOML).unwrap();
    assert!(file.handler.unwrap().ends_with("x.wasm"));
    let [first, second, third] = &*file.scenarios else { panic!("three scenarios") };

    let event = json!({ "id": 1, "at": "2025-01-31T09:00:00Z", "list": [1.5, true, "x"] });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&first.event).unwrap(), event);
    assert_eq!((first.function.as_deref(), first.seed), (Some("f"), Some(3)));
    let limits = first.settings.all.enforced();
    assert_eq!((limits.execution_timeout, limits.invocation_retries), (Some(2 * 86_400), 0));
    assert!(
        matches!(first.time, TimeMode::Skip { start } if start.to_string() == "2025-02-01T00:00:00.000Z")
    );
    assert_eq!((limits.sandbox.memory, limits.sandbox.cpu), (64 << 20, Duration::from_secs(1)));
    let durawasm_sandbox::SandboxLimits { total_memory, handles, timers, .. } = limits.sandbox;
    assert_eq!((total_memory, handles, timers), (128 << 20, 1000, 10));
    assert_eq!(limits.service.operations, Some(3_000));
    let answer =
        |callback: &str, seconds, answer| ScriptedAnswer::new(callback, Duration::from_secs(seconds), answer);
    let failure = ErrorObject { error_data: Some("[1]".to_owned()), ..ErrorObject::new("Failure", "no") };
    let answers = [
        answer("a", 5400, Answer::Success(Some("{\"ok\":true}".to_owned()))),
        answer("a", 5, Answer::Failure(failure)),
        answer("b*", 0, Answer::Heartbeat),
        answer("c", 0, Answer::Success(Some("null".to_owned()))),
    ];
    assert_eq!(first.answers, answers);
    let functions: Vec<_> = first.functions.iter().map(|f| (&*f.name, f.own, f.function.clone())).collect();
    let sold = InvokeOutcome::Failed(ErrorObject::new("Sold", "out"));
    let one = InvokeOutcome::Succeeded(Some("1".to_owned()));
    assert_eq!(
        functions,
        [
            ("price", true, ScriptedFunction { after: Duration::from_mins(1), outcome: sold }),
            ("shared", false, ScriptedFunction { after: Duration::ZERO, outcome: one }),
        ],
        "a scenario's own function comes in place of the file's"
    );
    assert_eq!((first.expect.status, first.expect.invocations), (ExecutionStatus::Succeeded, Some(2)));
    let operation = &first.expect.operations.as_ref().unwrap()[0];
    assert_eq!((operation.kind, operation.attempts), (Some(OperationType::Step), Some(2)));
    assert_eq!(
        (&operation.error, &operation.parent),
        (&Some(ExpectedError::default()), &Some("p".to_owned()))
    );

    assert_eq!(second.function.as_deref(), Some("g"));
    assert_eq!(
        second.event, "{\"from\": \"file\"}\n",
        "a scenario's event file comes before the file's event"
    );
    assert_eq!((second.time, second.seed), (TimeMode::Real, Some(3)));
    assert_eq!(second.expect.status, ExecutionStatus::TimedOut);

    assert_eq!(third.expect.status, ExecutionStatus::Running);
}

#[test]
fn the_least_that_a_scenario_says() {
    let file = read_text("x.yml", "scenarios: [{ name: a }]").unwrap();
    let scenario = &file.scenarios[0];
    assert_eq!((file.handler, &*scenario.event, scenario.time), (None, "null", TimeMode::SKIP));
    assert_eq!((scenario.seed, scenario.settings.all.enforced().invocation_retries), (Some(0), 2));
    assert_eq!(scenario.expect.status, ExecutionStatus::Succeeded);
    assert!(scenario.expect.result.is_none());
    // An expectation of null differs from no expectation.
    let file = read_text("x.yml", "scenarios: [{ name: a, expect: { result: null } }]").unwrap();
    assert_eq!(file.scenarios[0].expect.result, Some(json!(null).into()));
    let file = read_text("x.yml", "scenarios: [{ name: a, expect: { result_file: event.json } }]").unwrap();
    assert_eq!(file.scenarios[0].expect.result, Some(json!({ "from": "file" }).into()));
}

#[test]
fn words_are_texts_in_yaml_unless_they_are_true_or_false() {
    let file =
        read_text("x.yaml", "scenarios: [{ name: a, event: [yes, no, on, ~, 0x10, 1e3, '1'] }]").unwrap();
    assert_eq!(file.scenarios[0].event, r#"["yes","no","on",null,16,1000.0,"1"]"#);
}

/// A scenario with these lines after its name.
fn toml(rest: &str) -> String {
    format!("[[scenarios]]\nname = \"a\"\n{rest}\n")
}

/// Reads each text, and checks the message of its error.
fn refused(cases: impl IntoIterator<Item = (&'static str, String, &'static str)>) {
    for (name, text, says) in cases {
        let message = read_text(name, &text).unwrap_err();
        assert!(message.contains(says), "{text}\nsays: {message}\nnot:  {says}");
        assert!(!message.contains('\n') && message.len() < 1500, "{message}");
    }
}

#[test]
fn what_is_wrong_with_answers_and_functions() {
    refused([
        (
            "x.toml",
            toml("answers = 3"),
            "x.toml:3:11: scenarios[0].answers: a list is expected, not the number 3",
        ),
        (
            "x.toml",
            toml("answers = [{ callback = \"a\",\n aftr = 3 }]"),
            "x.toml:4:2: there is no key `aftr` here; did you mean `after`?",
        ),
        (
            "x.toml",
            toml("answers = [{ after = 3 }]"),
            "x.toml:3:12: scenarios[0].answers[0]: the key `callback` is missing",
        ),
        (
            "x.toml",
            toml("answers = [{ callback = \"\" }]"),
            "scenarios[0].answers[0].callback: the text is empty",
        ),
        (
            "x.toml",
            toml("answers = [{ callback = \"a\", success = 1, heartbeat = true }]"),
            "x.toml:3:11: scenarios[0].answers[0]: an answer has one of",
        ),
        (
            "x.toml",
            toml("answers = [{ callback = \"a\", after = \"soon\" }]"),
            "x.toml:3:38: scenarios[0].answers[0].after: \"soon\" is no duration",
        ),
        (
            "x.toml",
            toml("functions = [{ name = \"f\", result = 1, error = {} }]"),
            "a function has a `result` or an `error`, not both",
        ),
        (
            "x.toml",
            toml("functions = [{ name = \"f\" }, { name = \"f\" }]"),
            "x.toml: scenario \"a\": two entries of `functions` are named \"f\"",
        ),
        ("x.toml", toml("") + &toml(""), "x.toml: two scenarios are named \"a\""),
    ]);
}

#[test]
fn what_is_wrong_with_expectations() {
    refused([
        (
            "x.toml",
            toml("expect.status = \"SUCEEDED\""),
            "x.toml:3:17: `SUCEEDED` is none of RUNNING, SUCCEEDED, FAILED, TIMED_OUT, STOPPED; did you mean `SUCCEEDED`?",
        ),
        (
            "x.toml",
            toml("expect.operations = [{ type = \"WaitForCallback\" }]"),
            "is none of STEP, WAIT, CALLBACK, CHAINED_INVOKE, CONTEXT; what the table shows in mixed case is the `sub_type`",
        ),
        (
            "x.toml",
            toml("expect.operations_exactly = true"),
            "`operations_exactly` is about `operations`, which are not given",
        ),
        (
            "x.toml",
            toml("expect = { result = 1, result_file = \"event.json\" }"),
            "`result` and `result_file` say the same",
        ),
        (
            "x.toml",
            toml("expect = { result = 1, error = {} }"),
            "an execution has a result or an error, not both",
        ),
        (
            "x.toml",
            toml("expect = { status = \"FAILED\", result = 1 }"),
            "an execution that is FAILED does not have a result",
        ),
        (
            "x.toml",
            toml("expect = { status = \"RUNNING\", error = {} }"),
            "an execution that is RUNNING does not have an error",
        ),
        (
            "x.toml",
            toml("expect = { status = \"SUCCEEDED\", waiting_for = [] }"),
            "that is SUCCEEDED does not have something that it waits for",
        ),
        ("x.toml", toml("expect.duration = -1"), "a duration is not negative"),
        ("x.toml", toml("real_time = true\nexpect.duration = 1"), "in real time no `duration` is exact"),
        ("x.toml", toml("expect.result_file = \"broken.json\""), "`result_file`: broken.json is not JSON"),
    ]);
}

#[test]
fn what_is_wrong_with_the_rest() {
    refused([
        ("x.json", String::new(), "x.json: a scenario file ends with .toml, .yaml or .yml"),
        ("x.toml", String::new(), "x.toml: it has no scenarios"),
        ("x.yaml", String::new(), "x.yaml: it has no scenarios"),
        (
            "x.toml",
            toml("expct = 1"),
            "x.toml:3:1: there is no key `expct` here; did you mean `expect`? (keys: name,",
        ),
        (
            "x.toml",
            toml("real_time = true\nstart_time = \"2025-01-01T00:00:00Z\""),
            "`start_time` is for skipped time",
        ),
        (
            "x.toml",
            toml("start_time = \"tomorrow\""),
            "\"tomorrow\" is no time: a time is written as 2025-01-31T09:00:00Z",
        ),
        ("x.toml", toml("start_time = 3"), "scenarios[0].start_time"),
        (
            "x.toml",
            toml("execution_timeout = \"1ms\""),
            "an execution timeout is whole seconds, 1 to 31622400",
        ),
        (
            "x.toml",
            toml("limits = { memory = 0 }"),
            "limits.memory: a size from 1 to 4096 MiB is expected, not 0",
        ),
        ("x.toml", toml("limits = { cpu_limit = 0 }"), "a limit of 0 allows nothing"),
        (
            "x.toml",
            toml("limits = { timers = 0 }"),
            "limits.timers: a number from 1 to 4294967295 is expected, not 0",
        ),
        (
            "x.toml",
            toml("limits = { total_memory = 0 }"),
            "limits.total_memory: a size from 1 to 1048576 MiB is expected, not 0",
        ),
        ("x.toml", toml("event = nan"), "x.toml:3:9: scenarios[0].event: JSON has no NaN"),
        ("x.toml", toml("event = 1\nevent_file = \"event.json\""), "`event` and `event_file` say the same"),
        (
            "x.toml",
            toml("event_file = \"none.json\""),
            "scenario \"a\": `event_file`: none.json cannot be read",
        ),
        ("x.toml", toml("event_file = \"broken.json\""), "`event_file`: broken.json is not JSON"),
        ("x.toml", toml("event_file = \".\""), "cannot be read: it is not a file"),
        ("x.toml", toml("name = \"b\""), "x.toml:3:1: duplicate key"),
        ("x.toml", "[[scenarios]\n".to_owned(), "x.toml:1:13: "),
        (
            "x.yaml",
            "scenarios:\n  - name: a\n    expct: 1\n".to_owned(),
            "x.yaml:3:5: there is no key `expct` here; did you mean `expect`?",
        ),
        (
            "x.yaml",
            "scenarios:\n  - name: a\n    expect: { status: DONE }\n".to_owned(),
            "x.yaml:3:23: `DONE` is none of",
        ),
        (
            "x.yaml",
            "scenarios:\n  - name: a\n    answers: [{ callback: a, after: [] }]\n".to_owned(),
            "x.yaml:3:30: scenarios[0].answers[0].after: a duration such as",
        ),
        ("x.yaml", "scenarios: 3\n".to_owned(), "x.yaml:1:12: scenarios: a list is expected"),
        (
            "x.yaml",
            "scenarios: [{ name: a }]\n---\nscenarios: []\n".to_owned(),
            "x.yaml:3:1: only single YAML document",
        ),
        ("x.yaml", "scenarios: [{ name: a, event: !x 3 }]\n".to_owned(), "unsupported tag"),
        ("x.yaml", "scenarios:\n\t- name: a\n".to_owned(), "x.yaml:2:2: tabs"),
    ]);
}

#[test]
fn hostile_files_end_in_a_message() {
    let nested = |open: &str, close: &str| open.repeat(50_000) + &close.repeat(50_000);
    let mut bomb = "scenarios:\n - name: a\n   event:\n    a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (before, name) in ('a'..='y').zip('b'..='z') {
        let _ = writeln!(bomb, "    {name}: &{name} [{}*{before}]", format!("*{before},").repeat(8));
    }
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("x.toml", toml(&format!("event = {}", nested("[", "]"))).into(), "recurs"),
        (
            "x.toml",
            toml(&format!("event = {}1{}", "{a=".repeat(50_000), "}".repeat(50_000))).into(),
            "recurs",
        ),
        ("x.toml", toml(&format!("{}a = 1", "a.".repeat(50_000))).into(), "recursion"),
        (
            "x.toml",
            toml(&format!("event.{}a = {}", "a.".repeat(70), "[".repeat(70) + &"]".repeat(70))).into(),
            "nested 100 deep",
        ),
        ("x.toml", toml(&format!("{} = 1", "k".repeat(1_000_000))).into(), "there is no key"),
        ("x.toml", vec![b'#'; 5 << 20], "larger than 4194304 bytes"),
        ("x.toml", b"handler = \"\xff\"".to_vec(), "x.toml:1:12: the file is not UTF-8 text"),
        ("x.yaml", format!("scenarios:\n - name: a\n   event: {}", nested("[", "]")).into(), "recursion"),
        ("x.yaml", format!("scenarios: {}", nested("{a: ", "}")).into(), "x.yaml:1:12"),
        ("x.yaml", "- ".repeat(50_000).into(), "x.yaml:1"),
        ("x.yaml", bomb.into(), "too large or too complex"),
        ("x.yaml", vec![0; 1000], "x.yaml:1:1"),
    ];
    for (name, bytes, says) in cases {
        let message = read_text(name, &bytes).unwrap_err();
        assert!(message.contains(says), "{says}: {message}");
        assert!(!message.contains('\n') && message.len() < 1500, "{message}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_waited_for() {
    let text = toml("event_file = \"/dev/zero\"");
    assert!(read_text("x.toml", text).unwrap_err().contains("it is not a file"));
}
