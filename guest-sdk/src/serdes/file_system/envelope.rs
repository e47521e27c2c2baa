//! The recorded payload: the value itself, or the name of its file.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// The version of the envelope that is written and read.
pub(super) const VERSION: u64 = 1;

#[derive(Deserialize)]
pub(super) struct Marker {
    pub(super) version: u64,
    pub(super) kind: String,
}

/// The fields that identify an envelope.
#[derive(Deserialize)]
pub(super) struct Header {
    #[serde(rename = "__aws_durable_serdes")]
    pub(super) marker: Marker,
    pub(super) file: Option<String>,
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub(super) struct Inline<T> {
    #[serde(default, deserialize_with = "present")]
    pub(super) value: Option<T>,
}

/// Distinguishes a value that is null from a missing value.
fn present<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

pub(super) fn envelope(kind: &str, key: &str, json: &str) -> String {
    format!(r#"{{"__aws_durable_serdes":{{"version":{VERSION},"kind":"{kind}"}},"{key}":{json}}}"#)
}
