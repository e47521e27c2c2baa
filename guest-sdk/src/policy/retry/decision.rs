//! The decision of a retry strategy.

use std::time::Duration;

/// The decision of a retry strategy after a failed attempt.
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
    /// Make another attempt.
    Retry {
        /// The delay before the attempt, rounded up to whole seconds: 1 second to 366 days. The execution is suspended
        /// during the delay. A longer delay fails the operation; the recorded error has the type
        /// `InvalidArgumentError`.
        delay: Duration,
    },
    /// Fail with the error of the attempt.
    Stop,
}
