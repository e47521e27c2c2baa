//! The output of `check`, as text and as `JUnit` XML.

use std::time::Duration;

use serde_json::Value;

use super::say;
use durawasm_check::{Divergence, FindingKind, Kind, Report, Verdict};
use durawasm_report::{
    junit::{self, Case, CaseEnd, Reason},
    printable,
};

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

/// Prints the report as text.
pub(super) fn print(report: &Report, policy: Policy, took: Duration) {
    let explored = &report.explored;
    say(format_args!("{}: {}", printable(&report.function), report.verdict));
    if let Some(divergence) = &report.divergence {
        say("");
        print_divergence(divergence);
    }
    if !report.findings.is_empty() {
        say("\nfindings:");
        for finding in &report.findings {
            let line =
                format!("  {}: {}: {}", finding.kind.as_str(), finding.operation.label(), finding.detail);
            say(printable(&line));
        }
    }
    if !report.histories.is_empty() {
        say("\nrecorded executions:");
        for history in &report.histories {
            let why = match (&history.divergence, &history.reason) {
                (Some(divergence), _) => format!(", {}", differs_at(divergence)),
                (None, Some(reason)) => format!(": {reason}"),
                (None, None) => String::new(),
            };
            say(printable(&format!("  {}: {}{why}", history.file, history.verdict)));
        }
    }
    say("");
    let of = |what: &str, [done, of]: [usize; 2]| format!("{done} of {of} {what}");
    say(format_args!(
        "explored {}, {}, {} in {}",
        of("prefixes", explored.prefixes),
        of("crash points", explored.crash_points),
        of("perturbations", explored.perturbations),
        durawasm_report::duration(Duration::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)))
    ));
    for why in &report.not_explored {
        say(printable(&format!("not explored: {why}")));
    }
    let budget = &report.budget;
    if budget.invocations > 0 {
        say(format_args!(
            "an execution: {} operations, {} checkpoints, {} invocations; quota: {}",
            budget.operations, budget.checkpoints, budget.invocations, budget.quota
        ));
    }
    if report.verdict == Verdict::SandboxDependent && !policy.portable {
        say(
            "durawasm virtualizes what differs, so the handler is right here; --portable makes this a failure",
        );
    }
}

fn differs_at(divergence: &Divergence) -> String {
    match &divergence.operation {
        Some(operation) => format!("differs at {}", operation.label()),
        None => "differs in the result".to_owned(),
    }
}

fn print_divergence(divergence: &Divergence) {
    let under = match divergence.under {
        Kind::Replay => "a replay".to_owned(),
        Kind::Crash => "a crash".to_owned(),
        other => format!("another {}", words(other)),
    };
    say(printable(&format!("{} under {under}: {}", differs_at(divergence), divergence.described)));
    say("");
    for operation in &divergence.before {
        say(printable(&format!("   |  {operation}")));
    }
    say(format_args!("   X  {}", printable(&short(divergence))));
    say("");
    let (expected, actual) = (lines(divergence.expected.as_ref()), lines(divergence.actual.as_ref()));
    let width = expected.iter().map(|line| line.chars().count()).max().unwrap_or(0).clamp(8, 60);
    say(format_args!("  {:<width$}   {}", "on record", "now"));
    for at in 0..expected.len().max(actual.len()) {
        let cell = |lines: &[String]| lines.get(at).map_or_else(String::new, |line| printable(line));
        say(format_args!("  {:<width$}   {}", cell(&expected), cell(&actual)).to_string().trim_end());
    }
    if !divergence.imports.is_empty() {
        say("\nimports that the handler called before:");
        for import in &divergence.imports {
            let line = format!("  {}({}) -> {}", import.name, import.arguments, import.result);
            say(printable(&line));
        }
    }
    if !divergence.backtrace.is_empty() {
        say("\nwhere the handler was:");
        for frame in &divergence.backtrace {
            say(printable(&format!("  at {frame}")));
        }
    }
    say(format_args!("\nwhat to do: {}", printable(&divergence.advice)));
    if divergence.schedule != "history" {
        say(format_args!("again: --replay {}", printable(&divergence.schedule)));
    }
}

/// What a perturbation of this kind changes.
fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Clock => "clock",
        Kind::Random => "sequence of random numbers",
        Kind::Hash => "order of hash tables",
        Kind::Env => "environment",
        Kind::Ties => "order of tied completions",
        Kind::Log => "log",
        Kind::Memory => "layout of memory",
        Kind::Checkpoints => "way to send checkpoints",
        Kind::Replay | Kind::Crash => "run",
    }
}

fn short(divergence: &Divergence) -> String {
    match &divergence.operation {
        Some(operation) => format!("{}   <- differs here", operation.label()),
        None => "the result   <- differs here".to_owned(),
    }
}

/// A value, one member a line.
fn lines(value: Option<&Value>) -> Vec<String> {
    match value {
        None => vec!["nothing".to_owned()],
        Some(Value::Object(members)) => {
            let shown = members.iter().filter(|(_, value)| !value.is_null());
            shown.map(|(name, value)| format!("{name}: {}", text(value))).collect()
        }
        Some(other) => vec![text(other)],
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
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
                let message = divergence.map_or_else(|| format!("differs in {schedule}"), differs_at);
                let description = divergence.map_or_else(String::new, describe);
                let reason = Reason { message, description };
                if fails {
                    CaseEnd::Failed { kind: Some(report.verdict.as_str()), reason }
                } else {
                    CaseEnd::Skipped(Some(reason))
                }
            }
            None => CaseEnd::Passed,
        };
        cases.push(case(format!("replays under {kind}"), end));
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
        let end = match (&history.divergence, &history.reason) {
            (Some(divergence), _) => {
                let kind = Some(Verdict::Incompatible.as_str());
                let reason = Reason { message: differs_at(divergence), description: describe(divergence) };
                CaseEnd::Failed { kind, reason }
            }
            (None, Some(why)) => CaseEnd::Skipped(Some(reason(why.clone()))),
            (None, None) => CaseEnd::Passed,
        };
        cases.push(case(format!("replays {} of {}", history.execution, history.file), end));
    }
    if let Some(first) = cases.first_mut() {
        first.time = took;
    }
    junit::junit("durawasm check", cases).map_err(Into::into)
}

fn describe(divergence: &Divergence) -> String {
    let value = |value: Option<&Value>| lines(value).join(", ");
    format!(
        "{}\non record: {}\nnow: {}\n{}\nagain: --replay {}",
        divergence.described,
        value(divergence.expected.as_ref()),
        value(divergence.actual.as_ref()),
        divergence.advice,
        divergence.schedule
    )
}
