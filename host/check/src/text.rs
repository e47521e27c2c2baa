//! Reports as text for people.
//!
//! Invariants: every line is safe to print and of a bounded length; values are cut to where they differ.

use std::fmt;

use durawasm_report::{LONGEST_MESSAGE, shortened};
use serde_json::Value;

use crate::{
    kind::Kind,
    report::{Divergence, HistoryReport, Report, Verdict},
};

/// The most recorded executions that a report names. Of more, it names those that are not compatible.
const NAMED: usize = 100;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![format!("{}: {}", self.function, self.heading())];
        if let Some(ended) = &self.ended {
            lines.push(format!("the recorded run {ended}"));
        }
        if let Some(divergence) = &self.divergence {
            lines.push(String::new());
            describe(divergence, &mut lines);
        }
        if !self.findings.is_empty() {
            lines.extend([String::new(), "findings:".to_owned()]);
            for finding in &self.findings {
                let (kind, operation) = (finding.kind.as_str(), finding.operation.label());
                lines.push(format!("  {kind}: {operation}: {}", finding.detail));
            }
        }
        if !self.histories.is_empty() {
            lines.push(String::new());
            recorded(&self.histories, &mut lines);
        }
        lines.push(String::new());
        let of = |what: &str, [done, of]: [usize; 2]| format!("{done} of {of} {what}");
        let explored = &self.explored;
        lines.push(format!(
            "explored {}, {}, {}",
            of("prefixes", explored.prefixes),
            of("crash points", explored.crash_points),
            of("perturbations", explored.perturbations),
        ));
        lines.extend(self.not_explored.iter().map(|why| format!("not explored: {why}")));
        let budget = &self.budget;
        if budget.invocations > 0 {
            lines.push(format!(
                "an execution: {}, {}, {}; quota: {}",
                count(budget.operations, "operation"),
                count(budget.checkpoints, "checkpoint"),
                count(budget.invocations, "invocation"),
                budget.quota
            ));
        }
        f.write_str(&joined(&lines))
    }
}

impl Report {
    /// The verdict; of a check of recorded executions alone, what came of them.
    fn heading(&self) -> &'static str {
        if self.budget.invocations > 0 || self.verdict > Verdict::Deterministic {
            return self.verdict.as_str();
        }
        if self.histories.is_empty() {
            return "nothing was replayed";
        }
        let judged = self.histories.iter().any(|history| history.reason.is_none());
        if judged { "compatible" } else { "not judged" }
    }
}

/// Recorded executions: how many of them got which judgement, and a line for each, or for those that differ.
fn recorded(histories: &[HistoryReport], lines: &mut Vec<String>) {
    let counts = ["compatible", "incompatible", "not-judged"]
        .map(|verdict| (histories.iter().filter(|history| history.verdict == verdict).count(), verdict));
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, verdict)| format!("{count} {verdict}")).collect();
    lines.push(format!("recorded executions: {}", counts.join(", ")));
    let all = histories.len() <= NAMED;
    let mut named = histories.iter().filter(|history| all || history.verdict != "compatible");
    for history in named.by_ref().take(NAMED) {
        // A file that does not say of which execution it is stands for it.
        let execution = Some(&*history.execution).filter(|execution| *execution != &*history.file);
        let execution = execution.map(|execution| format!(", {execution}")).unwrap_or_default();
        let why = match (&history.divergence, &history.reason) {
            (Some(divergence), _) => format!(", {}", divergence.place()),
            (None, Some(reason)) => format!(": {reason}"),
            (None, None) => String::new(),
        };
        lines.push(format!("  {}{execution}: {}{why}", history.file, history.verdict));
    }
    let more = named.count();
    if more > 0 {
        lines.push(format!("  and {more} more that are not compatible; --json lists all"));
    }
}

/// Lines as one text that is safe to print.
fn joined(lines: &[String]) -> String {
    lines.iter().map(|line| shortened(line, LONGEST_MESSAGE)).collect::<Vec<_>>().join("\n")
}

fn count(number: u64, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}

impl Divergence {
    /// Where it shows, in a few words.
    pub fn place(&self) -> String {
        match &self.operation {
            Some(operation) => format!("differs at {}", operation.label()),
            None => "differs in the result".to_owned(),
        }
    }

    /// All of it, in lines.
    pub fn describe(&self) -> String {
        let mut lines = Vec::new();
        describe(self, &mut lines);
        joined(&lines)
    }
}

fn describe(divergence: &Divergence, out: &mut Vec<String>) {
    let under = match divergence.under {
        Kind::Replay => "a replay".to_owned(),
        Kind::Crash => "a crash".to_owned(),
        other => format!("another {}", words(other)),
    };
    out.push(format!("{} under {under}: {}", divergence.place(), divergence.described));
    out.push(String::new());
    out.extend(divergence.before.iter().map(|operation| format!("   |  {operation}")));
    out.push(format!("   X  {}", short(divergence)));
    out.push(String::new());
    out.extend(side_by_side(divergence.expected.as_ref(), divergence.actual.as_ref()));
    if !divergence.imports.is_empty() {
        out.extend([String::new(), "imports that the handler called before:".to_owned()]);
        for import in &divergence.imports {
            out.push(format!("  {}({}) -> {}", import.name, import.arguments, import.result));
        }
    }
    if !divergence.backtrace.is_empty() {
        out.extend([String::new(), "where the handler was:".to_owned()]);
        out.extend(divergence.backtrace.iter().map(|frame| format!("  at {frame}")));
    }
    out.extend([String::new(), format!("what to do: {}", divergence.advice)]);
    if divergence.schedule != "history" {
        out.push(format!("again: --replay {}", divergence.schedule));
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

/// The widest cell of a comparison, in characters.
const CELL: usize = 44;

/// Two values beside each other, one member a line. Long ones are cut to where they differ.
fn side_by_side(expected: Option<&Value>, actual: Option<&Value>) -> Vec<String> {
    let mut rows = vec![("on record".to_owned(), "now".to_owned())];
    let (expected, actual) = (lines(expected), lines(actual));
    for at in 0..expected.len().max(actual.len()) {
        let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
        rows.push(cut(&line(&expected), &line(&actual)));
    }
    let width = rows.iter().map(|(left, _)| left.chars().count()).max().unwrap_or(0);
    rows.into_iter()
        .map(|(left, right)| format!("  {left:<width$}   {right}").trim_end().to_owned())
        .collect()
}

/// Cuts two lines that are too long, so that the first difference stays visible.
fn cut(left: &str, right: &str) -> (String, String) {
    if left.chars().count() <= CELL && right.chars().count() <= CELL {
        return (left.to_owned(), right.to_owned());
    }
    let same = left.chars().zip(right.chars()).take_while(|(a, b)| a == b).count();
    // The name of the member, and a little of what the two have in common.
    let name = left.find(": ").map_or(0, |at| at + 2);
    let from = same.saturating_sub(12).max(name);
    let piece = |line: &str| {
        if line.chars().count() <= CELL {
            return line.to_owned();
        }
        let head: String = line.chars().take(name).collect();
        let room = CELL - name.min(CELL / 2) - 4;
        let before = if from > name { ".." } else { "" };
        let body: String = line.chars().skip(from).take(room).collect();
        let after = if line.chars().count() > from + room { ".." } else { "" };
        format!("{head}{before}{body}{after}")
    };
    (piece(left), piece(right))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn history(execution: &str, verdict: &'static str) -> HistoryReport {
        HistoryReport {
            file: "s.db".into(),
            execution: execution.to_owned(),
            verdict,
            divergence: None,
            reason: (verdict == "not-judged").then(|| "why".to_owned()),
            unreadable: false,
        }
    }

    #[test]
    fn few_recorded_executions_are_named_and_of_many_those_that_differ() {
        let shown = |histories: &[HistoryReport]| {
            let mut lines = Vec::new();
            recorded(histories, &mut lines);
            lines
        };
        let few = [history("a", "compatible"), history("s.db", "incompatible"), history("b", "not-judged")];
        assert_eq!(
            shown(&few),
            [
                "recorded executions: 1 compatible, 1 incompatible, 1 not-judged",
                "  s.db, a: compatible",
                "  s.db: incompatible",
                "  s.db, b: not-judged: why",
            ]
        );
        let verdict = |number: usize| if number < 102 { "incompatible" } else { "compatible" };
        let many: Vec<_> = (0..500).map(|number| history(&number.to_string(), verdict(number))).collect();
        let lines = shown(&many);
        assert_eq!(lines[0], "recorded executions: 398 compatible, 102 incompatible");
        assert_eq!(lines[100], "  s.db, 99: incompatible");
        assert_eq!(lines[101..], ["  and 2 more that are not compatible; --json lists all"]);
    }

    #[test]
    fn a_report_of_recorded_executions_alone_says_what_came_of_them() {
        let mut report = Report::empty("h".to_owned(), "f".to_owned());
        assert_eq!(report.heading(), "nothing was replayed");
        report.histories = vec![history("a", "not-judged")];
        assert_eq!(report.heading(), "not judged");
        report.histories.push(history("b", "compatible"));
        assert_eq!(report.heading(), "compatible");
        report.verdict = Verdict::Incompatible;
        assert_eq!(report.heading(), "incompatible");
    }

    #[test]
    fn long_values_are_cut_to_where_they_differ() {
        let list = |last: &str| json!({ "name": "a", "result": format!("{}{last}", "x".repeat(100)) });
        let rows = side_by_side(Some(&list("yes")), Some(&list("no")));
        assert_eq!(
            rows,
            [
                "  on record                   now",
                "  name: a                     name: a",
                "  result: ..xxxxxxxxxxxxyes   result: ..xxxxxxxxxxxxno"
            ]
        );
        assert_eq!(side_by_side(None, Some(&json!({"a": 1})))[1..], ["  nothing     a: 1"]);
    }
}
