//! The versions of functions: which code a function had, under numbers from 1.
//!
//! Invariants: a number is never given to other code, also after its version is deleted; a version whose row exists has its
//! component in the store.

use durawasm_core::protocol::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

use crate::{
    component::{ComponentDigest, keep_component},
    error::StoreFileError,
    file::StoreFile,
    reader::StoreReader,
};

/// The code of a function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Code {
    /// The component.
    pub component: ComponentDigest,
    /// The name of the function in it.
    pub export: String,
    /// Whether the function is durable.
    pub durable: bool,
}

/// A version of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVersion {
    /// The function.
    pub function: String,
    /// Its number, from 1.
    pub number: u32,
    /// Its code.
    pub code: Code,
    /// When it was first served.
    pub published: Timestamp,
}

const SELECT: &str = "SELECT function, number, digest, export, durable, published_ms FROM versions";

fn version(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredVersion> {
    let digest: String = row.get(2)?;
    Ok(StoredVersion {
        function: row.get(0)?,
        number: row.get(1)?,
        code: Code { component: ComponentDigest::stored(digest), export: row.get(3)?, durable: row.get(4)? },
        published: Timestamp::from_millis(row.get(5)?),
    })
}

impl StoreFile {
    /// Keeps a version that is new, and its component.
    ///
    /// # Errors
    /// When the store cannot be written, or the function has a version with this number.
    pub fn publish(&self, version: &StoredVersion, component: &[u8]) -> Result<(), StoreFileError> {
        debug_assert_eq!(ComponentDigest::of(component), version.code.component);
        let mut connection = self.connect()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let published = transaction.and_then(|transaction| {
            insert(&transaction, version, component)?;
            transaction.commit()
        });
        published.map_err(|error| StoreFileError::of(self.path(), &error))
    }

    /// Deletes a version of a function, unless it is the newest one. Returns whether there was one. Its component stays as
    /// long as an execution began with it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn delete_version(&self, function: &str, number: u32) -> Result<bool, StoreFileError> {
        // The newest one stays, so that its number is not given again.
        let sql = "DELETE FROM versions WHERE function = ?1 AND number = ?2
             AND number < (SELECT max(number) FROM versions WHERE function = ?1)";
        let done = self.connect()?.execute(sql, params![function, number]);
        Ok(done.map_err(|error| StoreFileError::of(self.path(), &error))? > 0)
    }

    /// Deletes the versions with whose component no execution began, except the newest of each function. Returns how many.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn delete_unused_versions(&self) -> Result<usize, StoreFileError> {
        let sql = "DELETE FROM versions
             WHERE number < (SELECT max(number) FROM versions AS all_of WHERE all_of.function = versions.function)
             AND NOT EXISTS (SELECT 1 FROM executions WHERE executions.function = versions.function
                AND instr(executions.record, versions.digest) > 0)";
        let done = self.connect()?.execute(sql, ());
        done.map_err(|error| StoreFileError::of(self.path(), &error))
    }
}

fn insert(transaction: &Connection, version: &StoredVersion, component: &[u8]) -> rusqlite::Result<()> {
    let StoredVersion { function, number, code, published } = version;
    keep_component(transaction, code.component.as_str(), component)?;
    transaction.execute(
        "INSERT INTO versions (function, number, digest, export, durable, published_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![function, number, code.component.as_str(), code.export, code.durable, published.as_millis()],
    )?;
    Ok(())
}

impl StoreReader {
    /// The versions of all functions, by function and number.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn versions(&self) -> Result<Vec<StoredVersion>, StoreFileError> {
        // A store that no process of this version has written has no table of them.
        if self.version()? < 3 {
            return Ok(Vec::new());
        }
        let select = || {
            let mut statement = self.connection.prepare(&format!("{SELECT} ORDER BY function, number"))?;
            let rows = statement.query_map([], version)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        select().map_err(|error| self.failed(&error))
    }
}
