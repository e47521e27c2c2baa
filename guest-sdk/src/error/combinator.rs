//! The error of a combinator.

use std::error::Error;
use std::fmt;

use super::boxed::BoxError;

/// A combinator failed: `try_join_all`, `select_ok` or `race`.
///
/// The failures of the inputs are kept as errors, read from the record of the combinator: each is a
/// [`ReplayedFailure`](crate::ReplayedFailure). The first is the source.
///
/// # Examples
///
/// ```
/// use durawasm_guest::{CombinatorError, CombinatorErrorKind};
///
/// fn why(error: &CombinatorError) -> Vec<String> {
///     match error.kind() {
///         CombinatorErrorKind::AllFailed { .. } => error.failures().iter().map(ToString::to_string).collect(),
///         _ => vec![format!("{error:#}")],
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct CombinatorError {
    kind: CombinatorErrorKind,
    failures: Vec<BoxError>,
}

impl CombinatorError {
    pub(crate) fn new(kind: CombinatorErrorKind, failures: Vec<BoxError>) -> Self {
        Self { kind, failures }
    }

    /// How the combinator failed.
    #[must_use]
    pub fn kind(&self) -> &CombinatorErrorKind {
        &self.kind
    }

    /// The failures of the inputs: all of them in the order of the input if all failed, otherwise the one that decided.
    #[must_use]
    pub fn failures(&self) -> &[BoxError] {
        &self.failures
    }
}

impl Error for CombinatorError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failures.first().map(|failure| &**failure as &(dyn Error + 'static))
    }
}

/// How a combinator failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum CombinatorErrorKind {
    /// A future of `try_join_all` failed; the others were dropped.
    JoinFailed(JoinFailed),
    /// All futures of `select_ok` failed.
    #[non_exhaustive]
    AllFailed,
    /// The first future of `race` that ended returned an error.
    #[non_exhaustive]
    FirstSettledFailed,
    /// `race` or `select_ok` was given no futures. Joins without futures succeed with an empty result.
    #[non_exhaustive]
    EmptyInput,
    /// A value could not be serialized, or a recorded payload could not be deserialized.
    #[non_exhaustive]
    Internal,
}

impl fmt::Display for CombinatorErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JoinFailed(details) => details.fmt(f),
            Self::AllFailed => f.write_str("all futures failed"),
            Self::FirstSettledFailed => f.write_str("first settled future failed"),
            Self::EmptyInput => f.write_str("combinator called with no futures"),
            Self::Internal => f.write_str("internal error"),
        }
    }
}

/// Which future of a `try_join_all` failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct JoinFailed {
    failed_index: usize,
}

impl JoinFailed {
    pub(crate) fn new(failed_index: usize) -> Self {
        Self { failed_index }
    }

    /// Its index in the input, from 0: of the first future that failed.
    #[must_use]
    pub fn failed_index(&self) -> usize {
        self.failed_index
    }
}

impl fmt::Display for JoinFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "join failed at index {}", self.failed_index)
    }
}
