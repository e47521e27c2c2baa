//! Parses YAML into JSON values, which the rest of the runner uses. JSON is a subset of YAML, so it is accepted too.

use std::{io, path::Path};

use durawasm_core::files::read_text_file;
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Number, Value};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// The text of a file of cases or of a configuration.
///
/// # Errors
/// When it cannot be read, is no regular file, is too large, or is not UTF-8 text.
pub(super) fn text(path: &Path) -> io::Result<String> {
    Ok(read_text_file(path, MAX_FILE)?)
}

/// Parses a file of one document with YAML's core schema. An empty document is null.
///
/// # Errors
/// Returns what is wrong, with the position.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    let mut documents = documents.into_iter();
    let value = documents.next().map_or(Ok(Value::Null), value)?;
    match documents.next() {
        Some(_) => Err("it has more than one document".to_owned()),
        None => Ok(value),
    }
}

fn value(yaml: Yaml<'_>) -> Result<Value, String> {
    match yaml {
        Yaml::Value(scalar) => scalar_value(scalar),
        Yaml::Sequence(items) => items.into_iter().map(value).collect::<Result<_, _>>().map(Value::Array),
        Yaml::Mapping(entries) => {
            let entry = |(key, item)| Ok((key_text(key)?, value(item)?));
            entries.into_iter().map(entry).collect::<Result<Map<_, _>, String>>().map(Value::Object)
        }
        Yaml::Tagged(tag, _) => Err(format!("the tag {tag} has no meaning here")),
        Yaml::Representation(text, ..) => Err(format!("{text:?} is no value")),
        Yaml::Alias(_) | Yaml::BadValue => Err("it has a value that cannot be read".to_owned()),
    }
}

fn scalar_value(scalar: Scalar<'_>) -> Result<Value, String> {
    Ok(match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(truth) => Value::Bool(truth),
        Scalar::Integer(number) => Value::Number(number.into()),
        // The parser has rounded an integer that is out of its range: the original value is lost.
        Scalar::FloatingPoint(number) if number.abs() >= EXACT => {
            return Err(format!("{number} cannot be held to its last digit; write a text of JSON"));
        }
        Scalar::FloatingPoint(number) => Value::Number(
            Number::from_f64(number.into_inner()).ok_or_else(|| format!("JSON has no number {number}"))?,
        ),
        Scalar::String(text) => Value::String(text.into_owned()),
    })
}

/// 2^53. From here on, two integers can have the same floating-point number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The text of a key. Numbers and other scalars are texts when they are keys.
fn key_text(yaml: Yaml<'_>) -> Result<String, String> {
    match value(yaml)? {
        Value::String(text) => Ok(text),
        Value::Array(_) | Value::Object(_) => Err("a list or a mapping cannot be a key".to_owned()),
        other => Ok(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_lists_and_mappings() {
        let text = "---\na: [1, 2.5, true, yes, ~, '7', \"x\"]\nb:\n  c: ${/^[0-5]$/}\n  1: {}\nempty:\n";
        let expected = json!({"a": [1, 2.5, true, "yes", null, "7", "x"], "b": {"c": "${/^[0-5]$/}", "1": {}}, "empty": null});
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read(r#"{"*": {"A": "1"}}"#), Ok(json!({"*": {"A": "1"}})));
        assert_eq!(read(""), Ok(Value::Null));
        assert_eq!(read("a: &x {k: 1}\nb: *x\n"), Ok(json!({"a": {"k": 1}, "b": {"k": 1}})));
    }

    #[test]
    fn only_files_of_a_bounded_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("large.yaml");
        std::fs::File::create(&file).unwrap().set_len(MAX_FILE + 1).unwrap();
        assert!(super::text(&file).unwrap_err().to_string().contains("larger than 4194304 bytes"));
        assert!(super::text(dir.path()).unwrap_err().to_string().contains("not a file"));
        #[cfg(unix)]
        assert!(super::text(Path::new("/dev/zero")).unwrap_err().to_string().contains("not a file"));
    }

    #[test]
    fn what_is_not_one_document_of_json_is_refused() {
        for text in ["a: [", "a: 1\n---\nb: 2\n", "a: 1\na: 2\n", "a: !foo 1", "[a]: 1", "a: .nan"] {
            assert!(read(text).is_err(), "{text}: {:?}", read(text));
        }
    }
}
