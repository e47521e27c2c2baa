//! A report in the XML of `JUnit`, as continuous integration systems read it: a suite a folder, a test case a case.
//!
//! A required case that did not pass is a failure; an optional one is skipped, and says why.

use std::collections::BTreeMap;

use xml::writer::{EmitterConfig, Error, EventWriter, XmlEvent};

use super::{Outcome, Report, Verdict};

type Writer = EventWriter<Vec<u8>>;

impl Report {
    /// The report as XML.
    ///
    /// # Errors
    /// None that is known of: all that is written is made fit for XML.
    pub fn junit(&self) -> std::io::Result<String> {
        self.write().map_err(std::io::Error::other)
    }

    fn write(&self) -> Result<String, Error> {
        let mut suites: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
        for outcome in &self.outcomes {
            suites.entry(&outcome.group).or_default().push(outcome);
        }
        let mut writer =
            EmitterConfig::new().perform_indent(true).autopad_comments(false).create_writer(Vec::new());
        let all: Vec<&Outcome> = self.outcomes.iter().collect();
        counted(&mut writer, "testsuites", "conformance", &all)?;
        for (group, outcomes) in suites {
            let name = if group.is_empty() { "conformance" } else { group };
            counted(&mut writer, "testsuite", name, &outcomes)?;
            for outcome in outcomes {
                test_case(&mut writer, name, outcome)?;
            }
            writer.write(XmlEvent::end_element())?;
        }
        writer.write(XmlEvent::end_element())?;
        Ok(String::from_utf8_lossy(&writer.into_inner()).into_owned())
    }
}

/// Opens an element that says how many cases it has.
fn counted(writer: &mut Writer, element: &str, name: &str, outcomes: &[&Outcome]) -> Result<(), Error> {
    let count =
        |fits: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| fits(outcome)).count().to_string();
    let took: f64 = outcomes.iter().map(|outcome| outcome.took.as_secs_f64()).sum();
    writer.write(
        XmlEvent::start_element(element)
            .attr("name", &clean(name))
            .attr("tests", &outcomes.len().to_string())
            .attr("failures", &count(Outcome::counts_as_failure))
            .attr("errors", "0")
            .attr("skipped", &count(|outcome| outcome.optional && outcome.verdict != Verdict::Passed))
            .attr("time", &format!("{took:.3}")),
    )
}

fn test_case(writer: &mut Writer, suite: &str, outcome: &Outcome) -> Result<(), Error> {
    writer.write(
        XmlEvent::start_element("testcase")
            .attr("name", &clean(&format!("{} {}", outcome.id, outcome.description)))
            .attr("classname", &clean(suite))
            .attr("time", &format!("{:.3}", outcome.took.as_secs_f64())),
    )?;
    if outcome.verdict != Verdict::Passed {
        let message = clean(outcome.explanation.first().map_or("", String::as_str));
        let element = if outcome.optional { "skipped" } else { "failure" };
        let kind = if outcome.verdict == Verdict::Failed { "Failed" } else { "NotImplemented" };
        let start = XmlEvent::start_element(element).attr("message", &message);
        if outcome.optional {
            writer.write(start)?;
        } else {
            writer.write(start.attr("type", kind))?;
        }
        writer.write(XmlEvent::characters(&clean(&outcome.explanation.join("\n"))))?;
        writer.write(XmlEvent::end_element())?;
    }
    writer.write(XmlEvent::end_element())
}

/// A text without the characters that XML has no way to write.
fn clean(text: &str) -> String {
    let fits = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if fits(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
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
            took: Duration::from_millis(1500),
        };
        let report = Report {
            outcomes: vec![
                outcome("1-1", "step", Verdict::Passed, false, &[]),
                outcome("1-2", "step", Verdict::Failed, false, &["event 2: <x>", "]]> more"]),
                outcome("1-3", "step", Verdict::Failed, true, &["why"]),
                outcome("2-1", "", Verdict::NotImplemented, false, &["no handler"]),
            ],
        };
        let xml = report.junit().unwrap();
        let expected = "\
<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites name=\"conformance\" tests=\"4\" failures=\"2\" errors=\"0\" skipped=\"1\" time=\"6.000\">
  <testsuite name=\"conformance\" tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\" time=\"1.500\">
    <testcase name=\"2-1 a &lt; &quot;b&quot; &amp; c\u{fffd}[0m\" classname=\"conformance\" time=\"1.500\">
      <failure message=\"no handler\" type=\"NotImplemented\">no handler</failure>
    </testcase>
  </testsuite>
  <testsuite name=\"step\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\" time=\"4.500\">
    <testcase name=\"1-1 a &lt; &quot;b&quot; &amp; c\u{fffd}[0m\" classname=\"step\" time=\"1.500\" />
    <testcase name=\"1-2 a &lt; &quot;b&quot; &amp; c\u{fffd}[0m\" classname=\"step\" time=\"1.500\">
      <failure message=\"event 2: &lt;x&gt;\" type=\"Failed\">event 2: &lt;x&gt;
]]&gt; more</failure>
    </testcase>
    <testcase name=\"1-3 a &lt; &quot;b&quot; &amp; c\u{fffd}[0m\" classname=\"step\" time=\"1.500\">
      <skipped message=\"why\">why</skipped>
    </testcase>
  </testsuite>
</testsuites>";
        assert_eq!(xml, expected);
    }
}
