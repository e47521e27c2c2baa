//! The outcomes of cases, and their text format.

use std::{fmt, time::Duration};

use durawasm_report::{LONGEST_MESSAGE, shortened};

use super::CaseId;

/// The verdict on a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All expectations were met.
    Passed,
    /// An expectation was not met.
    Failed,
    /// The component has no handler with the id of the case.
    NotImplemented,
}

/// The outcome of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The id of the case.
    pub id: CaseId,
    /// The folder of the case.
    pub group: String,
    /// The purpose of the case.
    pub description: String,
    /// Whether the outcome is only reported, and does not fail the run.
    pub optional: bool,
    /// Whether the case passed.
    pub verdict: Verdict,
    /// The differences, then the history and the log, one line each. Empty if the case passed.
    pub explanation: Vec<String>,
    /// Whether the case expects log lines, and they were not compared, because nothing told them.
    pub log_unchecked: bool,
    /// The duration in real time.
    pub took: Duration,
}

impl Outcome {
    /// Whether this case fails the run.
    pub fn counts_as_failure(&self) -> bool {
        !self.optional && self.verdict != Verdict::Passed
    }

    /// The verdict as text; in lower case for optional cases.
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
    /// One line, followed by the indented explanation. Each line is safe to print and of a bounded length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let optional = if self.optional { " (optional)" } else { "" };
        let line = |text: &str| shortened(text, LONGEST_MESSAGE);
        let id = line(self.id.as_str());
        let log =
            if self.log_unchecked && self.verdict == Verdict::Passed { " (without its log)" } else { "" };
        write!(f, "{:<7} {id:<5} {}{optional}{log}", self.word(), line(&self.description))?;
        self.explanation.iter().try_for_each(|text| write!(f, "\n        {}", line(text)))
    }
}

/// The outcomes of all cases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The outcomes in the order of ids.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// Whether all required cases passed.
    pub fn passed(&self) -> bool {
        !self.outcomes.iter().any(Outcome::counts_as_failure)
    }

    /// The number of cases per verdict, in one line.
    pub fn summary(&self) -> String {
        let count = |verdict, optional| {
            self.outcomes.iter().filter(|case| case.verdict == verdict && case.optional == optional).count()
        };
        let passed = count(Verdict::Passed, false) + count(Verdict::Passed, true);
        let missing = count(Verdict::NotImplemented, false) + count(Verdict::NotImplemented, true);
        let unchecked = self.outcomes.iter().filter(|case| case.log_unchecked).count();
        let unchecked =
            if unchecked == 0 { String::new() } else { format!("; the log of {unchecked} was not compared") };
        format!(
            "{} cases: {passed} passed, {} failed, {} optional failed, {missing} without a handler{unchecked}",
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
            log_unchecked: false,
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
        report.outcomes[0].log_unchecked = true;
        assert!(report.summary().ends_with("; the log of 1 was not compared"), "{}", report.summary());
        assert_eq!(report.outcomes[0].to_string(), "ok      1-1   does it (without its log)");
        assert_eq!(
            Report::default().summary(),
            "0 cases: 0 passed, 0 failed, 0 optional failed, 0 without a handler"
        );
    }
}
