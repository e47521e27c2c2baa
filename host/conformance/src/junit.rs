//! The outcomes as a `JUnit` report: one test suite per folder of cases, one test case per conformance case.
//!
//! Invariants: a required case that did not pass is a failure; an optional case that did not pass is skipped, with the
//! explanation.

use durawasm_report::junit::{self, CaseEnd, Reason};

use super::{Outcome, Report, Verdict};

/// The name of the report, and of the suite of cases that are in no folder.
const NAME: &str = "conformance";

impl Report {
    /// The report as XML.
    ///
    /// # Errors
    /// Returns an error if the XML writer fails. No text of a case causes one.
    pub fn junit(&self) -> std::io::Result<String> {
        let mut outcomes: Vec<&Outcome> = self.outcomes.iter().collect();
        outcomes.sort_by_key(|outcome| &outcome.group);
        junit::junit(NAME, outcomes.into_iter().map(case)).map_err(std::io::Error::other)
    }
}

fn case(outcome: &Outcome) -> junit::Case<'_> {
    let reason = || Reason {
        message: outcome.explanation.first().cloned().unwrap_or_default(),
        description: outcome.explanation.join("\n"),
    };
    let end = match outcome.verdict {
        Verdict::Passed => CaseEnd::Passed,
        _ if outcome.optional => CaseEnd::Skipped(Some(reason())),
        Verdict::Failed => CaseEnd::Failed { kind: Some("Failed"), reason: reason() },
        Verdict::NotImplemented => CaseEnd::Failed { kind: Some("NotImplemented"), reason: reason() },
    };
    junit::Case {
        suite: if outcome.group.is_empty() { NAME } else { &outcome.group },
        name: format!("{} {}", outcome.id, outcome.description),
        end,
        time: outcome.took,
        properties: Vec::new(),
        output: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::CaseId;

    #[test]
    fn suites_and_their_cases() {
        let outcome = |id: &str, group: &str, verdict, optional, explanation: &[&str]| Outcome {
            id: CaseId::new(id),
            group: group.into(),
            description: "a < \"b\" & c\u{1b}[0m".into(),
            optional,
            verdict,
            explanation: explanation.iter().map(|line| (*line).to_owned()).collect(),
            log_unchecked: false,
            took: Duration::from_millis(1500),
        };
        let report = Report {
            outcomes: vec![
                outcome("1-1", "step", Verdict::Passed, false, &[]),
                outcome("1-2", "step", Verdict::Failed, false, &["event 2: <x>", "]]> more\u{1}"]),
                outcome("1-3", "step", Verdict::Failed, true, &["why"]),
                outcome("2-1", "", Verdict::NotImplemented, false, &["no handler"]),
            ],
        };
        let xml = report.junit().unwrap();
        let expected = "\
<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites name=\"conformance\" tests=\"4\" skipped=\"1\" failures=\"2\" errors=\"0\" time=\"6.000\">
    <testsuite name=\"conformance\" tests=\"1\" skipped=\"0\" errors=\"0\" failures=\"1\" time=\"1.500\">
        <testcase name=\"2-1 a &lt; &quot;b&quot; &amp; c\" classname=\"conformance\" time=\"1.500\">
            <failure message=\"no handler\" type=\"NotImplemented\">no handler</failure>
        </testcase>
    </testsuite>
    <testsuite name=\"step\" tests=\"3\" skipped=\"1\" errors=\"0\" failures=\"1\" time=\"4.500\">
        <testcase name=\"1-1 a &lt; &quot;b&quot; &amp; c\" classname=\"step\" time=\"1.500\"/>
        <testcase name=\"1-2 a &lt; &quot;b&quot; &amp; c\" classname=\"step\" time=\"1.500\">
            <failure message=\"event 2: &lt;x&gt;\" type=\"Failed\">event 2: &lt;x&gt;
]]&gt; more</failure>
        </testcase>
        <testcase name=\"1-3 a &lt; &quot;b&quot; &amp; c\" classname=\"step\" time=\"1.500\">
            <skipped message=\"why\">why</skipped>
        </testcase>
    </testsuite>
</testsuites>
";
        assert_eq!(xml, expected);
    }
}
