//! Reads YAML, for scenarios and for other files of the same kind.
//!
//! Invariants: any text ends as a value or as a problem with its place. One document is read, keys occur once, and what
//! YAML 1.1 took for truth values (`yes`, `on`) is text.

use durawasm_config::{Place, Problem, wording};
use serde::de::DeserializeOwned;
use serde_path_to_error::{Deserializer as Tracked, Track};
use serde_saphyr::{MessageFormatter, UserMessageFormatter, with_deserializer_from_str_with_options};

use super::{data::Data, exact::Json};

/// Reads a value of this type.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let mut track = Track::new();
    let options = serde_saphyr::options! {
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    let read = with_deserializer_from_str_with_options(text, options, |yaml| {
        T::deserialize(Tracked::new(yaml, &mut track))
    });
    read.map_err(|error| problem(&error, &track.path().to_string()))
}

/// Reads any value. A text without a document is null.
///
/// # Errors
/// What is wrong, and where.
pub fn read_yaml(text: &str) -> Result<Json, Problem> {
    parse::<Data>(text).map(|data| data.0)
}

fn problem(error: &serde_saphyr::Error, path: &str) -> Problem {
    let place = error.location().and_then(|location| {
        let (line, column) = (location.line().try_into().ok()?, location.column().try_into().ok()?);
        Some(Place { line, column }).filter(|place| place.line > 0)
    });
    let message = match error.without_snippet() {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            wording::unknown_key(field, expected)
        }
        serde_saphyr::Error::SerdeUnknownVariant { variant, expected, .. } => {
            wording::unknown_word(variant, expected)
        }
        other => wording::at(path, &UserMessageFormatter.format_message(other)),
    };
    Problem { place, message }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(text: &str) -> Result<Value, Problem> {
        read_yaml(text).map(Json::into_value)
    }

    #[test]
    fn scalars_lists_and_mappings() {
        let text = "---\na: [1, 2.5, true, yes, ~, '7', \"x\"]\nb:\n  c: ${/^[0-5]$/}\n  1: {}\nempty:\n";
        let expected = json!({"a": [1, 2.5, true, "yes", null, "7", "x"], "b": {"c": "${/^[0-5]$/}", "1": {}}, "empty": null});
        assert_eq!(read(text).unwrap(), expected);
        assert_eq!(read(r#"{"*": {"A": "1"}}"#).unwrap(), json!({"*": {"A": "1"}}));
        assert_eq!(read("").unwrap(), Value::Null);
        assert_eq!(read("# nothing\n").unwrap(), Value::Null);
        assert_eq!(read("a: &x {k: 1}\nb: *x\n").unwrap(), json!({"a": {"k": 1}, "b": {"k": 1}}));
        assert_eq!(read("a: 18446744073709551615").unwrap(), json!({"a": u64::MAX}));
    }

    #[test]
    fn what_is_not_one_document_of_json_is_refused() {
        for text in [
            "a: [",
            "a: 1\n---\nb: 2\n",
            "a: 1\na: 2\n",
            "a: !foo 1",
            "[a]: 1",
            "a: .nan",
            "a: .inf",
            "a: 1e300",
            "a: *nothing",
        ] {
            assert!(read(text).is_err(), "{text}: {:?}", read(text));
        }
    }
}
