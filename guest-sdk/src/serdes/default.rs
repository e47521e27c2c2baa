//! The serdes of operations that are given none.

use std::future::{Future, ready};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::api::Serdes;
use super::context::SerdesContext;
use super::json;
use crate::error::BoxError;

/// The default: compact JSON, for everything that serde can write and read.
///
/// NaN and infinities are refused, wherever in a value they are: JSON has only `null` for them, which is read as
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
        wire: String,
        _context: SerdesContext,
    ) -> impl Future<Output = Result<T, BoxError>> + Send {
        ready(serde_json::from_str(&wire).map_err(Into::into))
    }

    // The text is read where it is: neither it nor the context is cloned.
    fn written(
        &self,
        value: T,
        _context: SerdesContext,
    ) -> impl Future<Output = Result<String, BoxError>> + Send {
        ready(json::readable(&value))
    }
}
