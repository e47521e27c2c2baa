//! The errors of a batch and of its items.

use crate::contract::Operation;
use crate::error::{
    BoxError, ChildContextError, ChildContextErrorKind, OperationError, OperationErrorKind, ReplayedFailure,
    WireError,
};

/// The error of a batch that could not produce a result.
pub(super) fn failed(operation: &dyn Operation, wire: WireError) -> OperationError {
    internal(ReplayedFailure::boxed(wire.clone())).on_record(operation.id(), "FAILED", wire)
}

/// The error of an item.
pub(super) fn item_failed(wire: WireError) -> OperationError {
    let kind = ChildContextErrorKind::ChildFailed;
    let error = ChildContextError::new(kind, Some(ReplayedFailure::boxed(wire.clone())));
    OperationError::new(OperationErrorKind::ChildContext(error)).with_wire(wire)
}

pub(super) fn internal(error: impl Into<BoxError>) -> OperationError {
    let error = ChildContextError::new(ChildContextErrorKind::Internal, Some(error.into()));
    OperationError::new(OperationErrorKind::ChildContext(error))
}
