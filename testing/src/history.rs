//! Histories in a form that tests can compare with other runs and with an expected text.
//!
//! Invariants: a normalized history depends only on what the handler did. Ids are numbered in the order in which they
//! first appear, and times are counted from the start of the execution in whole seconds, so two runs of the same
//! handler give the same text.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aho_corasick::{AhoCorasick, MatchKind};
use durawasm_core::protocol::{Event, EventDetails, RetryDetails, Timestamp};
use durawasm_report::duration;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// The history in the service's JSON shape, with ids, ARNs and times that are the same in every run.
pub(crate) fn normalized(events: &[Arc<Event>]) -> Value {
    let Some(start) = events.first().map(|event| event.event_timestamp) else {
        return Value::Array(Vec::new());
    };
    let names = Names::new(events);
    let events = events.iter().map(|event| {
        let mut value = serde_json::to_value(&**event).unwrap_or_default();
        names.normalize(&mut value, start);
        value
    });
    events.collect()
}

/// Maps random texts (ids, ARNs) to stable replacements.
struct Names {
    texts: HashMap<String, String>,
    /// Finds the random texts inside other texts. The longest match wins, because one text may be a part of another.
    within: Option<(AhoCorasick, Vec<String>)>,
}

impl Names {
    fn new(events: &[Arc<Event>]) -> Self {
        let mut texts = HashMap::new();
        let mut counts: HashMap<&'static str, usize> = HashMap::new();
        let mut name = |kind: &'static str, text: &str| {
            if !text.is_empty() && !texts.contains_key(text) {
                let count = counts.entry(kind).or_default();
                *count += 1;
                texts.insert(text.to_owned(), format!("{kind}-{count}"));
            }
        };
        for event in events {
            if let (EventDetails::ExecutionStarted(_), Some(execution)) = (&event.details, &event.name) {
                name("execution", execution);
            }
            if let Some(id) = &event.id {
                name("op", id.as_str());
            }
            match &event.details {
                EventDetails::CallbackStarted(details) => name("callback", details.callback_id.as_str()),
                EventDetails::InvocationCompleted(details) => name("request", &details.request_id),
                EventDetails::ChainedInvokeStarted(details) => {
                    if let Some(arn) = &details.durable_execution_arn {
                        name("arn", arn.as_str());
                    }
                }
                _ => {}
            }
        }
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(texts.keys());
        // Building fails only for more than 2 GB of patterns; whole texts are still replaced then.
        let within = finder.ok().map(|finder| (finder, texts.values().cloned().collect()));
        Self { texts, within }
    }

    fn normalize(&self, value: &mut Value, start: Timestamp) {
        match value {
            Value::String(text) => {
                if let Some(name) = self.texts.get(text) {
                    text.clone_from(name);
                } else if let Some((finder, names)) = &self.within
                    && finder.is_match(text.as_str())
                {
                    *text = finder.replace_all(text, names);
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.normalize(value, start)),
            Value::Object(members) => {
                // Names of compiled functions differ from build to build.
                members.remove("StackTrace");
                for (key, value) in members {
                    match value.as_f64().filter(|_| key.ends_with("Timestamp")) {
                        Some(_) => *value = Value::String(relative(value, start)),
                        None => self.normalize(value, start),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// The time since the start in whole seconds, because real time is not exact.
fn relative(value: &Value, start: Timestamp) -> String {
    match serde_json::from_value::<Timestamp>(value.clone()) {
        Ok(at) => since(at, start),
        Err(_) => value.to_string(),
    }
}

fn since(at: Timestamp, start: Timestamp) -> String {
    format!("+{}", seconds(at.since(start).as_secs()))
}

fn seconds(seconds: u64) -> String {
    duration(Duration::from_secs(seconds))
}

/// The history in short, one line per event: time, event type, operation and the most useful details.
pub(crate) fn lines(events: &[Arc<Event>]) -> Vec<String> {
    let Some(start) = events.first().map(|event| event.event_timestamp) else { return Vec::new() };
    events.iter().map(|event| format!("{} {}", since(event.event_timestamp, start), what(event))).collect()
}

fn what(event: &Event) -> String {
    let mut text = format!("{:?}", event.event_type);
    // The event's name is the execution's, not an operation's.
    if let Some(name) = event.name.as_deref().filter(|_| !text.starts_with("Execution")) {
        text += &format!(" {name}");
    }
    let attempt = |retry: RetryDetails| match retry.next_attempt_delay_seconds {
        Some(next) => format!(" (attempt {}, the next after {})", retry.current_attempt, seconds(next)),
        None => format!(" (attempt {})", retry.current_attempt),
    };
    let details = match &event.details {
        EventDetails::StepSucceeded(closed) => attempt(closed.retry_details),
        EventDetails::StepFailed(closed) => attempt(closed.retry_details),
        EventDetails::WaitStarted(details) => format!(" ({})", seconds(details.duration)),
        EventDetails::ChainedInvokeStarted(details) => format!(" ({})", details.function_name),
        _ => String::new(),
    };
    text + &details
}

/// The difference between the expected and the actual history as a text diff; `None` if they are equal. Blank lines and
/// the number of blanks between words are ignored.
pub(crate) fn difference(expected: &str, actual: &[String]) -> Option<String> {
    let clean = |lines: &mut dyn Iterator<Item = &str>| {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines: Vec<String> = lines.map(words).filter(|line| !line.is_empty()).collect();
        lines.join("\n") + "\n"
    };
    let expected = clean(&mut expected.lines());
    let actual = clean(&mut actual.iter().map(String::as_str));
    if expected == actual {
        return None;
    }
    let diff = TextDiff::from_lines(&expected, &actual);
    let mut text = String::from("the history is not the expected one (-: expected, +: there instead)\n");
    for change in diff.iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => ' ',
        };
        text += &format!("{sign} {}", change.value());
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_both_sides_and_blanks_do_not_count() {
        let actual = ["+0s ExecutionStarted", "+0s StepStarted a"].map(String::from);
        assert_eq!(difference("  +0s   ExecutionStarted\n\n   +0s StepStarted a  \n", &actual), None);
        let text = difference("+0s ExecutionStarted\n+0s StepStarted b", &actual).unwrap();
        assert!(
            text.contains("  +0s ExecutionStarted\n- +0s StepStarted b\n+ +0s StepStarted a\n"),
            "{text}"
        );
    }
}
