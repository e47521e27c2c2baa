//! A request before it has an address and a signature.
//!
//! Invariants: what a request is on, and each value of its query, is encoded once, with everything but letters, digits
//! and `-_.~`.

use std::{fmt::Write as _, time::Duration};

use durawasm_core::protocol::{CallbackId, ExecutionArn};
use hyper::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The time for an answer, but for that of a synchronous invocation.
pub(crate) const WITHIN: Duration = Duration::from_mins(1);

/// What stays as it is in a path and a query.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A request.
pub(crate) struct Call<'a> {
    pub(crate) operation: &'static str,
    /// The function, the execution or the callback.
    pub(crate) of: &'a str,
    pub(crate) method: Method,
    /// The path before what it is on, and the path behind it.
    path: (&'static str, &'static str),
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) within: Option<Duration>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        operation: &'static str,
        method: Method,
        before: &'static str,
        of: &'a str,
        behind: &'static str,
    ) -> Self {
        Self {
            operation,
            of,
            method,
            path: (before, behind),
            query: Vec::new(),
            headers: Vec::new(),
            body: String::new(),
            within: Some(WITHIN),
        }
    }

    pub(crate) fn on_execution(
        operation: &'static str,
        method: Method,
        arn: &'a ExecutionArn,
        behind: &'static str,
    ) -> Self {
        Self::new(operation, method, "/2025-12-01/durable-executions/", arn.as_str(), behind)
    }

    pub(crate) fn on_callback(operation: &'static str, id: &'a CallbackId, behind: &'static str) -> Self {
        Self::new(operation, Method::POST, "/2025-12-01/durable-execution-callbacks/", id.as_str(), behind)
    }

    /// The path and the query, encoded.
    pub(crate) fn target(&self) -> String {
        let encoded = |text| utf8_percent_encode(text, UNRESERVED);
        let (before, behind) = self.path;
        let mut target = format!("{before}{}{behind}", encoded(self.of));
        for (place, (name, value)) in self.query.iter().enumerate() {
            let _ = write!(target, "{}{name}={}", if place == 0 { '?' } else { '&' }, encoded(value));
        }
        target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_something_is_encoded_once() {
        let arn = ExecutionArn::from("arn:aws:lambda:r:1:function:f:$LATEST/durable-execution/n/0-1");
        let mut call = Call::on_execution("GetDurableExecution", Method::GET, &arn, "/history");
        call.query = vec![("Marker", "a+/=".to_owned()), ("MaxItems", "5".to_owned())];
        assert_eq!(
            call.target(),
            "/2025-12-01/durable-executions/arn%3Aaws%3Alambda%3Ar%3A1%3Afunction%3Af%3A%24LATEST%2Fdurable-execution\
             %2Fn%2F0-1/history?Marker=a%2B%2F%3D&MaxItems=5"
        );
    }
}
