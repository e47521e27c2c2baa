//! Comparison of recorded values.

use std::collections::HashMap;

use durawasm_core::protocol::{ErrorObject, Operation, OperationId};
use serde_json::{Value, json, value::RawValue};

/// The ids of callbacks, which differ between runs: each is replaced by a text that does not.
#[derive(Debug, Default)]
pub(crate) struct CallbackIds(HashMap<String, OperationId>);

impl CallbackIds {
    pub(crate) fn of<'a>(operations: impl IntoIterator<Item = &'a Operation>) -> Self {
        let id = |operation: &Operation| {
            let details = operation.callback_details.as_ref()?;
            Some((details.callback_id.as_ref()?.to_string(), operation.id.clone()))
        };
        Self(operations.into_iter().filter_map(id).collect())
    }

    fn normalized(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (id, operation) in &self.0 {
            if text.contains(id.as_str()) {
                text = text.replace(id.as_str(), &format!("callback {operation}"));
            }
        }
        text
    }
}

/// Whether two results are the same value. JSON objects are equal whatever the order of their members; numbers are
/// compared to the last digit.
pub(crate) fn same_result(
    (one, ids): (Option<&str>, &CallbackIds),
    (other, other_ids): (Option<&str>, &CallbackIds),
) -> bool {
    if one == other {
        return true;
    }
    let (Some(one), Some(other)) = (one, other) else { return false };
    same_json(&ids.normalized(one), &other_ids.normalized(other))
}

/// Whether two texts are the same JSON value.
pub(crate) fn same_json(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    match (parse(one), parse(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// A JSON value whose numbers keep every digit.
#[derive(Debug, PartialEq)]
enum Exact {
    Other(String),
    List(Vec<Exact>),
    Object(HashMap<String, Exact>),
}

fn parse(text: &str) -> Option<Exact> {
    let text = text.trim();
    Some(match text.as_bytes().first()? {
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            Exact::List(items.into_iter().map(|item| parse(item.get())).collect::<Option<_>>()?)
        }
        b'{' => {
            let members: HashMap<String, &RawValue> = serde_json::from_str(text).ok()?;
            let member = |(name, value): (String, &RawValue)| Some((name, parse(value.get())?));
            Exact::Object(members.into_iter().map(member).collect::<Option<_>>()?)
        }
        b'"' => Exact::Other(format!("{:?}", serde_json::from_str::<String>(text).ok()?)),
        _ => Exact::Other(text.to_owned()),
    })
}

/// Whether two errors have the same type, message and data.
pub(crate) fn same_error(
    (one, ids): (Option<&ErrorObject>, &CallbackIds),
    (other, other_ids): (Option<&ErrorObject>, &CallbackIds),
) -> bool {
    let text = |text: &Option<String>, ids: &CallbackIds| text.as_deref().map(|text| ids.normalized(text));
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => {
            one.error_type == other.error_type
                && text(&one.error_message, ids) == text(&other.error_message, other_ids)
                && text(&one.error_data, ids) == text(&other.error_data, other_ids)
        }
        _ => false,
    }
}

/// How many characters of a value a report shows.
const SHOWN: usize = 400;

/// A result for a report: JSON where it is JSON and short, else text.
pub(crate) fn shown(text: &str) -> Value {
    if text.len() > SHOWN {
        let short: String = text.chars().take(SHOWN).collect();
        return Value::String(format!("{short}.. ({} bytes)", text.len()));
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// An error for a report.
pub(crate) fn shown_error(error: &ErrorObject) -> Value {
    json!({ "type": error.error_type, "message": error.error_message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_equal_whatever_its_order_and_numbers_to_the_digit() {
        for (one, other, same) in [
            (r#"{"a":1,"b":[2]}"#, r#"{ "b": [2], "a": 1 }"#, true),
            (r#"{"a":[{"x":1,"y":2}]}"#, r#"{"a":[{"y":2,"x":1}]}"#, true),
            ("[1,2]", "[2,1]", false),
            ("1", "1.0", false),
            ("12345678901234567890123", "12345678901234567890124", false),
            (r#""a""#, "\"\\u0061\"", true),
            ("x", "y", false),
        ] {
            assert_eq!(same_json(one, other), same, "{one} {other}");
        }
    }
}
