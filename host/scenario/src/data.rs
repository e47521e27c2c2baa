//! Data: JSON values written in TOML or YAML.
//!
//! Invariants: the values are JSON, with limited nesting. Dates of TOML become strings, as written.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor},
};

use durawasm_config::values::TOML_DATE;

use super::exact::Json;

/// The maximum nesting of data. It is below 128, the limit of the JSON parser that reads the data in the handler.
const MAX_DEPTH: usize = 100;

/// 2^53. From here on, not every integer has its own floating-point number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Deserializes a field for which an explicit null differs from an absent field.
pub(super) fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Nested(0).deserialize(deserializer).map(Some)
}

/// A value of a file.
pub(super) struct Data(pub(super) Json);

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Nested(0).deserialize(deserializer).map(Self)
    }
}

/// Deserializes a value at this nesting depth.
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

    /// The parser has converted the number to floating point. The number is accepted only if the conversion cannot have
    /// changed it.
    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        if value.abs() >= EXACT {
            return Err(E::custom(format_args!(
                "a number as large as {value:e} is not read exactly here; put the JSON into a text, or a file \
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
