//! The error of each operation and its kinds.
//!
//! All errors here have the same shape: a kind to match on and a cause.

use std::error::Error;
use std::fmt;

use super::write_chain;
use crate::BoxError;
use crate::runtime::InvalidArgument;

/// An error of one operation: its kind, and the cause as its source.
macro_rules! operation_error {
    ($(#[$doc:meta])* $name:ident, $kind:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        #[non_exhaustive]
        pub struct $name {
            kind: $kind,
            source: Option<BoxError>,
        }

        impl $name {
            /// How the operation failed.
            #[must_use]
            pub fn kind(&self) -> &$kind {
                &self.kind
            }

            pub(crate) fn new(kind: $kind, source: Option<BoxError>) -> Self {
                Self { kind, source }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if f.alternate() { write_chain(f, &self.kind, self.source()) } else { self.kind.fmt(f) }
            }
        }

        impl Error for $name {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                self.source.as_deref().map(|source| source as &(dyn Error + 'static))
            }
        }
    };
}

operation_error! {
    /// A step failed. A retry strategy gets one too, with the error that the body returned as its source.
    StepError, StepErrorKind
}

operation_error! {
    /// A wait did not end by its time being over.
    WaitError, WaitErrorKind
}

operation_error! {
    /// A callback was answered with a failure, timed out, or was answered with what its serdes does not accept.
    CallbackError, CallbackErrorKind
}

operation_error! {
    /// A child context failed.
    ChildContextError, ChildContextErrorKind
}

/// How a step failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum StepErrorKind {
    /// The body returned an error. This is what a retry strategy sees.
    #[non_exhaustive]
    ExecutionFailed,
    /// The body returned an error, and the retry strategy decided to stop.
    RetriesExhausted(RetriesExhausted),
    /// The result could not be serialized, or what is on record could not be deserialized.
    #[non_exhaustive]
    SerializationFailed,
}

impl fmt::Display for StepErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExecutionFailed => f.write_str("execution failed"),
            Self::RetriesExhausted(details) => details.fmt(f),
            Self::SerializationFailed => f.write_str("serialization failed"),
        }
    }
}

/// What is known of a step that was given up.
#[derive(Debug)]
#[non_exhaustive]
pub struct RetriesExhausted {
    attempts: Option<u32>,
}

impl RetriesExhausted {
    pub(crate) fn new(attempts: Option<u32>) -> Self {
        Self { attempts }
    }

    /// How many attempts were made; 0 if the host does not tell.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts.unwrap_or_default()
    }
}

impl fmt::Display for RetriesExhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attempts {
            Some(attempts) => write!(f, "retries exhausted after {attempts} attempts"),
            None => f.write_str("retries exhausted"),
        }
    }
}

/// How a wait failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum WaitErrorKind {
    /// The wait ended with another status than success.
    UnexpectedStatus(UnexpectedStatus),
}

impl fmt::Display for WaitErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedStatus(details) => details.fmt(f),
        }
    }
}

/// The status that a wait ended with.
#[derive(Debug)]
#[non_exhaustive]
pub struct UnexpectedStatus {
    status: String,
}

impl UnexpectedStatus {
    pub(crate) fn new(status: impl Into<String>) -> Self {
        Self { status: status.into() }
    }

    /// The status, such as `CANCELLED`.
    #[must_use]
    pub fn status(&self) -> &str {
        &self.status
    }
}

impl fmt::Display for UnexpectedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the wait ended with status {}", self.status)
    }
}

/// How a callback failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallbackErrorKind {
    /// There was no answer within the timeout.
    #[non_exhaustive]
    TimedOut,
    /// There was no heartbeat within the heartbeat timeout.
    #[non_exhaustive]
    HeartbeatTimedOut,
    /// The external system reported a failure: its error is the source, a [`ReplayedFailure`](crate::ReplayedFailure).
    #[non_exhaustive]
    ExternalFailure,
    /// The serdes does not accept the answer.
    #[non_exhaustive]
    DeserializationFailed,
    /// Anything else.
    #[non_exhaustive]
    Internal,
}

impl fmt::Display for CallbackErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "callback timed out",
            Self::HeartbeatTimedOut => "callback heartbeat timed out",
            Self::ExternalFailure => "external failure",
            Self::DeserializationFailed => "deserialization failed",
            Self::Internal => "internal error",
        })
    }
}

/// How a child context failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ChildContextErrorKind {
    /// The child's code returned an error.
    #[non_exhaustive]
    ChildFailed,
    /// The result could not be serialized, or what is on record could not be deserialized.
    #[non_exhaustive]
    Internal,
}

impl fmt::Display for ChildContextErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ChildFailed => "child failed",
            Self::Internal => "internal error",
        })
    }
}

/// An operation was not started: an argument is not allowed. Its place in the sequence is taken, so replays agree.
#[derive(Debug)]
#[non_exhaustive]
pub struct InvalidArgumentError {
    argument: String,
    reason: String,
}

impl InvalidArgumentError {
    pub(crate) fn new(invalid: InvalidArgument) -> Self {
        Self { argument: invalid.argument, reason: invalid.reason }
    }

    /// Which argument, as the WIT contract spells it.
    #[must_use]
    pub fn argument(&self) -> &str {
        &self.argument
    }

    /// What is wrong with it, and what is allowed.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for InvalidArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid {}: {}", self.argument, self.reason)
    }
}

impl Error for InvalidArgumentError {}
