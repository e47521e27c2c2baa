//! The store of a server.

use std::path::PathBuf;

use durawasm_core::{
    protocol::{ExecutionArn, Timestamp},
    server::{Changes, ExecutionSummary, ListExecutions, Lookup, OpenExecution, Saved, Store, StoreError},
};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::{error::StoreFileError, listing, log::Log, reader::load, tables::invoker_text};

/// The most pages that a file can have.
const MOST_PAGES: u64 = 0xffff_fffe;

/// A connection to a [`StoreFile`](crate::StoreFile), for one server.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    path: PathBuf,
    process: u64,
    /// `None` before the first commit, and after one that failed.
    log: Option<Log>,
}

impl SqliteStore {
    pub(crate) fn new(connection: Connection, path: PathBuf, process: u64) -> Self {
        connection.set_prepared_statement_cache_capacity(32);
        Self { connection, path, process, log: None }
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
        // It is put back only when it is again what the table has.
        let mut log = self.take_log()?;
        if log.is_large() {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            log.fold(&transaction)?;
            transaction.commit()?;
        }
        // A transaction that is not committed is rolled back.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for arn in deleted {
            log.delete(&transaction, arn)?;
            let mut statement = transaction.prepare_cached("DELETE FROM executions WHERE arn = ?1")?;
            statement.execute([arn.as_str()])?;
        }
        for changes in changes {
            log.add(&transaction, changes)?;
        }
        transaction.commit()?;
        self.log = Some(log);
        Ok(())
    }

    fn take_log(&mut self) -> rusqlite::Result<Log> {
        self.log.take().map_or_else(|| Log::read(&self.connection), Ok)
    }

    fn try_load(&mut self, arn: &ExecutionArn) -> Result<Option<Saved>, StoreFileError> {
        let log = self.take_log().map_err(|error| StoreFileError::of(&self.path, &error))?;
        let log = self.log.insert(log);
        load(&self.connection, &self.path, arn.as_str(), |_| Ok(log.rows_of(arn).to_vec()))
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
        Ok(self.try_load(arn)?)
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
