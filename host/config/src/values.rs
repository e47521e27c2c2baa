//! Values in files: grants, durations, times, numbers within bounds.
//!
//! Invariants: a value out of bounds is rejected while it is read, so that the message contains the line.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use durawasm_core::parse_duration;
use durawasm_core::{
    durations::{ExecutionTimeout, parse_start_time},
    invocation::HttpGrant,
    orchestrator::{DirectoryRequest, VariableRequest},
};

/// The key with which the TOML parser represents a date.
pub const TOML_DATE: &str = "$__toml_private_datetime";

/// A duration: `"90s"`, `"2h 30m"`, `"3days"`, or a number of seconds.
///
/// # Errors
/// When it is no duration.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(Word::Number(0))?.duration()
}

/// The same as [`duration`] for an optional field.
///
/// # Errors
/// When it is no duration.
pub fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// An execution's timeout: a duration, or `none`.
///
/// # Errors
/// When it is no execution timeout.
pub fn execution_timeout<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ExecutionTimeout>, D::Error> {
    timeout(deserializer).map(Some)
}

/// The same as [`execution_timeout`] for a value that is there.
pub(crate) fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ExecutionTimeout, D::Error> {
    let timeout = match deserializer.deserialize_any(Word::Number(0))? {
        Word::Text(text) => text.parse(),
        word @ Word::Number(_) => ExecutionTimeout::of(word.duration()?),
    };
    timeout.map_err(D::Error::custom)
}

/// A point in time: `"2025-01-31T09:00:00Z"`; in TOML also without quotes.
///
/// # Errors
/// When it is no time.
pub fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    const FORM: &str = "a time is written as 2025-01-31T09:00:00Z";
    let Word::Text(text) = deserializer.deserialize_any(Word::Text(String::new()))? else {
        return Err(D::Error::custom(FORM));
    };
    parse_start_time(&text).map(Some).map_err(D::Error::custom)
}

/// A string that is not empty.
///
/// # Errors
/// When it is empty, or no text.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() {
        return Err(D::Error::custom("the text is empty"));
    }
    Ok(text)
}

/// Environment variables: a list of `NAME=VALUE` and `NAME`, or a table of strings.
///
/// # Errors
/// When one of them is invalid.
pub fn variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<VariableRequest>, D::Error> {
    deserializer.deserialize_any(Variables)
}

struct Variables;

impl<'de> Visitor<'de> for Variables {
    type Value = Vec<VariableRequest>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("environment variables: a list of texts `NAME=VALUE` or `NAME`, or a table of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut variables = Vec::new();
        while let Some(text) = items.next_element::<String>()? {
            variables.push(text.parse().map_err(A::Error::custom)?);
        }
        Ok(variables)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut variables = Vec::new();
        while let Some((name, value)) = entries.next_entry::<String, String>()? {
            variables.push(VariableRequest::new(name, value).map_err(A::Error::custom)?);
        }
        Ok(variables)
    }
}

/// Directories: a list of `HOST::GUEST` and `HOST::GUEST:ro`.
///
/// # Errors
/// When one of them is invalid.
pub fn directories<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<DirectoryRequest>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.into_iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
}

/// HTTP requests: a list of `HOST[:PORT][=METHOD,..]`.
///
/// # Errors
/// When one of them is invalid.
pub fn requests<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<HttpGrant>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.into_iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
}

/// A string or an integer.
enum Word {
    Text(String),
    Number(u64),
}

impl Word {
    fn duration<E: Error>(self) -> Result<Duration, E> {
        match self {
            Word::Number(seconds) => Ok(Duration::from_secs(seconds)),
            Word::Text(text) => parse_duration(&text).map_err(E::custom),
        }
    }
}

impl<'de> Visitor<'de> for Word {
    type Value = Word;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Word::Number(_) => "a duration such as \"90s\", \"2h 30m\" or \"3days\", or a number of seconds",
            Word::Text(_) => "a time such as \"2025-01-31T09:00:00Z\"",
        })
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Word, E> {
        Ok(Word::Number(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Word, E> {
        u64::try_from(value).map(Word::Number).map_err(|_| E::custom("a duration is not negative"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Word, E> {
        Ok(Word::Text(value.to_owned()))
    }

    /// Reads a date of TOML.
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Word, A::Error> {
        match entries.next_entry::<String, String>()? {
            Some((key, date)) if key == TOML_DATE => Ok(Word::Text(date)),
            _ => Err(A::Error::invalid_type(serde::de::Unexpected::Map, &self)),
        }
    }
}
