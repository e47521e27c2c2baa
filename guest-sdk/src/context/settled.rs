//! How a future of a join ended.

use crate::error::OperationError;

/// How one of the futures of [`DurableContext::join_all`](crate::DurableContext::join_all) ended.
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
    /// With this value.
    Fulfilled(O),
    /// With this error. As it comes from the record of the join, its kind is
    /// [`ChildContext`](crate::OperationErrorKind::ChildContext) whatever failed; type, message and data are those on
    /// record of the operation that did.
    Rejected(OperationError),
}
