//! A conformance case: what to run, the external behaviour, and the expected outcome.
//!
//! Invariants: every case that was read can be run; all its expectations are understood and will be checked. Its random
//! texts are generated from its id, so they are the same in every run.

use std::{fmt, time::Duration};

use durawasm_core::{
    protocol::ErrorObject,
    server::{Answer, ScriptedAnswer},
};
use durawasm_report::{LONGEST_MESSAGE, shortened};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, ser::Formatter};

use super::{
    history::ExpectedEvent,
    logs::{ExpectedLog, Pattern, slashes},
    template::{Bindings, Piece, Source, fill, pieces, regex},
    yaml,
};

/// The id of a case: the name of its file without the extension, such as `1-13`. Ids are ordered naturally: `1-2`
/// precedes `1-13`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaseId {
    /// The key for the order: runs of digits as numbers, the rest as text.
    parts: Vec<IdPart>,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum IdPart {
    Number(u64),
    Text(String),
}

impl CaseId {
    /// The id with this text.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let part = |part: &str| match part.parse() {
            Ok(number) => IdPart::Number(number),
            Err(_) => IdPart::Text(part.to_owned()),
        };
        Self { parts: text.split('-').map(part).collect(), text }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// A conformance case.
#[derive(Debug, Clone)]
pub struct Case {
    /// The id, which is also the name of the handler to run.
    pub id: CaseId,
    /// The folder of the case, relative to the folder that was read; empty for that folder itself.
    pub group: String,
    /// The purpose of the case, in one line.
    pub description: String,
    /// Whether a failure is only reported, and does not fail the run.
    pub optional: bool,
    pub(super) input: String,
    pub(super) answers: Vec<ScriptedAnswer>,
    pub(super) bindings: Bindings,
    pub(super) result: Option<ExpectedResult>,
    pub(super) history: Vec<ExpectedEvent>,
    pub(super) logs: Vec<ExpectedLog>,
}

/// The expected outcome of the execution.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ExpectedResult {
    pub(super) execution_status: String,
    /// The expected result, parsed as JSON; `None` if it is not checked.
    #[serde(default, deserialize_with = "present")]
    pub(super) result: Option<Value>,
}

/// Deserializes a key that is present, whose value may be null.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The file format of a case. Unknown keys of expectations are rejected; other unknown keys are ignored.
#[derive(Deserialize)]
#[serde(expecting = "a mapping with the keys of a case")]
struct File {
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    optional: bool,
    #[serde(rename = "Variables", default)]
    variables: Option<Map<String, Value>>,
    #[serde(rename = "Input", default)]
    input: Value,
    #[serde(rename = "CallbackActions", default)]
    actions: Option<Vec<Action>>,
    #[serde(rename = "ExpectedResult", default)]
    result: Option<ExpectedResult>,
    #[serde(rename = "ExpectedExecutionHistory", default)]
    history: Option<Vec<Map<String, Value>>>,
    #[serde(rename = "ExpectedLogs", default)]
    logs: Option<Vec<LogEntry>>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Action {
    callback_name: String,
    operation: Kind,
    #[serde(default)]
    payload: Value,
    /// In seconds.
    #[serde(default)]
    delay: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Success,
    Failure,
    Heartbeat,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogEntry {
    #[serde(rename = "match")]
    pattern: Pattern,
    count: Option<u64>,
    min_count: Option<u64>,
    max_count: Option<u64>,
    #[serde(default)]
    before: Patterns,
    #[serde(default)]
    after: Patterns,
}

/// One pattern, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Patterns {
    List(Vec<Pattern>),
    One(Pattern),
}

impl Default for Patterns {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Patterns {
    fn list(self) -> Vec<Pattern> {
        match self {
            Self::List(list) => list,
            Self::One(one) => vec![one],
        }
    }
}

impl Case {
    /// Parses a case from YAML or JSON.
    ///
    /// # Errors
    /// The reason why the text is not a case, in one line.
    pub fn parse(id: CaseId, group: impl Into<String>, text: &str) -> Result<Self, String> {
        // Errors quote what is wrong, and that may be as long as the file.
        Self::read(id, group.into(), text).map_err(|error| shortened(&error, LONGEST_MESSAGE))
    }

    fn read(id: CaseId, group: String, text: &str) -> Result<Self, String> {
        let file = File::deserialize(yaml::read(text)?).map_err(|error| error.to_string())?;
        if let Some(key) = file.others.keys().find(|key| key.starts_with("Expected")) {
            return Err(format!("{key} is nothing that can be checked"));
        }
        let mut source = Source::new(ChaCha12Rng::seed_from_u64(seed(id.as_str())));
        let bindings = variables(file.variables.unwrap_or_default(), &mut source)?;
        let input = fill(&file.input, &bindings, &mut source).map_err(|error| format!("Input: {error}"))?;
        let mut answers = Vec::new();
        for action in file.actions.unwrap_or_default() {
            let answer = action.answer(&bindings, &mut source);
            answers.push(answer.map_err(|error| format!("CallbackActions: {error}"))?);
        }
        if let Some(expected) = &file.result {
            check_patterns(&Value::String(expected.execution_status.clone()), &bindings)?;
            check_patterns(expected.result.as_ref().unwrap_or(&Value::Null), &bindings)?;
        }
        let history =
            file.history.unwrap_or_default().into_iter().map(event).collect::<Result<Vec<_>, _>>()?;
        for event in &history {
            check_patterns(&Value::Object(event.keys.clone()), &bindings)?;
        }
        let logs = file.logs.unwrap_or_default().into_iter().map(log).collect::<Result<Vec<_>, _>>()?;
        for pattern in logs.iter().flat_map(|log| log.before.iter().chain(&log.after).chain([&log.pattern])) {
            check_patterns(&Value::Object(pattern.clone()), &bindings)?;
            for pattern in pattern.values().filter_map(slashes) {
                check_pattern(pattern, &bindings)?;
            }
        }
        Ok(Self {
            id,
            group,
            description: file
                .description
                .unwrap_or_default()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
            optional: file.optional,
            input: input.to_string(),
            answers,
            bindings,
            result: file.result,
            history,
            logs,
        })
    }

    /// The event of the execution, JSON text.
    pub fn event(&self) -> &str {
        &self.input
    }

    /// The answers to the callbacks of the execution, each for the next callback of its name.
    pub fn answers(&self) -> &[ScriptedAnswer] {
        &self.answers
    }

    /// The id of the event after which the execution is judged while it runs; `None` if it is judged at its end.
    pub(super) fn seen_after(&self) -> Option<u64> {
        let last = self.history.iter().map(|event| event.id).max();
        last.filter(|_| self.result.is_none())
    }
}

/// A seed that depends only on the id, on every machine.
fn seed(id: &str) -> u64 {
    id.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// The values of a case's variables, which may refer to each other.
fn variables(mut left: Map<String, Value>, source: &mut Source) -> Result<Bindings, String> {
    let mut bindings = Bindings::default();
    loop {
        let before = left.len();
        let mut why = None;
        left = left
            .into_iter()
            .filter(|(name, value)| match fill(value, &bindings, source) {
                Ok(value) => {
                    bindings.bind(name, value);
                    false
                }
                Err(error) => {
                    why.get_or_insert(format!("Variables: {name}: {error}"));
                    true
                }
            })
            .collect();
        match why {
            None => return Ok(bindings),
            Some(why) if left.len() == before => return Err(why),
            Some(_) => {}
        }
    }
}

impl Action {
    fn answer(self, bindings: &Bindings, source: &mut Source) -> Result<ScriptedAnswer, String> {
        let callback = fill(&Value::String(self.callback_name), bindings, source)?;
        let callback = callback.as_str().ok_or("CallbackName is not a text")?.to_owned();
        let payload = fill(&self.payload, bindings, source)?;
        let after = Duration::try_from_secs_f64(self.delay)
            .map_err(|_| format!("Delay {} is not a number of seconds", self.delay))?;
        let answer = match self.operation {
            Kind::Heartbeat => Answer::Heartbeat,
            Kind::Success if payload.is_null() => Answer::Success(None),
            Kind::Success => Answer::Success(Some(json_text(&payload)?)),
            Kind::Failure if payload.is_null() => Answer::Failure(ErrorObject::default()),
            Kind::Failure => Answer::Failure(
                ErrorObject::deserialize(payload)
                    .map_err(|error| format!("Payload of a failure: {error}"))?,
            ),
        };
        Ok(ScriptedAnswer::new(callback, after, answer))
    }
}

/// JSON with a space after each colon and comma, as in the texts of the cases.
fn json_text(value: &Value) -> Result<String, String> {
    struct Spaced;
    impl Formatter for Spaced {
        fn begin_array_value<W: ?Sized + std::io::Write>(
            &mut self,
            to: &mut W,
            first: bool,
        ) -> std::io::Result<()> {
            if first { Ok(()) } else { to.write_all(b", ") }
        }

        fn begin_object_key<W: ?Sized + std::io::Write>(
            &mut self,
            to: &mut W,
            first: bool,
        ) -> std::io::Result<()> {
            if first { Ok(()) } else { to.write_all(b", ") }
        }

        fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, to: &mut W) -> std::io::Result<()> {
            to.write_all(b": ")
        }
    }
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Spaced);
    value.serialize(&mut serializer).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

fn event(mut keys: Map<String, Value>) -> Result<ExpectedEvent, String> {
    let id = keys.remove("EventId").unwrap_or_default();
    let id = id.as_u64().filter(|id| *id > 0);
    let id = id.ok_or("ExpectedExecutionHistory: an event has no EventId, which is a number from 1")?;
    Ok(ExpectedEvent { id, keys })
}

fn log(entry: LogEntry) -> Result<ExpectedLog, String> {
    let LogEntry { pattern, count, min_count, max_count, before, after } = entry;
    let (least, most) = match (count, min_count, max_count) {
        (Some(count), None, None) => (count, Some(count)),
        (None, None, None) => (1, None),
        (None, least, most) => (least.unwrap_or(0), most),
        (Some(_), ..) => {
            return Err("ExpectedLogs: count goes with neither min_count nor max_count".to_owned());
        }
    };
    Ok(ExpectedLog { pattern, least, most, before: before.list(), after: after.list() })
}

/// Checks that every placeholder in an expectation is valid.
fn check_patterns(expected: &Value, bindings: &Bindings) -> Result<(), String> {
    match expected {
        Value::String(text) => {
            for piece in pieces(text) {
                match piece {
                    Piece::Pattern(pattern) => check_pattern(pattern, bindings)?,
                    Piece::Random(_) => return Err(format!("{text}: what is random cannot be expected")),
                    Piece::Text(_) | Piece::Variable(_) => {}
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| check_patterns(item, bindings)),
        Value::Object(entries) => entries.values().try_for_each(|item| check_patterns(item, bindings)),
        _ => Ok(()),
    }
}

/// Checks a pattern. A name without a value is valid: it takes its value from the history.
fn check_pattern(pattern: &str, bindings: &Bindings) -> Result<(), String> {
    let mut bindings = bindings.clone();
    for piece in pieces(pattern) {
        if let Piece::Variable(name) = piece
            && bindings.get(name).is_none()
        {
            bindings.bind(name, Value::Null);
        }
    }
    regex(pattern, &bindings).map(drop)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<Case, String> {
        Case::parse(CaseId::new("1-1"), "step", text)
    }

    #[test]
    fn ids_are_ordered_as_people_count() {
        let mut ids = ["10-1", "2-12", "2-2", "2-2a", "a"].map(CaseId::new);
        ids.sort();
        assert_eq!(ids.map(|id| id.to_string()), ["2-2", "2-12", "2-2a", "10-1", "a"]);
    }

    #[test]
    fn all_keys() {
        let case = parse(
            "---
description: Two
  lines
handler: |
  prose
AsyncInvoke: true
optional: true
DefaultRetryParameters: {MaxAttempts: 6}
Variables:
  A: ${B}-${GEN_STR:4}
  B: x
  N: 7
Input: {name: '${A}', number: '${N}', list: ['${B}']}
CallbackActions:
  - {CallbackName: '${B}', Operation: success, Payload: {status: [1, '${B}'], ok: true}, Delay: 1.5}
  - {CallbackName: '*', Operation: failure, Payload: {ErrorType: T, ErrorMessage: M}}
  - {CallbackName: a, Operation: success, Payload: '${B}'}
  - {CallbackName: a, Operation: success}
  - {CallbackName: a, Operation: heartbeat, Delay: 3}
ExpectedResult: {ExecutionStatus: SUCCEEDED, Result: null}
ExpectedExecutionHistory:
  - {EventType: StepStarted, EventId: 3, Id: '${ID1}'}
ExpectedLogs:
  - {match: {message: /x/}}
  - {match: {n: 1}, count: 2, after: {n: 0}}
  - {match: {n: 1}, max_count: 2, before: [{n: 0}, {n: 1}]}
  - {match: {n: 1}, min_count: 2}
",
        )
        .unwrap();
        let last = case.history.iter().map(|event| event.id).max();
        assert_eq!((case.description.as_str(), case.optional, last), ("Two lines", true, Some(3)));
        let input: Value = serde_json::from_str(&case.input).unwrap();
        assert_eq!(input["number"], json!(7));
        assert_eq!(input["list"], json!(["x"]));
        let name = input["name"].as_str().unwrap();
        assert!(name.starts_with("x-") && name.len() == 6, "{name}");
        let answers: Vec<_> =
            case.answers.iter().map(|a| (a.callback.as_str(), a.after.as_millis(), &a.answer)).collect();
        let success = |text: &str| Answer::Success(Some(text.to_owned()));
        assert_eq!(
            answers,
            [
                ("x", 1500, &success(r#"{"ok": true, "status": [1, "x"]}"#)),
                ("*", 0, &Answer::Failure(ErrorObject::new("T", "M"))),
                ("a", 0, &success("\"x\"")),
                ("a", 0, &Answer::Success(None)),
                ("a", 3000, &Answer::Heartbeat),
            ]
        );
        let result = case.result.unwrap();
        assert_eq!((result.execution_status.as_str(), result.result), ("SUCCEEDED", Some(Value::Null)));
        assert_eq!(case.history[0].keys.len(), 2);
        let counts: Vec<_> =
            case.logs.iter().map(|log| (log.least, log.most, log.before.len(), log.after.len())).collect();
        assert_eq!(counts, [(1, None, 0, 0), (2, Some(2), 0, 1), (0, Some(2), 2, 0), (2, None, 0, 0)]);
    }

    #[test]
    fn little_is_needed() {
        let case = parse("description: x\n").unwrap();
        assert_eq!(
            (case.input.as_str(), &case.result, case.history.len(), case.seen_after()),
            ("null", &None, 0, None)
        );
        assert_eq!(parse("Input:\nVariables:\nCallbackActions:\n").unwrap().input, "null");
        assert_eq!(parse("ExpectedResult: {ExecutionStatus: FAILED}").unwrap().result.unwrap().result, None);
    }

    #[test]
    fn an_error_is_not_as_long_as_what_it_quotes() {
        let text = format!("{{\"description\": [\"{}\"]}}", "x".repeat(100_000));
        let long = format!("description: a\nVariables: {}\n", "x".repeat(100_000));
        for text in [text, long] {
            let error = Case::parse(CaseId::new("1-1"), "", &text).unwrap_err();
            assert!(error.len() < 5_000, "{}", error.len());
        }
    }

    #[test]
    fn the_random_texts_of_a_case_are_its_own_and_stay() {
        let text = "Input: ${GEN_STR:10}";
        let of = |id| Case::parse(CaseId::new(id), "", text).unwrap().input;
        assert_eq!(of("1-1"), of("1-1"));
        assert_ne!(of("1-1"), of("1-2"));
    }

    #[test]
    fn what_cannot_be_run_or_checked_is_refused() {
        for (text, says) in [
            ("[1]", "expected a mapping"),
            ("Input: ${X}", "Input: ${X} has no value"),
            ("Variables: {A: '${B}', B: '${A}'}", "Variables: A: ${B} has no value"),
            ("CallbackActions: [{CallbackName: a, Operation: cancel}]", "unknown variant `cancel`"),
            ("CallbackActions: [{CallbackName: a, Operation: heartbeat, Wait: 1}]", "unknown field `Wait`"),
            ("CallbackActions: [{CallbackName: a, Operation: heartbeat, Delay: -1}]", "Delay -1"),
            (
                "CallbackActions: [{CallbackName: a, Operation: failure, Payload: [1]}]",
                "Payload of a failure",
            ),
            ("ExpectedResult: {Result: 1}", "missing field `ExecutionStatus`"),
            ("ExpectedResult: {ExecutionStatus: FAILED, Error: x}", "unknown field `Error`"),
            ("ExpectedOperations: []", "ExpectedOperations is nothing that can be checked"),
            ("ExpectedExecutionHistory: [{EventType: StepStarted}]", "has no EventId"),
            ("ExpectedExecutionHistory: [{EventId: 2, Id: '${/(/}'}]", "is no regular expression"),
            ("ExpectedExecutionHistory: [{EventId: 2, Id: '${GEN_STR:3}'}]", "cannot be expected"),
            ("ExpectedLogs: [{count: 1}]", "missing field `match`"),
            ("ExpectedLogs: [{match: {a: 1}, count: 1, min_count: 1}]", "count goes with neither"),
            ("ExpectedLogs: [{match: {a: /(/}}]", "is no regular expression"),
            ("ExpectedLogs: [{match: {a: 1}, only: 1}]", "unknown field `only`"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
