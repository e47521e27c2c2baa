//! Compares captured log lines with the lines that a case expects.
//!
//! | line | its fields |
//! |---|---|
//! | standard output or error, a JSON object | those of the object, and no others |
//! | any other line of standard output or error | `message`, and the fields that the host adds |
//! | a line of the log | `message`, the fields that the host adds, and the line's own fields, as texts |
//!
//! The host adds `level`, `timestamp`, `requestId`, `executionArn`, `operationId` and `operationName`.
//!
//! Invariants: only the lines of the case's execution are compared, in the order in which they were written; lines that
//! were dropped during replays are not included.

use durawasm_core::{
    invocation::{LogLine, LogSource},
    server::ExecutionView,
};
use serde_json::{Map, Value, json};

use super::{
    compare::{Keys, compare, same, shorten, show},
    template::{Bindings, regex, text_of},
};

/// The expectation for the lines that match a pattern.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ExpectedLog {
    /// The pattern of the lines.
    pub(super) pattern: Pattern,
    /// The minimum number of lines.
    pub(super) least: u64,
    /// The maximum number of lines; `None` for no maximum.
    pub(super) most: Option<u64>,
    /// For each pattern, every line must precede a line that matches it.
    pub(super) before: Vec<Pattern>,
    /// For each pattern, every line must follow a line that matches it.
    pub(super) after: Vec<Pattern>,
}

/// Matches lines by their fields. A text between slashes is a regular expression.
pub(super) type Pattern = Map<String, Value>;

/// A captured line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    fields: Map<String, Value>,
    /// Whether all fields were converted to texts.
    texts: bool,
    shown: String,
}

/// The lines of an execution.
pub(super) fn records(lines: &[LogLine], execution: &ExecutionView) -> Vec<Record> {
    let ours = |line: &&LogLine| execution.invocations.iter().any(|i| i.request_id == line.invocation_id);
    lines.iter().filter(ours).map(|line| Record::new(line, execution)).collect()
}

impl Record {
    fn new(line: &LogLine, execution: &ExecutionView) -> Self {
        let object = || serde_json::from_str::<Map<String, Value>>(line.message.trim()).ok();
        if let Some(fields) = (line.source != LogSource::Log).then(object).flatten() {
            return Self { fields, texts: false, shown: line.message.clone() };
        }
        let mut fields: Map<String, Value> =
            line.fields.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        fields.insert("message".to_owned(), json!(line.message));
        let operation = line.operation.as_ref();
        let name = execution.operations.iter().find(|known| Some(&known.id) == operation);
        let known = [
            ("level", Some(json!(line.level.as_str()))),
            ("timestamp", Some(json!(line.time.to_string()))),
            ("requestId", Some(json!(&*line.invocation_id))),
            ("executionArn", Some(json!(execution.arn.as_str()))),
            ("operationId", operation.map(|id| json!(id.as_str()))),
            ("operationName", name.and_then(|operation| operation.name.as_deref()).map(|name| json!(name))),
        ];
        for (key, value) in known {
            if let Some(value) = value {
                fields.entry(key).or_insert(value);
            }
        }
        let own: Vec<String> = line.fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        let shown = format!("{} {}{}", line.level.as_str(), line.message, own.concat());
        Self { fields, texts: true, shown }
    }

    /// Whether the line matches. If it does, names without a value take theirs from it.
    fn fits(&self, pattern: &Pattern, bindings: &mut Bindings) -> bool {
        let mut trial = bindings.clone();
        let fits = pattern.iter().all(|(key, expected)| self.field_fits(key, expected, &mut trial));
        if fits {
            *bindings = trial;
        }
        fits
    }

    fn field_fits(&self, key: &str, expected: &Value, bindings: &mut Bindings) -> bool {
        let Some(actual) = self.fields.get(key) else { return false };
        if let Some(pattern) = slashes(expected) {
            return regex(pattern, bindings).is_ok_and(|regex| regex.is_match(&text_of(actual)));
        }
        if self.texts && matches!(expected, Value::Bool(_) | Value::Number(_)) {
            return same(expected, actual) || text_of(expected) == text_of(actual);
        }
        compare(expected, Some(actual), Keys::AtLeast, bindings).is_empty()
    }
}

/// The regular expression between slashes; `None` if the value is not one.
pub(super) fn slashes(expected: &Value) -> Option<&str> {
    let text = expected.as_str()?;
    text.strip_prefix('/')?.strip_suffix('/')
}

/// The differences from the expected lines, one line each.
pub(super) fn check(expected: &[ExpectedLog], records: &[Record], bindings: &mut Bindings) -> Vec<String> {
    expected.iter().flat_map(|expected| check_one(expected, records, bindings)).collect()
}

fn check_one(expected: &ExpectedLog, records: &[Record], bindings: &mut Bindings) -> Vec<String> {
    let ExpectedLog { pattern, least, most, before, after } = expected;
    let found = places(pattern, records, bindings);
    let pattern = show_pattern(pattern, bindings);
    let mut findings = Vec::new();
    let count = found.len() as u64;
    if count < *least || most.is_some_and(|most| count > most) {
        findings.push(format!("log lines with {pattern}: expected {}, found {count}", range(*least, *most)));
    }
    let (Some(first), Some(last)) = (found.first(), found.last()) else { return findings };
    for other in before {
        let others = places(other, records, bindings);
        if others.last().is_none_or(|other| other <= last) {
            let other = show_pattern(other, bindings);
            findings.push(format!("log lines with {pattern}: not all are before one with {other}"));
        }
    }
    for other in after {
        let others = places(other, records, bindings);
        if others.first().is_none_or(|other| other >= first) {
            let other = show_pattern(other, bindings);
            findings.push(format!("log lines with {pattern}: not all are after one with {other}"));
        }
    }
    findings
}

fn places(pattern: &Pattern, records: &[Record], bindings: &mut Bindings) -> Vec<usize> {
    records
        .iter()
        .enumerate()
        .filter(|(_, record)| record.fits(pattern, bindings))
        .map(|(at, _)| at)
        .collect()
}

fn range(least: u64, most: Option<u64>) -> String {
    match most {
        Some(most) if most == least => most.to_string(),
        Some(most) => format!("{least} to {most}"),
        None => format!("at least {least}"),
    }
}

fn show_pattern(pattern: &Pattern, bindings: &Bindings) -> String {
    show(&Value::Object(pattern.clone()), bindings)
}

/// The captured lines as text.
pub(super) fn show_records(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| shorten(&record.shown, 200)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Record {
        let object = serde_json::from_str(text);
        let (texts, shown) = (object.is_err(), text.to_owned());
        let message = || [("message".to_owned(), json!(text)), ("attempt".to_owned(), json!("2"))];
        Record { fields: object.unwrap_or_else(|_| message().into_iter().collect()), texts, shown }
    }

    fn map(value: &Value) -> Pattern {
        value.as_object().unwrap().clone()
    }

    fn expect(pattern: &Value, least: u64, most: Option<u64>) -> ExpectedLog {
        ExpectedLog { pattern: map(pattern), least, most, before: Vec::new(), after: Vec::new() }
    }

    fn findings(expected: ExpectedLog) -> Vec<String> {
        let records: Vec<Record> = [
            r#"{"hook": "start", "first": true, "op": "a"}"#,
            "step running for: x.y",
            r#"{"hook": "end", "first": true, "n": 1}"#,
            r#"{"hook": "start", "first": false, "op": "b"}"#,
            r#"{"hook": "end", "first": false, "n": 2}"#,
            "step running for: x.y again",
        ]
        .map(line)
        .to_vec();
        let mut bindings = Bindings::default();
        bindings.bind("X", json!("x.y"));
        check(&[expected], &records, &mut bindings)
    }

    #[test]
    fn fields() {
        for (pattern, count) in [
            (json!({"hook": "start"}), 2),
            (json!({"hook": "start", "first": true}), 1),
            (json!({"hook": "start", "first": "true"}), 0),
            (json!({"hook": "/^st/"}), 2),
            (json!({"first": "/./"}), 4),
            (json!({"n": 1}), 1),
            (json!({"n": "1"}), 0),
            (json!({"n": "/^[12]$/"}), 2),
            (json!({"op": "*"}), 2),
            (json!({"op": "/.*/"}), 2),
            (json!({"op": "${NEW}"}), 1),
            (json!({"message": "/for: ${X}/"}), 2),
            (json!({"message": "/for: ${X}$/"}), 1),
            (json!({"message": "step running for: ${X}"}), 1),
            (json!({"message": "running"}), 0),
            (json!({"message": "/${UNKNOWN}/"}), 0),
            (json!({"attempt": 2}), 2),
            (json!({"attempt": "2"}), 2),
            (json!({"attempt": 3}), 0),
            (json!({}), 6),
        ] {
            assert_eq!(findings(expect(&pattern, count, Some(count))), [""; 0], "{pattern}");
        }
    }

    #[test]
    fn counts() {
        for (least, most, fits) in [
            (2, Some(2), true),
            (1, None, true),
            (3, None, false),
            (0, Some(1), false),
            (0, Some(2), true),
            (0, Some(0), false),
        ] {
            let found = findings(expect(&json!({"hook": "start"}), least, most));
            assert_eq!(found.is_empty(), fits, "{least} {most:?}: {found:?}");
        }
        let found = findings(expect(&json!({"hook": "x"}), 1, None));
        assert_eq!(found, [r#"log lines with {"hook":"x"}: expected at least 1, found 0"#]);
    }

    #[test]
    fn order() {
        let running = || json!({"message": "step running for: ${X}"});
        let both = || json!({"message": "/running/"});
        let start = |first: bool| json!({"hook": "start", "first": first});
        for (pattern, before, after, fits) in [
            (running(), None, Some(start(true)), true),
            (running(), None, Some(start(false)), false),
            (running(), Some(start(false)), None, true),
            (running(), Some(start(true)), None, false),
            (both(), Some(json!({"hook": "end"})), None, false),
            (both(), None, Some(json!({"hook": "start"})), true),
            (both(), None, Some(json!({"hook": "end"})), false),
            // Pairs, one after the other.
            (json!({"hook": "start"}), Some(json!({"hook": "end"})), None, true),
            (json!({"hook": "end"}), None, Some(json!({"hook": "start"})), true),
            (running(), Some(json!({"hook": "none"})), None, false),
            (running(), None, Some(json!({"hook": "none"})), false),
            // A condition on all of zero lines is true.
            (json!({"hook": "none"}), Some(json!({"hook": "none"})), Some(start(true)), true),
        ] {
            let expected = ExpectedLog {
                before: before.iter().map(map).collect(),
                after: after.iter().map(map).collect(),
                ..expect(&pattern, 0, None)
            };
            let found = findings(expected);
            assert_eq!(found.is_empty(), fits, "{pattern} before {before:?} after {after:?}: {found:?}");
        }
    }

    #[test]
    fn what_is_a_field_of_which_line() {
        let mut operation = durawasm_core::protocol::Operation::new(
            "op-1".into(),
            durawasm_core::protocol::OperationType::Step,
            durawasm_core::protocol::Timestamp::Y2025,
        );
        operation.name = Some("greet".into());
        let view = |request_id: &str| ExecutionView {
            arn: "arn:1".into(),
            status: durawasm_core::protocol::ExecutionStatus::Running,
            result: None,
            error: None,
            input: None,
            operations: vec![std::sync::Arc::new(operation.clone())],
            events: Vec::new(),
            invocations: vec![durawasm_core::server::InvocationView {
                request_id: request_id.into(),
                start: durawasm_core::protocol::Timestamp::Y2025,
                end: None,
                error: None,
            }],
            start: durawasm_core::protocol::Timestamp::Y2025,
            end: None,
            checkpoints: 0,
        };
        let line = |source, message: &str| LogLine {
            time: durawasm_core::protocol::Timestamp::Y2025,
            level: durawasm_core::invocation::LogLevel::Info,
            source,
            message: message.to_owned(),
            fields: vec![("order".to_owned(), "7".to_owned())],
            operation: Some("op-1".into()),
            replayed: false,
            execution: "arn".into(),
            invocation_id: "r-1".into(),
        };
        let lines = [
            line(LogSource::Log, "logged"),
            line(LogSource::Stdout, "printed"),
            line(LogSource::Stdout, r#" {"a": 1} "#),
            line(LogSource::Log, r#"{"a": 1}"#),
        ];
        let records = records(&lines, &view("r-1"));
        let known = json!({
            "message": "logged", "level": "INFO", "timestamp": "2025-01-01T00:00:00.000Z", "requestId": "r-1",
            "executionArn": "arn:1", "operationId": "op-1", "operationName": "greet", "order": "7"
        });
        assert_eq!(Value::Object(records[0].fields.clone()), known);
        assert_eq!(records[1].fields["message"], json!("printed"));
        assert_eq!(Value::Object(records[2].fields.clone()), json!({"a": 1}));
        assert_eq!(records[3].fields["message"], json!(r#"{"a": 1}"#));
        assert_eq!(super::records(&lines, &view("r-2")), []);
    }
}
