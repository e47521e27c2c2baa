//! Reading a store, also while a process uses it.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
};

use durawasm_core::{
    protocol::{ExecutionArn, Timestamp},
    server::Saved,
};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::{
    component::ComponentDigest,
    connection::connect,
    error::StoreFileError,
    log::{self, Log},
    parts::{Damaged, Kind, decode},
    schema::{self, LOGGED},
    tables::{self, Table},
};

/// Reads a store. It sees each execution as it was at one commit.
#[derive(Debug)]
pub struct StoreReader {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    /// What the log had when it was read last, and the state of the file then.
    log: RefCell<Option<(i64, Log)>>,
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

/// The columns of [`Listed`].
macro_rules! columns {
    ($saved:literal, $join:literal) => {
        concat!(
            "SELECT arn, function, name, status, start_ms, end_ms, ",
            $saved,
            ", due_ms FROM executions ",
            $join
        )
    };
}

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
        Ok(Self { connection, path: path.to_owned(), log: RefCell::default() })
    }

    pub(crate) fn failed(&self, error: &rusqlite::Error) -> StoreFileError {
        StoreFileError::of(&self.path, error)
    }

    fn select(&self, rest: &str, parameters: &[&dyn rusqlite::ToSql]) -> Result<Vec<Listed>, StoreFileError> {
        if self.is_empty()? {
            return Ok(Vec::new());
        }
        let columns = if self.version()? < LOGGED {
            columns!("saved_ms", "")
        } else {
            columns!(
                "coalesce(latest, saved_ms)",
                "LEFT JOIN (SELECT execution, max(saved_ms) AS latest FROM log GROUP BY execution) AS logged
                 ON logged.execution = key "
            )
        };
        let mut statement =
            self.connection.prepare(&format!("{columns}{rest}")).map_err(|error| self.failed(&error))?;
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
        let arn_of = ExecutionArn::from(arn.to_owned());
        load(&self.connection, &self.path, arn, |transaction| self.rows_of(transaction, &arn_of))
    }

    /// The numbers of the rows that an execution has in the log.
    fn rows_of(&self, transaction: &Connection, arn: &ExecutionArn) -> rusqlite::Result<Vec<i64>> {
        let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version < LOGGED {
            return Ok(Vec::new());
        }
        // It changes with each commit of another connection.
        let state = transaction.pragma_query_value(None, "data_version", |row| row.get(0))?;
        let mut read = self.log.borrow_mut();
        let log = match read.take() {
            Some((then, log)) if then == state => log,
            _ => Log::read(transaction)?,
        };
        let (_, log) = read.insert((state, log));
        Ok(log.rows_of(arn).to_vec())
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

/// Reads an execution, as of one commit. `logged` says which rows of the log it has.
pub(crate) fn load(
    connection: &Connection,
    path: &Path,
    arn: &str,
    logged: impl FnOnce(&Connection) -> rusqlite::Result<Vec<i64>>,
) -> Result<Option<Saved>, StoreFileError> {
    let failed = |error: rusqlite::Error| StoreFileError::of(path, &error);
    let transaction = connection.unchecked_transaction().map_err(failed)?;
    let found = transaction.prepare_cached("SELECT key, record FROM executions WHERE arn = ?1").and_then(
        |mut statement| {
            statement.query_row([arn], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).optional()
        },
    );
    let Some((key, record)) = found.map_err(failed)? else { return Ok(None) };
    let mut saved = Saved { execution: record, ..Saved::default() };
    let missing = |(place, table): (usize, &Table)| {
        StoreFileError::damaged(path, format!("number {place} of the {} of {arn} is missing", table.name))
    };
    for kind in [Kind::Operation, Kind::Event, Kind::Invocation] {
        let Some((table, parts)) = of_kind(&mut saved, kind) else { continue };
        for (place, text) in tables::parts(&transaction, &table, key).map_err(failed)? {
            put(parts, place, text).map_err(|place| missing((place, &table)))?;
        }
    }
    let damaged = |error: Damaged| StoreFileError::damaged(path, format!("{error}: {arn}"));
    let record = saved.execution.clone();
    for number in logged(&transaction).map_err(failed)? {
        let (_, bytes) = log::row(&transaction, number).map_err(failed)?;
        for part in decode(&bytes) {
            let part = part.map_err(damaged)?;
            match of_kind(&mut saved, part.kind) {
                None => saved.execution = log::own_part(&record, part).map_err(damaged)?,
                Some((table, parts)) => {
                    put(parts, part.place, part.text.to_owned()).map_err(|place| missing((place, &table)))?;
                }
            }
        }
    }
    Ok(Some(saved))
}

/// The parts of a kind, and their table; `None` for the execution's own part.
fn of_kind(saved: &mut Saved, kind: Kind) -> Option<(Table, &mut Vec<String>)> {
    let parts = match kind {
        Kind::Execution => return None,
        Kind::Operation => &mut saved.operations,
        Kind::Event => &mut saved.events,
        Kind::Invocation => &mut saved.invocations,
    };
    Some((Table::of(kind)?, parts))
}

/// Puts a part at its place, which is at most the next one.
///
/// # Errors
/// The place that is missing.
fn put(parts: &mut Vec<String>, place: usize, text: String) -> Result<(), usize> {
    let next = parts.len();
    match parts.get_mut(place) {
        Some(part) => *part = text,
        None if place == next => parts.push(text),
        None => return Err(next),
    }
    Ok(())
}
