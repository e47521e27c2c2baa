//! The error of each operation and its kinds.
//!
//! All errors here have the same shape: a kind to match on, and a cause.

use std::error::Error;
use std::fmt;

use super::boxed::BoxError;

/// Defines the error of one operation: its kind, and the cause as its source.
macro_rules! operation_error {
    ($(#[$doc:meta])* $name:ident, $kind:ident $(, $detail:ident: $type:ty)*) => {
        $(#[$doc])*
        #[derive(Debug)]
        #[non_exhaustive]
        pub struct $name {
            kind: $kind,
            source: Option<BoxError>,
            $($detail: $type,)*
        }

        impl $name {
            /// How the operation failed.
            #[must_use]
            pub fn kind(&self) -> &$kind {
                &self.kind
            }

            pub(crate) fn new(kind: $kind, source: Option<BoxError>) -> Self {
                Self { kind, source, $($detail: <$type>::default(),)* }
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
    /// A step failed. Retry strategies get this error too, with the error that the body returned as its source.
    StepError, StepErrorKind
}

operation_error! {
    /// A wait ended with another status than success.
    WaitError, WaitErrorKind
}

operation_error! {
    /// The invoked function failed, or the payload or result could not be serialized.
    ///
    /// # Examples
    ///
    /// ```
    /// use durawasm_guest::{InvokeErrorKind, OperationError, OperationErrorKind};
    ///
    /// fn is_missing(error: &OperationError) -> bool {
    ///     matches!(error.kind(), OperationErrorKind::Invoke(invoke)
    ///         if matches!(invoke.kind(), InvokeErrorKind::FunctionNotFound(_)))
    /// }
    /// ```
    InvokeError, InvokeErrorKind
}

operation_error! {
    /// A condition was not met within the maximum number of checks, its check failed, or its state could not be
    /// serialized.
    ///
    /// # Examples
    ///
    /// ```
    /// use durawasm_guest::{WaitForConditionError, WaitForConditionErrorKind};
    ///
    /// fn checked_in_vain(error: &WaitForConditionError) -> Option<u32> {
    ///     match error.kind() {
    ///         WaitForConditionErrorKind::MaxChecksExceeded(details) => Some(details.checks()),
    ///         _ => None,
    ///     }
    /// }
    /// ```
    WaitForConditionError, WaitForConditionErrorKind
}

operation_error! {
    /// A callback was answered with a failure or with a payload that its serdes does not accept, or timed out.
    CallbackError, CallbackErrorKind, callback_id: Option<String>
}

impl CallbackError {
    /// The id of the callback, which the external system was given; `None` if there was none.
    #[must_use]
    pub fn callback_id(&self) -> Option<&str> {
        self.callback_id.as_deref()
    }

    pub(crate) fn with_callback_id(mut self, id: Option<String>) -> Self {
        self.callback_id = id;
        self
    }
}

operation_error! {
    /// A child context failed.
    ChildContextError, ChildContextErrorKind
}

impl StepError {
    /// The error that the body returned.
    pub(crate) fn into_source(self) -> Option<BoxError> {
        self.source
    }
}

/// How a step failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum StepErrorKind {
    /// The body returned an error. Retry strategies get this kind.
    #[non_exhaustive]
    ExecutionFailed,
    /// An attempt failed, and the retry strategy stopped. The source is the error of the body, or an error of type
    /// `StepTimeout`, `StepInterrupted` or `StepStalled`. A result that is too large to record (`ResultTooLarge`) fails
    /// the step with this kind too, without asking the strategy.
    RetriesExhausted(RetriesExhausted),
    /// The result could not be serialized, or the recorded payload could not be deserialized.
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

/// The details of a step whose retries are exhausted.
#[derive(Debug)]
#[non_exhaustive]
pub struct RetriesExhausted {
    attempts: Option<u32>,
}

impl RetriesExhausted {
    pub(crate) fn new(attempts: Option<u32>) -> Self {
        Self { attempts }
    }

    /// The number of attempts; 0 if the host does not report it.
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

/// The unexpected status of a wait.
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

/// How an invocation of another function failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum InvokeErrorKind {
    /// The function failed, timed out or was stopped: see [`OperationError::status`](crate::OperationError::status).
    /// Its error is the source, a [`ReplayedFailure`](crate::ReplayedFailure).
    #[non_exhaustive]
    FunctionFailed,
    /// The function does not exist or may not be invoked: the failure is of type `ResourceNotFoundException`.
    FunctionNotFound(FunctionNotFound),
    /// The payload could not be serialized, and nothing was invoked; or the result could not be deserialized.
    #[non_exhaustive]
    SerializationFailed,
}

impl fmt::Display for InvokeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FunctionFailed => f.write_str("function failed"),
            Self::FunctionNotFound(details) => details.fmt(f),
            Self::SerializationFailed => f.write_str("serialization failed"),
        }
    }
}

/// The function that was not found.
#[derive(Debug)]
#[non_exhaustive]
pub struct FunctionNotFound {
    function_id: String,
}

impl FunctionNotFound {
    pub(crate) fn new(function_id: impl Into<String>) -> Self {
        Self { function_id: function_id.into() }
    }

    /// The function id of the invocation: a name, a name with a qualifier or an ARN.
    #[must_use]
    pub fn function_id(&self) -> &str {
        &self.function_id
    }
}

impl fmt::Display for FunctionNotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "function not found: {}", self.function_id)
    }
}

/// How a wait for a condition failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum WaitForConditionErrorKind {
    /// A check returned an error, which is the source. Checks are not retried. Also for a state that is too large to
    /// record, and for a delay that is not allowed.
    #[non_exhaustive]
    CheckFailed,
    /// The wait strategy gave up before the condition was met.
    MaxChecksExceeded(MaxChecksExceeded),
    /// A state could not be serialized, or a recorded payload could not be deserialized. The state is never reset.
    #[non_exhaustive]
    SerializationFailed,
}

impl fmt::Display for WaitForConditionErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CheckFailed => f.write_str("check failed"),
            Self::MaxChecksExceeded(details) => details.fmt(f),
            Self::SerializationFailed => f.write_str("serialization failed"),
        }
    }
}

/// The details of a condition that was not met. The reason that the strategy gave is the recorded message
/// ([`OperationError::wire`](crate::OperationError::wire)).
#[derive(Debug)]
#[non_exhaustive]
pub struct MaxChecksExceeded {
    checks: Option<u32>,
}

impl MaxChecksExceeded {
    pub(crate) fn new(checks: Option<u32>) -> Self {
        Self { checks }
    }

    /// The number of checks; 0 if the host does not report it.
    #[must_use]
    pub fn checks(&self) -> u32 {
        self.checks.unwrap_or_default()
    }
}

impl fmt::Display for MaxChecksExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.checks {
            Some(checks) => write!(f, "max checks exceeded: {checks}"),
            None => f.write_str("max checks exceeded"),
        }
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
    /// Any other error.
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
    /// The child's code returned an error, or an item of a map or parallel did.
    #[non_exhaustive]
    ChildFailed,
    /// The result could not be serialized, or a recorded payload could not be deserialized. A map or parallel could not
    /// produce a result, for example because the name of an item is not allowed.
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
