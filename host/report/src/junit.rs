//! `JUnit` XML, the format in which continuous integration systems read test results.
//!
//! Invariants: consecutive cases of the same suite form one test suite; suites and cases keep the order in which they
//! were given; the counts and times of suites and of the report are the sums of their cases; terminal escape sequences
//! are removed, and so is what XML or a terminal cannot show; names and messages are one line each, and not longer than
//! [`LONGEST_MESSAGE`].

use std::time::Duration;

use durawasm_text::{LONGEST_MESSAGE, printable_lines, shortened};
use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite, XmlString};

/// One test case of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case<'a> {
    /// The test suite of the case, which is also its class name.
    pub suite: &'a str,
    /// The name of the case, unique in its suite.
    pub name: String,
    /// The result of the case.
    pub end: CaseEnd,
    /// How long the case took, in real time.
    pub time: Duration,
    /// Names and values of the case's properties.
    pub properties: Vec<(&'static str, String)>,
    /// The standard output of the case. Empty for none.
    pub output: String,
}

/// The result of a test case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaseEnd {
    /// The case passed.
    Passed,
    /// The case failed.
    Failed {
        /// The type of the failure, for readers that group failures by it.
        kind: Option<&'static str>,
        /// Why the case failed.
        reason: Reason,
    },
    /// The case was not run, or its result does not count; with the reason if there is one to show.
    Skipped(Option<Reason>),
}

/// Why a case failed or was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The reason in one line.
    pub message: String,
    /// The reason in full, in as many lines as it takes.
    pub description: String,
}

/// The XML of a report with this name and these cases.
///
/// # Errors
/// Returns an error if the writer fails to serialize the report. No name, message or output causes one.
pub fn junit<'a>(name: &str, cases: impl IntoIterator<Item = Case<'a>>) -> Result<String, SerializeError> {
    let mut report = Report::new(line(name));
    let mut suites: Vec<(&str, TestSuite, Duration)> = Vec::new();
    for case in cases {
        let mut test = TestCase::new(line(&case.name), status(case.end));
        test.set_classname(line(case.suite)).set_time(case.time);
        let properties = case.properties.iter().map(|(name, value)| ((*name).to_owned(), line(value)));
        test.add_properties(properties);
        if !case.output.is_empty() {
            test.set_system_out(lines(&case.output));
        }
        if suites.last().is_none_or(|(suite, ..)| *suite != case.suite) {
            suites.push((case.suite, TestSuite::new(line(case.suite)), Duration::ZERO));
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

fn status(end: CaseEnd) -> TestCaseStatus {
    let (mut status, reason) = match end {
        CaseEnd::Passed => return TestCaseStatus::success(),
        CaseEnd::Skipped(reason) => (TestCaseStatus::skipped(), reason),
        CaseEnd::Failed { kind, reason } => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            if let Some(kind) = kind {
                status.set_type(kind);
            }
            (status, Some(reason))
        }
    };
    if let Some(Reason { message, description }) = reason {
        status.set_message(line(&message)).set_description(lines(&description));
    }
    status
}

/// Text for an attribute.
fn line(text: &str) -> String {
    // The writer of XML removes whole escape sequences. It lets other characters pass that are not XML.
    shortened(XmlString::new(text).as_str(), LONGEST_MESSAGE)
}

/// Text of several lines for an element.
fn lines(text: &str) -> String {
    printable_lines(XmlString::new(text).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_leaves_valid_xml_of_a_bounded_size() {
        let hostile = "a\u{fffe}\u{ffff}\u{0}\u{9b}\u{202e}\u{1b}[2J\n\r\t<&>]]>\"'\u{10ffff}";
        let long = "n".repeat(20 << 20);
        let failed = |text: &str| CaseEnd::Failed { kind: None, reason: reason(text, hostile) };
        let mut output = case("s", &long, failed(&long));
        output.output = hostile.to_owned();
        output.properties.push(("function", hostile.to_owned()));
        let cases = [output, case("s", hostile, failed(hostile)), case("s", hostile, CaseEnd::Skipped(None))];
        let xml = junit(hostile, cases).unwrap();
        let is_xml =
            |c: char| matches!(c, '\t' | '\n' | ' '..='\u{7e}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..);
        let wrong: Vec<char> = xml.chars().filter(|c| !is_xml(*c) || *c == '\u{202e}').collect();
        assert!(wrong.is_empty() && !xml.contains('\u{10ffff}'), "{wrong:?}");
        assert!(xml.len() < 5 * LONGEST_MESSAGE, "{} bytes", xml.len());
        assert!(xml.contains("name=\"a\u{fffd}\u{fffd}"), "{xml}");
    }

    fn case(suite: &'static str, name: &str, end: CaseEnd) -> Case<'static> {
        let time = Duration::from_millis(1500);
        Case { suite, name: name.to_owned(), end, time, properties: Vec::new(), output: String::new() }
    }

    fn reason(message: &str, description: &str) -> Reason {
        Reason { message: message.to_owned(), description: description.to_owned() }
    }

    #[test]
    fn suites_with_counts_times_reasons_properties_and_output() {
        let failed = CaseEnd::Failed { kind: Some("Failed"), reason: reason("<x>", "<x>\n]]> more") };
        let untyped = CaseEnd::Failed { kind: None, reason: reason("why", "why") };
        let mut passed = case("b", "one", CaseEnd::Passed);
        passed.properties.push(("status", "SUCCEEDED".to_owned()));
        passed.output = "a line".to_owned();
        let cases = [
            passed,
            case("b", "two \"&\" \u{1b}[31mred\u{1b}[0m\u{1}", failed),
            case("a", "three", CaseEnd::Skipped(None)),
            case("a", "four", CaseEnd::Skipped(Some(reason("why", "why so")))),
            case("b", "five", untyped),
        ];
        let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="all" tests="5" skipped="2" failures="2" errors="0" time="7.500">
    <testsuite name="b" tests="2" skipped="0" errors="0" failures="1" time="3.000">
        <testcase name="one" classname="b" time="1.500">
            <properties>
                <property name="status" value="SUCCEEDED"/>
            </properties>
            <system-out>a line</system-out>
        </testcase>
        <testcase name="two &quot;&amp;&quot; red" classname="b" time="1.500">
            <failure message="&lt;x&gt;" type="Failed">&lt;x&gt;
]]&gt; more</failure>
        </testcase>
    </testsuite>
    <testsuite name="a" tests="2" skipped="2" errors="0" failures="0" time="3.000">
        <testcase name="three" classname="a" time="1.500">
            <skipped/>
        </testcase>
        <testcase name="four" classname="a" time="1.500">
            <skipped message="why">why so</skipped>
        </testcase>
    </testsuite>
    <testsuite name="b" tests="1" skipped="0" errors="0" failures="1" time="1.500">
        <testcase name="five" classname="b" time="1.500">
            <failure message="why">why</failure>
        </testcase>
    </testsuite>
</testsuites>
"#;
        assert_eq!(junit("all", cases).unwrap(), expected);
    }
}
