//! The conformance runner with test cases that must pass, test cases that must fail, and its exit codes.

use std::{
    path::PathBuf,
    process::{Command, Output},
    time::{Duration, Instant},
};

use durawasm_build::BuildOptions;
use durawasm_conformance::{Cases, Config, ConformanceRunner, Outcome, Report, Verdict};

const GUESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testing/guests");

fn data(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data")).join(name)
}

fn runner() -> ConformanceRunner {
    let config = Config::load(&data("config.yaml")).unwrap();
    ConformanceRunner::from_crate(GUESTS).unwrap().config(config)
}

fn run(folder: &str) -> (Report, Vec<String>) {
    let mut told = Vec::new();
    let cases = Cases::load(&data(folder)).unwrap();
    let report = runner().run(&cases.cases, |outcome| told.push(outcome.id.to_string()));
    (report, told)
}

#[test]
fn cases_that_are_right_pass() {
    let (report, told) = run("passing");
    let failed: Vec<String> =
        report.outcomes.iter().filter(|o| o.counts_as_failure()).map(ToString::to_string).collect();
    assert!(report.passed() && failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(report.summary(), "9 cases: 8 passed, 0 failed, 0 optional failed, 1 without a handler");
    let ids: Vec<String> = report.outcomes.iter().map(|outcome| outcome.id.to_string()).collect();
    assert_eq!(told, ids, "told in their order");
    assert!(told.is_sorted(), "{told:?}");
    assert_eq!(report.outcomes.iter().filter(|outcome| outcome.group == "outside").count(), 4);
}

#[test]
fn cases_that_are_wrong_fail_and_say_why() {
    let (report, _) = run("failing");
    assert!(!report.passed());
    assert_eq!(report.summary(), "6 cases: 0 passed, 4 failed, 1 optional failed, 1 without a handler");
    let of = |id: &str| -> &Outcome { report.outcomes.iter().find(|o| o.id.as_str() == id).unwrap() };
    for (id, expected) in [
        (
            "greet",
            &[
                r#"event 2 (StepStarted): Name: expected "salute", found "greet""#,
                "event 3: expected StepFailed, found StepSucceeded",
                "event 9: expected StepStarted, but the history has 5 events",
                r#"result: expected "Hello, lee", found "Hello, kim""#,
            ][..],
        ),
        (
            "callback",
            &[
                r#"status: expected "SUCCEEDED", found "RUNNING": it waits for callback "a", which nothing answers"#,
            ],
        ),
        (
            "prints",
            &[
                r#"log lines with {"message":"/in the step/"}: expected 0, found 3"#,
                r#"log lines with {"message":"/in the step/"}: not all are before one with {"message":"/^before/"}"#,
            ],
        ),
        ("two_waits", &[r#"status: expected "FAILED", found "SUCCEEDED""#]),
        ("no-handler", &["the component has no handler of the name no-handler"]),
    ] {
        assert_eq!(&of(id).explanation[..expected.len()], expected, "{}", of(id));
    }
    let failed = of("typed_failure").explanation.join("\n");
    assert!(failed.contains("found \"FAILED\": PaymentDeclined"), "{failed}");
    let greet = of("greet").explanation.join("\n");
    for line in ["    1 ExecutionStarted: \"kim\"", "-     StepFailed", "+   3 StepSucceeded \"greet\""] {
        assert!(greet.contains(line), "{line} in\n{greet}");
    }
    assert!(of("prints").explanation.iter().any(|line| line.contains("INFO stdout before")));
    assert!(!of("two_waits").counts_as_failure() && of("no-handler").verdict == Verdict::NotImplemented);
}

#[test]
fn a_case_that_does_not_end_is_given_up() {
    let mut cases = Cases::load(&data("passing")).unwrap().cases;
    cases.retain(|case| case.id.as_str() == "many_waits");
    let text = "Input: 100000\nExpectedResult: {ExecutionStatus: SUCCEEDED}\n";
    cases[0] = durawasm_conformance::Case::parse(cases[0].id.clone(), "", text).unwrap();
    let runner = runner().case_limit(Duration::from_secs(1));
    let started = Instant::now();
    let report = runner.run(&cases, |_| {});
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(report.outcomes[0].explanation, ["it was not over after 1 s of real time"]);
}

fn command(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_conformance")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_command_prints_a_line_a_case_and_its_exit_code_is_the_verdict() {
    let component = durawasm_build::build(&BuildOptions::new(GUESTS), &mut |_| {}).unwrap().path;
    let component = component.to_str().unwrap();
    let (passing, failing, unreadable) = (data("passing"), data("failing"), data("unreadable"));
    let config = data("config.yaml");
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("junit.xml");
    let not_wasm = folder.path().join("empty.wasm");
    std::fs::write(&not_wasm, "no component").unwrap();
    let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let (passing, failing, unreadable) = (&path(&passing), &path(&failing), &path(&unreadable));
    let (config, report, not_wasm) = (&path(&config), &path(&report), &path(&not_wasm));

    let done =
        command(&["--cases", passing, "--handlers", component, "--config", config, "--report", report]);
    let out = text(&done.stdout);
    assert_eq!(done.status.code(), Some(0), "{out}{}", text(&done.stderr));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 10 + 1, "nine cases, one with a reason, and the summary: {out}");
    assert_eq!(lines[2], "ok      flaky A step that is retried");
    assert!(lines[10].starts_with("9 cases: 8 passed"), "{out}");
    let xml = std::fs::read_to_string(report).unwrap();
    assert!(
        xml.contains(r#"<testsuites name="conformance" tests="9" skipped="1" failures="0" errors="0""#),
        "{xml}"
    );

    for (arguments, code, says) in [
        (vec!["--cases", failing, "--handlers", component], 1, "FAILED  greet"),
        (vec!["--cases", failing, "--handlers", component, "--only", "two_waits"], 0, "failed  two_waits"),
        (
            vec!["--cases", failing, "--handlers", component, "--only", "greet,two_waits"],
            1,
            "2 cases: 0 passed, 1 failed",
        ),
        (
            vec!["--cases", failing, "--only", "no-handler", "greet", "--handlers", component],
            1,
            "MISSING no-handler",
        ),
        (
            vec!["--cases", unreadable, "--handlers", component],
            2,
            "broken.yaml is no case: ExpectedExecutionHistory",
        ),
        (vec!["--cases", unreadable, "--handlers", component], 2, "ok      empty"),
        (vec!["--cases", unreadable, "--handlers", component, "--only", "empty"], 0, "1 cases: 1 passed"),
        (vec!["--cases", failing, "--handlers", component, "--only", "nobody"], 2, "there is no case nobody"),
        (vec!["--cases", "/no/such", "--handlers", component], 2, "cannot read /no/such"),
        (vec!["--cases", failing, "--handlers", "/no/such.wasm"], 2, "there is no /no/such.wasm"),
        (
            vec!["--cases", failing, "--handlers", component, "--config", "/no/such"],
            2,
            "cannot read /no/such",
        ),
        (vec!["--cases", failing, "--handlers", component, "--config", failing], 2, "cannot read"),
        (vec!["--cases", failing, "--handlers", not_wasm], 4, "cannot load"),
        (vec!["--handlers", component], 2, "--cases <DIR>"),
        (vec!["--cases", failing], 2, "--handlers <COMPONENT>"),
        (vec!["--cases", failing, "--endpoint", "nowhere"], 2, "is no endpoint"),
        (
            vec!["--cases", failing, "--endpoint", "http://x", "--handlers", component],
            2,
            "cannot be used with",
        ),
        (vec!["--cases", failing, "--endpoint", "http://x", "--config", config], 2, "cannot be used with"),
        (vec!["--help"], 0, "Exit codes:"),
    ] {
        let done = command(&arguments);
        let all = text(&done.stdout) + &text(&done.stderr);
        assert_eq!(done.status.code(), Some(code), "{arguments:?}\n{all}");
        assert!(all.contains(says), "{arguments:?}\n{all}");
    }
    let done =
        command(&["--cases", unreadable, "--only", "empty", "--handlers", component, "--config", config]);
    assert_eq!(text(&done.stderr), "", "{}", text(&done.stdout));
    std::fs::write(config_for(folder.path()), "nobody: {A: x}").unwrap();
    let unknown = path(&config_for(folder.path()));
    let done =
        command(&["--cases", unreadable, "--only", "empty", "--handlers", component, "--config", &unknown]);
    assert!(text(&done.stderr).contains("names nobody"), "{}", text(&done.stderr));
}

fn config_for(folder: &std::path::Path) -> PathBuf {
    folder.join("config.yaml")
}
