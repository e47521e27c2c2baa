//! Errors as they are on record: `ErrorObject` in the service model, `error-object` in the WIT package.
//!
//! Always true here:
//! - An error's type is never guessed from its text. It is the first in the chain of sources that says something: a name that the
//!   author gave ([`TypedError`]), or the type on record of an operation that failed. Else it is a generic one.
//! - So a failure's type, data and frames stay the same through all layers that pass it on.
//! - A record fits in [`LIMIT`], whatever the author put into the error.

use std::error::Error;
use std::fmt;

use super::OperationError;
use super::line::{Chain, write_chain, write_line};
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
        let operation = error.downcast_ref::<OperationError>();
        let fallback = recorded(error)
            .and_then(WireError::error_type)
            .unwrap_or_else(|| operation.map_or(fallback, |error| error.kind().wire_type()));
        Self::passed_on(error, fallback)
    }

    /// The record of a layer that failed because of an error: under the type that the error has a name for, if it has one.
    pub(crate) fn passed_on(error: &(dyn Error + 'static), fallback: &str) -> Self {
        Self::typed(error, named(error).unwrap_or(fallback))
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

    fn bounded(self) -> Self {
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
/// assert_eq!(error.to_string(), "NoStock: three are left");
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
            write_line(f, format_args!("{}", self.error_type), &*self.inner)
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

/// The first name in a chain that programs can match on.
fn named<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a str> {
    chain(error).find_map(|error| match error.downcast_ref::<TypedError>() {
        Some(typed) => Some(typed.error_type()),
        None => recorded(error).and_then(WireError::error_type).filter(|name| !is_generic(name)),
    })
}

/// Whether a recorded type says only which layer failed. How a layer failed is not passed on: the record of the next would be
/// read as its own.
fn is_generic(name: &str) -> bool {
    const LAYERS: [&str; 13] = [
        "Error",
        "StepError",
        "WaitError",
        "InvokeError",
        "CallbackError",
        "WaitForConditionError",
        "ChildContextError",
        "ChildFnError",
        "BatchError",
        "CompensationError",
        "HandlerError",
        "PromiseCombinatorError",
        SERIALIZATION_ERROR,
    ];
    LAYERS.contains(&name) || name.starts_with("CombinatorError")
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
        assert_eq!(wire.error_type(), Some("Declined"));
        assert_eq!(wire.error_message(), Some("child function error: no funds"));
        assert_eq!(wire.error_data(), Some("{\"code\":51}"));
        assert_eq!(wire.stack_trace(), ["pay.c:1"]);
    }

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
