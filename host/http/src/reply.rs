//! Answers: status, headers and a body.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::Value;

use super::error::{ApiError, Exception};

/// The seconds after which a client that was refused for want of room may ask again.
const RETRY_AFTER_SECONDS: &str = "1";

/// An answer as it is sent.
pub(crate) type HttpResponse = Response<Full<Bytes>>;

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Reply {
    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// An answer with a JSON body.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, body.to_string())
    }

    /// An answer whose body is JSON text.
    pub(crate) fn text(status: u16, body: impl Into<Bytes>) -> Self {
        let content_type = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self { status, headers: vec![content_type], body: body.into() }
    }

    /// An answer of another type.
    pub(crate) fn of_type(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let content_type = (CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { status: 200, headers: vec![content_type], body: body.into() }
    }

    /// The status code.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Adds a header. The value must be printable ASCII, as the names and ARNs of this API are; another one is left out.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value);
        debug_assert!(value.is_ok(), "{name}");
        self.headers.extend(value.ok().map(|value| (HeaderName::from_static(name), value)));
        self
    }

    /// The answer for HTTP.
    pub(crate) fn into_response(self, request_id: &str) -> HttpResponse {
        let this = self.with("x-amzn-requestid", request_id);
        let mut response = Response::new(Full::new(this.body));
        // Only valid codes are written in this crate.
        *response.status_mut() =
            StatusCode::from_u16(this.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().extend(this.headers);
        response
    }
}

impl From<ApiError> for Reply {
    fn from(error: ApiError) -> Self {
        let reply = Self::json(error.exception.status(), &error.body())
            .with("x-amzn-errortype", error.exception.name());
        if matches!(error.exception, Exception::TooManyRequests(_)) {
            return reply.with("retry-after", RETRY_AFTER_SECONDS);
        }
        reply
    }
}
