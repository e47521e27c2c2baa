//! Cases at an endpoint: the test handlers, served over HTTP.

use std::{path::Path, process::Command, time::Duration};

use crate::common::served::Served;
use durawasm_conformance::{Case, CaseId, Report, Verdict};
use durawasm_core::orchestrator::FunctionGrants;

const GUESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testing/guests");

fn served() -> Served {
    Served::start(GUESTS, FunctionGrants::default())
}

fn cases(cases: &[(&str, &str)]) -> Vec<Case> {
    cases.iter().map(|(id, text)| Case::parse(CaseId::new(*id), "", text).unwrap()).collect()
}

fn run(served: &Served, texts: &[(&str, &str)]) -> Report {
    let runner = served.runner();
    assert_eq!(runner.handlers().unwrap(), None);
    runner.run(&cases(texts), |_| {})
}

const GREET: &str = "
Input: kim
ExpectedResult: {ExecutionStatus: SUCCEEDED, Result: 'Hello, kim'}
ExpectedExecutionHistory:
  - {EventType: StepStarted, EventId: 2, Id: '${STEP}', StepStartedDetails: {}}
  - {EventType: StepSucceeded, EventId: 3, Id: '${STEP}'}
  - {EventType: ExecutionSucceeded, EventId: 5}
ExpectedLogs:
  - match: {message: nobody says this}
";

const CALLBACK: &str = "
Input: {name: asked}
CallbackActions:
  - {CallbackName: asked, Operation: heartbeat}
  - {CallbackName: ask*, Operation: success, Payload: {approved: true}}
ExpectedResult: {ExecutionStatus: SUCCEEDED, Result: {id: '${ID}', answer: {approved: true}}}
ExpectedExecutionHistory:
  - {EventType: CallbackStarted, EventId: 2, CallbackStartedDetails: {CallbackId: '${ID}'}}
";

const APPROVAL: &str = "
Input: {name: approval}
CallbackActions:
  - {CallbackName: approval, Operation: failure, Payload: {ErrorType: Rejected, ErrorMessage: not now}}
ExpectedResult: {ExecutionStatus: FAILED}
ExpectedExecutionHistory:
  - {EventType: CallbackFailed, EventId: 7, CallbackFailedDetails: {Error: {Payload: {ErrorType: Rejected}}}}
";

/// Judged while it runs: nobody answers it.
const OPEN: &str = "
Input: {name: asked}
ExpectedExecutionHistory:
  - {EventType: CallbackStarted, EventId: 2}
";

#[test]
fn cases_are_judged_by_what_the_api_tells() {
    let served = served();
    let report = run(
        &served,
        &[
            ("greet", GREET),
            ("callback", CALLBACK),
            ("await_approval", APPROVAL),
            ("callback", OPEN),
            ("nobody", "optional: true"),
        ],
    );
    let text: Vec<String> = report.outcomes.iter().map(ToString::to_string).collect();
    let verdicts: Vec<Verdict> = report.outcomes.iter().map(|outcome| outcome.verdict).collect();
    assert_eq!(verdicts[..4], [Verdict::Passed; 4], "{}", text.join("\n"));
    assert_eq!(verdicts[4], Verdict::NotImplemented);
    assert!(report.outcomes[4].explanation[0].contains("has no handler of the name nobody"), "{text:?}");
    assert!(report.outcomes[0].log_unchecked && !report.outcomes[1].log_unchecked);
    assert!(report.summary().ends_with("; the log of 1 was not compared"), "{}", report.summary());
    // One was answered, and the other one would never end.
    let mut statuses = served.statuses("callback");
    statuses.sort();
    assert_eq!(statuses, ["STOPPED", "SUCCEEDED"]);
}

#[test]
fn a_difference_is_found() {
    let served = served();
    let report = run(
        &served,
        &[
            ("greet", &GREET.replace("Hello, kim", "Hello, lee").replace("StepSucceeded", "StepFailed")),
            ("typed_failure", "{Input: 7, ExpectedResult: {ExecutionStatus: SUCCEEDED}}"),
        ],
    );
    let greet = report.outcomes[0].explanation.join("\n");
    assert!(greet.contains("event 3: expected StepFailed, found StepSucceeded"), "{greet}");
    assert!(greet.contains(r#"result: expected "Hello, lee", found "Hello, kim""#), "{greet}");
    let failed = report.outcomes[1].explanation.join("\n");
    assert!(failed.contains("found \"FAILED\": PaymentDeclined"), "{failed}");
}

#[test]
fn what_takes_too_long_is_stopped() {
    let served = served();
    let text = "{Input: {name: asked}, ExpectedResult: {ExecutionStatus: SUCCEEDED}}";
    let runner = served.runner().case_limit(Duration::from_secs(3));
    let report = runner.run(&cases(&[("callback", text)]), |_| {});
    assert_eq!(report.outcomes[0].explanation, ["it was not over after 3 s of real time"]);
    assert_eq!(served.statuses("callback"), ["STOPPED"]);
}

#[test]
fn the_command_runs_cases_at_an_endpoint() {
    let served = served();
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("greet", GREET), ("callback", CALLBACK)] {
        std::fs::write(folder.path().join(format!("{name}.yaml")), text).unwrap();
    }
    let command = |folder: &Path, endpoint: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
        command.arg("--cases").arg(folder).args(["--endpoint", endpoint]);
        // The endpoint takes requests without a signature.
        for key in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
            command.env_remove(key);
        }
        let done = command.output().unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned())
    };
    let (code, out) = command(folder.path(), &served.endpoint.to_string());
    assert_eq!(code, Some(0), "{out}");
    let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
    let summary =
        "2 cases: 2 passed, 0 failed, 0 optional failed, 0 without a handler; the log of 1 was not compared";
    assert_eq!(lines.len(), 3, "{out}");
    assert!(lines[0].starts_with("ok      callback") && lines[1].starts_with("ok      greet"), "{out}");
    assert!(lines[1].ends_with("(without its log)"), "{out}");
    assert_eq!(lines[2], summary);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, out) = command(&folder.path().join("greet.yaml"), &format!("http://{nobody}"));
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("it could not be run") && out.contains("cannot be reached"), "{out}");
}
