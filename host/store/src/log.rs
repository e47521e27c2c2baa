//! The log: what commits changed of executions, in the order of the commits.
//!
//! A commit adds one row for each execution that it changed. That is what a commit costs: rows of the log are beside each
//! other, while the parts of an execution are in four tables, each with pages of its own. When the log is large, its rows
//! are folded into the tables, each part once however often it changed.
//!
//! Invariants:
//! - an execution is what the tables have of it, with its rows of the log applied in their order;
//! - each execution with a row in the log has a row in `executions`, whose own part changes only when the log is folded;
//! - [`Log`] is what the table has: it changes with a commit that succeeds, and is read again after one that fails.

use std::collections::{HashMap, hash_map::Entry};

use durawasm_core::{
    protocol::{ExecutionArn, Timestamp},
    server::{Changes, Standing, Summary},
};
use rusqlite::{Connection, OptionalExtension, params, types::Type};

use crate::{
    parts::{Damaged, Kind, Part, decode, encode},
    tables,
};

/// How many bytes of rows, and of what is in memory for them, the log has at most before it is folded.
const MOST_BYTES: usize = 4 << 20;

/// How many rows the log has at most before it is folded.
const MOST_ROWS: usize = 8192;

/// What is in the log, by execution.
#[derive(Debug, Default)]
pub(crate) struct Log {
    executions: HashMap<ExecutionArn, Logged>,
    rows: usize,
    /// Not less than the log has: what is deleted still counts until it is folded.
    bytes: usize,
    /// The row that was written last.
    buffer: Vec<u8>,
}

/// An execution with rows in the log.
#[derive(Debug)]
struct Logged {
    key: i64,
    found: Found,
    /// Its own part in `executions`.
    record: String,
    /// The numbers of its rows, ascending.
    rows: Vec<i64>,
}

/// What an execution is found by in `executions`, as far as it changes.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    standing: Standing,
    end: Option<Timestamp>,
    due: Option<Timestamp>,
}

impl Found {
    fn of(summary: &Summary) -> Self {
        Self { standing: summary.standing, end: summary.end, due: summary.due }
    }
}

impl Log {
    /// Reads what the log has.
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut log = Self::default();
        let mut statement = connection.prepare_cached(
            "SELECT number, length(parts), arn, key, status, end_ms, due_ms, record
             FROM log JOIN executions ON executions.key = log.execution ORDER BY number",
        )?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let logged = match log.executions.entry(row.get::<_, String>(2)?.into()) {
                Entry::Occupied(logged) => logged.into_mut(),
                Entry::Vacant(vacant) => {
                    let logged = logged(row, 3)?;
                    log.bytes += logged.record.len();
                    vacant.insert(logged)
                }
            };
            let bytes: u32 = row.get(1)?;
            logged.rows.push(row.get(0)?);
            log.rows += 1;
            log.bytes += usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        Ok(log)
    }

    /// Whether it has to be folded.
    pub(crate) fn is_large(&self) -> bool {
        self.bytes > MOST_BYTES || self.rows > MOST_ROWS
    }

    /// The numbers of the rows of an execution, ascending.
    pub(crate) fn rows_of(&self, arn: &ExecutionArn) -> &[i64] {
        self.executions.get(arn).map_or(&[], |logged| &logged.rows)
    }

    /// Writes what changed of an execution, which may be new.
    pub(crate) fn add(&mut self, transaction: &Connection, changes: &Changes) -> rusqlite::Result<()> {
        let summary = &changes.summary;
        let logged = match self.executions.entry(summary.arn.clone()) {
            Entry::Occupied(logged) => logged.into_mut(),
            Entry::Vacant(vacant) => {
                let logged = match find(transaction, &summary.arn)? {
                    Some(logged) => logged,
                    None => Logged {
                        key: tables::insert(transaction, changes)?,
                        found: Found::of(summary),
                        record: changes.execution.clone(),
                        rows: Vec::new(),
                    },
                };
                self.bytes += logged.record.len();
                vacant.insert(logged)
            }
        };
        let found = Found::of(summary);
        if logged.found != found {
            if (found.standing, found.end) == (logged.found.standing, logged.found.end) {
                tables::put_due(transaction, logged.key, found.due)?;
            } else {
                tables::put_standing(transaction, logged.key, summary)?;
            }
            logged.found = found;
        }
        let parts = &mut self.buffer;
        encode(changes, &logged.record, parts)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        transaction
            .prepare_cached("INSERT INTO log (execution, saved_ms, parts) VALUES (?1, ?2, ?3)")?
            .execute(params![logged.key, summary.saved_at.as_millis(), parts.as_slice()])?;
        logged.rows.push(transaction.last_insert_rowid());
        self.rows += 1;
        self.bytes += parts.len();
        Ok(())
    }

    /// Deletes the rows of an execution, which is about to be deleted.
    pub(crate) fn delete(&mut self, transaction: &Connection, arn: &ExecutionArn) -> rusqlite::Result<()> {
        let Some(logged) = self.executions.remove(arn) else { return Ok(()) };
        self.rows -= logged.rows.len();
        let mut statement = transaction.prepare_cached("DELETE FROM log WHERE number = ?1")?;
        for number in logged.rows {
            statement.execute([number])?;
        }
        Ok(())
    }

    /// Moves all rows to the tables of executions.
    pub(crate) fn fold(&mut self, transaction: &Connection) -> rusqlite::Result<()> {
        let mut all: Vec<&Logged> = self.executions.values().collect();
        // Neighbours in the tables share pages.
        all.sort_unstable_by_key(|logged| logged.key);
        for logged in all {
            logged.fold(transaction)?;
        }
        transaction.execute("DELETE FROM log", ())?;
        *self = Self::default();
        Ok(())
    }
}

impl Logged {
    /// Moves its rows to the tables; the rows stay.
    fn fold(&self, transaction: &Connection) -> rusqlite::Result<()> {
        let rows = self.rows.iter().map(|number| row(transaction, *number)).collect::<Result<Vec<_>, _>>()?;
        let (mut parts, mut own) = (Vec::new(), None);
        for (saved_ms, bytes) in &rows {
            for part in decode(bytes) {
                let part = part.map_err(damaged)?;
                if part.kind == Kind::Execution {
                    own = Some((*saved_ms, part));
                } else {
                    parts.push(part);
                }
            }
        }
        if let Some((saved_ms, part)) = own {
            let record = own_part(&self.record, part).map_err(damaged)?;
            tables::put_record(transaction, self.key, saved_ms, &record)?;
        }
        // The sort is stable: of the parts with one place, the last is the newest.
        parts.sort_by_key(|part| (part.kind, part.place));
        for parts in parts.chunk_by(|part, next| part.kind == next.kind) {
            let Some(kind) = parts.first().map(|part| part.kind) else { continue };
            let newest = parts.chunk_by(|part, next| part.place == next.place).filter_map(<[_]>::last);
            tables::put_parts(transaction, self.key, kind, newest.map(|part| (part.place, part.text)))?;
        }
        Ok(())
    }
}

/// The execution's own part: the beginning of the one in `executions`, and what follows.
pub(crate) fn own_part(record: &str, part: Part<'_>) -> Result<String, Damaged> {
    Ok([record.get(..part.place).ok_or(Damaged)?, part.text].concat())
}

/// A row of the log: the time of its commit, and the parts.
pub(crate) fn row(connection: &Connection, number: i64) -> rusqlite::Result<(i64, Vec<u8>)> {
    connection
        .prepare_cached("SELECT saved_ms, parts FROM log WHERE number = ?1")?
        .query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn find(transaction: &Connection, arn: &ExecutionArn) -> rusqlite::Result<Option<Logged>> {
    transaction
        .prepare_cached("SELECT key, status, end_ms, due_ms, record FROM executions WHERE arn = ?1")?
        .query_row([arn.as_str()], |row| logged(row, 0))
        .optional()
}

/// Reads the columns `key`, `status`, `end_ms`, `due_ms` and `record`, from this one on.
fn logged(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Logged> {
    let time =
        |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
    let found =
        Found { standing: tables::standing(row, first + 1)?, end: time(first + 2)?, due: time(first + 3)? };
    Ok(Logged { key: row.get(first)?, found, record: row.get(first + 4)?, rows: Vec::new() })
}

fn damaged(error: Damaged) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(1, Type::Blob, error.into())
}
