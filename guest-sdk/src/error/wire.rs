//! Recorded errors: `ErrorObject` in the service model, `error-object` in the WIT package.
//!
//! Invariants:
//! - The type of an error is never derived from its text. It is the first specific type in the chain of sources: a name
//!   that the author gave ([`TypedError`](crate::TypedError)), or the recorded type of an operation that failed.
//!   Otherwise it is a generic type.
//! - Therefore the type, data and frames of a failure stay the same through all layers that pass it on.
//! - The size of a record is at most [`LIMIT`], for any error.

use std::fmt;

/// The maximum size of a record in bytes. It leaves room for the rest of the update.
const LIMIT: usize = 32 * 1024 - 1024;

/// The recorded type for a value that could not be serialized. Replays determine the kind of error from it.
pub(crate) const SERIALIZATION_ERROR: &str = "SerializationError";

/// A recorded error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WireError {
    error_type: Option<String>,
    error_message: Option<String>,
    error_data: Option<String>,
    stack_trace: Vec<String>,
}

impl WireError {
    /// The type: a name that programs can match on.
    #[must_use]
    pub fn error_type(&self) -> Option<&str> {
        self.error_type.as_deref()
    }

    /// The message for people.
    #[must_use]
    pub fn error_message(&self) -> Option<&str> {
        self.error_message.as_deref()
    }

    /// Additional data for programs, usually JSON. It may come from an external system (the answer to a callback):
    /// treat it as untrusted input.
    #[must_use]
    pub fn error_data(&self) -> Option<&str> {
        self.error_data.as_deref()
    }

    /// One frame per entry, innermost first. Components have no backtraces: it is filled only if the failure came from
    /// outside with frames.
    #[must_use]
    pub fn stack_trace(&self) -> &[String] {
        &self.stack_trace
    }

    /// Creates a record from its parts. For runners.
    #[doc(hidden)]
    #[must_use]
    pub fn from_parts(
        error_type: Option<String>,
        error_message: Option<String>,
        error_data: Option<String>,
        stack_trace: Vec<String>,
    ) -> Self {
        Self { error_type, error_message, error_data, stack_trace }
    }

    pub(crate) fn new(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self { error_type: Some(error_type.into()), error_message: Some(message.into()), ..Self::default() }
            .bounded()
    }

    /// Adds data. Data that is too long is omitted.
    pub(crate) fn with_data(mut self, data: Option<String>) -> Self {
        self.error_data = data;
        self.bounded()
    }

    /// Adds an outermost frame, for which there is always room.
    pub(crate) fn with_frame(mut self, frame: String) -> Self {
        let room = LIMIT.saturating_sub(frame.len() + 16);
        self = self.bounded_to(room);
        self.stack_trace.push(frame);
        self
    }

    /// Removes the outermost frame if it starts with the prefix. Returns the rest of it.
    pub(crate) fn take_frame(&mut self, prefix: &str) -> Option<String> {
        let rest = self.stack_trace.last()?.strip_prefix(prefix)?.to_owned();
        self.stack_trace.pop();
        Some(rest)
    }

    pub(super) fn bounded(self) -> Self {
        self.bounded_to(LIMIT)
    }

    /// Shortens the record to the limit, the least useful parts first.
    fn bounded_to(mut self, limit: usize) -> Self {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        if let Some(error_type) = &mut self.error_type {
            shorten(error_type, 1024);
        }
        let mut left = limit.saturating_sub(length(&self.error_type));
        if length(&self.error_data) > left {
            self.error_data = None;
        }
        left -= length(&self.error_data);
        if let Some(message) = &mut self.error_message {
            shorten(message, left);
        }
        left -= length(&self.error_message);
        let mut kept = 0;
        for frame in &self.stack_trace {
            let Some(rest) = left.checked_sub(frame.len() + 16) else { break };
            left = rest;
            kept += 1;
        }
        self.stack_trace.truncate(kept);
        self
    }
}

/// Shortens a text to at most `limit` bytes, at a character boundary.
fn shorten(text: &mut String, limit: usize) {
    const MARK: &str = " [cut]";
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit.saturating_sub(MARK.len())));
        if limit >= MARK.len() {
            text.push_str(MARK);
        }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.error_type(), self.error_message()) {
            (Some(error_type), Some(message)) => write!(f, "{error_type}: {message}"),
            (Some(text), None) | (None, Some(text)) => f.write_str(text),
            (None, None) => f.write_str("unknown error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_is_added_and_removed() {
        let big = "x".repeat(2 * LIMIT);
        let mut wire = WireError::new("Declined", big).with_frame("callback: 7".to_owned());
        let length = 8 + wire.error_message().unwrap().len() + wire.stack_trace()[0].len();
        assert!(length <= LIMIT, "{length}");
        assert_eq!(wire.take_frame("race: "), None);
        assert_eq!(wire.take_frame("callback: ").as_deref(), Some("7"));
        assert!(wire.stack_trace().is_empty());
    }

    proptest! {
        #[test]
        fn the_size_of_a_record_is_limited(name in 0..2000_usize, message in 0..40_000_usize, data in 0..40_000_usize, frames in 0..5000_usize) {
            let text = |length: usize| Some("ü".repeat(length));
            let frames = vec!["frame".to_owned(); frames];
            let wire = WireError::from_parts(text(name), text(message), text(data), frames).bounded();
            let length = wire.error_type().unwrap().len()
                + wire.error_message().unwrap().len()
                + wire.error_data().map_or(0, str::len)
                + wire.stack_trace().iter().map(String::len).sum::<usize>();
            prop_assert!(length <= LIMIT);
        }
    }
}
