//! The zoo: small handlers that replay and small handlers that do not, each with the verdict that it must get.
#![allow(clippy::unwrap_used, reason = "a test may fail in any way")]

use std::{collections::BTreeSet, path::Path, str::FromStr, sync::Arc};

use durawasm_build::{BuildOptions, build};
use durawasm_check::{Options, Report, Subject, check};
use durawasm_core::{
    invocation::LogBuffer,
    orchestrator::{
        Environment, EnvironmentOptions, Functions, GrantRequests, VariableRequest, parse_answer,
        parse_function_answer,
    },
};
use durawasm_sandbox::{Sandbox, SandboxLimits};
use serde::Deserialize;

#[derive(Deserialize)]
struct Zoo {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    handler: String,
    event: Option<String>,
    #[serde(default)]
    answers: Vec<String>,
    #[serde(default)]
    function_answers: Vec<String>,
    #[serde(default)]
    env: Vec<String>,
    #[serde(default)]
    scratch: bool,
    verdict: String,
    under: Option<OneOrMore>,
    operation: Option<OneOrMore>,
    #[serde(default)]
    findings: BTreeSet<String>,
    #[allow(dead_code, reason = "for readers")]
    why: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn contains(&self, text: &str) -> bool {
        match self {
            Self::One(one) => one == text,
            Self::More(more) => more.iter().any(|one| one == text),
        }
    }
}

/// The functions of the zoo's component.
fn functions() -> Functions {
    let handlers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/check-handlers");
    let built = build(&BuildOptions::new(handlers), &mut |_| {}).unwrap();
    let (sandbox, _) = Sandbox::with_default_cache(&SandboxLimits::default()).unwrap();
    let handler = sandbox.load(&std::fs::read(built.path).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let log = Arc::new(LogBuffer::default());
    let environment =
        runtime.block_on(Environment::new(EnvironmentOptions::default(), &[handler], log)).unwrap();
    environment.functions().clone()
}

fn report(functions: &Functions, case: &Case) -> Report {
    let event = case.event.clone().unwrap_or_else(|| "null".to_owned());
    let mut subject = Subject::new(functions.clone(), case.handler.clone(), Some(event));
    subject.answers = case.answers.iter().map(|text| parse_answer(text).unwrap()).collect();
    subject.stand_ins =
        case.function_answers.iter().map(|text| parse_function_answer(text).unwrap()).collect();
    let env = case.env.iter().map(|text| VariableRequest::from_str(text).unwrap()).collect();
    let requests = GrantRequests { env, scratch: case.scratch, ..GrantRequests::default() };
    subject.grants = requests.grants(|_| None).unwrap();
    check(&subject, &Options { budget: None, ..Options::default() }, &case.handler).unwrap()
}

/// What is wrong with a report.
fn faults(case: &Case, report: &Report) -> Vec<String> {
    let mut faults = Vec::new();
    if report.verdict.as_str() != case.verdict {
        faults.push(format!("the verdict is {}, not {}", report.verdict, case.verdict));
    }
    if let (Some(under), Some(divergence)) = (&case.under, &report.divergence)
        && !under.contains(divergence.under.as_str())
    {
        faults.push(format!("it differs under {}", divergence.under));
    }
    if let (Some(operation), Some(divergence)) = (&case.operation, &report.divergence) {
        let name = divergence.operation.as_ref().map_or(Some(""), |operation| operation.name.as_deref());
        if !operation.contains(name.unwrap_or_default()) {
            faults.push(format!("it differs at {name:?}"));
        }
    }
    let finding = |finding: &durawasm_check::Finding| {
        format!("{}:{}", finding.kind.as_str(), finding.operation.name.as_deref().unwrap_or_default())
    };
    let findings: BTreeSet<String> = report.findings.iter().map(finding).collect();
    if findings != case.findings {
        faults.push(format!("the findings are {findings:?}, not {:?}", case.findings));
    }
    if report.verdict.as_str() == "deterministic" {
        let explored = report.explored;
        for [done, of] in [explored.prefixes, explored.crash_points, explored.perturbations] {
            if done != of {
                faults.push(format!("it explored {explored:?}"));
            }
        }
    }
    faults
}

#[test]
fn every_handler_of_the_zoo_gets_its_verdict() {
    let zoo: Zoo = toml::from_str(include_str!("zoo.toml")).unwrap();
    let functions = functions();
    assert!(zoo.case.len() >= 130, "{} cases", zoo.case.len());
    let mut wrong = Vec::new();
    for case in &zoo.case {
        let report = report(&functions, case);
        let faults = faults(case, &report);
        if !faults.is_empty() {
            wrong.push(format!("{}: {}\n{report}\n", case.handler, faults.join("; ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), zoo.case.len(), wrong.join("\n"));
}
