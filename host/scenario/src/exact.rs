//! JSON values that keep numbers as they are written.
//!
//! Invariants: a number is stored as text. Two numbers are equal if their decimal values are equal, digit for digit: 1,
//! 1.0 and 1e0 are equal, 2^64 + 1 and 2^64 are not. No number is converted to floating point.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Serialize, Serializer,
    de::{Deserializer, Error},
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::{Number, Value, value::RawValue};

/// The maximum nesting of values, equal to that of `serde_json`, which does not limit raw values.
const MAX_DEPTH: usize = 128;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Json {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number in JSON notation.
    Number(String),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object.
    Object(BTreeMap<String, Self>),
}

impl Json {
    /// Parses JSON text.
    ///
    /// # Errors
    /// Returns an error if the text is not JSON, or is nested more than 128 levels deep.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        Self::read(serde_json::from_str(text)?, MAX_DEPTH)
    }

    /// Parses a value with at most this many levels.
    fn read(raw: &RawValue, levels: usize) -> serde_json::Result<Self> {
        let text = raw.get();
        let Some(inside) = levels.checked_sub(1) else {
            return Err(serde_json::Error::custom(format_args!("JSON is nested more than {MAX_DEPTH} deep")));
        };
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let entries: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
                let entries = entries.into_iter().map(|(key, value)| Ok((key, Self::read(value, inside)?)));
                Self::Object(entries.collect::<serde_json::Result<_>>()?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text)?;
                Self::Array(
                    items
                        .into_iter()
                        .map(|item| Self::read(item, inside))
                        .collect::<serde_json::Result<_>>()?,
                )
            }
            Some(b'"') => Self::String(serde_json::from_str(text)?),
            Some(b't' | b'f') => Self::Bool(serde_json::from_str(text)?),
            Some(b'n') => Self::Null,
            _ => Self::Number(text.to_owned()),
        })
    }

    /// Converts to a value of `serde_json`. A number that such a value cannot represent exactly becomes a string, so
    /// that it equals no other number.
    #[must_use]
    pub fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(text) => match serde_json::from_str::<Number>(&text) {
                Ok(number) if same_number(&number.to_string(), &text) => Value::Number(number),
                _ => Value::String(text),
            },
            Self::String(text) => Value::String(text),
            Self::Array(items) => items.into_iter().map(Self::into_value).collect(),
            Self::Object(entries) => {
                entries.into_iter().map(|(key, value)| (key, value.into_value())).collect()
            }
        }
    }

    /// Whether two values are equal, with numbers in any notation. The order of keys is ignored.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => same_number(a, b),
            (Self::Array(a), Self::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (Self::Object(a), Self::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| a.same(b)))
            }
            _ => self == other,
        }
    }

    /// The content of a string; `None` for other values.
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the value is an array or an object.
    pub(super) fn is_compound(&self) -> bool {
        matches!(self, Self::Array(_) | Self::Object(_))
    }
}

/// Formats the value as JSON in one line.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// Supports only JSON serializers: other formats would convert the numbers to floating point.
impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(text) => {
                let raw = RawValue::from_string(text.clone()).map_err(serde::ser::Error::custom)?;
                raw.serialize(serializer)
            }
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

/// Supports only JSON deserializers.
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&Box::<RawValue>::deserialize(deserializer)?, MAX_DEPTH).map_err(D::Error::custom)
    }
}

/// A number keeps the notation in which `serde_json` writes it.
impl From<Value> for Json {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => Self::Number(number.to_string()),
            Value::String(text) => Self::String(text),
            Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Value::Object(entries) => {
                Self::Object(entries.into_iter().map(|(key, value)| (key, Self::from(value))).collect())
            }
        }
    }
}

/// Whether two numbers in JSON notation have the same value.
#[must_use]
pub fn same_number(a: &str, b: &str) -> bool {
    Decimal::of(a) == Decimal::of(b)
}

/// The value of a number: its sign, its digits without leading and trailing zeros, and the exponent.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    /// The power of ten of the last digit. `None` if it is out of range; the number is then compared as text.
    exponent: Option<i64>,
    text: Option<String>,
}

impl Decimal {
    fn of(text: &str) -> Self {
        let (negative, number) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let kept = digits.trim_end_matches('0');
        if kept.is_empty() {
            return Self { negative: false, digits: String::new(), exponent: Some(0), text: None };
        }
        let places = |n: usize| i64::try_from(n).ok();
        let exponent = exponent.trim_start_matches('+').parse::<i64>().ok().and_then(|exponent| {
            exponent.checked_sub(places(fraction.len())?)?.checked_add(places(digits.len() - kept.len())?)
        });
        let text = exponent.is_none().then(|| text.to_owned());
        Self { negative, digits: kept.to_owned(), exponent, text }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_the_same_by_value_and_to_the_last_digit() {
        for (a, b, same) in [
            ("1", "1.0", true),
            ("1", "1e0", true),
            ("100", "1E+2", true),
            ("0.1", "0.10", true),
            ("0", "-0.0", true),
            ("0e5", "0", true),
            ("12.5e-1", "1.25", true),
            ("340282366920938463463374607431768211455", "340282366920938463463374607431768211455", true),
            ("340282366920938463463374607431768211455", "340282366920938463463374607431768211454", false),
            ("18446744073709551616", "18446744073709551617", false),
            ("9007199254740993", "9007199254740992", false),
            ("0.1", "0.1000000000000000055", false),
            ("1e400", "1e401", false),
            ("1e400", "10e399", true),
            ("1", "-1", false),
            ("1e99999999999999999999", "1e99999999999999999999", true),
            ("1e99999999999999999999", "1e99999999999999999998", false),
        ] {
            assert_eq!(same_number(a, b), same, "{a} {b}");
            assert_eq!(same_number(b, a), same, "{b} {a}");
        }
    }

    #[test]
    fn what_is_nested_too_deep_is_refused() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(&nested(128)).is_ok());
        for depth in [129, 100_000] {
            assert!(Json::parse(&nested(depth)).unwrap_err().to_string().contains("128 deep"), "{depth}");
        }
    }

    #[test]
    fn a_value_holds_a_number_to_its_last_digit_or_not_at_all() {
        let text = r#"[1, -2, 0.1, 1.50, 18446744073709551615, 18446744073709551616, 1e400, 0.1000000000000000055, {"a": null}, true, "x"]"#;
        let value = Json::parse(text).unwrap().into_value();
        let expected = serde_json::json!([
            1, -2, 0.1, 1.5, u64::MAX, "18446744073709551616", "1e400", "0.1000000000000000055", {"a": null}, true, "x"
        ]);
        assert_eq!(value, expected);
    }

    proptest! {
        #[test]
        fn text_comes_back_as_it_was(numbers in proptest::collection::vec("-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,30})?(e[+-]?[0-9]{1,3})?", 0..5)) {
            let text = format!("{{\"a\":[{}],\"b\":\"x\\n\",\"c\":null}}", numbers.join(","));
            prop_assert_eq!(Json::parse(&text).unwrap().to_string(), text);
        }
    }
}
