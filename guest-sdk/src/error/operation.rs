//! The error of a durable operation.

use std::error::Error;

use super::combinator::CombinatorError;
use super::invalid_argument::{InvalidArgument, InvalidArgumentError};
use super::kinds::{
    CallbackError, ChildContextError, InvokeError, StepError, WaitError, WaitForConditionError,
};
use super::non_determinism::NonDeterministicExecutionError;
use super::wire::WireError;

/// The error of the futures of durable operations.
///
/// [`kind`](Self::kind) returns which operation failed and how; [`source`](Error::source) leads to the cause, which for
/// a recorded failure is a [`ReplayedFailure`](crate::ReplayedFailure).
///
/// # Examples
///
/// ```
/// use durawasm_guest::{OperationError, OperationErrorKind, StepErrorKind};
///
/// fn gave_up_after(error: &OperationError) -> Option<u32> {
///     match error.kind() {
///         OperationErrorKind::Step(step) => match step.kind() {
///             StepErrorKind::RetriesExhausted(details) => Some(details.attempts()),
///             _ => None,
///         },
///         _ => None,
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct OperationError {
    kind: OperationErrorKind,
    /// Boxed, so that results without an error are small.
    record: Option<Box<Record>>,
    name: Option<Box<str>>,
}

#[derive(Debug)]
struct Record {
    /// The operation's id, and its status.
    operation: Option<(String, &'static str)>,
    wire: WireError,
}

impl OperationError {
    /// Which operation failed, and how.
    #[must_use]
    pub fn kind(&self) -> &OperationErrorKind {
        &self.kind
    }

    /// The id of the failed operation; `None` if it was never started.
    #[must_use]
    pub fn operation_id(&self) -> Option<&str> {
        self.operation().map(|(id, _)| &**id)
    }

    /// The name of the failed operation; `None` if it has none.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The operation's status in the history, such as `FAILED` or `TIMED_OUT`; `None` if the failure is not recorded.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        self.operation().map(|(_, status)| *status)
    }

    /// The recorded error; `None` if it is not recorded.
    #[must_use]
    pub fn wire(&self) -> Option<&WireError> {
        self.record.as_ref().map(|record| &record.wire)
    }

    pub(crate) fn new(kind: OperationErrorKind) -> Self {
        Self { kind, record: None, name: None }
    }

    /// Adds the operation's name.
    pub(crate) fn named(mut self, name: Option<&str>) -> Self {
        self.name = name.map(Into::into);
        self
    }

    /// Adds the recorded failure.
    pub(crate) fn on_record(mut self, operation_id: String, status: &'static str, wire: WireError) -> Self {
        self.record = Some(Box::new(Record { operation: Some((operation_id, status)), wire }));
        self
    }

    /// Adds the record of a failure that is part of the record of another operation.
    pub(crate) fn with_wire(mut self, wire: WireError) -> Self {
        self.record = Some(Box::new(Record { operation: None, wire }));
        self
    }

    fn operation(&self) -> Option<&(String, &'static str)> {
        self.record.as_ref().and_then(|record| record.operation.as_ref())
    }
}

impl From<InvalidArgument> for OperationError {
    fn from(invalid: InvalidArgument) -> Self {
        Self::new(OperationErrorKind::InvalidArgument(InvalidArgumentError::new(invalid)))
    }
}

impl Error for OperationError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.kind.error())
    }
}

/// Which operation failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum OperationErrorKind {
    /// A step.
    Step(StepError),
    /// A wait.
    Wait(WaitError),
    /// An invocation of another function.
    Invoke(InvokeError),
    /// A callback.
    Callback(CallbackError),
    /// A wait for a condition.
    WaitForCondition(WaitForConditionError),
    /// A child context, the context around a wait for a callback, or a map or parallel.
    ChildContext(ChildContextError),
    /// A combinator of futures.
    Combinator(CombinatorError),
    /// A replay does not match the history. Hosts end the execution in this case, and handlers never get this error.
    NonDeterministicExecution(NonDeterministicExecutionError),
    /// Any operation that was not started because an argument is not allowed: a wait of zero seconds, a name of more
    /// than 256 characters, and so on. AWS's SDK does not have this kind, because its service rejects these arguments.
    InvalidArgument(InvalidArgumentError),
}

impl OperationErrorKind {
    pub(super) fn family(&self) -> &'static str {
        match self {
            Self::Step(_) => "step",
            Self::Wait(_) => "wait",
            Self::Invoke(_) => "invoke",
            Self::Callback(_) => "callback",
            Self::WaitForCondition(_) => "wait_for_condition",
            Self::ChildContext(_) => "child_context",
            Self::Combinator(_) => "combinator",
            Self::NonDeterministicExecution(_) => "non_deterministic_execution",
            Self::InvalidArgument(_) => "invalid_argument",
        }
    }

    /// The recorded type of an error of this kind that has no type of its own.
    pub(crate) fn wire_type(&self) -> &'static str {
        match self {
            Self::Step(_) => "StepError",
            Self::Wait(_) => "WaitError",
            Self::Invoke(_) => "InvokeError",
            Self::Callback(_) => "CallbackError",
            Self::WaitForCondition(_) => "WaitForConditionError",
            Self::ChildContext(_) => "ChildContextError",
            Self::Combinator(_) => "PromiseCombinatorError",
            Self::NonDeterministicExecution(_) => "NonDeterministicExecutionError",
            Self::InvalidArgument(_) => "InvalidArgumentError",
        }
    }

    pub(super) fn error(&self) -> &(dyn Error + 'static) {
        match self {
            Self::Step(error) => error,
            Self::Wait(error) => error,
            Self::Invoke(error) => error,
            Self::Callback(error) => error,
            Self::WaitForCondition(error) => error,
            Self::ChildContext(error) => error,
            Self::Combinator(error) => error,
            Self::NonDeterministicExecution(error) => error,
            Self::InvalidArgument(error) => error,
        }
    }
}

/// [`OperationError`], under the name that it has in `durable-lambda-core` and `durable-execution-sdk`.
pub type DurableError = OperationError;
