//! Executions as JSON files: to look at, to check against another version of their handler, and to continue elsewhere.
//!
//! Invariants:
//! - an execution that is exported and imported is the same, except that an invocation that was running is over;
//! - what is imported was verified as a whole before anything of it is written.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use durawasm_core::{
    protocol::{ExecutionArn, Timestamp},
    server::{Saved, SavedError, saved_origin, verify_saved},
};
use rusqlite::{ToSql, TransactionBehavior};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use crate::{
    component::{ComponentDigest, keep_component},
    error::StoreFileError,
    file::StoreFile,
    reader::StoreReader,
    tables::insert_whole,
};

/// The name of the format, and its version.
const FORMAT: &str = "durawasm.execution/1";

/// An execution as a JSON file. `durawasm check --history` reads it as well.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exported {
    /// `durawasm.execution/1`.
    format: String,
    /// The execution.
    pub execution_arn: ExecutionArn,
    /// The time of its latest request.
    saved_at: Timestamp,
    /// The operations, as on the wire.
    operations: Vec<Value>,
    /// The history, as on the wire.
    events: Vec<Box<RawValue>>,
    /// What the server needs beside them to continue.
    state: State,
    /// The components that it began with, by their digests, in base64.
    #[serde(default)]
    components: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct State {
    execution: Box<RawValue>,
    /// For each operation, what is not on the wire.
    operations: Vec<Map<String, Value>>,
    invocations: Vec<Box<RawValue>>,
}

/// Why an execution cannot be exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreFileError),
    /// The record of the execution is damaged.
    #[error("{arn}: {error}")]
    Damaged {
        /// The execution.
        arn: String,
        /// What is wrong.
        error: SavedError,
    },
    /// The store has no such execution.
    #[error("there is no execution {0}")]
    Missing(String),
    /// The text is not an exported execution.
    #[error("this is no exported execution: {0}")]
    Form(String),
    /// The store has the execution, or another one of the same function and name, already.
    #[error("the store has an execution {0} already")]
    Exists(String),
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` calls")]
fn form(error: impl ToString) -> ExchangeError {
    ExchangeError::Form(error.to_string())
}

impl StoreReader {
    /// Exports an execution, with the components that it began with.
    ///
    /// # Errors
    /// When the store has no such execution, cannot be read, or what it has is damaged.
    pub fn export(&self, arn: &str) -> Result<Exported, ExchangeError> {
        let missing = || ExchangeError::Missing(arn.to_owned());
        let damaged = |error| ExchangeError::Damaged { arn: arn.to_owned(), error };
        let saved = self.load(arn)?.ok_or_else(missing)?;
        let saved_at = self.listed(arn)?.ok_or_else(missing)?.saved_at;
        verify_saved(&saved, saved_at).map_err(damaged)?;
        let (execution_arn, origin) = saved_origin(&saved).map_err(damaged)?;
        let raw = |text: String| RawValue::from_string(text).map_err(form);
        let mut operations = Vec::with_capacity(saved.operations.len());
        let mut rest = Vec::with_capacity(saved.operations.len());
        for text in &saved.operations {
            let mut parts: Map<String, Value> = serde_json::from_str(text).map_err(form)?;
            operations.push(parts.remove("operation").unwrap_or_default());
            rest.push(parts);
        }
        let mut components = BTreeMap::new();
        for digest in origin.iter().flat_map(|origin| digests(origin)) {
            if let Some(bytes) = self.component(&digest)? {
                components.insert(digest.as_str().to_owned(), STANDARD.encode(bytes));
            }
        }
        Ok(Exported {
            format: FORMAT.to_owned(),
            execution_arn,
            saved_at,
            operations,
            events: saved.events.into_iter().map(raw).collect::<Result<_, _>>()?,
            state: State {
                execution: raw(saved.execution)?,
                operations: rest,
                invocations: saved.invocations.into_iter().map(raw).collect::<Result<_, _>>()?,
            },
            components,
        })
    }
}

/// The digests of components in the text that a host keeps with an execution.
pub(crate) fn digests(origin: &str) -> Vec<ComponentDigest> {
    let mut found = Vec::new();
    let Ok(value) = serde_json::from_str::<Value>(origin) else { return found };
    let mut values = vec![&value];
    while let Some(value) = values.pop() {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(digest)) = map.get("component") {
                    found.extend(serde_json::from_value(Value::String(digest.clone())));
                }
                values.extend(map.values());
            }
            Value::Array(all) => values.extend(all),
            _ => {}
        }
    }
    found
}

impl StoreFile {
    /// Imports an execution that was exported, from JSON. Returns its ARN.
    ///
    /// # Errors
    /// When the text is not an exported execution, or contradicts itself; when the store has that execution already, or
    /// one of the same function and name; when it cannot be written. Then nothing is written.
    pub fn import(&self, text: &str) -> Result<ExecutionArn, ExchangeError> {
        let exported: Exported = serde_json::from_str(text).map_err(form)?;
        let Exported { format, execution_arn, saved_at, operations, events, state, components } = exported;
        if format != FORMAT {
            return Err(form(format!("its format is {format:?}, not {FORMAT:?}")));
        }
        if operations.len() != state.operations.len() {
            return Err(form("it has another number of operations than of their states"));
        }
        let operations = operations.into_iter().zip(state.operations).map(|(operation, mut rest)| {
            rest.insert("operation".to_owned(), operation);
            Value::Object(rest).to_string()
        });
        let texts = |raw: Vec<Box<RawValue>>| raw.into_iter().map(|raw| raw.get().to_owned()).collect();
        let saved = Saved {
            execution: state.execution.get().to_owned(),
            operations: operations.collect(),
            events: texts(events),
            invocations: texts(state.invocations),
        };
        let changes = verify_saved(&saved, saved_at).map_err(form)?;
        if changes.summary.arn != execution_arn {
            return Err(form(format!("it names {execution_arn}, and its state {}", changes.summary.arn)));
        }
        let mut bytes = Vec::new();
        for (digest, encoded) in components {
            let component = STANDARD.decode(encoded).map_err(form)?;
            if ComponentDigest::of(&component).as_str() != digest {
                return Err(form(format!("the component {digest} has another content")));
            }
            bytes.push((digest, component));
        }
        let exists = || ExchangeError::Exists(execution_arn.to_string());
        if self.reader()?.load(execution_arn.as_str())?.is_some() {
            return Err(exists());
        }
        let mut connection = self.connect()?;
        let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => exists(),
            _ => StoreFileError::of(self.path(), &error).into(),
        };
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        insert_whole(&transaction, &changes).map_err(failed)?;
        for (digest, component) in bytes {
            keep_component(&transaction, &digest, &component).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        Ok(execution_arn)
    }

    /// Deletes an execution. Returns whether there was one. Components that no execution began with go with
    /// [`StoreFile::vacuum`].
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn delete(&self, arn: &str) -> Result<bool, StoreFileError> {
        Ok(self.delete_where("arn = ?1", &arn)? > 0)
    }

    /// Deletes the executions that ended before a time. Returns how many.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn delete_ended_before(&self, time: Timestamp) -> Result<usize, StoreFileError> {
        self.delete_where("end_ms < ?1", &time.as_millis())
    }

    fn delete_where(&self, condition: &str, value: &dyn ToSql) -> Result<usize, StoreFileError> {
        let failed = |error: rusqlite::Error| StoreFileError::of(self.path(), &error);
        let mut connection = self.connect()?;
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let delete = || {
            let deleted =
                transaction.execute(&format!("DELETE FROM executions WHERE {condition}"), [value])?;
            if deleted > 0 {
                transaction
                    .execute("DELETE FROM log WHERE execution NOT IN (SELECT key FROM executions)", ())?;
            }
            Ok(deleted)
        };
        let deleted = delete().map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(deleted)
    }

    /// Deletes the components that neither an execution began with nor a version of a function has, and returns free space to the system.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn vacuum(&self) -> Result<(), StoreFileError> {
        let connection = self.connect()?;
        let unused = "DELETE FROM components WHERE NOT EXISTS
             (SELECT 1 FROM executions WHERE instr(executions.record, components.digest) > 0)
             AND NOT EXISTS (SELECT 1 FROM versions WHERE versions.digest = components.digest)";
        let done = connection.execute(unused, ()).and_then(|_| {
            // Each row is a page that was returned.
            connection.pragma_query(None, "incremental_vacuum", |_| Ok(()))?;
            connection.pragma(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))
        });
        done.map_err(|error| StoreFileError::of(self.path(), &error))
    }
}
