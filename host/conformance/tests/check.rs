//! The project's conformance handlers under `check`, with the event and the answers of the public cases.

use std::sync::Arc;

use crate::common::{HANDLERS, cases, config};
use durawasm_check::{Budget, Kind, Options, Subject, Verdict, check};
use durawasm_core::{
    invocation::LogBuffer,
    orchestrator::{Environment, EnvironmentOptions, Functions},
    server::AnswerOrder,
};
use durawasm_sandbox::{Sandbox, SandboxLimits};

/// The handlers that are not deterministic, and what makes the difference.
const NOT_DETERMINISTIC: [(&str, Verdict, Kind); 0] = [];

fn functions() -> Functions {
    let built = durawasm_build::build(&durawasm_build::BuildOptions::new(HANDLERS), &mut |_| {}).unwrap();
    let (sandbox, _) = Sandbox::with_default_cache(&SandboxLimits::default()).unwrap();
    let component = sandbox.load_file(&built.path).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let log = Arc::new(LogBuffer::default());
    let environment = Environment::new(EnvironmentOptions::default(), std::slice::from_ref(&component), log);
    runtime.block_on(environment).unwrap().functions().clone()
}

#[test]
fn every_handler_replays() {
    let Some(cases) = cases() else { return };
    let functions = functions();
    let mut checked = 0;
    let mut wrong = Vec::new();
    for case in
        cases.iter().filter(|case| functions.iter().any(|function| *function.name == *case.id.as_str()))
    {
        let id = case.id.as_str();
        let mut subject = Subject::new(functions.clone(), id, Some(case.event().to_owned()));
        subject.answers = case.answers().to_vec();
        subject.answer_order = AnswerOrder::InTurn;
        subject.grants = config().grants();
        let options = Options { budget: Some(Budget::Schedules(400)), ..Options::default() };
        let report = check(&subject, &options, id).unwrap_or_else(|error| panic!("{id}: {error}"));
        checked += 1;
        let found = report.divergence.as_ref().map(|divergence| divergence.under);
        let expected = NOT_DETERMINISTIC.iter().find(|(handler, ..)| *handler == id);
        let same = match expected {
            None => report.verdict == Verdict::Deterministic,
            Some((_, verdict, kind)) => report.verdict == *verdict && found == Some(*kind),
        };
        if !same {
            wrong.push(format!("{id} ({}): {report}", case.description));
        }
    }
    assert!(wrong.is_empty(), "{} of {checked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > 100, "only {checked} handlers were checked");
}
