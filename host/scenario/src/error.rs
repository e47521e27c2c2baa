//! Errors in scenario files, with their positions.

use std::{fmt, path::PathBuf};

/// A position in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line, counted from 1.
    pub line: usize,
    /// The character in the line, counted from 1.
    pub column: usize,
}

impl Place {
    /// The position of a byte. An offset past the end is the end.
    pub(super) fn of_byte(text: &[u8], byte: usize) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let mut lines = before.rsplit(|b| *b == b'\n');
        let line = lines.next().unwrap_or_default();
        Self { line: 1 + lines.count(), column: 1 + String::from_utf8_lossy(line).chars().count() }
    }
}

/// An error in a scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// The path of the file.
    pub file: PathBuf,
    /// The position of the error, if it has one.
    pub place: Option<Place>,
    /// What is wrong, and how to fix it.
    pub message: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(Place { line, column }) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}", self.message)
    }
}

impl std::error::Error for FileError {}

/// An error in the text of a file, without the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) place: Option<Place>,
    pub(super) message: String,
}
