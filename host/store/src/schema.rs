//! The tables of a store, by version.
//!
//! Invariants:
//! - each version has one migration, which never changes once it is released;
//! - a migration and the new version number are committed together.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::StoreFileError;

/// Marks a file as a store: the letters `dura`.
const APPLICATION: i64 = 0x6475_7261;

/// The migrations, from an empty file on, each with the version that it leads to.
const MIGRATIONS: [(i64, &str); 4] = [
    (
        1,
        // Times are in milliseconds since 1970. `record` is JSON of the server, which alone reads it.
        "CREATE TABLE executions (
        key INTEGER PRIMARY KEY,
        arn TEXT NOT NULL UNIQUE,
        id BLOB NOT NULL UNIQUE,
        function TEXT NOT NULL,
        name TEXT NOT NULL,
        status TEXT NOT NULL,
        start_ms INTEGER NOT NULL,
        end_ms INTEGER,
        saved_ms INTEGER NOT NULL,
        due_ms INTEGER,
        invoked_by TEXT UNIQUE,
        record TEXT NOT NULL,
        UNIQUE (function, name)
    ) STRICT;
    CREATE INDEX executions_name ON executions (name);
    CREATE INDEX executions_due ON executions (due_ms) WHERE due_ms IS NOT NULL;
    CREATE INDEX executions_end ON executions (end_ms) WHERE end_ms IS NOT NULL;
    CREATE TABLE operations (
        execution INTEGER NOT NULL REFERENCES executions ON DELETE CASCADE,
        place INTEGER NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (execution, place)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE events (
        execution INTEGER NOT NULL REFERENCES executions ON DELETE CASCADE,
        place INTEGER NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (execution, place)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE invocations (
        execution INTEGER NOT NULL REFERENCES executions ON DELETE CASCADE,
        place INTEGER NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (execution, place)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE components (
        digest TEXT PRIMARY KEY,
        bytes BLOB NOT NULL
    ) STRICT;
    CREATE TABLE processes (
        number INTEGER PRIMARY KEY AUTOINCREMENT
    ) STRICT;",
    ),
    (
        2,
        "CREATE INDEX executions_listed ON executions (function, start_ms, arn);
    CREATE INDEX executions_open ON executions (due_ms, key) WHERE end_ms IS NULL;
    -- Version 1 had no time for an execution that waits for a function which it invoked.
    UPDATE executions SET due_ms = start_ms WHERE end_ms IS NULL AND due_ms IS NULL;",
    ),
    (
        3,
        "CREATE TABLE versions (
        function TEXT NOT NULL,
        number INTEGER NOT NULL,
        digest TEXT NOT NULL REFERENCES components,
        export TEXT NOT NULL,
        durable INTEGER NOT NULL,
        published_ms INTEGER NOT NULL,
        PRIMARY KEY (function, number)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX versions_digest ON versions (digest);",
    ),
    (
        LOGGED,
        // No reference to `executions`: each deletion there would look for rows here, and there is no index.
        "CREATE TABLE log (
        number INTEGER PRIMARY KEY,
        execution INTEGER NOT NULL,
        saved_ms INTEGER NOT NULL,
        parts BLOB NOT NULL
    ) STRICT;",
    ),
];

/// The version of the tables that this program knows.
pub(crate) const VERSION: i64 = LOGGED;

/// The version from which on there is a log.
pub(crate) const LOGGED: i64 = 4;

/// Returns the version of the tables; 0 for an empty file.
///
/// # Errors
/// When the file is no store, or one of a later version. Nothing is changed.
pub(crate) fn version(connection: &Connection, path: &Path) -> Result<i64, StoreFileError> {
    let pragma = |name: &str| {
        let number = connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        number.map_err(|error| StoreFileError::of(path, &error))
    };
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))
        .map_err(|error| StoreFileError::of(path, &error))?;
    // Also a file that a process is about to make a store of.
    if (application, version, tables) == (0, 0, 0) {
        return Ok(0);
    }
    if application != APPLICATION {
        return Err(StoreFileError::NotAStore(path.to_owned()));
    }
    if version > VERSION {
        return Err(StoreFileError::Newer { path: path.to_owned(), version, known: VERSION });
    }
    Ok(version)
}

/// Brings the tables to the version that this program knows.
pub(crate) fn migrate(connection: &mut Connection, path: &Path, version: i64) -> Result<(), StoreFileError> {
    let failed = |error: rusqlite::Error| StoreFileError::of(path, &error);
    for (to, migration) in MIGRATIONS.into_iter().filter(|(to, _)| *to > version) {
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        transaction.execute_batch(migration).map_err(failed)?;
        transaction.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
        transaction.pragma_update(None, "user_version", to).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}
