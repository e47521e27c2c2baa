//! Errors in files that people write, with their positions.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use durawasm_text::{LONGEST_MESSAGE, shortened};

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
    pub fn of_byte(text: &[u8], byte: usize) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let mut lines = before.rsplit(|b| *b == b'\n');
        let line = lines.next().unwrap_or_default();
        Self { line: 1 + lines.count(), column: 1 + String::from_utf8_lossy(line).chars().count() }
    }
}

/// An error in a file.
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
pub struct Problem {
    /// The position of the error, if it has one.
    pub place: Option<Place>,
    /// What is wrong, and how to fix it.
    pub message: String,
}

impl FileError {
    /// An error in this file. A message quotes what is wrong, and that may be as long as the file, so it is shortened.
    pub fn new(file: &Path, Problem { place, message }: Problem) -> Self {
        let message = shortened(&message.replace('\n', " "), LONGEST_MESSAGE);
        Self { file: file.to_owned(), place, message }
    }
}

impl From<String> for Problem {
    fn from(message: String) -> Self {
        Self { place: None, message }
    }
}
