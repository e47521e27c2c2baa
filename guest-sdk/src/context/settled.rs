//! The outcome of one future of a join.

use crate::error::OperationError;

/// The outcome of one of the futures of [`DurableContext::join_all`](crate::DurableContext::join_all).
///
/// # Examples
///
/// ```
/// use durawasm_guest::Settled;
///
/// fn value(settled: Settled<u32>) -> Option<u32> {
///     match settled {
///         Settled::Fulfilled(value) => Some(value),
///         _ => None,
///     }
/// }
/// assert_eq!(value(Settled::Fulfilled(7)), Some(7));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Settled<O> {
    /// The future returned this value.
    Fulfilled(O),
    /// The future returned this error. It is created from the record of the join, so its kind is
    /// [`ChildContext`](crate::OperationErrorKind::ChildContext) for every failed operation; type, message and data are
    /// those recorded for the operation that failed.
    Rejected(OperationError),
}
