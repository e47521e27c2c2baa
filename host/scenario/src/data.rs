//! Data: JSON values that are written in TOML or YAML.
//!
//! Invariants: what is read is JSON, and not nested deeper than JSON may be. TOML's dates become texts, as they are
//! written.

use std::{collections::BTreeMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::exact::Json;

/// How deep data may be nested. What reads it later, in the handler, stops at 128.
const MAX_DEPTH: usize = 100;

/// The key under which the TOML reader hides a date.
pub(super) const TOML_DATE: &str = "$__toml_private_datetime";

/// From here on not every whole number is a floating-point number of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// For fields where a null is a value as well, and says something else than a field that is left out.
pub(super) fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Nested(0).deserialize(deserializer).map(Some)
}

/// Reads a value that is so deep in others.
#[derive(Clone, Copy)]
struct Nested(usize);

impl Nested {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.0 >= MAX_DEPTH {
            return Err(E::custom(format_args!("data may be nested {MAX_DEPTH} deep, not deeper")));
        }
        Ok(Self(self.0 + 1))
    }
}

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("data: a text, a number, true, false, a list or a table")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    /// The reader has made a floating-point number of what was written. It is that number if it can have been written
    /// so.
    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        if value.abs() >= EXACT {
            return Err(E::custom(format_args!(
                "a number as large as {value:e} is not read exactly here; put the JSON into a file \
                 (`event_file`, `result_file`), where numbers are kept as they are written"
            )));
        }
        let number = serde_json::Number::from_f64(value);
        let number = number.ok_or_else(|| E::custom(format_args!("JSON has no {value}")))?;
        Ok(Json::Number(number.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let inside = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inside)? {
            list.push(item);
        }
        Ok(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let inside = self.deeper()?;
        let mut map = BTreeMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(inside)?;
            if key == TOML_DATE {
                return Ok(value);
            }
            map.insert(key, value);
        }
        Ok(Json::Object(map))
    }
}
