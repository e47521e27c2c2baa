//! Why a store cannot be opened, read or written.

use std::path::{Path, PathBuf};

use durawasm_core::server::StoreError;
use rusqlite::ErrorCode;

/// Why a store cannot be opened, read or written: the file, what is wrong, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreFileError {
    /// There is no such file.
    #[error("{}: there is no such file", .0.display())]
    Missing(PathBuf),
    /// The file is no `SQLite` database, or that of another program.
    #[error("{}: this is no store of durawasm; it was not changed", .0.display())]
    NotAStore(PathBuf),
    /// A later version of durawasm has written it.
    #[error(
        "{}: a later version of durawasm has written this store (version {version} of its tables; this one knows {known}); \
         it was not changed: use that version",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its tables.
        version: i64,
        /// The version that this program knows.
        known: i64,
    },
    /// Another process uses it.
    #[error("{}: another process has this store open; one at a time can", .0.display())]
    InUse(PathBuf),
    /// It cannot be written.
    #[error("{}: the store cannot be written: the file, its folder or the file system is read-only", .0.display())]
    ReadOnly(PathBuf),
    /// The disk is full.
    #[error("{}: no space is left for the store; nothing was lost that was acknowledged: free some, and go on", .0.display())]
    Full(PathBuf),
    /// Its pages are damaged.
    #[error(
        "{}: the store is damaged ({error}); `durawasm store check` shows what, and `durawasm store export` saves the \
         executions that can be read",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What `SQLite` says.
        error: String,
    },
    /// Anything else.
    #[error("{}: {error}", .path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What `SQLite` or the system says.
        error: String,
    },
}

impl StoreFileError {
    pub(crate) fn of(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        let text = match error {
            rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
            other => other.to_string(),
        };
        if matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::IntegralValueOutOfRange(..)
        ) {
            return Self::Damaged { path, error: text };
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotAStore(path),
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, error: text },
            Some(ErrorCode::DiskFull) => Self::Full(path),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly(path),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse(path),
            _ => Self::Other { path, error: text },
        }
    }

    pub(crate) fn of_system(path: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let path = path.to_owned();
        match error.kind() {
            ErrorKind::NotFound => Self::Missing(path),
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Self::ReadOnly(path),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full(path),
            _ => Self::Other { path, error: error.to_string() },
        }
    }

    pub(crate) fn damaged(path: &Path, error: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), error: error.into() }
    }
}

impl From<StoreFileError> for StoreError {
    fn from(error: StoreFileError) -> Self {
        Self(error.to_string())
    }
}
