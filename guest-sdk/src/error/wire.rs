//! Errors as they are on record: `ErrorObject` in the service model, `error-object` in the WIT package.
//!
//! Always true here:
//! - An error's type is never guessed from its text. It is the name the author gave ([`TypedError`]), else the type that
//!   is already on record for the same failure, else a generic one.
//! - A record fits in [`LIMIT`], whatever the author put into the error.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use super::OperationError;
use crate::BoxError;

/// What a record may hold, in bytes, with room for the rest of the update that carries it.
const LIMIT: usize = 32 * 1024 - 1024;

/// How far a chain of sources is followed for a name or data.
const CHAIN: usize = 10;

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

    /// More for programs, usually JSON. It may come from outside (a callback's answer): nothing in this crate acts on it.
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

    /// The record of an error. `fallback` is the type for one that has no name.
    pub(crate) fn of(error: &(dyn Error + 'static), fallback: &str) -> Self {
        let recorded = recorded(error).and_then(WireError::error_type).map(Cow::Borrowed);
        let error_type = recorded.or_else(|| typed_name(error)).unwrap_or_else(|| {
            Cow::Borrowed(
                error.downcast_ref::<OperationError>().map_or(fallback, |error| error.kind().wire_type()),
            )
        });
        Self::typed(error, &error_type)
    }

    /// The record of an error under a given type.
    pub(crate) fn typed(error: &(dyn Error + 'static), error_type: &str) -> Self {
        let records = || chain(error).filter_map(recorded);
        Self {
            error_type: Some(error_type.to_owned()),
            error_message: Some(Chain(error).to_string()),
            error_data: records().find_map(|record| record.error_data.clone()),
            stack_trace: records()
                .find(|record| !record.stack_trace.is_empty())
                .map_or_else(Vec::new, |record| record.stack_trace.clone()),
        }
        .bounded()
    }

    /// Adds data. What is too long is left out.
    pub(crate) fn with_data(mut self, data: Option<String>) -> Self {
        self.error_data = data;
        self.bounded()
    }

    /// Keeps the record under the limit: what is least useful goes first.
    fn bounded(mut self) -> Self {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        if let Some(error_type) = &mut self.error_type {
            shorten(error_type, 1024);
        }
        let mut left = LIMIT - length(&self.error_type);
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

/// The cause of a failure that was read from the record.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReplayedFailure {
    wire: WireError,
}

impl ReplayedFailure {
    pub(crate) fn boxed(wire: WireError) -> BoxError {
        Box::new(Self { wire })
    }

    /// The recorded error type.
    #[must_use]
    pub fn error_type(&self) -> Option<&str> {
        self.wire.error_type()
    }

    /// The recorded message.
    #[must_use]
    pub fn error_message(&self) -> Option<&str> {
        self.wire.error_message()
    }

    /// All that is recorded.
    #[must_use]
    pub fn wire(&self) -> &WireError {
        &self.wire
    }
}

impl fmt::Display for ReplayedFailure {
    /// The message; the type only if there is no message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.error_message().or(self.error_type()).unwrap_or("unknown error"))
    }
}

impl Error for ReplayedFailure {}

/// An error with a name for the record.
///
/// Once an error is boxed, its type cannot be named any more: it is recorded as `Error`. Wrap it while its type is known,
/// and the record carries that name.
///
/// # Examples
///
/// ```
/// use durawasm_guest::{BoxError, TypedError};
///
/// let parsed = "seven".parse::<u32>().map_err(TypedError::new);
/// assert_eq!(parsed.as_ref().map_err(TypedError::error_type), Err("ParseIntError"));
/// let error: BoxError = TypedError::with_type("NoStock", "three are left").into(); // what a step's body returns
/// assert_eq!(error.to_string(), "NoStock");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct TypedError {
    error_type: String,
    inner: BoxError,
}

impl TypedError {
    /// Names the error after its type, without module paths.
    #[must_use]
    pub fn new<E: Error + Send + Sync + 'static>(error: E) -> Self {
        Self { error_type: short_type_name(std::any::type_name::<E>()), inner: Box::new(error) }
    }

    /// Names the error as told.
    #[must_use]
    pub fn with_type(error_type: impl Into<String>, error: impl Into<BoxError>) -> Self {
        Self { error_type: error_type.into(), inner: error.into() }
    }

    /// The name.
    #[must_use]
    pub fn error_type(&self) -> &str {
        &self.error_type
    }

    /// The error itself.
    #[must_use]
    pub fn inner(&self) -> &(dyn Error + 'static) {
        &*self.inner
    }
}

impl fmt::Display for TypedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            write_chain(f, &self.error_type, self.source())
        } else {
            f.write_str(&self.error_type)
        }
    }
}

impl Error for TypedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.inner)
    }
}

/// What a child context's code returned, as a frame of its own in the record.
#[derive(Debug)]
pub(crate) struct ChildFnError(pub(crate) BoxError);

impl fmt::Display for ChildFnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("child function error")
    }
}

impl Error for ChildFnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// Writes a frame and all frames below it.
pub(crate) fn write_chain(
    f: &mut fmt::Formatter<'_>,
    frame: &dyn fmt::Display,
    mut source: Option<&(dyn Error + 'static)>,
) -> fmt::Result {
    write!(f, "{frame}")?;
    while let Some(error) = source {
        write!(f, ": {error}")?;
        source = error.source();
    }
    Ok(())
}

/// Displays an error with all below it.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(f, &self.0, self.0.source())
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source()).take(CHAIN)
}

/// The record that an error carries itself.
fn recorded<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a WireError> {
    error
        .downcast_ref::<OperationError>()
        .and_then(OperationError::wire)
        .or_else(|| error.downcast_ref::<ReplayedFailure>().map(ReplayedFailure::wire))
}

fn typed_name<'a>(error: &'a (dyn Error + 'static)) -> Option<Cow<'a, str>> {
    chain(error)
        .find_map(|error| error.downcast_ref::<TypedError>())
        .map(|typed| Cow::Borrowed(typed.error_type()))
}

/// A type's name without module paths, also inside of brackets: `a::B<c::D>` is `B<D>`.
fn short_type_name(full: &str) -> String {
    let mut short = String::with_capacity(full.len());
    let mut segment = 0;
    for c in full.chars() {
        if c == ':' {
            short.truncate(segment);
            continue;
        }
        short.push(c);
        if !(c.is_alphanumeric() || c == '_') {
            segment = short.len();
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug)]
    struct Declined(&'static str);
    impl fmt::Display for Declined {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }
    impl Error for Declined {}

    #[test]
    fn an_error_is_recorded_under_the_name_it_was_given() {
        let plain: BoxError = "boom".into();
        assert_eq!(WireError::of(&*plain, "Error").to_string(), "Error: boom");
        let typed: BoxError = TypedError::new(Declined("no funds")).into();
        let wire = WireError::of(&*typed, "Error");
        assert_eq!((wire.error_type(), wire.error_message()), (Some("Declined"), Some("Declined: no funds")));
        let replayed = ReplayedFailure::boxed(wire);
        assert_eq!(WireError::of(&*replayed, "Error").error_type(), Some("Declined"));
    }

    #[test]
    fn type_names_lose_their_paths() {
        assert_eq!(short_type_name("a::b::C"), "C");
        assert_eq!(short_type_name("a::B<c::D, &e::F>"), "B<D, &F>");
        assert_eq!(short_type_name("Plain"), "Plain");
    }

    #[test]
    fn data_and_frames_survive_a_boundary() {
        let outside = WireError::from_parts(
            Some("Declined".into()),
            Some("no funds".into()),
            Some("{\"code\":51}".into()),
            vec!["pay.c:1".into()],
        );
        let child = ChildFnError(ReplayedFailure::boxed(outside));
        let wire = WireError::of(&child, "ChildFnError");
        assert_eq!(wire.error_type(), Some("ChildFnError"));
        assert_eq!(wire.error_message(), Some("child function error: no funds"));
        assert_eq!(wire.error_data(), Some("{\"code\":51}"));
        assert_eq!(wire.stack_trace(), ["pay.c:1"]);
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
