//! The public conformance cases, run against the project's handlers (`testing/conformance-handlers`). The environment
//! variable `DURAWASM_CONFORMANCE_CASES` names their folder; without it nothing is run.

use crate::common::{HANDLERS, cases, config, served::Served};
use durawasm_conformance::{Case, CaseId, ConformanceRunner, Outcome, Verdict};

fn runner() -> ConformanceRunner {
    ConformanceRunner::from_crate(HANDLERS).unwrap_or_else(|error| panic!("{error}")).config(config())
}

fn text<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> String {
    let lines: Vec<String> = outcomes.map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn every_required_case_passes() {
    let Some(cases) = cases() else { return };
    let report = runner().run(&cases, |outcome| println!("{outcome}"));
    let failed = report.outcomes.iter().filter(|outcome| outcome.counts_as_failure());
    assert!(report.passed(), "{}\n{}", text(failed), report.summary());
}

/// No case is left out. Only the log lines that some expect are not compared, since the API does not tell them.
#[test]
fn every_required_case_passes_through_http() {
    let Some(cases) = cases() else { return };
    let served = Served::start(HANDLERS, config().grants());
    let report = served.runner().run(&cases, |outcome| println!("{outcome}"));
    println!("{}", report.summary());
    let failed = report.outcomes.iter().filter(|outcome| outcome.counts_as_failure());
    assert!(report.passed(), "{}\n{}", text(failed), report.summary());
    let ids = |case: &Case| case.id.clone();
    let run: Vec<CaseId> = report.outcomes.iter().map(|outcome| outcome.id.clone()).collect();
    assert_eq!(run, cases.iter().map(ids).collect::<Vec<_>>());
    let without: Vec<_> = report.outcomes.iter().filter(|o| o.verdict == Verdict::NotImplemented).collect();
    assert!(without.is_empty(), "{without:#?}");
    // Executions that cases leave while they run are stopped.
    let runs = |id: &&CaseId| served.statuses(id.as_str()).iter().any(|status| status == "RUNNING");
    let left: Vec<_> = run.iter().filter(runs).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A handler `wrong-1-13` implements the case 1-13 with one mistake.
#[test]
fn every_handler_that_is_wrong_on_purpose_fails_its_case() {
    let Some(cases) = cases() else { return };
    let runner = runner();
    let wrong: Vec<Case> = runner
        .handlers()
        .unwrap()
        .unwrap()
        .into_iter()
        .filter_map(|handler| {
            let case = cases.iter().find(|case| Some(case.id.as_str()) == handler.strip_prefix("wrong-"))?;
            let mut case = case.clone();
            case.id = CaseId::new(handler);
            Some(case)
        })
        .collect();
    assert!(!wrong.is_empty(), "there are no such handlers");
    let report = runner.run(&wrong, |_| {});
    let others = report.outcomes.iter().filter(|outcome| outcome.verdict != Verdict::Failed);
    assert_eq!(others.clone().count(), 0, "{}", text(others));
}
