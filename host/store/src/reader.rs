//! Reading a store, also while a process uses it.

use std::path::{Path, PathBuf};

use durawasm_core::{protocol::Timestamp, server::Saved};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::{component::ComponentDigest, connection::connect, error::StoreFileError, schema};

/// The tables of the parts of executions.
pub(crate) mod text_of {
    /// One of the tables.
    pub(crate) struct Table {
        pub(crate) name: &'static str,
        pub(crate) put: &'static str,
        pub(crate) all: &'static str,
    }

    macro_rules! table {
        ($name:literal) => {
            Table {
                name: $name,
                put: concat!(
                    "INSERT INTO ",
                    $name,
                    " (execution, place, record) VALUES (?1, ?2, ?3)
                     ON CONFLICT (execution, place) DO UPDATE SET record = excluded.record"
                ),
                all: concat!("SELECT place, record FROM ", $name, " WHERE execution = ?1 ORDER BY place"),
            }
        };
    }

    pub(crate) const OPERATIONS: Table = table!("operations");
    pub(crate) const EVENTS: Table = table!("events");
    pub(crate) const INVOCATIONS: Table = table!("invocations");
}

/// Reads a store. It sees each execution as it was at one commit.
#[derive(Debug)]
pub struct StoreReader {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
}

/// An execution in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its ARN.
    pub arn: String,
    /// The function.
    pub function: String,
    /// Its name.
    pub name: String,
    /// Its status, as on the wire.
    pub status: String,
    /// When it started.
    pub start: Timestamp,
    /// When it ended.
    pub end: Option<Timestamp>,
    /// The time of the latest request.
    pub saved_at: Timestamp,
    /// When it continues by itself.
    pub due: Option<Timestamp>,
}

/// What an execution was found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    No,
    /// One execution.
    One(Listed),
    /// Several.
    Several(Vec<Listed>),
}

const LISTED: &str = "SELECT arn, function, name, status, start_ms, end_ms, saved_ms, due_ms FROM executions";

fn listed(row: &rusqlite::Row<'_>) -> rusqlite::Result<Listed> {
    let time =
        |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(Timestamp::from_millis));
    Ok(Listed {
        arn: row.get(0)?,
        function: row.get(1)?,
        name: row.get(2)?,
        status: row.get(3)?,
        start: Timestamp::from_millis(row.get(4)?),
        end: time(5)?,
        saved_at: Timestamp::from_millis(row.get(6)?),
        due: time(7)?,
    })
}

impl StoreReader {
    /// Opens a store that exists, for reading.
    ///
    /// # Errors
    /// When there is no such file, when it is no store, one of a later version, or damaged.
    pub fn open(path: &Path) -> Result<Self, StoreFileError> {
        let metadata = std::fs::metadata(path).map_err(|error| StoreFileError::of_system(path, &error))?;
        if !metadata.is_file() {
            return Err(StoreFileError::NotAStore(path.to_owned()));
        }
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        schema::version(&connection, path)?;
        Ok(Self { connection, path: path.to_owned() })
    }

    pub(crate) fn failed(&self, error: &rusqlite::Error) -> StoreFileError {
        StoreFileError::of(&self.path, error)
    }

    fn select(&self, rest: &str, parameters: &[&dyn rusqlite::ToSql]) -> Result<Vec<Listed>, StoreFileError> {
        if self.is_empty()? {
            return Ok(Vec::new());
        }
        let mut statement =
            self.connection.prepare(&format!("{LISTED} {rest}")).map_err(|error| self.failed(&error))?;
        let rows = statement.query_map(parameters, listed).map_err(|error| self.failed(&error))?;
        rows.collect::<Result<_, _>>().map_err(|error| self.failed(&error))
    }

    /// Whether the file has no tables yet.
    pub(crate) fn is_empty(&self) -> Result<bool, StoreFileError> {
        Ok(self.version()? == 0)
    }

    /// The version of the tables.
    pub(crate) fn version(&self) -> Result<i64, StoreFileError> {
        schema::version(&self.connection, &self.path)
    }

    /// All executions, in the order in which they started.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, StoreFileError> {
        self.select("ORDER BY key", &[])
    }

    /// The execution with this ARN.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn listed(&self, arn: &str) -> Result<Option<Listed>, StoreFileError> {
        Ok(self.select("WHERE arn = ?1", &[&arn])?.pop())
    }

    /// The executions with this name, one of each function at most.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn named(&self, name: &str) -> Result<Vec<Listed>, StoreFileError> {
        self.select("WHERE name = ?1 ORDER BY key", &[&name])
    }

    /// Finds an execution by its ARN, its name, or the beginning of either, if one execution only has it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn find(&self, text: &str) -> Result<Found, StoreFileError> {
        let exact = self.select("WHERE arn = ?1 OR name = ?1 ORDER BY key", &[&text])?;
        let found = if exact.is_empty() && !text.is_empty() {
            self.select(
                "WHERE substr(arn, 1, length(?1)) = ?1 OR substr(name, 1, length(?1)) = ?1 ORDER BY key",
                &[&text],
            )?
        } else {
            exact
        };
        Ok(match <[Listed; 1]>::try_from(found) {
            Ok([one]) => Found::One(one),
            Err(none) if none.is_empty() => Found::No,
            Err(several) => Found::Several(several),
        })
    }

    /// Reads an execution.
    ///
    /// # Errors
    /// When the store cannot be read, or lacks a part of the execution.
    pub fn load(&self, arn: &str) -> Result<Option<Saved>, StoreFileError> {
        if self.is_empty()? {
            return Ok(None);
        }
        Ok(load(&self.connection, &self.path, arn)?.map(|(_, saved)| saved))
    }

    /// Reads a component, if the store has it.
    ///
    /// # Errors
    /// When the store cannot be read, or the component is not the one that was written.
    pub fn component(&self, digest: &ComponentDigest) -> Result<Option<Vec<u8>>, StoreFileError> {
        if self.is_empty()? {
            return Ok(None);
        }
        let select = "SELECT bytes FROM components WHERE digest = ?1";
        let bytes: Option<Vec<u8>> = self
            .connection
            .query_row(select, [digest.as_str()], |row| row.get(0))
            .optional()
            .map_err(|error| self.failed(&error))?;
        match bytes {
            Some(bytes) if ComponentDigest::of(&bytes) != *digest => {
                Err(StoreFileError::damaged(&self.path, format!("the component {digest} is another one")))
            }
            bytes => Ok(bytes),
        }
    }
}

/// Reads an execution and its key, as of one commit.
pub(crate) fn load(
    connection: &Connection,
    path: &Path,
    arn: &str,
) -> Result<Option<(i64, Saved)>, StoreFileError> {
    let failed = |error: rusqlite::Error| StoreFileError::of(path, &error);
    let transaction = connection.unchecked_transaction().map_err(failed)?;
    let found = transaction.prepare_cached("SELECT key, record FROM executions WHERE arn = ?1").and_then(
        |mut statement| {
            statement.query_row([arn], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).optional()
        },
    );
    let Some((key, execution)) = found.map_err(failed)? else { return Ok(None) };
    let part = |table: &text_of::Table| -> Result<Vec<String>, StoreFileError> {
        let mut statement = transaction.prepare_cached(table.all).map_err(failed)?;
        let rows = statement.query_map([key], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
        let mut records = Vec::new();
        for row in rows.map_err(failed)? {
            let (place, record) = row.map_err(failed)?;
            if usize::try_from(place) != Ok(records.len()) {
                let missing = records.len();
                let error = format!("number {missing} of the {} of {arn} is missing", table.name);
                return Err(StoreFileError::damaged(path, error));
            }
            records.push(record);
        }
        Ok(records)
    };
    let saved = Saved {
        operations: part(&text_of::OPERATIONS)?,
        events: part(&text_of::EVENTS)?,
        invocations: part(&text_of::INVOCATIONS)?,
        execution,
    };
    Ok(Some((key, saved)))
}
