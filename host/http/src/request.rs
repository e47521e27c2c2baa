//! A request after it was read, and the parts of it that the operations share.

use bytes::Bytes;
use durawasm_core::protocol::ErrorObject;
use hyper::HeaderMap;
use serde::de::DeserializeOwned;

use super::{
    error::{ApiError, Exception, invalid},
    query::Query,
};

/// A request after it was read.
pub(crate) struct ApiRequest {
    /// What it is on: a function, an execution or a callback, as the request names it.
    pub(crate) of: String,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The id of the request, a UUID.
    pub(crate) id: String,
}

impl ApiRequest {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Result<Option<&str>, ApiError> {
        header(&self.headers, name)
    }

    /// The body as JSON. An empty body is an empty object, as clients send it where no member is given.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        match serde_json::from_slice(body) {
            Ok(value) => Ok(value),
            Err(error) => invalid(format!("the body cannot be read: {error}")),
        }
    }

    /// The body as an error, if there is one.
    pub(crate) fn error(&self) -> Result<Option<ErrorObject>, ApiError> {
        let error: ErrorObject = self.json()?;
        Ok(Some(error).filter(|error| *error != ErrorObject::default()))
    }

    /// The body as text, if there is one.
    pub(crate) fn text(&self) -> Result<Option<String>, ApiError> {
        if self.body.is_empty() {
            return Ok(None);
        }
        match std::str::from_utf8(&self.body) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => invalid("the body is not UTF-8"),
        }
    }
}

/// The value of a header that may occur once.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let wrong = |what: &str| {
        Err(ApiError::new(Exception::InvalidRequestContent, format!("the header {name} {what}")))
    };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text)),
        (Ok(_), Some(_)) => wrong("is given more than once"),
        (Err(_), _) => wrong("is not printable ASCII"),
    }
}
