//! Cases at an endpoint: the test handlers, served over HTTP. In real time, so that no timeout is skipped to while a
//! callback waits for its answer.

use std::{sync::Arc, thread};

use durawasm_build::BuildOptions;
use durawasm_client::{Access, Client, Endpoint, ListQuery};
use durawasm_conformance::{Case, CaseId, ConformanceRunner, Report, Verdict};
use durawasm_core::{
    invocation::LogBuffer,
    orchestrator::{Environment, EnvironmentOptions, TimeMode},
};
use durawasm_http::{Api, ApiOptions, LogTails, Server};
use durawasm_sandbox::{Sandbox, SandboxLimits};
use tokio::{net::TcpListener, sync::oneshot};

const GUESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testing/guests");

/// A server on a port that the system chooses. It ends with its test.
struct Served {
    endpoint: Endpoint,
    _stop: oneshot::Sender<()>,
}

impl Served {
    fn start() -> Self {
        let component = durawasm_build::build(&BuildOptions::new(GUESTS), &mut |_| {}).unwrap().path;
        let (tell, told) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (sandbox, _) = Sandbox::with_default_cache(&SandboxLimits::default()).unwrap();
                let component = sandbox.load_file(&component).unwrap();
                let tails = LogTails::new(Arc::new(LogBuffer::default()));
                let options = EnvironmentOptions {
                    time: TimeMode::Real,
                    answers_from_outside: true,
                    ..EnvironmentOptions::default()
                };
                let environment = Environment::new(options, &[component], tails.clone()).await.unwrap();
                let api = Api::new(environment, tails, ApiOptions::default());
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let server = Server::new(listener, api, None);
                tell.send(server.address().unwrap()).unwrap();
                tokio::select! {
                    _ = server.run(std::future::pending()) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        let address = told.recv().unwrap();
        Self { endpoint: Endpoint::parse(&format!("http://{address}")).unwrap(), _stop: stop }
    }

    fn run(&self, cases: &[(&str, &str)]) -> Report {
        let cases = cases.iter().map(|(id, text)| Case::parse(CaseId::new(*id), "", text).unwrap());
        let runner = ConformanceRunner::from_endpoint(self.endpoint.clone(), Access::Unsigned);
        assert_eq!(runner.handlers().unwrap(), None);
        runner.run(&cases.collect::<Vec<_>>(), |_| {})
    }

    /// The statuses of a function's executions.
    fn statuses(&self, function: &str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let query = ListQuery { function: function.to_owned(), ..ListQuery::default() };
        let client = Client::new(self.endpoint.clone(), Access::Unsigned).unwrap();
        let (listed, _) = runtime.block_on(client.list(&query, "", 100)).unwrap();
        listed.iter().map(|listed| listed.status.to_string()).collect()
    }
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
    let served = Served::start();
    let report = served.run(&[
        ("greet", GREET),
        ("callback", CALLBACK),
        ("await_approval", APPROVAL),
        ("callback", OPEN),
        ("nobody", "optional: true"),
    ]);
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
    let served = Served::start();
    let report = served.run(&[
        ("greet", &GREET.replace("Hello, kim", "Hello, lee").replace("StepSucceeded", "StepFailed")),
        ("typed_failure", "{Input: 7, ExpectedResult: {ExecutionStatus: SUCCEEDED}}"),
    ]);
    let greet = report.outcomes[0].explanation.join("\n");
    assert!(greet.contains("event 3: expected StepFailed, found StepSucceeded"), "{greet}");
    assert!(greet.contains(r#"result: expected "Hello, lee", found "Hello, kim""#), "{greet}");
    let failed = report.outcomes[1].explanation.join("\n");
    assert!(failed.contains("found \"FAILED\": PaymentDeclined"), "{failed}");
}
