//! Errors as they are on record: `ErrorObject` in the service model, `error-object` in the WIT package.
//!
//! Always true here:
//! - An error's type is never guessed from its text. It is the first in the chain of sources that says something: a
//!   name that the author gave ([`TypedError`]), or the type on record of an operation that failed. Else it is a
//!   generic one.
//! - So a failure's type, data and frames stay the same through all layers that pass it on.
//! - A record fits in [`LIMIT`], whatever the author put into the error.

use std::fmt;

/// What a record may hold, in bytes, with room for the rest of the update that carries it.
const LIMIT: usize = 32 * 1024 - 1024;

/// The type on record for a result that could not be serialized. Replays know the kind of error by it.
pub(crate) const SERIALIZATION_ERROR: &str = "SerializationError";

/// An error as it is on record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WireError {
    error_type: Option<String>,
    error_message: Option<String>,
    error_data: Option<String>,
    stack_trace: Vec<String>,
}

impl WireError {
    /// The name programs can match on.
    #[must_use]
    pub fn error_type(&self) -> Option<&str> {
        self.error_type.as_deref()
    }

    /// What a person reads.
    #[must_use]
    pub fn error_message(&self) -> Option<&str> {
        self.error_message.as_deref()
    }

    /// More for programs, usually JSON. It may come from outside (a callback's answer): nothing in this crate acts on
    /// it.
    #[must_use]
    pub fn error_data(&self) -> Option<&str> {
        self.error_data.as_deref()
    }

    /// One frame an entry, innermost first. Components have no backtraces: it is filled only when the failure came with
    /// one from outside.
    #[must_use]
    pub fn stack_trace(&self) -> &[String] {
        &self.stack_trace
    }

    /// A record with these parts. For runners.
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

    /// Adds data. What is too long is left out.
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

    /// Takes the outermost frame off, if it begins so. The rest of it.
    pub(crate) fn take_frame(&mut self, prefix: &str) -> Option<String> {
        let rest = self.stack_trace.last()?.strip_prefix(prefix)?.to_owned();
        self.stack_trace.pop();
        Some(rest)
    }

    pub(super) fn bounded(self) -> Self {
        self.bounded_to(LIMIT)
    }

    /// Keeps the record under the limit: what is least useful goes first.
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

/// Cuts a text to at most so many bytes, at a character's end.
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
    fn a_frame_is_put_on_and_taken_off() {
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
        fn a_record_fits(name in 0..2000_usize, message in 0..40_000_usize, data in 0..40_000_usize, frames in 0..5000_usize) {
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
