//! A difference between what a scenario expects and what has happened.

use serde::Serialize;

/// A difference between expectation and outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// The key under `expect` that is not met.
    pub what: &'static str,
    /// The expected and the actual value, in one line.
    pub message: String,
    /// Further lines, such as a diff.
    pub details: Vec<String>,
}

impl Mismatch {
    pub(super) fn new(what: &'static str, message: String) -> Self {
        Self { what, message, details: Vec::new() }
    }
}
