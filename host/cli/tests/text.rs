//! Text that is not ours (of guests, files and the command line), on its way to a terminal, a log or XML.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use common::{err, json_of, out, root};
use durawasm_report::is_unsafe;
use serde_json::json;

/// What a guest would say to a terminal: clears the screen, forges a line, reverses text, rings; ends a CDATA section;
/// and is not XML.
const HOSTILE: &str =
    "\u{1b}[2J\u{9b}2J\r\nforged: ok\u{85}\u{202e}\u{2066}\u{7}\u{fffe}\u{ffff}\u{e0041}\u{200b}]]>&<a b=\"'";

fn durawasm(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_durawasm"));
    command.args(arguments).current_dir(root()).stdin(Stdio::null()).output().unwrap()
}

/// The component of the test handlers. The first test builds it.
fn guests() -> &'static str {
    static GUESTS: OnceLock<String> = OnceLock::new();
    GUESTS.get_or_init(|| {
        let built = json_of(&durawasm(&["build", "testing/guests", "--json"]));
        built["path"].as_str().unwrap().to_owned()
    })
}

/// That nothing in a text is unsafe, and no line of it is forged.
fn assert_safe(what: &str, text: &str) {
    let wrong: Vec<char> = text.chars().filter(|c| *c != '\n' && is_unsafe(*c)).collect();
    assert!(wrong.is_empty(), "{what}: {wrong:?} in {text:?}");
    let forged = text.lines().find(|line| line.starts_with("forged"));
    assert_eq!(forged, None, "{what}: {text:?}");
}

fn assert_output_is_safe(what: &str, output: &Output) {
    assert_safe(what, &out(output));
    assert_safe(what, &err(output));
}

#[test]
fn what_a_handler_says_is_shown_and_controls_nothing() {
    for text in [HOSTILE.to_owned(), format!("{HOSTILE}ENDS")] {
        let event = json!(text).to_string();
        let arguments = ["run", guests(), "-f", "says", "-e", &event, "--skip-time"];
        let shown = durawasm(&arguments);
        assert_output_is_safe("run", &shown);
        assert!(err(&shown).contains("forged: ok"), "the log is shown: {}", err(&shown));
        let reported = durawasm(&[&arguments[..], &["--json"]].concat());
        assert_output_is_safe("run --json", &reported);
        let report = json_of(&reported);
        let step = report["operations"].as_array().unwrap().iter().find(|o| o["Name"] == "step").unwrap();
        let result = step["StepDetails"]["Result"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<String>(result).unwrap(), text, "JSON keeps the value");
    }
}

#[test]
fn reports_of_scenarios_are_safe_and_valid_xml() {
    let dir = tempfile::tempdir().unwrap();
    let (file, xml) = (dir.path().join("s.test.yaml"), dir.path().join("report.xml"));
    let scenario = |name: &str, ends: &str| {
        json!({
            "name": format!("{name} {HOSTILE}"),
            "function": "says",
            "event": format!("{HOSTILE}{ends}"),
            "expect": { "result": HOSTILE, "error": null },
        })
    };
    let mut scenarios = [scenario("fails", ""), scenario("ends", "ENDS")];
    for scenario in &mut scenarios {
        scenario["expect"].as_object_mut().unwrap().remove("error");
    }
    // JSON is YAML.
    let written = json!({ "handler": guests(), "scenarios": scenarios }).to_string();
    fs::write(&file, durawasm_report::json(&written)).unwrap();
    let (file, xml) = (file.to_str().unwrap(), xml.to_str().unwrap());
    let tested = durawasm(&["test", file, "--junit", xml]);
    assert_eq!(tested.status.code(), Some(1), "{}", err(&tested));
    assert_output_is_safe("test", &tested);
    let report = fs::read_to_string(xml).unwrap();
    assert_safe("test --junit", &report);
    assert_eq!(report.matches("<failure").count(), 2, "{report}");
    for arguments in
        [&["test", file, "--list"][..], &["test", file, "--list", "--json"], &["test", file, "--json"]]
    {
        assert_output_is_safe("test", &durawasm(arguments));
    }
}

#[test]
fn reports_of_checks_are_safe() {
    let dir = tempfile::tempdir().unwrap();
    let xml = dir.path().join("report.xml");
    let event = json!(HOSTILE).to_string();
    let arguments = ["check", guests(), "-f", "says", "-e", &event, "--junit", xml.to_str().unwrap()];
    assert_output_is_safe("check", &durawasm(&arguments));
    assert_safe("check --junit", &fs::read_to_string(&xml).unwrap());
    assert_output_is_safe("check --json", &durawasm(&[&arguments[..], &["--json"]].concat()));
}

#[test]
fn what_is_on_the_command_line_and_in_paths_controls_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let name = HOSTILE.replace(['/', '\0'], "");
    let path = dir.path().join(format!("{name}.wasm"));
    fs::write(&path, "no component").unwrap();
    let scenarios = dir.path().join(format!("{name}.test.toml"));
    fs::write(&scenarios, format!("handler = {}\n", json!(HOSTILE))).unwrap();
    let answer = format!("{HOSTILE}=nothing");
    for arguments in [
        &["run", path.to_str().unwrap()][..],
        &["inspect", path.to_str().unwrap()],
        &["check", path.to_str().unwrap()],
        &["build", HOSTILE],
        &["run", HOSTILE],
        &["run", guests(), "-f", HOSTILE],
        &["run", guests(), "-e", HOSTILE],
        &["run", guests(), "--answer", &answer],
        &["run", guests(), "--dir", HOSTILE],
        &["run", guests(), "--cpu-limit", HOSTILE],
        &["test", scenarios.to_str().unwrap()],
        &["test", dir.path().to_str().unwrap(), "--filter", HOSTILE],
        &["check", guests(), "--history", HOSTILE],
        &["check", guests(), "--history", "/dev/zero"],
        &["check", guests(), "--only", HOSTILE],
        &[HOSTILE],
    ] {
        let output = durawasm(arguments);
        assert!(matches!(output.status.code(), Some(2..=4)), "{arguments:?}: {output:?}");
        assert_output_is_safe(&format!("{arguments:?}"), &output);
    }
}

#[test]
fn long_text_is_shortened_in_errors_and_logs_and_whole_in_json() {
    let dir = tempfile::tempdir().unwrap();
    let (event, long) = (dir.path().join("event.json"), "x".repeat(200_000));
    fs::write(&event, json!(long).to_string()).unwrap();
    let arguments = ["run", guests(), "-f", "says", "-e", event.to_str().unwrap(), "--skip-time"];
    let shown = durawasm(&arguments);
    let longest = |text: &str| text.lines().map(str::len).max().unwrap();
    assert!(longest(&out(&shown)) < 5_000, "an error is shortened: {}", longest(&out(&shown)));
    let logged = longest(&err(&shown));
    assert!((60_000..70_000).contains(&logged), "a line of the log is shortened: {logged}");
    assert!(err(&shown).contains(" characters)... "), "and says so");
    let report = json_of(&durawasm(&[&arguments[..], &["--json"]].concat()));
    let step = report["operations"].as_array().unwrap().iter().find(|o| o["Name"] == "step").unwrap();
    assert_eq!(step["StepDetails"]["Result"].as_str().unwrap().len(), long.len() + 2);
}

/// Components whose list of functions breaks the contract: a name in the component is replaced by one of its length.
#[test]
fn a_component_that_lists_wrong_names_is_refused() {
    let component = fs::read(guests()).unwrap();
    let name = b"abandons_a_builder";
    let dir = tempfile::tempdir().unwrap();
    for (wrong, says) in [
        (&b"\x1b[2J\x07\n\r\xe2\x80\xae:abandon"[..], "is 1 to 64 of A-Z a-z 0-9 - _"),
        (b"abandons a builder", "\"abandons a builder\" of 18 bytes"),
        (b"retries_beside_a_s", ""),
    ] {
        assert_eq!(wrong.len(), name.len());
        let mut component = component.clone();
        let places: Vec<usize> =
            component.windows(name.len()).enumerate().filter(|(_, w)| *w == name).map(|(at, _)| at).collect();
        assert!(!places.is_empty());
        for at in places {
            component[at..at + name.len()].copy_from_slice(wrong);
        }
        let path = dir.path().join("hostile.wasm");
        fs::write(&path, component).unwrap();
        let path = path.to_str().unwrap();
        for arguments in [&["run", path, "-f", "greet", "-e", "\"x\"", "--skip-time"][..], &["check", path]] {
            let output = durawasm(arguments);
            assert_output_is_safe("a component", &output);
            if says.is_empty() {
                assert!(!err(&output).contains("Durable.ContractViolation"), "{}", err(&output));
                continue;
            }
            assert_eq!(output.status.code(), Some(4), "{}", err(&output));
            assert!(err(&output).contains("Durable.ContractViolation"), "{}", err(&output));
            assert!(err(&output).contains(says), "{}", err(&output));
        }
    }
}

/// Only these files write to standard output and standard error; all others go through them.
const WRITERS: [&str; 5] = [
    "host/cli/src/output.rs",
    "host/cli/src/terminal/progress.rs",
    // To the process that started it, and no text.
    "host/compiler/src/serve.rs",
    "host/conformance/src/main.rs",
    "testing/src/result.rs",
];

#[test]
fn few_files_write_and_they_make_text_safe() {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root().join("host")).unwrap().map(|entry| entry.unwrap().path().join("src")).collect();
    folders.push(root().join("testing/src"));
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let code = fs::read_to_string(&path).unwrap();
            let code = code.split("#[cfg(test)]").next().unwrap();
            let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            let code = code.join("\n").replace("stderr().is_terminal()", "").replace("use_stderr()", "");
            let writes =
                ["println!", "eprintln!", " print!", "eprint!", "dbg!", "stdout()", "stderr()", "/dev/tty"];
            if writes.iter().any(|call| code.contains(call)) {
                found.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    assert_eq!(found, WRITERS);
}
