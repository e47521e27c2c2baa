//! Connections to a store's file.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use crate::error::StoreFileError;

/// How long a connection waits for another one of the same process, or for a reader.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects to a file that exists.
pub(crate) fn connect(path: &Path, access: OpenFlags) -> Result<Connection, StoreFileError> {
    let failed = |error: rusqlite::Error| StoreFileError::of(path, &error);
    let connection =
        Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    let set = |name: &str, value: &str| connection.pragma_update(None, name, value).map_err(failed);
    // The file is data: it must not make `SQLite` call functions that its tables or views name.
    set("trusted_schema", "OFF")?;
    set("cell_size_check", "ON")?;
    set("foreign_keys", "ON")?;
    // In KiB: the pages of the executions at work stay in memory.
    set("cache_size", "-16384")?;
    // In pages of 4 KiB. Fewer checkpoints of the log copy fewer pages twice.
    set("wal_autocheckpoint", "4000")?;
    if access.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) {
        // Only has an effect on an empty file: pages of deleted executions can be returned to the system.
        set("auto_vacuum", "INCREMENTAL")?;
        let mode: String = connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
            .map_err(failed)?;
        if !mode.eq_ignore_ascii_case("wal") {
            let error = format!("its file system does not support write-ahead logs (journal mode {mode})");
            return Err(StoreFileError::Other { path: path.to_owned(), error });
        }
        // A commit is on the disk when it returns.
        set("synchronous", "FULL")?;
    }
    Ok(connection)
}
