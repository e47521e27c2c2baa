//! The matcher: compares a value with an expected value.
//!
//! Invariants: a name keeps the value that one comparison gave it in all later ones; an expected key must be present,
//! whatever its value.
//!
//! | expected | matches |
//! |---|---|
//! | `'*'` | any value |
//! | a text without placeholders | the same text; for JSON text of an object or an array, also other spellings of the same JSON |
//! | `${NAME}` | the value of the name; on first use any value, which the name then has |
//! | `${/re/}` | a text that contains a match of the regular expression |
//! | other texts with placeholders | texts of that form |
//! | a number | the same number in any notation |
//! | null | null, or no value |
//! | a list | a list of the same length, item by item |
//! | a mapping | see [`Keys`] |

use std::{collections::BTreeMap, fmt};

use durawasm_scenario::{self as scenario, Json};
use regex::Regex;
use serde_json::{Number, Value};

use super::template::{Bindings, Piece, pieces, regex, text_of};

/// Which mappings an expected mapping matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// A mapping with at least these keys; an empty one matches any value.
    AtLeast,
    /// A mapping with these keys and no others.
    Exactly,
}

/// A difference from the expected value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// The keys from the outermost on, separated by dots; empty for the value itself.
    pub(super) path: String,
    /// The expected value as text.
    pub(super) expected: String,
    /// The actual value as text; `None` if there is none.
    pub(super) actual: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, expected, actual } = self;
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        match actual {
            Some(actual) => write!(f, "expected {expected}, found {actual}"),
            None => write!(f, "expected {expected}, found nothing"),
        }
    }
}

/// Compares a value, or its absence, with the expected value.
pub(super) fn compare(
    expected: &Value,
    actual: Option<&Value>,
    keys: Keys,
    bindings: &mut Bindings,
) -> Vec<Difference> {
    let mut comparison = Comparison { keys, bindings, path: Vec::new(), differences: Vec::new() };
    comparison.value(expected, actual);
    comparison.differences
}

struct Comparison<'a> {
    keys: Keys,
    bindings: &'a mut Bindings,
    path: Vec<String>,
    differences: Vec<Difference>,
}

impl Comparison<'_> {
    fn value(&mut self, expected: &Value, actual: Option<&Value>) {
        let Some(actual) = actual else {
            if !expected.is_null() {
                self.differ(expected, None);
            }
            return;
        };
        let fits = match (expected, actual) {
            (Value::String(any), _) if any == "*" => true,
            (Value::String(text), _) => self.text(text, actual),
            (Value::Object(entries), _) if entries.is_empty() && self.keys == Keys::AtLeast => true,
            (Value::Object(entries), Value::Object(found)) => {
                for (key, expected) in entries {
                    self.at(key, expected, found.get(key));
                }
                if self.keys == Keys::Exactly {
                    for (key, found) in found.iter().filter(|(key, _)| !entries.contains_key(*key)) {
                        self.unexpected(key, found);
                    }
                }
                true
            }
            (Value::Array(items), Value::Array(found)) => {
                for at in 0..items.len().max(found.len()) {
                    match (items.get(at), found.get(at)) {
                        (Some(expected), found) => self.at(&at.to_string(), expected, found),
                        (None, Some(found)) => self.unexpected(&at.to_string(), found),
                        (None, None) => {}
                    }
                }
                true
            }
            (Value::Number(expected), Value::Number(found)) => same_number(expected, found),
            (expected, actual) => expected == actual,
        };
        if !fits {
            self.differ(expected, Some(actual));
        }
    }

    fn at(&mut self, key: &str, expected: &Value, actual: Option<&Value>) {
        self.path.push(key.to_owned());
        self.value(expected, actual);
        self.path.pop();
    }

    fn unexpected(&mut self, key: &str, found: &Value) {
        self.path.push(key.to_owned());
        let path = self.path.join(".");
        self.differences.push(Difference {
            path,
            expected: "nothing".to_owned(),
            actual: Some(brief(found)),
        });
        self.path.pop();
    }

    fn differ(&mut self, expected: &Value, actual: Option<&Value>) {
        let expected = show(expected, self.bindings);
        self.differences.push(Difference { path: self.path.join("."), expected, actual: actual.map(brief) });
    }

    /// Whether a value matches a text with or without placeholders.
    fn text(&mut self, expected: &str, actual: &Value) -> bool {
        match *pieces(expected).as_slice() {
            [Piece::Variable(name)] => {
                if let Some(bound) = self.bindings.get(name) {
                    return same(bound, actual);
                }
                self.bindings.bind(name, actual.clone());
                true
            }
            [Piece::Pattern(pattern)] => {
                regex(pattern, self.bindings).is_ok_and(|regex| regex.is_match(&text_of(actual)))
            }
            _ => actual
                .as_str()
                .is_some_and(|actual| self.form(expected, actual) || self.json(expected, actual)),
        }
    }

    /// Whether a text matches a text with placeholders. Names without a value take theirs from it.
    fn form(&mut self, expected: &str, actual: &str) -> bool {
        let Some((regex, names)) = form(expected, self.bindings) else { return false };
        let Some(found) = regex.captures(actual) else { return false };
        let values: Option<BTreeMap<&str, &str>> =
            names.iter().map(|(name, place)| Some((*name, found.get(*place)?.as_str()))).collect();
        let Some(values) = values else { return false };
        // All occurrences of a name must have the same value.
        let fits = names.iter().all(|(name, place)| {
            found.get(*place).is_some_and(|text| values.get(name) == Some(&text.as_str()))
        });
        if fits {
            for (name, text) in values {
                self.bindings.bind(name, Value::String(text.to_owned()));
            }
        }
        fits
    }

    /// Whether both are JSON text of an object or an array, and match as such.
    fn json(&mut self, expected: &str, actual: &str) -> bool {
        let parse = |text| parsed(text).filter(|v| v.is_object() || v.is_array());
        let (Some(expected), Some(actual)) = (parse(expected), parse(actual)) else { return false };
        let mut bindings = self.bindings.clone();
        let fits = compare(&expected, Some(&actual), Keys::Exactly, &mut bindings).is_empty();
        if fits {
            *self.bindings = bindings;
        }
        fits
    }
}

/// The regular expression of a text with placeholders, and the capture group of each name that has no value yet.
fn form<'a>(expected: &'a str, bindings: &Bindings) -> Option<(Regex, Vec<(&'a str, usize)>)> {
    let mut source = String::from(r"(?s)\A");
    let mut names: Vec<(&str, usize)> = Vec::new();
    let mut groups = 0;
    for piece in pieces(expected) {
        match piece {
            Piece::Text(text) => source.push_str(&regex::escape(text)),
            Piece::Variable(name) => {
                if let Some(value) = bindings.get(name) {
                    source.push_str(&regex::escape(&text_of(value)));
                } else {
                    source.push_str("(.*?)");
                    groups += 1;
                    names.push((name, groups));
                }
            }
            Piece::Pattern(pattern) => {
                let inner = regex(pattern, bindings).ok()?;
                source.push_str(&format!("(?:{inner})"));
                groups += inner.captures_len() - 1;
            }
            Piece::Random(_) => return None,
        }
    }
    source.push_str(r"\z");
    Some((Regex::new(&source).ok()?, names))
}

/// Whether two values are equal, with numbers in any notation.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    Json::from(one.clone()).same(&Json::from(other.clone()))
}

/// Whether two numbers have the same value, to the last digit.
fn same_number(one: &Number, other: &Number) -> bool {
    one == other || scenario::same_number(&one.to_string(), &other.to_string())
}

/// The expected value as text, with names replaced by their values.
pub(super) fn show(expected: &Value, bindings: &Bindings) -> String {
    fn known(expected: &Value, bindings: &Bindings) -> Value {
        match expected {
            Value::String(text) => match *pieces(text).as_slice() {
                [Piece::Variable(name)] => bindings.get(name).unwrap_or(expected).clone(),
                ref pieces => Value::String(pieces.iter().map(|piece| known_text(piece, bindings)).collect()),
            },
            Value::Array(items) => items.iter().map(|item| known(item, bindings)).collect(),
            Value::Object(entries) => {
                entries.iter().map(|(key, item)| (key.clone(), known(item, bindings))).collect()
            }
            other => other.clone(),
        }
    }
    match expected {
        Value::String(any) if any == "*" => return "any value".to_owned(),
        Value::Object(entries) if entries.is_empty() => return "any value".to_owned(),
        Value::String(text) => {
            if let [Piece::Pattern(pattern)] = *pieces(text).as_slice() {
                return format!("/{pattern}/");
            }
        }
        _ => {}
    }
    brief(&known(expected, bindings))
}

fn known_text(piece: &Piece<'_>, bindings: &Bindings) -> String {
    match piece {
        Piece::Text(text) => (*text).to_owned(),
        Piece::Variable(name) => bindings.get(name).map_or_else(|| format!("${{{name}}}"), text_of),
        Piece::Random(count) => format!("${{GEN_STR:{count}}}"),
        Piece::Pattern(pattern) => format!("${{/{pattern}/}}"),
    }
}

/// The value of JSON text.
pub(super) fn parsed(text: &str) -> Option<Value> {
    Some(Json::parse(text).ok()?.into_value())
}

/// A value as JSON, with the middle omitted if it is long.
pub(super) fn brief(value: &Value) -> String {
    shorten(&value.to_string(), 240)
}

/// Limits a text to this many characters, plus a note of how many were omitted in the middle.
pub(super) fn shorten(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let head: String = text.chars().take(most / 2).collect();
    let tail: String = text.chars().skip(count - most / 2).collect();
    format!("{head}...({} more)...{tail}", count - most / 2 * 2)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bound() -> Bindings {
        let mut bindings = Bindings::default();
        bindings.bind("A", json!("x.y"));
        bindings.bind("N", json!(5));
        bindings
    }

    #[test]
    fn each_rule_of_the_table() {
        let large = format!("{{\"k\": [{}]}}", "1, ".repeat(5) + "1");
        for (expected, actual, fits) in [
            (json!("*"), json!(null), true),
            (json!("*"), json!({"a": 1}), true),
            (json!("text"), json!("text"), true),
            (json!("text"), json!("texts"), false),
            (json!("10"), json!(10), false),
            (json!("10"), json!("10"), true),
            (json!("10"), json!("10.0"), false),
            (json!("{\"a\": 1}"), json!("{\"a\":1.0}"), true),
            (json!("{\"a\": 1}"), json!("{\"a\":1,\"b\":2}"), false),
            (json!("[18446744073709551616]"), json!("[18446744073709551617]"), false),
            (json!("[18446744073709551616]"), json!("[1.8446744073709551616e19]"), false),
            (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992.0), false),
            (json!(9_007_199_254_740_992_u64), json!(9_007_199_254_740_992.0), true),
            (json!(large), json!("{\"k\":[1,1,1,1,1,1]}"), true),
            (json!("[\"${A}\"]"), json!("[ \"x.y\" ]"), true),
            (json!("${A}"), json!("x.y"), true),
            (json!("${A}"), json!("xzy"), false),
            (json!("${N}"), json!(5.0), true),
            (json!("${N}"), json!("5"), false),
            (json!("\"${A}\""), json!("\"x.y\""), true),
            (json!("\"${A}\""), json!("\"xzy\""), false),
            (json!("n=${N}"), json!("n=5"), true),
            (json!("${/^[0-5]$/}"), json!(3), true),
            (json!("${/^[0-5]$/}"), json!(6), false),
            (json!("${/wrapped/}"), json!("{\"wrapped\":1}"), true),
            (json!("${/Error$/}"), json!("ErrorX"), false),
            (json!("${/^${A}$/}"), json!("xzy"), false),
            (json!("${/true/}"), json!(true), true),
            (json!("a ${/[0-9]+/} b"), json!("a 12 b"), true),
            (json!("a ${/[0-9]+/} b"), json!("a 12 bc"), false),
            (json!(2), json!(2.0), true),
            (json!(2), json!(3), false),
            (json!(2), json!("2"), false),
            (json!(true), json!(true), true),
            (json!(true), json!("true"), false),
            (json!(null), json!(null), true),
            (json!(null), json!(0), false),
            (json!([1, "*"]), json!([1, 2]), true),
            (json!([1]), json!([1, 2]), false),
            (json!([1, 2]), json!([1]), false),
            (json!([]), json!([]), true),
            (json!([]), json!([1]), false),
            (json!({"a": 1}), json!([1]), false),
        ] {
            for keys in [Keys::AtLeast, Keys::Exactly] {
                let differences = compare(&expected, Some(&actual), keys, &mut bound());
                assert_eq!(differences.is_empty(), fits, "{expected} {actual}: {differences:?}");
            }
        }
    }

    #[test]
    fn a_key_that_takes_any_value_must_be_there() {
        for expected in [json!("*"), json!({}), json!("${FRESH}"), json!("${/.*/}"), json!({"b": "*"})] {
            let differences =
                compare(&json!({"a": expected}), Some(&json!({"b": 1})), Keys::AtLeast, &mut bound());
            assert_eq!(differences.len(), 1, "{expected}");
            assert_eq!((differences[0].path.as_str(), &differences[0].actual), ("a", &None));
        }
        assert!(compare(&json!({"a": null}), Some(&json!({})), Keys::Exactly, &mut bound()).is_empty());
    }

    #[test]
    fn further_keys_are_ignored_or_not() {
        let (expected, actual) = (json!({"a": {"b": 1}}), json!({"a": {"b": 1, "c": 2}, "d": 3}));
        assert!(compare(&expected, Some(&actual), Keys::AtLeast, &mut bound()).is_empty());
        let differences = compare(&expected, Some(&actual), Keys::Exactly, &mut bound());
        let paths: Vec<_> = differences.iter().map(|difference| difference.path.as_str()).collect();
        assert_eq!(paths, ["a.c", "d"]);
        // An empty mapping matches everything only if additional keys are ignored.
        assert!(compare(&json!({}), Some(&json!(1)), Keys::AtLeast, &mut bound()).is_empty());
        assert_eq!(compare(&json!({}), Some(&json!({"a": 1})), Keys::Exactly, &mut bound()).len(), 1);
    }

    #[test]
    fn a_name_keeps_its_first_value() {
        let mut bindings = Bindings::default();
        let mut fits = |expected: Value, actual: Value| {
            compare(&expected, Some(&actual), Keys::AtLeast, &mut bindings).is_empty()
        };
        assert!(fits(json!({"Id": "${ID}"}), json!({"Id": "8f"})));
        assert!(fits(json!({"ParentId": "${ID}"}), json!({"ParentId": "8f"})));
        assert!(!fits(json!({"ParentId": "${ID}"}), json!({"ParentId": "8e"})));
        assert!(fits(json!("id-${OTHER}-${ID}"), json!("id-7-8f")));
        assert!(fits(json!("${OTHER}"), json!("7")));
        assert!(!fits(json!("${TWICE}-${TWICE}"), json!("a-b")));
        assert!(fits(json!("${TWICE}-${TWICE}"), json!("a-a")));
        assert!(fits(json!("${TWICE}"), json!("a")));
        assert!(!fits(json!("${OTHER}"), json!(7)));
    }

    #[test]
    fn differences_say_where_and_what() {
        let expected = json!({"D": {"Result": {"Payload": "\"${A}\""}, "Error": {}, "T": "${/^x/}"}});
        let actual = json!({"D": {"Result": {"Payload": "\"z\""}, "T": "y"}});
        let differences = compare(&expected, Some(&actual), Keys::AtLeast, &mut bound());
        let lines: Vec<_> = differences.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "D.Error: expected any value, found nothing",
                r#"D.Result.Payload: expected "\"x.y\"", found "\"z\"""#,
                r#"D.T: expected /^x/, found "y""#,
            ]
        );
        assert_eq!(shorten("abcdefghij", 4), "ab...(6 more)...ij");
    }
}
