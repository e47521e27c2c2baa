//! The output of `check`, as text and as `JUnit` XML.

use std::time::Duration;

use serde::Serialize;

use super::in_force::{InForce, InForceJson};
use super::output::{note, say, say_lines};
use durawasm_check::{Divergence, FindingKind, Kind, Report, Verdict};
use durawasm_report::junit::{self, Case, CaseEnd, Reason};

/// What makes the command fail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) portable: bool,
    pub(super) allow_double_effect: bool,
}

impl Policy {
    /// Whether the command fails with this report.
    pub(super) fn fails(self, report: &Report) -> bool {
        let verdict = match report.verdict {
            Verdict::Deterministic => false,
            Verdict::SandboxDependent => self.portable,
            Verdict::NonDeterministic | Verdict::Incompatible => true,
        };
        verdict || (!self.allow_double_effect && report.has(FindingKind::DoubleEffect))
    }
}

/// A report as JSON, and what was in force.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    #[serde(flatten)]
    pub(super) report: &'a Report,
    #[serde(flatten)]
    pub(super) in_force: InForceJson<'a>,
}

/// Prints the report as text.
pub(super) fn print(report: &Report, in_force: &InForce<'_>, policy: Policy, took: Duration) {
    in_force.lines().iter().for_each(say);
    say_lines(report);
    let took = Duration::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    note(format_args!("checked in {}", durawasm_report::duration(took)));
    if report.verdict == Verdict::SandboxDependent && !policy.portable {
        note(
            "durawasm virtualizes what differs, so the handler is right here; --portable makes this a failure",
        );
    }
}

/// The report as `JUnit` XML: a case for each kind of schedule, each finding that fails, and each recorded execution.
pub(super) fn junit(report: &Report, policy: Policy, took: Duration) -> anyhow::Result<String> {
    let mut cases = Vec::new();
    let suite = report.function.as_str();
    let case = |name: String, end: CaseEnd| Case {
        suite,
        name,
        end,
        time: Duration::ZERO,
        properties: Vec::new(),
        output: String::new(),
    };
    for kind in Kind::ALL {
        let fails = !kind.is_perturbation() || policy.portable;
        let end = match report.by_kind.get(&kind) {
            Some(schedule) => {
                let divergence = report.divergence.as_ref().filter(|divergence| divergence.under == kind);
                let message = divergence.map_or_else(|| format!("differs in {schedule}"), Divergence::place);
                let description =
                    divergence.map_or_else(|| format!("again: --replay {schedule}"), Divergence::describe);
                let reason = Reason { message, description };
                if fails {
                    CaseEnd::Failed { kind: Some(report.verdict.as_str()), reason }
                } else {
                    CaseEnd::Skipped(Some(reason))
                }
            }
            None if report.is_unexplored(kind) => CaseEnd::Skipped(None),
            None => CaseEnd::Passed,
        };
        cases.push(case(kind.to_string(), end));
    }
    for finding in &report.findings {
        let double = finding.kind == FindingKind::DoubleEffect && !policy.allow_double_effect;
        if double || finding.kind == FindingKind::AtMostOnceViolated {
            let message = format!("{}: {}", finding.operation.label(), finding.detail);
            let reason = Reason { description: message.clone(), message };
            let name = format!("{} {}", finding.kind.as_str(), finding.operation.id);
            cases.push(case(name, CaseEnd::Failed { kind: Some(finding.kind.as_str()), reason }));
        }
    }
    for history in &report.histories {
        let reason = |message: String| Reason { description: message.clone(), message };
        let incompatible = |reason| CaseEnd::Failed { kind: Some(Verdict::Incompatible.as_str()), reason };
        let end = match (&history.divergence, &history.reason) {
            (Some(divergence), _) => {
                incompatible(Reason { message: divergence.place(), description: divergence.describe() })
            }
            (None, Some(why)) => CaseEnd::Skipped(Some(reason(why.clone()))),
            (None, None) if history.is_incompatible() => {
                incompatible(reason("differs; what differs is told of others".to_owned()))
            }
            (None, None) => CaseEnd::Passed,
        };
        cases.push(case(format!("replays {} of {}", history.execution, history.file), end));
    }
    if let Some(first) = cases.first_mut() {
        first.time = took;
    }
    junit::junit("durawasm check", cases).map_err(Into::into)
}
