//! Errors of durable operations.
//!
//! Invariants:
//! - The error of a failed operation is created from its record, on the first run as on each replay: a handler cannot
//!   distinguish the two, and takes the same branch in both.
//! - `{}` is one line for people: the failed operation with its name or id, and all causes. `{:#}` contains the frames
//!   of the whole chain, joined with `": "`. The recorded message is the latter.
//! - Kinds classify errors and carry details; the cause is the error's `source()`.

mod boxed;
mod combinator;
mod display;
mod frames;
mod invalid_argument;
mod kinds;
mod non_determinism;
mod operation;
mod record;
mod replayed;
mod typed;
mod wire;

pub use self::boxed::BoxError;
pub use self::combinator::{CombinatorError, CombinatorErrorKind, JoinFailed};
pub(crate) use self::display::{Chain, write_chain};
pub(crate) use self::frames::{ChildFnError, Framed};
pub use self::invalid_argument::{InvalidArgument, InvalidArgumentError};
pub use self::kinds::{
    CallbackError, CallbackErrorKind, ChildContextError, ChildContextErrorKind, FunctionNotFound,
    InvokeError, InvokeErrorKind, MaxChecksExceeded, RetriesExhausted, StepError, StepErrorKind,
    UnexpectedStatus, WaitError, WaitErrorKind, WaitForConditionError, WaitForConditionErrorKind,
};
pub use self::non_determinism::{
    NonDeterministicExecutionError, NonDeterministicExecutionErrorKind, OperationMismatch, UnrecognizedStatus,
};
pub use self::operation::{DurableError, OperationError, OperationErrorKind};
pub use self::replayed::ReplayedFailure;
pub use self::typed::TypedError;
pub(crate) use self::wire::SERIALIZATION_ERROR;
pub use self::wire::WireError;
