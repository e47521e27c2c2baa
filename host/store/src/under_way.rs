//! What a check of other code reads: which executions of a function have not ended, and what each has done so far.
//!
//! Invariants: an execution is read as it was at one commit, and verified as a whole. Nothing is written, and a process
//! may use the store meanwhile.

use std::sync::Arc;

use durawasm_core::{
    protocol::{Event, ExecutionArn, Operation},
    server::{SavedError, saved_origin},
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{error::StoreFileError, exchange::ExchangeError, reader::StoreReader};

/// What an execution has done so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHistory {
    /// The execution.
    pub execution_arn: ExecutionArn,
    /// The operations, in the order of their starts. They do not have the numbers of their changes.
    pub operations: Vec<Arc<Operation>>,
    /// The events, in the order of their ids.
    pub events: Vec<Event>,
}

/// The part of a kept operation that is on the wire.
#[derive(Deserialize)]
struct KeptOperation {
    operation: Arc<Operation>,
}

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

    /// What an execution has done so far; `None` if the store does not have it.
    ///
    /// # Errors
    /// When the store cannot be read, or what it has is damaged.
    pub fn history(&self, arn: &str) -> Result<Option<StoredHistory>, ExchangeError> {
        let Some((saved, _)) = self.whole(arn)? else { return Ok(None) };
        let damaged = |error| ExchangeError::Damaged { arn: arn.to_owned(), error };
        let (execution_arn, _) = saved_origin(&saved).map_err(damaged)?;
        let operations: Vec<KeptOperation> = all(&saved.operations, "operation").map_err(damaged)?;
        Ok(Some(StoredHistory {
            execution_arn,
            operations: operations.into_iter().map(|kept| kept.operation).collect(),
            events: all(&saved.events, "event").map_err(damaged)?,
        }))
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

/// Reads all parts of one kind.
fn all<T: DeserializeOwned>(parts: &[String], of: &str) -> Result<Vec<T>, SavedError> {
    let read = |(place, text): (usize, &String)| {
        serde_json::from_str::<T>(text)
            .map_err(|error| SavedError::Part { part: format!("{of} {place}"), why: error.to_string() })
    };
    parts.iter().enumerate().map(read).collect()
}
