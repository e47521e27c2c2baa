//! Reads files that somebody names: regular files of a bounded size, and no others.
//!
//! Invariants: a pipe, a device or a folder is never opened; no more is read than one byte beyond the bound.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is a folder, a pipe or a device. Those may be endless, and opening one may block.
    #[error("it is not a file")]
    NotAFile,
    /// It is larger than the bound, in bytes.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// It is not UTF-8 text.
    #[error("it is not UTF-8 text")]
    NotText,
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => error,
            other => Self::other(other.to_string()),
        }
    }
}

/// The bytes of a regular file of at most `most` bytes.
///
/// # Errors
/// [`ReadError`], but for [`ReadError::NotText`].
pub fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, ReadError> {
    // The check precedes opening the file: opening a named pipe blocks.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile);
    }
    if metadata.len() > most {
        return Err(ReadError::TooLarge(most));
    }
    // It may grow while it is read.
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(ReadError::TooLarge(most));
    }
    Ok(bytes)
}

/// The text of a regular file of at most `most` bytes.
///
/// # Errors
/// [`ReadError`]
pub fn read_text_file(path: &Path, most: u64) -> Result<String, ReadError> {
    String::from_utf8(read_file(path, most)?).map_err(|_| ReadError::NotText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_a_bounded_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "12345").unwrap();
        assert_eq!(read_file(&file, 5).unwrap(), b"12345");
        assert_eq!(read_text_file(&file, 5).unwrap(), "12345");
        let large = read_file(&file, 4).unwrap_err();
        assert!(matches!(large, ReadError::TooLarge(4)));
        assert_eq!(io::Error::from(large).to_string(), "it is larger than 4 bytes");
        // A sparse file of more than any memory has.
        File::create(&file).unwrap().set_len(1 << 40).unwrap();
        assert!(matches!(read_file(&file, 1 << 20), Err(ReadError::TooLarge(_))));
        assert!(matches!(read_file(folder.path(), 5), Err(ReadError::NotAFile)));
        let missing = read_file(&folder.path().join("no-such-file"), 5).unwrap_err();
        assert_eq!(io::Error::from(missing).kind(), io::ErrorKind::NotFound);
        std::fs::write(&file, b"\xff").unwrap();
        assert!(matches!(read_text_file(&file, 5), Err(ReadError::NotText)));
    }

    #[cfg(unix)]
    #[test]
    fn what_may_be_endless_or_block_is_not_opened() {
        assert!(matches!(read_file(Path::new("/dev/zero"), 5), Err(ReadError::NotAFile)));
    }

    /// Files of the system say that they are empty, and are not.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_size_that_is_not_told_is_bounded_as_well() {
        assert!(matches!(read_file(Path::new("/proc/self/status"), 5), Err(ReadError::TooLarge(5))));
    }
}
