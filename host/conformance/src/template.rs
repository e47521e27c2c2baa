//! Texts with placeholders: `${NAME}`, `${GEN_STR:8}` and `${/regular expression/}`.
//!
//! Invariants: anything else is literal text. A name has one value throughout a case.

use std::collections::BTreeMap;

use rand::{RngExt, distr::Alphanumeric};
use rand_chacha::ChaCha12Rng;
use regex::Regex;
use serde_json::Value;

/// The maximum length of a random text, in characters.
const MOST_RANDOM: usize = 1024;

/// How many bytes the texts of a case may have in all when their placeholders are replaced. Names in the values of names
/// could double them otherwise, line by line.
const MOST_FILLED: usize = 4 << 20;

/// The longest regular expression with the values of the names in it, in bytes.
const MOST_PATTERN: usize = 1 << 20;

/// Random texts, and how much may still be filled in.
pub(super) struct Source {
    random: ChaCha12Rng,
    left: usize,
}

impl Source {
    /// The source of a case.
    pub(super) fn new(random: ChaCha12Rng) -> Self {
        Self { random, left: MOST_FILLED }
    }

    fn charge(&mut self, bytes: usize) -> Result<(), String> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            format!("with the values of its names, its texts have more than {MOST_FILLED} bytes")
        })?;
        Ok(())
    }
}

/// The values of names.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Bindings(BTreeMap<String, Value>);

impl Bindings {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(super) fn bind(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    /// `${NAME}`
    Variable(&'a str),
    /// `${GEN_STR:8}`
    Random(usize),
    /// `${/.../}`, without the slashes. It may contain `${NAME}`.
    Pattern(&'a str),
}

/// Splits a text into its parts. No two literal parts are adjacent.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut plain, mut at) = (0, 0);
    while let Some(found) = text.get(at..).and_then(|rest| rest.find("${")) {
        let start = at + found;
        let Some((piece, length)) = text.get(start..).and_then(placeholder) else {
            at = start + 2;
            continue;
        };
        push_text(&mut pieces, text.get(plain..start));
        pieces.push(piece);
        at = start + length;
        plain = at;
    }
    push_text(&mut pieces, text.get(plain..));
    pieces
}

fn push_text<'a>(pieces: &mut Vec<Piece<'a>>, text: Option<&'a str>) {
    pieces.extend(text.filter(|text| !text.is_empty()).map(Piece::Text));
}

/// The placeholder at the start of a text, and its length.
fn placeholder(text: &str) -> Option<(Piece<'_>, usize)> {
    let inner = text.strip_prefix("${")?;
    if let Some(pattern) = inner.strip_prefix('/') {
        let end = pattern.find("/}")?;
        return Some((Piece::Pattern(pattern.get(..end)?), end + 5));
    }
    let end = inner.find('}')?;
    let name = inner.get(..end)?;
    let length = end + 3;
    if let Some(count) = name.strip_prefix("GEN_STR:") {
        return Some((Piece::Random(count.parse().ok().filter(|n| *n <= MOST_RANDOM)?), length));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!name.is_empty() && name.chars().all(allowed)).then_some((Piece::Variable(name), length))
}

/// The text of a value: a string as it is, another value as JSON.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Compiles a pattern. The values of names in it are matched literally.
///
/// # Errors
/// Returns an error if it is not a regular expression, or a name in it has no value.
pub(super) fn regex(pattern: &str, bindings: &Bindings) -> Result<Regex, String> {
    let mut source = String::new();
    for piece in pieces(pattern) {
        match piece {
            Piece::Text(text) => source.push_str(text),
            Piece::Variable(name) => {
                let value = bindings.get(name).ok_or_else(|| format!("${{{name}}} has no value"))?;
                source.push_str(&regex::escape(&text_of(value)));
                if source.len() > MOST_PATTERN {
                    return Err(format!(
                        "with the values of its names, a pattern has more than {MOST_PATTERN} bytes"
                    ));
                }
            }
            Piece::Random(_) | Piece::Pattern(_) => return Err(format!("/{pattern}/ has ${{...}} in it")),
        }
    }
    Regex::new(&source).map_err(|error| format!("/{pattern}/ is no regular expression: {error}"))
}

/// Replaces every placeholder in a value, including its keys. A text that consists of one name becomes the value of
/// that name, whatever its type.
///
/// # Errors
/// Returns an error for a name without a value, and for a regular expression.
pub(super) fn fill(value: &Value, bindings: &Bindings, source: &mut Source) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => fill_text(text, bindings, source)?,
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| fill(item, bindings, source)).collect::<Result<_, _>>()?)
        }
        Value::Object(entries) => {
            let entry = |(key, item): (&String, &Value)| {
                Ok((text_of(&fill_text(key, bindings, source)?), fill(item, bindings, source)?))
            };
            Value::Object(entries.iter().map(entry).collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

fn fill_text(text: &str, bindings: &Bindings, source: &mut Source) -> Result<Value, String> {
    let value_of = |name: &str| bindings.get(name).ok_or_else(|| format!("${{{name}}} has no value"));
    source.charge(text.len() + 1)?;
    let pieces = pieces(text);
    if let [Piece::Variable(name)] = pieces.as_slice() {
        let value = value_of(name)?;
        source.charge(text_of(value).len())?;
        return Ok(value.clone());
    }
    let mut filled = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Variable(name) => {
                let value = text_of(value_of(name)?);
                source.charge(value.len())?;
                filled.push_str(&value);
            }
            Piece::Random(count) => {
                source.charge(count)?;
                filled.extend((&mut source.random).sample_iter(Alphanumeric).take(count).map(char::from));
            }
            Piece::Pattern(pattern) => return Err(format!("${{/{pattern}/}} can be expected, but not sent")),
        }
    }
    Ok(Value::String(filled))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use serde_json::json;

    use super::*;

    #[test]
    fn cuts() {
        use Piece::{Pattern, Random, Text, Variable};
        for (text, expected) in [
            ("", vec![]),
            ("plain $5 ${", vec![Text("plain $5 ${")]),
            ("${ID1}", vec![Variable("ID1")]),
            ("\"${A}\"", vec![Text("\""), Variable("A"), Text("\"")]),
            ("${A}${B}", vec![Variable("A"), Variable("B")]),
            ("${GEN_STR:8}", vec![Random(8)]),
            ("${GEN_STR:x}", vec![Text("${GEN_STR:x}")]),
            ("${/.*Error$/}", vec![Pattern(".*Error$")]),
            ("${/^([0-9]|10)$/}", vec![Pattern("^([0-9]|10)$")]),
            ("a ${not a name} ${B}", vec![Text("a ${not a name} "), Variable("B")]),
            ("${/a${X}{2}/}", vec![Pattern("a${X}{2}")]),
        ] {
            assert_eq!(pieces(text), expected, "{text}");
        }
    }

    #[test]
    fn fills() {
        let mut bindings = Bindings::default();
        bindings.bind("A", json!("x"));
        bindings.bind("N", json!(3));
        let mut source = Source::new(ChaCha12Rng::seed_from_u64(1));
        let mut filled = |value| fill(&value, &bindings, &mut source);
        assert_eq!(
            filled(json!({"k-${A}": ["${A}", "${N}", "${N}!", 7]})),
            Ok(json!({"k-x": ["x", 3, "3!", 7]}))
        );
        let text = filled(json!("${GEN_STR:8}-${GEN_STR:8}")).unwrap();
        let (one, two) = text.as_str().unwrap().split_once('-').unwrap();
        assert_eq!((one.len(), two.len()), (8, 8));
        assert_ne!(one, two);
        assert!(filled(json!("${B}")).unwrap_err().contains("${B} has no value"));
        assert!(filled(json!(["${/x/}"])).is_err());
    }

    #[test]
    fn values_that_double_are_refused() {
        let mut bindings = Bindings::default();
        bindings.bind("A", json!("x".repeat(1 << 20)));
        let mut source = Source::new(ChaCha12Rng::seed_from_u64(1));
        let error = fill(&json!("${A}".repeat(20)), &bindings, &mut source).unwrap_err();
        assert!(error.contains("more than 4194304 bytes"), "{error}");
        let mut source = Source::new(ChaCha12Rng::seed_from_u64(1));
        assert!(fill(&json!(vec!["${A}"; 20]), &bindings, &mut source).is_err());
        assert!(super::regex("${A}${A}", &bindings).unwrap_err().contains("more than 1048576 bytes"));
    }

    #[test]
    fn names_in_patterns_stand_for_their_text() {
        let mut bindings = Bindings::default();
        bindings.bind("A", json!("a.c"));
        let regex = regex("^${A}{2}$", &bindings).unwrap();
        assert!(regex.is_match("a.cc") && !regex.is_match("abcc"));
        assert!(super::regex("${B}", &bindings).is_err());
        assert!(super::regex("(", &bindings).is_err());
    }
}
