//! The tables of executions and of their parts.

use durawasm_core::{
    protocol::Timestamp,
    server::{Changes, Invoker, Standing, Summary},
};
use rusqlite::{Connection, params, types::Type};

use crate::parts::{Kind, by_kind};

/// A table of parts.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    put: &'static str,
    all: &'static str,
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

impl Table {
    /// The table of parts of a kind; the execution's own part is in `executions`.
    pub(crate) fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Execution => None,
            Kind::Operation => Some(table!("operations")),
            Kind::Event => Some(table!("events")),
            Kind::Invocation => Some(table!("invocations")),
        }
    }
}

/// Reads the parts of an execution from a table, with their places.
pub(crate) fn parts(
    connection: &Connection,
    table: &Table,
    key: i64,
) -> rusqlite::Result<Vec<(usize, String)>> {
    let mut statement = connection.prepare_cached(table.all)?;
    let rows = statement.query_map([key], |row| {
        let place: i64 = row.get(0)?;
        let outside = |_| rusqlite::Error::IntegralValueOutOfRange(0, place);
        Ok((usize::try_from(place).map_err(outside)?, row.get(1)?))
    })?;
    rows.collect()
}

/// Writes parts of one kind, which is not the execution's own.
pub(crate) fn put_parts<'a>(
    connection: &Connection,
    key: i64,
    kind: Kind,
    parts: impl Iterator<Item = (usize, &'a str)>,
) -> rusqlite::Result<()> {
    let Some(table) = Table::of(kind) else { return Ok(()) };
    let mut statement = connection.prepare_cached(table.put)?;
    for (place, text) in parts {
        let place = i64::try_from(place);
        let place = place.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        statement.execute(params![key, place, text])?;
    }
    Ok(())
}

/// Writes a new execution without its other parts. Returns its key.
pub(crate) fn insert(connection: &Connection, changes: &Changes) -> rusqlite::Result<i64> {
    let summary = &changes.summary;
    let (function, _, name) = summary.arn.parts().unwrap_or_default();
    connection
        .prepare_cached(
            "INSERT INTO executions
                (arn, id, function, name, status, start_ms, end_ms, saved_ms, due_ms, invoked_by, record)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) RETURNING key",
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

/// Writes the status of an execution, its end, and when it is due.
pub(crate) fn put_standing(connection: &Connection, key: i64, summary: &Summary) -> rusqlite::Result<()> {
    let sql = "UPDATE executions SET status = ?2, end_ms = ?3, due_ms = ?4 WHERE key = ?1";
    let found = params![
        key,
        summary.standing.as_str(),
        summary.end.map(Timestamp::as_millis),
        summary.due.map(Timestamp::as_millis),
    ];
    connection.prepare_cached(sql)?.execute(found).map(drop)
}

/// Writes only when an execution is due: then the indices for lists do not change.
pub(crate) fn put_due(connection: &Connection, key: i64, due: Option<Timestamp>) -> rusqlite::Result<()> {
    let sql = "UPDATE executions SET due_ms = ?2 WHERE key = ?1";
    connection.prepare_cached(sql)?.execute(params![key, due.map(Timestamp::as_millis)]).map(drop)
}

/// Writes the own part of an execution, and the time of its latest request.
pub(crate) fn put_record(
    connection: &Connection,
    key: i64,
    saved_ms: i64,
    record: &str,
) -> rusqlite::Result<()> {
    let sql = "UPDATE executions SET saved_ms = ?2, record = ?3 WHERE key = ?1";
    connection.prepare_cached(sql)?.execute(params![key, saved_ms, record]).map(drop)
}

/// Writes a whole execution that is new.
pub(crate) fn insert_whole(connection: &Connection, changes: &Changes) -> rusqlite::Result<()> {
    let key = insert(connection, changes)?;
    for (kind, parts) in by_kind(changes) {
        put_parts(connection, key, kind, parts.iter().map(|(place, text)| (*place, text.as_str())))?;
    }
    Ok(())
}

/// Reads a column with a status.
pub(crate) fn standing(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Standing> {
    let status: String = row.get(column)?;
    Standing::named(&status).ok_or_else(|| {
        let why = format!("{status:?} is no status").into();
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why)
    })
}

/// The text of a chained invoke in the column `invoked_by`.
pub(crate) fn invoker_text(invoker: &Invoker) -> String {
    format!("{}#{}", invoker.execution, invoker.operation)
}
