//! The `durawasm` command as users run it: arguments in, text and an exit code out.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use common::{err, json_of, out, root};
use serde_json::json;

/// The root of the repository.
fn durawasm(arguments: &[&str]) -> Output {
    durawasm_with(arguments, |_| {})
}

fn durawasm_with(arguments: &[&str], setup: impl FnOnce(&mut Command)) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_durawasm"));
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    setup(&mut command);
    command.spawn().unwrap().wait_with_output().unwrap()
}

const ORDER: [&str; 7] = [
    "run",
    "examples/order",
    "--skip-time",
    "--event",
    "examples/order/events/good.json",
    "--answer",
    r#"approval=2h:success:{"approved":true,"by":"kim"}"#,
];

/// The example of the README, with additional arguments.
fn order(more: &[&str]) -> Output {
    durawasm(&[&ORDER[..], more].concat())
}

#[test]
fn the_order_example_shows_its_operations_and_its_result() {
    let output = order(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    for part in ["time skipped", "name", "attempts", "SUCCEEDED", "3days", "invocations", "result:"] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
}

#[test]
fn the_json_report_has_operations_and_history_and_repeats_byte_for_byte() {
    let (first, again) = (order(&["--json", "--seed", "5"]), order(&["--json", "--seed", "5"]));
    assert_eq!(out(&first), out(&again));
    let report = json_of(&first);
    assert_eq!((&report["status"], &report["seed"]), (&json!("SUCCEEDED"), &json!(5)));
    assert!(report["operations"].as_array().unwrap().len() > 5);
    let events = report["events"].as_array().unwrap();
    let ids: Vec<_> = events.iter().map(|e| e["EventId"].as_u64().unwrap()).collect();
    assert_eq!(ids, (1..=events.len() as u64).collect::<Vec<_>>());
    assert_eq!(
        (&events[0]["EventType"], &events.last().unwrap()["EventType"]),
        (&json!("ExecutionStarted"), &json!("ExecutionSucceeded"))
    );
    let other = json_of(&order(&["--json", "--seed", "6"]));
    assert_ne!(report["executionArn"], other["executionArn"]);
}

#[test]
fn bad_input_is_one_line_and_an_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (text, empty) = (file("text.wasm", b"hello"), file("empty.wasm", b""));
    let (module, component) =
        (file("module.wasm", b"\0asm\x01\0\0\0"), file("component.wasm", b"\0asm\x0d\0\x01\0"));
    let broken = file("broken.json", b"{\"a\":");
    let nothing = dir.path().to_str().unwrap();
    let cases: [(&[&str], i32, &str); 14] = [
        (&["run", "no-such-file.wasm"], 2, "there is no no-such-file.wasm"),
        (&["run", &text], 4, "not WebAssembly"),
        (&["run", &empty], 4, "empty"),
        (&["run", &module], 4, "durawasm"),
        (&["run", &component], 4, "durawasm:durable/functions"),
        (&["run", nothing], 3, "Cargo.toml"),
        (&["run", "examples/order", "--event", &broken], 2, "is not JSON"),
        (&["run", "examples/order", "--event", "{\"a\""], 2, "is not JSON"),
        (&["run", "examples/order", "--event", "no-such.json"], 2, "no-such.json"),
        (&["run", "examples/order", "--answer", "approval=maybe"], 2, "approval=maybe"),
        (&["run", "examples/order", "--name", "no good"], 2, "execution's name"),
        (&["run", "examples/order", "--function", "nope", "-q"], 2, "there is no function \"nope\""),
        (&["build", "host/core"], 3, "no `cdylib` library"),
        (&["inspect", &text], 4, "not WebAssembly"),
    ];
    for (arguments, code, says) in cases {
        let output = durawasm(arguments);
        let errors = err(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(says), "{arguments:?}: {errors}");
        assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
        let reasons = errors.lines().filter(|l| l.starts_with("error: ")).count();
        assert_eq!(reasons, 1, "{arguments:?}: {errors}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {}", out(&output));
    }
}

#[test]
fn how_an_execution_ends_is_the_exit_code() {
    let flaky =
        |event: &str| durawasm(&["run", "testing/guests", "-q", "-f", "flaky", "--skip-time", "-e", event]);
    assert_eq!(flaky(r#"{"failures":1,"max_attempts":2}"#).status.code(), Some(0));
    let failed = flaky(r#"{"failures":2,"max_attempts":2}"#);
    assert_eq!(failed.status.code(), Some(1));
    assert!(out(&failed).contains("FAILED") && out(&failed).contains("attempt 2 failed"), "{}", out(&failed));

    let bad = durawasm(&["run", "testing/guests", "-q", "-f", "bad_event", "-e", "{}", "--skip-time"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(out(&bad).contains("InvalidEvent"), "{}", out(&bad));

    let waits = ["run", "testing/guests", "-q", "-f", "callback", "--skip-time", "-e", r#"{"name":"reply"}"#];
    let stalled = durawasm(&waits);
    assert_eq!(stalled.status.code(), Some(5));
    assert!(
        err(&stalled).contains("callback \"reply\"") && err(&stalled).contains("--answer"),
        "{}",
        err(&stalled)
    );
    let answered = durawasm(&[&waits[..], &["--answer", "reply=1h:success:\"ok\"", "--json"]].concat());
    assert_eq!(json_of(&answered)["result"]["answer"], json!("ok"));

    let spins = [
        "run",
        "testing/guests",
        "-q",
        "-f",
        "spins",
        "--skip-time",
        "--cpu-limit",
        "200ms",
        "--invocation-retries",
        "0",
    ];
    let spun = durawasm(&spins);
    assert_eq!(spun.status.code(), Some(1));
    assert!(out(&spun).contains("Sandbox.CpuLimitExceeded"), "{}", out(&spun));
}

#[test]
fn children_stand_under_their_contexts() {
    let output =
        durawasm(&["run", "testing/guests", "-q", "-f", "concurrent_children", "-e", "2", "--skip-time"]);
    let text = out(&output);
    let names: Vec<_> = text
        .lines()
        .skip(3)
        .take(8)
        .map(|line| line.trim_end().split("  ").find(|w| !w.is_empty()).unwrap())
        .collect();
    let names: Vec<_> = names.iter().map(|name| name.trim()).collect();
    assert_eq!(names, ["child-0", "before", "-", "after", "child-1", "before", "-", "after"], "{text}");
}

#[test]
fn an_output_that_takes_nothing_is_no_success() {
    let full = || fs::File::options().write(true).open("/dev/full");
    let Ok(device) = full() else {
        eprintln!("skipped: this system has no /dev/full");
        return;
    };
    let arguments = ["run", "testing/guests", "-q", "-f", "empty", "--skip-time"];
    let output = durawasm_with(&arguments, |command| {
        command.stdout(device);
    });
    assert_eq!(output.status.code(), Some(6), "{}", err(&output));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = durawasm_with(&arguments, |command| {
        command.stdout(writer);
    });
    assert_eq!(
        (output.status.code(), err(&output).as_str()),
        (Some(0), ""),
        "whoever closed it has read enough"
    );
}

#[test]
fn the_event_comes_from_standard_input_and_logs_go_to_standard_error() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_durawasm"));
    command.args(["run", "testing/guests", "-f", "greet", "-e", "-", "--json"]).current_dir(root());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"\"World\"").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(json_of(&output)["result"], json!("Hello, World"));

    let prints = ["run", "testing/guests", "-f", "prints", "--skip-time"];
    let loud = durawasm(&prints);
    for line in ["stdout in the step", "stderr after the child", "log before"] {
        assert_eq!(err(&loud).matches(line).count(), 1, "{line}: {}", err(&loud));
    }
    assert!(!out(&loud).contains("stdout in the step"));
    let quiet = durawasm(&[&prints[..], &["--quiet"]].concat());
    assert_eq!(err(&quiet), "");
}

#[test]
fn build_and_inspect_tell_what_a_component_reaches() {
    let built = json_of(&durawasm(&["build", "examples/hello", "--json"]));
    let path = built["path"].as_str().unwrap();
    assert!(Path::new(path).is_file() && built["size"].as_u64().unwrap() > 1000, "{built}");
    let inspected = durawasm(&["inspect", path]);
    assert_eq!(inspected.status.code(), Some(0));
    for part in ["durawasm:durable/operations@0.1.0", "wasi:clocks/wall-clock", "no folders"] {
        assert!(out(&inspected).contains(part), "{}", out(&inspected));
    }
    let ran = json_of(&durawasm(&["run", path, "-e", "\"Ann\"", "--skip-time", "--json", "-q"]));
    assert_eq!(ran["result"], json!("Hello, Ann!"));
}

#[test]
fn a_changed_handler_runs_as_changed() {
    let dir = tempfile::tempdir().unwrap();
    let sdk = root().join("guest-sdk");
    let manifest = format!(
        "[package]\nname = \"changing\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n\
         [dependencies]\ndurawasm-guest = {{ path = {sdk:?} }}\n[workspace]\n"
    );
    fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
    fs::copy(root().join("Cargo.lock"), dir.path().join("Cargo.lock")).unwrap();
    fs::create_dir(dir.path().join("src")).unwrap();
    let write = |word: &str| {
        let source = format!(
            "use durawasm_guest::{{BoxError, DurableContext, durable_execution}};\n#[durable_execution]\n\
             async fn changing(_: (), ctx: DurableContext) -> Result<String, BoxError> {{\n\
             Ok(ctx.step(|_| async {{ Ok({word:?}.to_owned()) }}).await?)\n}}\n"
        );
        fs::write(dir.path().join("src/lib.rs"), source).unwrap();
    };
    // The dependencies are already built for the other guests.
    let target = Path::new(env!("CARGO_BIN_EXE_durawasm")).ancestors().nth(2).unwrap();
    let run = || {
        let arguments = ["run", dir.path().to_str().unwrap(), "--json", "--skip-time"];
        durawasm_with(&arguments, |command| {
            command.env("CARGO_TARGET_DIR", target);
        })
    };
    write("before");
    assert_eq!(json_of(&run())["result"], json!("before"));
    write("after");
    assert_eq!(json_of(&run())["result"], json!("after"));

    fs::write(dir.path().join("src/lib.rs"), "fn broken( {}").unwrap();
    let broken = run();
    assert_eq!(broken.status.code(), Some(3));
    assert!(err(&broken).contains("src/lib.rs:1"), "the compiler's words are shown: {}", err(&broken));
}

#[test]
fn the_crate_that_is_named_is_run_also_where_another_has_a_library_of_the_same_name() {
    // A permanent folder, so that the next run of the test reuses the build of the second crate.
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("same-name");
    let _ = fs::remove_dir_all(&dir);
    let sdk = root().join("guest-sdk");
    let crates = ["one", "two"].map(|name| {
        let dir = dir.join(name);
        fs::create_dir_all(dir.join("src")).unwrap();
        let manifest = format!(
            "[package]\nname = \"same-{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\nname = \"same\"\n\
             crate-type = [\"cdylib\"]\n[dependencies]\ndurawasm-guest = {{ path = {sdk:?} }}\n[workspace]\n"
        );
        fs::write(dir.join("Cargo.toml"), manifest).unwrap();
        fs::copy(root().join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
        let source = format!(
            "use durawasm_guest::{{BoxError, DurableContext, durable_execution}};\n#[durable_execution]\n\
             async fn same(_: (), _: DurableContext) -> Result<String, BoxError> {{ Ok({name:?}.to_owned()) }}\n"
        );
        fs::write(dir.join("src/lib.rs"), source).unwrap();
        dir
    });
    let target = Path::new(env!("CARGO_BIN_EXE_durawasm")).ancestors().nth(2).unwrap();
    for _ in 0..2 {
        for (dir, name) in crates.iter().zip(["one", "two"]) {
            let ran = durawasm_with(&["run", dir.to_str().unwrap(), "--json", "--skip-time"], |command| {
                command.env("CARGO_TARGET_DIR", target);
            });
            assert_eq!(json_of(&ran)["result"], json!(name), "{}", err(&ran));
        }
    }
}

#[test]
fn what_cargo_component_builds_runs() {
    let version = Command::new("cargo").args(["component", "--version"]).output().unwrap();
    if !version.status.success() {
        assert!(
            std::env::var_os("DURAWASM_REQUIRE_CARGO_COMPONENT").is_none(),
            "cargo component is not installed"
        );
        eprintln!("skipped: cargo component is not installed");
        return;
    }
    // cargo component adds the target to a toolchain that lacks it, so it must be given the toolchain that has it.
    let built = durawasm_with(&["build", "examples/hello", "--json"], |command| {
        command.env("DURAWASM_GUEST_TARGET", "wasm32-wasip1");
    });
    let built = json_of(&built);
    let target =
        Path::new(env!("CARGO_BIN_EXE_durawasm")).ancestors().nth(2).unwrap().join("cargo-component");
    let mut command = Command::new("cargo");
    if let Some(toolchain) = built["toolchain"].as_str().filter(|t| has_toolchain(t)) {
        command = Command::new("rustup");
        command.args(["run", toolchain, "cargo"]);
    }
    command.args(["component", "build", "--release"]).current_dir(root().join("examples/hello"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_") && text != "CARGO_HOME"
            || ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC"].contains(&&*text)
        {
            command.env_remove(name);
        }
    }
    // If it tried to download the target anyway, it would fail here.
    command.env("RUSTUP_DIST_SERVER", "http://localhost:9").env("CARGO_TARGET_DIR", &target);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", err(&output));
    let wasm = target.join("wasm32-wasip1/release/hello.wasm");
    let ran = durawasm(&["run", wasm.to_str().unwrap(), "-e", "\"Ann\"", "--skip-time", "--json", "-q"]);
    assert_eq!(json_of(&ran)["result"], json!("Hello, Ann!"));
}

fn has_toolchain(name: &str) -> bool {
    let listed = Command::new("rustup").args(["run", name, "rustc", "-V"]).output();
    listed.is_ok_and(|output| output.status.success())
}

#[test]
fn numbers_of_a_result_are_shown_to_the_last_digit() {
    let numbers = format!("[{}, 1e400, 0.1000000000000000055, 18446744073709551617, 1.50]", u128::MAX);
    let event = serde_json::to_string(&numbers).unwrap();
    let run = ["run", "testing/guests", "-f", "verbatim", "-e", &event, "--skip-time"];
    let shown = out(&durawasm(&run));
    assert!(shown.contains(&format!("result: {numbers}\n")), "{shown}");
    let json = out(&durawasm(&[&run[..], &["--json"]].concat()));
    assert!(json.contains(&format!("\"result\": {numbers},\n")), "{json}");

    let dir = tempfile::tempdir().unwrap();
    let scenarios = |expect: &str| {
        let file = dir.path().join("numbers.test.yaml");
        let handler = root().join("testing/guests");
        let handler = handler.display();
        let text = format!(
            "handler: {handler}\nfunction: verbatim\nscenarios:\n  - name: all\n    event: {event}\n    expect: {expect}\n"
        );
        std::fs::write(&file, text).unwrap();
        let output = durawasm(&["test", file.to_str().unwrap(), "--json"]);
        (output.status.code(), out(&output) + &err(&output))
    };
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("same.json", &numbers.replace("1.50", "15e-1"));
    write("other.json", &numbers.replace("18446744073709551617", "18446744073709551616"));
    let (code, tested) = scenarios("{ result_file: same.json }");
    assert_eq!(code, Some(0), "{tested}");
    assert!(tested.contains(&format!("\"result\": {numbers},\n")), "{tested}");
    let (code, tested) = scenarios("{ result_file: other.json }");
    assert_eq!(code, Some(1), "{tested}");
    assert!(tested.contains("18446744073709551616"), "{tested}");
    let (code, told) = scenarios("{ result: [18446744073709551617] }");
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("not read exactly") && told.contains("result_file"), "{told}");
}
