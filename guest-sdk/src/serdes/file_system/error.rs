//! The error of a `FileSystemSerdes`.

use std::error::Error;
use std::fmt;

use crate::error::{BoxError, write_chain};

/// A value could not be stored in a file, or not be read from one.
#[derive(Debug)]
#[non_exhaustive]
pub struct FileSystemSerdesError {
    context: String,
    source: Option<BoxError>,
}

impl FileSystemSerdesError {
    /// Creates an error with this message.
    #[must_use]
    pub fn new(context: impl Into<String>) -> Self {
        Self { context: context.into(), source: None }
    }
}

/// Returns a function that adds a message to the error that caused it.
pub(super) fn because<E: Into<BoxError>>(
    context: impl Into<String>,
) -> impl FnOnce(E) -> FileSystemSerdesError {
    |source| FileSystemSerdesError { context: context.into(), source: Some(source.into()) }
}

impl fmt::Display for FileSystemSerdesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frame = format_args!("filesystem serdes error: {}", self.context);
        if f.alternate() { write_chain(f, &frame, self.source()) } else { f.write_fmt(frame) }
    }
}

impl Error for FileSystemSerdesError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
