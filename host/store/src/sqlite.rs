//! The store of a server.

use std::path::PathBuf;

use durawasm_core::{
    protocol::{ExecutionArn, Timestamp},
    server::{
        Changes, ExecutionSummary, Invoker, ListExecutions, Lookup, OpenExecution, Saved, Store, StoreError,
    },
};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::{
    error::StoreFileError,
    listing,
    reader::{load, text_of},
};

/// The most pages that a file can have.
const MOST_PAGES: u64 = 0xffff_fffe;

/// A connection to a [`StoreFile`](crate::StoreFile), for one server.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    path: PathBuf,
    process: u64,
}

impl SqliteStore {
    pub(crate) fn new(connection: Connection, path: PathBuf, process: u64) -> Self {
        connection.set_prepared_statement_cache_capacity(32);
        Self { connection, path, process }
    }

    /// Limits the size of the file, in bytes; it never shrinks. A commit that needs more fails as on a full disk.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn limit_size(&self, bytes: u64) -> Result<(), StoreFileError> {
        let failed = |error| StoreFileError::of(&self.path, &error);
        let page: i64 =
            self.connection.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(failed)?;
        let pages = bytes.div_ceil(u64::try_from(page).unwrap_or(1).max(1)).clamp(1, MOST_PAGES);
        self.connection
            .pragma_update(None, "max_page_count", i64::try_from(pages).unwrap_or(i64::MAX))
            .map_err(failed)
    }

    fn failed(&self, error: &rusqlite::Error) -> StoreError {
        StoreFileError::of(&self.path, error).into()
    }

    fn try_commit(&mut self, changes: &[Changes], deleted: &[ExecutionArn]) -> rusqlite::Result<()> {
        // A transaction that is not committed is rolled back.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for arn in deleted {
            let mut statement = transaction.prepare_cached("DELETE FROM executions WHERE arn = ?1")?;
            statement.execute([arn.as_str()])?;
        }
        for changes in changes {
            save(&transaction, changes)?;
        }
        transaction.commit()
    }

    fn try_open(&self) -> rusqlite::Result<Vec<OpenExecution>> {
        let mut statement = self.connection.prepare(
            "SELECT arn, due_ms, invoked_by FROM executions WHERE end_ms IS NULL ORDER BY due_ms, key",
        )?;
        let rows = statement.query_map([], |row| {
            let invoker: Option<String> = row.get(2)?;
            Ok(OpenExecution {
                arn: row.get::<_, String>(0)?.into(),
                due: row.get::<_, Option<i64>>(1)?.map(Timestamp::from_millis),
                caller: invoker.and_then(|invoker| Some(invoker.rsplit_once('#')?.0.to_owned().into())),
            })
        })?;
        rows.collect()
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, changes: &[Changes], deleted: &[ExecutionArn]) -> Result<(), StoreError> {
        self.try_commit(changes, deleted).map_err(|error| self.failed(&error))
    }

    fn list(&mut self, list: &ListExecutions) -> Result<Vec<ExecutionSummary>, StoreError> {
        listing::list(&self.connection, list).map_err(|error| self.failed(&error))
    }

    fn open(&mut self) -> Result<Vec<OpenExecution>, StoreError> {
        self.try_open().map_err(|error| self.failed(&error))
    }

    fn ended_before(&mut self, time: Timestamp, most: usize) -> Result<Vec<ExecutionArn>, StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let sql = "SELECT arn FROM executions WHERE end_ms < ?1 ORDER BY end_ms LIMIT ?2";
        let select = || -> rusqlite::Result<Vec<ExecutionArn>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows = statement.query_map((time.as_millis(), most), |row| row.get::<_, String>(0))?;
            rows.map(|arn| Ok(arn?.into())).collect()
        };
        select().map_err(|error| self.failed(&error))
    }

    fn load(&mut self, arn: &ExecutionArn) -> Result<Option<Saved>, StoreError> {
        Ok(load(&self.connection, &self.path, arn.as_str())?.map(|(_, saved)| saved))
    }

    fn find(&mut self, by: Lookup<'_>) -> Result<Option<ExecutionArn>, StoreError> {
        let one = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row(parameters, |row| row.get::<_, String>(0)).optional()
        };
        let found = match by {
            Lookup::Id(id) => one("SELECT arn FROM executions WHERE id = ?1", &[&id.as_slice()]),
            Lookup::Name { function, name } => {
                one("SELECT arn FROM executions WHERE function = ?1 AND name = ?2", &[&function, &name])
            }
            Lookup::Invoker(invoker) => {
                one("SELECT arn FROM executions WHERE invoked_by = ?1", &[&invoker_text(invoker)])
            }
        };
        Ok(found.map_err(|error| self.failed(&error))?.map(Into::into))
    }

    fn process(&self) -> u64 {
        self.process
    }
}

fn invoker_text(invoker: &Invoker) -> String {
    format!("{}#{}", invoker.execution, invoker.operation)
}

/// Writes an execution that is found where it was before, as most are: then no index changes.
const SAME_PLACE: &str = "UPDATE executions SET saved_ms = ?1, record = ?2
     WHERE arn = ?3 AND status = ?4 AND end_ms IS ?5 AND due_ms IS ?6 RETURNING key";

/// Writes an execution whose status is what it was: then the indices for lists do not change.
const SAME_STATUS: &str = "UPDATE executions SET saved_ms = ?1, record = ?2, due_ms = ?6
     WHERE arn = ?3 AND status = ?4 AND end_ms IS ?5 RETURNING key";

/// Writes an execution by one of these statements, if that can. Returns its key.
fn update(transaction: &Transaction<'_>, sql: &str, changes: &Changes) -> rusqlite::Result<Option<i64>> {
    let summary = &changes.summary;
    let mut statement = transaction.prepare_cached(sql)?;
    let found = statement.query_row(
        params![
            summary.saved_at.as_millis(),
            changes.execution,
            summary.arn.as_str(),
            summary.standing.as_str(),
            summary.end.map(Timestamp::as_millis),
            summary.due.map(Timestamp::as_millis),
        ],
        |row| row.get(0),
    );
    found.optional()
}

/// Writes an execution, which may be new. Returns its key.
fn put(transaction: &Transaction<'_>, changes: &Changes) -> rusqlite::Result<i64> {
    let summary = &changes.summary;
    let (function, _, name) = summary.arn.parts().unwrap_or_default();
    transaction
        .prepare_cached(
            "INSERT INTO executions
                (arn, id, function, name, status, start_ms, end_ms, saved_ms, due_ms, invoked_by, record)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (arn) DO UPDATE SET status = excluded.status, end_ms = excluded.end_ms,
                saved_ms = excluded.saved_ms, due_ms = excluded.due_ms, record = excluded.record
             RETURNING key",
        )?
        .query_row(
            params![
                summary.arn.as_str(),
                summary.id.as_slice(),
                function,
                name,
                summary.standing.as_str(),
                summary.start.as_millis(),
                summary.end.map(Timestamp::as_millis),
                summary.saved_at.as_millis(),
                summary.due.map(Timestamp::as_millis),
                summary.invoked_by.as_ref().map(invoker_text),
                changes.execution,
            ],
            |row| row.get(0),
        )
}

/// Writes the changes of one execution.
pub(crate) fn save(transaction: &Transaction<'_>, changes: &Changes) -> rusqlite::Result<()> {
    let mut known = update(transaction, SAME_PLACE, changes)?;
    if known.is_none() {
        known = update(transaction, SAME_STATUS, changes)?;
    }
    let key = match known {
        Some(key) => key,
        None => put(transaction, changes)?,
    };
    let parts = [
        (text_of::OPERATIONS, &changes.operations),
        (text_of::EVENTS, &changes.events),
        (text_of::INVOCATIONS, &changes.invocations),
    ];
    for (table, parts) in parts {
        let mut statement = transaction.prepare_cached(table.put)?;
        for (place, record) in parts {
            let place = i64::try_from(*place).unwrap_or(i64::MAX);
            statement.execute(params![key, place, record])?;
        }
    }
    Ok(())
}
