//! The default serdes.

use std::future::{Future, ready};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::api::Serdes;
use super::context::SerdesContext;
use super::json;
use crate::error::BoxError;

/// The default serdes: compact JSON, for all types that serde can serialize and deserialize.
///
/// NaN and infinities are errors, also inside of a value: JSON would have `null` for them, which is deserialized as
/// another value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JsonSerdes;

impl<T: Serialize + DeserializeOwned + Send + 'static> Serdes<T> for JsonSerdes {
    fn serialize(
        &self,
        value: T,
        _context: SerdesContext,
    ) -> impl Future<Output = Result<String, BoxError>> + Send {
        ready(json::text(&value))
    }

    fn deserialize(
        &self,
        payload: String,
        _context: SerdesContext,
    ) -> impl Future<Output = Result<T, BoxError>> + Send {
        ready(serde_json::from_str(&payload).map_err(Into::into))
    }

    // Deserializes the text in place: neither the text nor the context is cloned.
    fn written(
        &self,
        value: T,
        _context: SerdesContext,
    ) -> impl Future<Output = Result<String, BoxError>> + Send {
        ready(json::readable(&value))
    }
}
