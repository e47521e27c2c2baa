//! `durawasm.toml`: functions by name, what is in force for them, and what is refused.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use common::{err, json_of, out, root};
use serde_json::{Value, json};
use tempfile::TempDir;

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_durawasm"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

fn durawasm(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// The component of the test handlers. The first test builds it.
fn guests() -> &'static str {
    static GUESTS: OnceLock<String> = OnceLock::new();
    GUESTS.get_or_init(|| {
        let built = json_of(&durawasm(&root(), &["build", "testing/guests", "--json"]));
        built["path"].as_str().unwrap().to_owned()
    })
}

/// A folder with a `durawasm.toml`. `GUESTS` in it is the path of the component of the test handlers.
fn project(config: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("durawasm.toml"), config.replace("GUESTS", guests())).unwrap();
    folder
}

/// Runs a function with skipped time.
fn run(folder: &Path, name: &str, event: &Value, more: &[&str]) -> Output {
    let event = event.to_string();
    durawasm(folder, &[&["run", name, "-e", &event, "--skip-time", "-q"], more].concat())
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

const REACHES: &str = "
[limits]
handles = 1000

[grants]
env = ['STAGE=all', 'KEPT=all']

[functions.reader]
component = 'GUESTS'
export = 'reaches'
env = ['STAGE=own']
dir = ['data::/data']

[functions.reader.limits]
memory = 64

[functions.empty]
component = 'GUESTS'
allow-http = ['example.com']
";

#[test]
fn a_function_has_what_its_file_grants_and_reports_say_who_did() {
    let project = project(REACHES);
    let below = project.path().join("data");
    let event = json!({ "directory": "/data", "bytes": 1 });
    // The paths in the file are relative to the file, from whatever folder it is found.
    let report = json_of(&run(&below, "reader", &event, &["--json"]));
    let reached =
        json!({ "variables": { "STAGE": "own", "KEPT": "all" }, "first": 1, "second": 2, "outside": 0 });
    assert_eq!((&report["function"], &report["result"]), (&json!("reader"), &reached));
    assert_eq!(report["granted"]["env"], json!(["KEPT", "STAGE"]));
    assert_eq!((&report["limits"]["memory"], &report["limits"]["cpu-limit"]), (&json!(64), &json!("10s")));
    let from = json!({
        "limits": { "memory": "function", "handles": "config" },
        "env": { "STAGE": "function", "KEPT": "config" },
        "dir": { "/data": "function" },
    });
    assert_eq!(report["from"], from);
    let file = project.path().canonicalize().unwrap().join("durawasm.toml");
    assert_eq!(report["config"], json!(file));
    assert_eq!(report["grantedToOthers"]["empty"]["http"], json!(["example.com"]));

    let flags = ["--env", "STAGE=flag", "--memory", "32", "--scratch", "--json"];
    let report = json_of(&run(project.path(), "reader", &event, &flags));
    assert_eq!(report["result"]["variables"], json!({ "STAGE": "flag", "KEPT": "all" }));
    let from = json!({
        "limits": { "memory": "flag", "handles": "config" },
        "env": { "STAGE": "flag", "KEPT": "config" },
        "dir": { "/data": "function" },
        "scratch": "flag",
    });
    assert_eq!((&report["limits"]["memory"], &report["from"]), (&json!(32), &from));

    let file = file.display();
    let text = out(&run(project.path(), "reader", &event, &["--memory", "32"]));
    let folder = project.path().canonicalize().unwrap().join("data");
    for line in [
        format!("granted: the environment variable KEPT ({file})"),
        format!("granted: the environment variable STAGE ({file}, functions.reader)"),
        format!(
            "granted: /data, which is {} here, to read and to write ({file}, functions.reader)",
            folder.display()
        ),
        "limit: memory 32 MiB (--memory)".to_owned(),
        format!("limit: handles 1000 ({file})"),
        format!("granted to empty: HTTP requests: example.com ({file}, functions.empty)"),
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line}: {text}");
    }
    let inspected = json_of(&durawasm(project.path(), &["inspect", "reader", "--json"]));
    assert_eq!(
        (&inspected["limits"]["memory"], &inspected["from"]["env"]["STAGE"]),
        (&json!(64), &json!("function"))
    );
    let inspected = out(&durawasm(project.path(), &["inspect", "reader"]));
    assert!(inspected.contains(&format!("limit: memory 64 MiB ({file}, functions.reader)\n")), "{inspected}");
}

#[test]
fn check_and_scenarios_know_the_functions_of_a_file() {
    let project = project(REACHES);
    let checked = json_of(&durawasm(
        project.path(),
        &["check", "reader", "-e", "{\"directory\":\"/data\",\"bytes\":1}", "--budget", "5", "--json"],
    ));
    assert_eq!(
        (&checked["function"], &checked["granted"]["env"]),
        (&json!("reader"), &json!(["KEPT", "STAGE"]))
    );
    assert_eq!(checked["from"]["limits"], json!({ "memory": "function", "handles": "config" }));
    assert!(checked["verdict"].is_string() && checked["explored"].is_object(), "{checked}");

    // What a scenario says replaces what the file says, and flags replace both.
    let scenario = "
function: reader
env: { STAGE: scenario }
limits: { memory: 48, timers: 77 }
scenarios:
  - name: a
    event: { directory: /data, bytes: 1 }
    expect: { result_includes: { variables: { STAGE: scenario, KEPT: all }, outside: 0 } }
";
    fs::write(project.path().join("a.test.yaml"), scenario).unwrap();
    // The scenario means the same wherever the command is started.
    let tested = durawasm(&root(), &["test", project.path().to_str().unwrap(), "--json", "--timers", "88"]);
    assert_eq!(code(&tested), 0, "{}{}", out(&tested), err(&tested));
    let report = &json_of(&tested)["scenarios"][0];
    let limits = &report["limits"];
    assert_eq!(
        (&limits["memory"], &limits["timers"], &limits["handles"]),
        (&json!(48), &json!(88), &json!(1000))
    );
    let from = json!({
        "limits": { "memory": "scenario", "timers": "flag", "handles": "config" },
        "env": { "STAGE": "scenario", "KEPT": "config" },
        "dir": { "/data": "function" },
    });
    assert_eq!(report["from"], from);

    let unknown = scenario.replace("reader", "raeder");
    fs::write(project.path().join("a.test.yaml"), unknown).unwrap();
    let refused = durawasm(project.path(), &["test"]);
    assert_eq!(code(&refused), 2);
    assert!(
        err(&refused).contains("scenario \"a\": ") && err(&refused).contains("did you mean `reader`?"),
        "{}",
        err(&refused)
    );
    for options in [&["--no-config"][..], &[]] {
        if options.is_empty() {
            fs::remove_file(project.path().join("durawasm.toml")).unwrap();
        }
        let refused = durawasm(project.path(), &[&["test"], options].concat());
        assert_eq!(code(&refused), 2);
        assert!(err(&refused).contains("does not say what it tests"), "{}", err(&refused));
    }
}

#[test]
fn functions_of_a_file_invoke_each_other_each_with_its_own_grants_and_limits() {
    let project = project(
        "
[grants]
env = ['ALL=1']
[functions.caller]
component = 'GUESTS'
export = 'invokes'
[functions.reader]
component = 'GUESTS'
export = 'reaches'
env = ['OWN=1']
scratch = true
[functions.hungry]
component = 'GUESTS'
export = 'allocates'
[functions.hungry.limits]
memory = 20
",
    );
    let call = |function: &str, payload: Value, more: &[&str]| {
        let event = json!({ "function": function, "payload": payload });
        json_of(&run(project.path(), "caller", &event, &[more, &["--json"]].concat()))["result"].clone()
    };
    let reached = call("reader", json!({ "directory": "/scratch", "bytes": 1 }), &[]);
    assert_eq!(reached["result"]["variables"], json!({ "ALL": "1", "OWN": "1" }));
    assert_eq!(reached["result"]["second"], json!(2));
    // A function of the component that the file does not name has what every function has.
    let beside = call("reaches", json!({ "directory": "/scratch", "bytes": 1 }), &[]);
    assert_eq!(beside["result"]["variables"], json!({ "ALL": "1" }));
    assert!(beside["result"]["first"].is_string(), "{beside}");
    let refused = call("hungry", json!(null), &["--invocation-retries", "0"]);
    assert_eq!(refused["type"], json!("Sandbox.MemoryLimitExceeded"));
    assert!(refused["text"].as_str().unwrap().contains("the limit is 20480 KiB"), "{refused}");
    let replaced = call("hungry", json!(null), &["--function-answer", "hungry=success:7"]);
    assert_eq!(replaced["result"], json!(7));
}

/// What a file states and what a flag states give the same run, byte for byte but for who stated it.
#[test]
fn a_limit_of_a_file_is_the_limit_of_a_flag() {
    let hoard = json!({ "how": "results", "times": 1000, "bytes": 100_000 });
    let fill = json!({ "directory": "/scratch", "how": "appends", "times": 3000, "bytes": 1000 });
    let calls = json!({ "function": "empty", "payload": null });
    for (limit, value, function, event, named) in [
        ("memory", "20", "allocates", json!(null), "Sandbox.MemoryLimitExceeded"),
        ("operations", "5", "many_steps", json!(9), "Sandbox.OperationLimitExceeded"),
        ("invokes", "0", "invokes", calls, "Invoke.CountExceeded"),
        ("execution-bytes", "1", "hoards", hoard, "Execution.ByteLimitExceeded"),
        ("disk-size", "1", "fills", fill, "no storage space"),
        ("execution-timeout", "\"1day\"", "waits_days", json!(2), "Execution.Timeout"),
        ("invocation-retries", "0", "panics", json!(null), "Runtime.ExitError"),
        ("log-size", "1", "empty", json!(null), "SUCCEEDED"),
    ] {
        let project = project(&format!(
            "[functions.{function}]\ncomponent = 'GUESTS'\nscratch = true\n[functions.{function}.limits]\n{limit} = {value}\n"
        ));
        let by_file = json_of(&run(project.path(), function, &event, &["--json"]));
        let flag = format!("--{limit}");
        let options = ["--json", "-f", function, "--scratch", &flag, value.trim_matches('"')];
        let by_flag = json_of(&run(project.path(), guests(), &event, &options));
        assert_eq!(by_file["from"]["limits"][limit], json!("function"), "{limit}");
        assert_eq!(by_flag["from"]["limits"][limit], json!("flag"), "{limit}");
        let strip = |mut report: Value| {
            for key in ["from", "config", "grantedToOthers"] {
                report.as_object_mut().unwrap().remove(key);
            }
            report.to_string()
        };
        let (by_file, by_flag) = (strip(by_file), strip(by_flag));
        assert_eq!(by_file, by_flag, "{limit}");
        assert!(by_file.contains(named), "{limit}: {by_file}");
    }
}

#[test]
fn a_name_is_never_taken_for_a_path_or_the_other_way_round() {
    let project = project(
        "[functions.data]\ncomponent = 'GUESTS'\nexport = 'empty'\n[functions.empty]\ncomponent = 'GUESTS'\n",
    );
    let folder = project.path();
    let null = json!(null);
    for (arguments, says) in [
        (&["data"][..], "data is a function of "),
        (&["data"], "and a path here: use ./data for the path, or --config "),
        (&["./data"], "there is no handler crate at ./data"),
        (&["emtpy"], "there is no function \"emtpy\"; did you mean `empty`?; there is data, empty"),
        (&["nothing", "--no-config"], "there is no nothing; name a component's file or a crate's folder"),
        (&["empty", "-f", "x"], "empty is a function already: --function x is for a component or a crate"),
        (&["./data", "--config", "durawasm.toml"], "there is no function \"./data\""),
        (&["empty", "--config", "other.toml"], "other.toml: cannot read it"),
        (&["empty", "--config", "durawasm.toml", "--no-config"], "cannot be used with"),
        (&["empty", "--function-answer", "empty=success"], "empty is the function that is run"),
    ] {
        let output = run(folder, arguments[0], &null, &arguments[1..]);
        assert!([2, 3].contains(&code(&output)), "{arguments:?}: {}", out(&output));
        assert!(err(&output).contains(says), "{arguments:?}: {}", err(&output));
    }
    for arguments in [&["data", "--config", "durawasm.toml"][..], &["empty"]] {
        let output = run(folder, arguments[0], &null, &arguments[1..]);
        assert_eq!(code(&output), 0, "{arguments:?}: {}", err(&output));
    }
    // A path that is none of its functions does not depend on the file, and a file that is not needed may be broken.
    fs::copy(guests(), folder.join("copy.wasm")).unwrap();
    fs::write(folder.join("durawasm.toml"), "broken").unwrap();
    let output = run(folder, "copy.wasm", &null, &["-f", "empty"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let output = run(folder, "empty", &null, &[]);
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains("durawasm.toml:1:7: "), "{}", err(&output));
    let elsewhere = tempfile::tempdir().unwrap();
    let output = run(elsewhere.path(), "empty", &null, &[]);
    assert!(
        err(&output)
            .contains("or a function of a durawasm.toml, which is neither here nor in a folder above"),
        "{}",
        err(&output)
    );
}

#[test]
fn what_a_file_says_wrongly_is_refused_before_anything_runs() {
    let missing = "[functions.a]\ncomponent = 'no-such.wasm'\n";
    let other = "[functions.a]\ncomponent = 'GUESTS'\n";
    for (config, options, says) in [
        (missing, &[][..], "durawasm.toml: functions.a: there is no "),
        (other, &[], "there is no function \"a\"; there is"),
        (other, &[], "`export` states its name in the component, where it differs"),
        (
            "[functions.a]\ncomponent = 'data'\n",
            &[],
            "`component` is a component's file; a crate's folder is `crate`",
        ),
        ("[functions.a]\ncrate = 'GUESTS'\n", &[], "`crate` is a crate's folder, or its Cargo.toml"),
        (
            "[functions.a]\ncrate = 'data'\n",
            &["--no-build"],
            "is a crate, and --no-build permits components only",
        ),
        (
            "[functions.a]\ncomponent = 'GUESTS'\nexport = 'empty'\n[functions.b]\ncrate = 'data'\n",
            &["--no-build"],
            "functions.b: ",
        ),
        (
            "[functions.a]\ncomponent = 'GUESTS'\nenv = ['DURAWASM_NOT_SET']\n",
            &[],
            "durawasm.toml: functions.a: the environment variable DURAWASM_NOT_SET is not set here",
        ),
        (
            "[functions.a]\ncomponent = 'GUESTS'\n[functions.b]\ncomponent = 'GUESTS'\ndir = ['nowhere::/x']\n",
            &[],
            "functions.b: ",
        ),
        (
            "[functions.a]\ncomponent = 'GUESTS'\nlimit = 1\n",
            &[],
            "durawasm.toml:3:1: there is no key `limit` here; did you mean `limits`?",
        ),
    ] {
        let project = project(config);
        let output = run(project.path(), "a", &json!(null), options);
        assert_eq!((code(&output), out(&output).as_str()), (2, ""), "{config}: {}", err(&output));
        assert!(err(&output).contains(says), "{config}: {}", err(&output));
        assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));
    }
}

#[test]
fn the_example_runs_by_name() {
    let example = root().join("examples/function-chain");
    // The owner of a checkout may be another user, whose file is used only if it is named.
    let config = ["--config", "durawasm.toml"];
    let event = fs::read_to_string(example.join("events/order.json")).unwrap();
    let event = serde_json::from_str(&event).unwrap();
    let ran = json_of(&run(&example, "chain", &event, &[&config[..], &["--json"]].concat()));
    assert_eq!(ran["result"], json!({ "cents": 17800, "parcel": "2x lamp", "not_announced": null }));
    assert_eq!(ran["from"]["limits"], json!({ "cpu-limit": "config", "invoke-depth": "config" }));
    let renamed = run(&example, "pack-tonight", &event, &config);
    assert!(out(&renamed).contains("result: \"2x lamp\""), "{}{}", out(&renamed), err(&renamed));
    let inspected =
        durawasm(&example, &["inspect", "price", "--build", "--config", "durawasm.toml", "--json"]);
    assert_eq!(json_of(&inspected)["limits"]["memory"], json!(32));
}
