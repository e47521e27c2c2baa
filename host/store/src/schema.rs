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
const MIGRATIONS: [(i64, &str); 5] = [
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
    (
        VERSION,
        // Lists by status and by version. The first index serves lists of all executions as well, so the one of version 2 goes;
        // nothing uses that of due times since version 2, which costs a write each time that an execution begins to wait.
        "DROP INDEX executions_listed;
    DROP INDEX executions_due;
    -- What the ARN has between the function and the execution.
    ALTER TABLE executions ADD COLUMN version TEXT GENERATED ALWAYS AS (
        substr(
            arn,
            instr(arn, ':function:') + length(function) + 11,
            instr(arn, '/durable-execution/') - instr(arn, ':function:') - length(function) - 11
        )
    ) VIRTUAL;
    CREATE INDEX executions_of_status ON executions (function, status, start_ms, arn);
    CREATE INDEX executions_of_version ON executions (function, version, start_ms, arn);",
    ),
];

/// The version of the tables that this program knows.
pub(crate) const VERSION: i64 = 5;

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

#[cfg(test)]
mod tests {
    use durawasm_core::server::{ListExecutions, Store as _};
    use rusqlite::OpenFlags;

    use super::*;
    use crate::{StoreFile, connection::connect};

    /// A store as an earlier version has made it, with an execution of each of these versions of a function.
    fn earlier(path: &Path, version: i64, versions: &[&str]) {
        std::fs::File::create(path).unwrap();
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        for (_, migration) in MIGRATIONS.iter().filter(|(to, _)| *to <= version) {
            connection.execute_batch(migration).unwrap();
        }
        connection.pragma_update(None, "application_id", APPLICATION).unwrap();
        connection.pragma_update(None, "user_version", version).unwrap();
        let insert =
            "INSERT INTO executions (arn, id, function, name, status, start_ms, saved_ms, due_ms, record)
             VALUES (?1, CAST(?1 AS BLOB), 'order', ?1, 'RUNNING', 7, 7, 9, '')";
        for version in versions {
            let arn = format!("arn:aws:lambda:r:0:function:order:{version}/durable-execution/n-1/i-1");
            connection.execute(insert, [arn]).unwrap();
        }
    }

    #[test]
    fn the_executions_of_earlier_versions_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let versions = ["$LATEST", "1", "12"];
        for version in 1..VERSION {
            let path = folder.path().join(format!("{version}.db"));
            earlier(&path, version, &versions);
            let file = StoreFile::open(&path).unwrap();
            let mut store = file.store().unwrap();
            let all = ListExecutions { function: "order".into(), most: 9, ..ListExecutions::default() };
            assert_eq!(store.list(&all).unwrap().len(), 3);
            for version in versions {
                let list = ListExecutions { version: Some(version.into()), ..all.clone() };
                let found = store.list(&list).unwrap();
                let found: Vec<_> = found.iter().filter_map(|found| Some(found.arn.parts()?.1)).collect();
                assert_eq!(found, [version]);
            }
        }
    }
}
