//! What a retry strategy decides.

use std::time::Duration;

/// What a retry strategy decides after a failed attempt.
///
/// # Examples
///
/// ```
/// use durawasm_guest::RetryDecision;
/// use std::time::Duration;
///
/// let patient = |attempt: u32| match attempt {
///     1..=9 => RetryDecision::Retry { delay: Duration::from_secs(60) },
///     _ => RetryDecision::Stop,
/// };
/// assert_eq!(patient(10), RetryDecision::Stop);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryDecision {
    /// Try again.
    Retry {
        /// After so long: rounded up to whole seconds, 1 second to 366 days. The execution is suspended meanwhile. A
        /// longer delay fails the operation, with an error of type `InvalidArgumentError` on record.
        delay: Duration,
    },
    /// Fail with the error.
    Stop,
}
