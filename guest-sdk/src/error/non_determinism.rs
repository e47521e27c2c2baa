//! Errors of replays that do not match the history.
//!
//! Hosts of this crate end the execution when a replay does not match the history: the invocation stops at that point,
//! so user code never gets these errors and cannot ignore them. The types exist for handlers that match on them, as
//! with AWS's SDK, and for future hosts.

use std::error::Error;
use std::fmt;

/// A replay does not match the history. The execution cannot continue.
///
/// # Examples
///
/// ```
/// use durawasm_guest::{NonDeterministicExecutionError, NonDeterministicExecutionErrorKind};
///
/// fn report(error: &NonDeterministicExecutionError) -> String {
///     match error.kind() {
///         NonDeterministicExecutionErrorKind::OperationMismatch(details) => {
///             format!("{}: {} became {}", details.wire_id(), details.expected(), details.actual())
///         }
///         _ => error.to_string(),
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct NonDeterministicExecutionError {
    kind: NonDeterministicExecutionErrorKind,
}

impl NonDeterministicExecutionError {
    /// How the replay differs.
    #[must_use]
    pub fn kind(&self) -> &NonDeterministicExecutionErrorKind {
        &self.kind
    }
}

impl fmt::Display for NonDeterministicExecutionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl Error for NonDeterministicExecutionError {}

/// How the replay differs.
#[derive(Debug)]
#[non_exhaustive]
pub enum NonDeterministicExecutionErrorKind {
    /// The history has another operation at this position.
    OperationMismatch(OperationMismatch),
    /// The history has an unknown status.
    UnrecognizedStatus(UnrecognizedStatus),
}

impl fmt::Display for NonDeterministicExecutionErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OperationMismatch(details) => details.fmt(f),
            Self::UnrecognizedStatus(details) => details.fmt(f),
        }
    }
}

/// An operation that differs from its record in type, sub-type, name or parent.
#[derive(Debug)]
#[non_exhaustive]
pub struct OperationMismatch {
    wire_id: String,
    expected: String,
    actual: String,
}

impl OperationMismatch {
    /// The operation's id in the history.
    #[must_use]
    pub fn wire_id(&self) -> &str {
        &self.wire_id
    }

    /// The recorded operation.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// The operation that the handler started.
    #[must_use]
    pub fn actual(&self) -> &str {
        &self.actual
    }
}

impl fmt::Display for OperationMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wire_id, expected, actual } = self;
        write!(f, "operation {wire_id}: the record has {expected}, and the handler asks for {actual}")
    }
}

/// An unknown status.
#[derive(Debug)]
#[non_exhaustive]
pub struct UnrecognizedStatus {
    wire_id: String,
    status: String,
}

impl UnrecognizedStatus {
    /// The operation's id in the history.
    #[must_use]
    pub fn wire_id(&self) -> &str {
        &self.wire_id
    }

    /// The recorded status.
    #[must_use]
    pub fn status(&self) -> &str {
        &self.status
    }
}

impl fmt::Display for UnrecognizedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operation {}: its status on record, {:?}, is not known", self.wire_id, self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OperationError, OperationErrorKind};

    /// Matches an error like a handler that was written for AWS's SDK.
    fn diagnose(error: &OperationError) -> String {
        match error.kind() {
            OperationErrorKind::NonDeterministicExecution(error) => match error.kind() {
                NonDeterministicExecutionErrorKind::OperationMismatch(m) => {
                    format!("{} {} {}", m.wire_id(), m.expected(), m.actual())
                }
                NonDeterministicExecutionErrorKind::UnrecognizedStatus(s) => {
                    format!("{} {}", s.wire_id(), s.status())
                }
            },
            _ => String::new(),
        }
    }

    #[test]
    fn handlers_can_match_on_it() {
        let made = |kind| {
            let error = NonDeterministicExecutionError { kind };
            OperationError::new(OperationErrorKind::NonDeterministicExecution(error))
        };
        let text = |text: &str| text.to_owned();
        let mismatch =
            OperationMismatch { wire_id: text("7f"), expected: text("a step"), actual: text("a wait") };
        let error = made(NonDeterministicExecutionErrorKind::OperationMismatch(mismatch));
        assert_eq!(diagnose(&error), "7f a step a wait");
        assert_eq!(
            format!("{error:#}"),
            "operation error: non_deterministic_execution: operation 7f: the record has a step, and the handler asks for a wait"
        );
        assert_eq!(error.kind().wire_type(), "NonDeterministicExecutionError");
        let status = UnrecognizedStatus { wire_id: text("7f"), status: text("LOST") };
        let error = made(NonDeterministicExecutionErrorKind::UnrecognizedStatus(status));
        assert_eq!(diagnose(&error), "7f LOST");
        assert!(format!("{error:#}").ends_with("operation 7f: its status on record, \"LOST\", is not known"));
    }
}
