//! The output of `test`, as text, JSON and `JUnit` XML.

use std::{borrow::Cow, fmt::Write as _, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    config::Subject,
    exit::Failure,
    in_force::{InForce, InForceJson},
    output::{say, say_json},
    report::raw,
    table,
};
use durawasm_core::{
    orchestrator::{FunctionGrants, Run, Stall},
    protocol::{ErrorObject, ExecutionStatus, Operation},
};
use durawasm_report::{
    self as report, LONGEST_MESSAGE,
    junit::{self, Case, CaseEnd, Reason},
    shortened,
};
use durawasm_scenario::{Mismatch, Outcome, Scenario, ScenarioFile};

/// A scenario that was run, or skipped after another had failed.
pub(super) struct ScenarioRun<'a> {
    pub(super) file: &'a ScenarioFile,
    pub(super) scenario: Scenario,
    pub(super) subject: Subject,
    pub(super) function: String,
    pub(super) grants: FunctionGrants,
    /// `None` if the scenario was skipped.
    pub(super) outcome: Option<Outcome>,
    pub(super) time: Duration,
}

impl ScenarioRun<'_> {
    pub(super) fn failed(&self) -> bool {
        self.outcome.as_ref().is_some_and(|outcome| !outcome.passed())
    }

    fn verdict(&self) -> &'static str {
        match &self.outcome {
            None => "skipped",
            Some(outcome) if outcome.passed() => "passed",
            Some(_) => "failed",
        }
    }
}

/// Prints the scenarios for `--list`.
pub(super) fn list(chosen: &[(&ScenarioFile, &Scenario)], as_json: bool) -> Result<(), Failure> {
    if as_json {
        let list: Vec<Value> = chosen
            .iter()
            .map(|(file, scenario)| json!({ "file": file.path.to_string_lossy(), "name": scenario.name }))
            .collect();
        return say_json(&list);
    }
    for (file, scenario) in chosen {
        say(format_args!("{}: {}", file.path.display(), scenario.name));
    }
    Ok(())
}

/// Prints the line of a scenario, and the reasons if it failed.
pub(super) fn print(ran: &ScenarioRun<'_>, quiet: bool) {
    let Some(outcome) = &ran.outcome else { return };
    if outcome.passed() {
        if !quiet {
            say(line("pass", ran, outcome));
            for note in notes(outcome) {
                say(format_args!("      {note}"));
            }
        }
        return;
    }
    say(line("FAIL", ran, outcome));
    for line in explanation(outcome).lines() {
        say(format_args!("      {line}").to_string().trim_end());
    }
}

fn line(word: &str, ran: &ScenarioRun<'_>, outcome: &Outcome) -> String {
    let end = match &outcome.run {
        Some(run) => format!(
            "{} after {}, {}",
            run.view.status,
            report::duration(outcome.duration),
            count(run.view.invocations.len(), "invocation")
        ),
        None => "given up".to_owned(),
    };
    format!("{word}  {}: {} ({end})", ran.file.path.display(), ran.scenario.name)
}

fn notes(outcome: &Outcome) -> Vec<String> {
    outcome.notes.iter().map(|note| format!("note: {}", shortened(note, LONGEST_MESSAGE))).collect()
}

/// Why a scenario failed, and its operations, in lines.
fn explanation(outcome: &Outcome) -> String {
    let mut text = String::new();
    for mismatch in &outcome.mismatches {
        let _ = writeln!(text, "{}: {}", mismatch.what, shortened(&mismatch.message, LONGEST_MESSAGE));
        for line in &mismatch.details {
            let _ = writeln!(text, "  {}", shortened(line, LONGEST_MESSAGE));
        }
    }
    for note in notes(outcome) {
        let _ = writeln!(text, "{note}");
    }
    if let Some(run) = &outcome.run {
        let _ = write!(text, "\n{}", operations(run));
    }
    text
}

/// The maximum number of table lines for a failed scenario. The JSON report contains all operations.
const MOST_ROWS: usize = 200;

/// The table of operations.
fn operations(run: &Run) -> String {
    if run.view.operations.len() < 2 {
        return "no operations\n\n".to_owned();
    }
    let table = table::operations(&run.view);
    let mut lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    if lines.len() > MOST_ROWS {
        let more = lines.len() - MOST_ROWS;
        lines.truncate(MOST_ROWS);
        lines.push(format!(" ... and {more} more lines; --json has them all"));
    }
    lines.join("\n") + "\n\n"
}

/// Prints how many scenarios passed, failed and were skipped.
pub(super) fn summary(ran: &[ScenarioRun<'_>]) {
    let number = |verdict: &str| ran.iter().filter(|one| one.verdict() == verdict).count();
    let mut text = format!("{}: {} passed", count(ran.len(), "scenario"), number("passed"));
    for verdict in ["failed", "skipped"] {
        if number(verdict) > 0 {
            let _ = write!(text, ", {} {verdict}", number(verdict));
        }
    }
    say(text);
}

/// The report as JSON. With time skipping it is the same in every run.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    passed: usize,
    failed: usize,
    skipped: usize,
    scenarios: Vec<One<'a>>,
}

/// One scenario of the report.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'a> {
    file: Cow<'a, str>,
    name: &'a str,
    function: &'a str,
    #[serde(flatten)]
    in_force: Option<InForceJson<'a>>,
    verdict: &'static str,
    mismatches: Option<&'a [Mismatch]>,
    notes: Option<&'a [String]>,
    status: Option<ExecutionStatus>,
    /// As the handler wrote it, with every digit of its numbers.
    result: Option<Box<RawValue>>,
    error: Option<&'a ErrorObject>,
    stalled_on: Option<Vec<String>>,
    duration_millis: Option<u64>,
    invocations: Option<usize>,
    operations: Option<&'a [Arc<Operation>]>,
}

impl<'a> Report<'a> {
    /// The report of these scenarios.
    pub(super) fn new(ran: &'a [ScenarioRun<'a>]) -> Self {
        let number = |verdict: &str| ran.iter().filter(|one| one.verdict() == verdict).count();
        Self {
            passed: number("passed"),
            failed: number("failed"),
            skipped: number("skipped"),
            scenarios: ran.iter().map(One::new).collect(),
        }
    }
}

impl<'a> One<'a> {
    fn new(ran: &'a ScenarioRun<'a>) -> Self {
        let outcome = ran.outcome.as_ref();
        let run = outcome.and_then(|outcome| outcome.run.as_ref());
        let in_force = InForce::new(&ran.subject, &ran.scenario.settings, &ran.grants, &ran.function);
        let stalled = |stall: &Stall| stall.what.iter().map(ToString::to_string).collect();
        Self {
            file: ran.file.path.to_string_lossy(),
            name: &ran.scenario.name,
            function: &ran.function,
            in_force: outcome.is_some().then(|| in_force.json()),
            verdict: ran.verdict(),
            mismatches: outcome.map(|outcome| outcome.mismatches.as_slice()),
            notes: outcome.map(|outcome| outcome.notes.as_slice()),
            status: run.map(|run| run.view.status),
            result: run.and_then(|run| run.view.result.as_deref()).and_then(raw),
            error: run.and_then(|run| run.view.error.as_ref()),
            stalled_on: run.and_then(|run| run.stall.as_ref()).map(stalled),
            duration_millis: outcome
                .map(|outcome| u64::try_from(outcome.duration.as_millis()).unwrap_or(u64::MAX)),
            invocations: run.map(|run| run.view.invocations.len()),
            operations: run.map(|run| run.view.operations.as_slice()),
        }
    }
}

/// The report as `JUnit` XML: one test suite per file, one test case per scenario.
pub(super) fn junit(ran: &[ScenarioRun<'_>]) -> anyhow::Result<String> {
    let files: Vec<String> = ran.iter().map(|one| one.file.path.display().to_string()).collect();
    let cases = ran.iter().zip(&files).map(|(one, file)| {
        let outcome = one.outcome.as_ref();
        let mut properties = vec![("function", one.function.clone())];
        if let Some((outcome, run)) = outcome.and_then(|outcome| Some((outcome, outcome.run.as_ref()?))) {
            properties.push(("status", run.view.status.to_string()));
            properties.push(("duration", report::duration(outcome.duration)));
            properties.push(("invocations", run.view.invocations.len().to_string()));
        }
        let end = match outcome {
            None => CaseEnd::Skipped(None),
            Some(outcome) if outcome.passed() => CaseEnd::Passed,
            Some(outcome) => {
                let first = outcome.mismatches.first();
                let message =
                    first.map(|first| format!("{}: {}", first.what, first.message)).unwrap_or_default();
                let description = explanation(outcome).trim_end().to_owned();
                CaseEnd::Failed { kind: None, reason: Reason { message, description } }
            }
        };
        let output = match outcome.and_then(|outcome| outcome.run.as_ref()) {
            Some(run) if matches!(end, CaseEnd::Passed) => operations(run).trim_end().to_owned(),
            _ => String::new(),
        };
        Case { suite: file, name: one.scenario.name.clone(), end, time: one.time, properties, output }
    });
    Ok(junit::junit("durawasm test", cases)?)
}

fn count(number: usize, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}
