//! `JUnit` XML: what continuous integration reads.
//!
//! Always true: one test suite a file, one test case a scenario, in the order in which they were given.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

/// One scenario for the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case<'a> {
    /// The scenario's file.
    pub file: &'a str,
    /// The scenario's name.
    pub name: &'a str,
    /// How it ended.
    pub end: CaseEnd,
    /// How long it took, in real time.
    pub time: Duration,
    /// Names and values that tell more.
    pub properties: Vec<(&'static str, String)>,
    /// What there is to see, in lines.
    pub output: String,
}

/// How a scenario ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaseEnd {
    /// All was as expected.
    Passed,
    /// Something was not.
    Failed {
        /// In one line.
        message: String,
        /// In many.
        description: String,
    },
    /// It was not run.
    Skipped,
}

/// The report's text.
///
/// # Errors
/// When it cannot be written as XML; what XML has no characters for is left out, and no error.
pub fn junit(cases: Vec<Case<'_>>) -> Result<String, SerializeError> {
    let mut report = Report::new("durawasm test");
    let mut suites: Vec<(&str, TestSuite, Duration)> = Vec::new();
    for case in cases {
        let status = match case.end {
            CaseEnd::Passed => TestCaseStatus::success(),
            CaseEnd::Skipped => TestCaseStatus::skipped(),
            CaseEnd::Failed { message, description } => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(message).set_description(description);
                status
            }
        };
        let mut test = TestCase::new(case.name, status);
        test.set_classname(case.file).set_time(case.time);
        test.add_properties(case.properties.iter().map(|(name, value)| (*name, &**value)));
        if !case.output.is_empty() {
            test.set_system_out(case.output);
        }
        if suites.last().is_none_or(|(file, ..)| *file != case.file) {
            suites.push((case.file, TestSuite::new(case.file), Duration::ZERO));
        }
        if let Some((_, suite, time)) = suites.last_mut() {
            suite.add_test_case(test);
            *time += case.time;
        }
    }
    let mut total = Duration::ZERO;
    for (_, mut suite, time) in suites {
        suite.set_time(time);
        report.add_test_suite(suite);
        total += time;
    }
    report.set_time(total);
    report.to_string()
}
