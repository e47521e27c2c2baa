//! What a check of other code reads: which executions of a function have not ended, and the record of each.
//!
//! Invariants: an execution is read as it was at one commit, and verified as a whole. Nothing is written, and a process
//! may use the store meanwhile.

use durawasm_core::{
    protocol::Timestamp,
    server::{SavedRecord, saved_record},
};

use crate::{error::StoreFileError, exchange::ExchangeError, reader::StoreReader};

impl StoreReader {
    /// The names of the functions that have executions or versions in the store, in the order of the alphabet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn functions(&self) -> Result<Vec<String>, StoreFileError> {
        let select = match self.version()? {
            0 => return Ok(Vec::new()),
            // There were no versions of functions.
            1 | 2 => "SELECT DISTINCT function FROM executions ORDER BY function",
            _ => "SELECT function FROM executions UNION SELECT function FROM versions ORDER BY function",
        };
        self.texts(select, &[])
    }

    /// The ARNs of the executions of a function that have not ended, in the order in which they started.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn under_way(&self, function: &str) -> Result<Vec<String>, StoreFileError> {
        if self.is_empty()? {
            return Ok(Vec::new());
        }
        let select = "SELECT arn FROM executions WHERE function = ?1 AND end_ms IS NULL ORDER BY key";
        self.texts(select, &[&function])
    }

    /// The record of an execution, and the time of its latest request; `None` if the store does not have it.
    ///
    /// # Errors
    /// When the store cannot be read, or what it has is damaged.
    pub fn record(&self, arn: &str) -> Result<Option<(SavedRecord, Timestamp)>, ExchangeError> {
        let Some(saved) = self.load(arn)? else { return Ok(None) };
        let record =
            saved_record(&saved).map_err(|error| ExchangeError::Damaged { arn: arn.to_owned(), error })?;
        Ok(self.listed(arn)?.map(|listed| (record, listed.saved_at)))
    }

    /// The texts of a query with one column.
    fn texts(
        &self,
        select: &str,
        parameters: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<String>, StoreFileError> {
        let read = || {
            let mut statement = self.connection.prepare(select)?;
            let rows = statement.query_map(parameters, |row| row.get(0))?;
            rows.collect::<rusqlite::Result<Vec<String>>>()
        };
        read().map_err(|error| self.failed(&error))
    }
}
