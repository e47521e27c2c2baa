//! How errors are displayed: on one line for people, or as frames of a chain.
//!
//! Invariants: `{}` of a public error is one line with the failed operation and all causes. `{:#}`, and the recorded
//! message, contain each layer once.

use std::error::Error;
use std::fmt::{self, Write as _};

use super::combinator::CombinatorError;
use super::kinds::{
    CallbackError, ChildContextError, InvokeError, StepError, WaitError, WaitForConditionError,
};
use super::operation::{OperationError, OperationErrorKind};
use super::typed::TypedError;
use super::wire::WireError;

/// Displays one layer of an error, without its causes.
struct Frame<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        macro_rules! kinds {
            ($($error:ty),*) => {$(
                if let Some(error) = self.0.downcast_ref::<$error>() {
                    return fmt::Display::fmt(error.kind(), f);
                }
            )*};
        }
        if let Some(error) = self.0.downcast_ref::<OperationError>() {
            return write!(f, "operation error: {}", error.kind().family());
        }
        if let Some(error) = self.0.downcast_ref::<TypedError>() {
            return f.write_str(error.error_type());
        }
        kinds!(
            StepError,
            WaitError,
            InvokeError,
            WaitForConditionError,
            CallbackError,
            ChildContextError,
            CombinatorError
        );
        write!(f, "{}", self.0)
    }
}

/// Writes a frame and the frames of all causes.
pub(crate) fn write_chain(
    f: &mut fmt::Formatter<'_>,
    frame: &dyn fmt::Display,
    mut source: Option<&(dyn Error + 'static)>,
) -> fmt::Result {
    write!(f, "{frame}")?;
    while let Some(error) = source {
        write!(f, ": {}", Frame(error))?;
        source = error.source();
    }
    Ok(())
}

/// Displays an error with all its causes.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(f, &Frame(self.0), self.0.source())
    }
}

/// Writes a description and the error with its causes, on one line.
fn write_line(
    f: &mut fmt::Formatter<'_>,
    description: fmt::Arguments<'_>,
    cause: &(dyn Error + 'static),
) -> fmt::Result {
    write!(OneLine(f), "{description}: {}", Chain(cause))
}

/// Writes the error of an operation, on one line.
fn write_operation(f: &mut fmt::Formatter<'_>, error: &OperationError) -> fmt::Result {
    let mut line = OneLine(f);
    let kind = error.kind();
    let description = match kind {
        OperationErrorKind::Step(_) => "step",
        OperationErrorKind::Wait(_) => "wait",
        OperationErrorKind::Invoke(_) => "invoke",
        OperationErrorKind::Callback(_) => "callback",
        OperationErrorKind::WaitForCondition(_) => "wait for a condition",
        OperationErrorKind::ChildContext(_) => "child context",
        OperationErrorKind::Combinator(_) => "combinator",
        OperationErrorKind::NonDeterministicExecution(_) | OperationErrorKind::InvalidArgument(_) => {
            "operation"
        }
    };
    let is_argument = matches!(kind, OperationErrorKind::InvalidArgument(_));
    let verb = if is_argument { "was not started" } else { "failed" };
    line.write_str(description)?;
    if let Some(name) = error.name() {
        write!(line, " {name:?}")?;
    } else if let Some(id) = error.operation_id() {
        write!(line, " {id}")?;
    }
    let cause = kind.error();
    write!(line, " {verb}: {}", Chain(cause))?;
    // If retries were exhausted or a timeout expired, only the recorded message has the reason.
    let recorded = error.wire().and_then(WireError::error_message).filter(|_| cause.source().is_none());
    match recorded {
        Some(recorded) if !cause.to_string().contains(recorded) => write!(line, ": {recorded}"),
        _ => Ok(()),
    }
}

/// Replaces line breaks with spaces.
struct OneLine<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut lines = text.split('\n');
        if let Some(first) = lines.next() {
            self.0.write_str(first.trim_end_matches('\r'))?;
        }
        lines.try_for_each(|line| write!(self.0, " {}", line.trim_end_matches('\r')))
    }
}

/// Implements `Display` for errors that have a kind.
macro_rules! display {
    ($($name:ident: $description:literal),* $(,)?) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if f.alternate() {
                    write_chain(f, self.kind(), self.source())
                } else {
                    write_line(f, format_args!(concat!($description, " failed")), self)
                }
            }
        }
    )*};
}

display! {
    StepError: "step",
    WaitError: "wait",
    InvokeError: "invoke",
    WaitForConditionError: "wait for a condition",
    CallbackError: "callback",
    ChildContextError: "child context",
    CombinatorError: "combinator",
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { Chain(self).fmt(f) } else { write_operation(f, self) }
    }
}

impl fmt::Display for OperationErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.family(), Frame(self.error()))
    }
}

impl fmt::Display for TypedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            write_chain(f, &self.error_type(), self.source())
        } else {
            write_line(f, format_args!("{}", self.error_type()), self.inner())
        }
    }
}
