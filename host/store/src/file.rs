//! A store's file, held by one process.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use crate::{
    component::{ComponentDigest, keep_component},
    connection::connect,
    error::StoreFileError,
    reader::StoreReader,
    schema,
    sqlite::SqliteStore,
};

/// A store's file. While it is open, no other process can open it.
///
/// Beside the file `FILE` are `FILE-wal` and `FILE-shm`, which belong to it, and `FILE-lock`, which shows that a process
/// uses it.
#[derive(Debug)]
pub struct StoreFile {
    path: PathBuf,
    process: u64,
    /// Locked while the value lives; the system unlocks it when the process ends, however it ends.
    _lock: File,
}

impl StoreFile {
    /// Opens a store, and creates it if the file does not exist. Only its owner can read a new file.
    ///
    /// # Errors
    /// When the file is no store, one of a later version, or damaged; when another process has it open; when it cannot
    /// be read or written. Then it is as it was.
    pub fn open(path: &Path) -> Result<Self, StoreFileError> {
        // Looked at before a lock file appears beside it.
        let interrupted = path.exists() && is_interrupted(path)?;
        let lock = lock(path)?;
        private(path)?;
        if interrupted {
            take_back(path)?;
            StoreReader::open(path)?;
        }
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let version = schema::version(&connection, path)?;
        schema::migrate(&mut connection, path, version)?;
        let process: i64 = connection
            .query_row("INSERT INTO processes DEFAULT VALUES RETURNING number", (), |row| row.get(0))
            .map_err(|error| StoreFileError::of(path, &error))?;
        let process = u64::try_from(process)
            .map_err(|_| StoreFileError::damaged(path, format!("process number {process}")))?;
        Ok(Self { path: path.to_owned(), process, _lock: lock })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All files that belong to the store while it is used: that one, and those beside it, which need not exist.
    pub fn files(&self) -> [PathBuf; 5] {
        ["", "-wal", "-shm", "-lock", "-journal"].map(|suffix| beside(&self.path, suffix))
    }

    /// The store for a server.
    ///
    /// # Errors
    /// When the file cannot be opened again.
    pub fn store(&self) -> Result<SqliteStore, StoreFileError> {
        Ok(SqliteStore::new(self.connect()?, self.path.clone(), self.process))
    }

    /// Reads the store.
    ///
    /// # Errors
    /// When the file cannot be opened again.
    pub fn reader(&self) -> Result<StoreReader, StoreFileError> {
        StoreReader::open(&self.path)
    }

    /// Keeps a component, and returns its digest. One that is there already is not written again.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn put_component(&self, bytes: &[u8]) -> Result<ComponentDigest, StoreFileError> {
        let digest = ComponentDigest::of(bytes);
        let done = keep_component(&self.connect()?, digest.as_str(), bytes);
        done.map_err(|error| StoreFileError::of(&self.path, &error))?;
        Ok(digest)
    }

    pub(crate) fn connect(&self) -> Result<Connection, StoreFileError> {
        connect(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }
}

/// Locks the store for this process.
fn lock(path: &Path) -> Result<File, StoreFileError> {
    let beside = beside(path, "-lock");
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&beside);
    let file = opened.map_err(|error| StoreFileError::of_system(&beside, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreFileError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(StoreFileError::of_system(&beside, &error)),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether a process was interrupted while it made the store, or another program while it changed a database of its own:
/// beside the file is a journal, with which the change has to be taken back before anything can be read.
///
/// # Errors
/// When there is nothing to take back, and the file is no store.
fn is_interrupted(path: &Path) -> Result<bool, StoreFileError> {
    match StoreReader::open(path) {
        Ok(_) => Ok(false),
        // A reader must not take it back.
        Err(StoreFileError::ReadOnly(_)) if beside(path, "-journal").exists() => Ok(true),
        Err(error) => Err(error),
    }
}

/// Lets `SQLite` take back a change that was interrupted. Nothing else in the file changes.
fn take_back(path: &Path) -> Result<(), StoreFileError> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .and_then(|connection| {
            connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
        })
        .map(drop)
        .map_err(|error| StoreFileError::of(path, &error))
}

/// Creates the file if it does not exist, for its owner alone: payloads are in it.
fn private(path: &Path) -> Result<(), StoreFileError> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreFileError::of_system(path, &error)),
    }
}
