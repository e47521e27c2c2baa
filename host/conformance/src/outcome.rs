//! What cases came to, for people.

use std::{fmt, time::Duration};

use super::CaseId;

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All is as expected.
    Passed,
    /// Something is not as expected.
    Failed,
    /// The component has no handler of the case's id.
    NotImplemented,
}

/// What a case came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Which case.
    pub id: CaseId,
    /// The folder it was in.
    pub group: String,
    /// What it is about.
    pub description: String,
    /// Whether it counts.
    pub optional: bool,
    /// How it ended.
    pub verdict: Verdict,
    /// What is not as expected: each finding, then the history and the log lines, a line each. Empty when it passed.
    pub explanation: Vec<String>,
    /// How long it took in real time.
    pub took: Duration,
}

impl Outcome {
    /// Whether the whole is a failure because of this case.
    pub fn counts_as_failure(&self) -> bool {
        !self.optional && self.verdict != Verdict::Passed
    }

    /// The verdict in words.
    pub fn word(&self) -> &'static str {
        match (self.verdict, self.optional) {
            (Verdict::Passed, _) => "ok",
            (Verdict::Failed, false) => "FAILED",
            (Verdict::NotImplemented, false) => "MISSING",
            (Verdict::Failed, true) => "failed",
            (Verdict::NotImplemented, true) => "missing",
        }
    }
}

impl fmt::Display for Outcome {
    /// A line, and the explanation indented below it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let optional = if self.optional { " (optional)" } else { "" };
        write!(f, "{:<7} {:<5} {}{optional}", self.word(), self.id, self.description)?;
        self.explanation.iter().try_for_each(|line| write!(f, "\n        {line}"))
    }
}

/// What all cases came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Each case, in the order of ids.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// Whether all that is required passed.
    pub fn passed(&self) -> bool {
        !self.outcomes.iter().any(Outcome::counts_as_failure)
    }

    /// How many cases passed, failed and so on, in a line.
    pub fn summary(&self) -> String {
        let count = |verdict, optional| {
            self.outcomes.iter().filter(|case| case.verdict == verdict && case.optional == optional).count()
        };
        let passed = count(Verdict::Passed, false) + count(Verdict::Passed, true);
        let missing = count(Verdict::NotImplemented, false) + count(Verdict::NotImplemented, true);
        format!(
            "{} cases: {passed} passed, {} failed, {} optional failed, {missing} without a handler",
            self.outcomes.len(),
            count(Verdict::Failed, false),
            count(Verdict::Failed, true),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(id: &str, verdict: Verdict, optional: bool) -> Outcome {
        let explanation =
            if verdict == Verdict::Passed { vec![] } else { vec!["why".to_owned(), "more".to_owned()] };
        Outcome {
            id: CaseId::new(id),
            group: "step".into(),
            description: "does it".into(),
            optional,
            verdict,
            explanation,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn lines_and_summary() {
        use Verdict::{Failed, NotImplemented, Passed};
        let mut report = Report {
            outcomes: vec![
                outcome("1-1", Passed, false),
                outcome("1-2", Passed, true),
                outcome("1-3", Failed, true),
                outcome("1-4", NotImplemented, true),
            ],
        };
        assert!(report.passed());
        assert_eq!(report.summary(), "4 cases: 2 passed, 0 failed, 1 optional failed, 1 without a handler");
        let lines: Vec<_> = report.outcomes.iter().map(ToString::to_string).collect();
        assert_eq!(lines[0], "ok      1-1   does it");
        assert_eq!(lines[2], "failed  1-3   does it (optional)\n        why\n        more");
        for verdict in [Failed, NotImplemented] {
            report.outcomes.push(outcome("10-22", verdict, false));
            assert!(!report.passed());
            report.outcomes.pop();
        }
        assert_eq!(
            Report::default().summary(),
            "0 cases: 0 passed, 0 failed, 0 optional failed, 0 without a handler"
        );
    }
}
