//! Lists of executions (service model: `ListDurableExecutionsByFunction`).
//!
//! Invariants:
//! - which executions a list has, and in which order, is what [`ListExecutions::of`] says; the indices only find candidates;
//! - a page costs what it has, for each of its statuses, however many executions there are: an index has the executions of a
//!   function by their status, another one by their version, each in the order of lists. Only a list by statuses and a
//!   version passes over executions of other versions.

use std::collections::BTreeSet;

use durawasm_core::{
    protocol::{ExecutionArn, Timestamp},
    server::{ExecutionSummary, ListExecutions, Standing},
};
use rusqlite::{Connection, params_from_iter, types::Value};

use crate::tables::standing;

/// The executions of a function that are together in an index, in the order of lists.
enum Part<'a> {
    OfVersion(&'a str),
    /// With a version, only those of it.
    OfStatus(&'a str, Option<&'a str>),
}

/// The place of an execution in lists that begin with the oldest: when it started, in milliseconds, and its ARN.
type Place = (i64, String);

/// The places between which executions are listed, neither included.
struct Between {
    lower: Place,
    upper: Place,
}

impl Between {
    fn of(list: &ListExecutions) -> Self {
        // No ARN is empty, so this is before all executions that started then.
        let before = |millis: i64| (millis, String::new());
        let lower = list.started_after.map_or(i64::MIN, |time| time.as_millis().saturating_add(1));
        let upper = list.started_before.map_or(i64::MAX, Timestamp::as_millis);
        let mut between = Self { lower: before(lower), upper: before(upper) };
        if let Some((start, arn)) = &list.after {
            between.begin_after(list.oldest_first, *start, arn);
        }
        between
    }

    /// Leaves out what a list has up to this place.
    fn begin_after(&mut self, oldest_first: bool, start: Timestamp, arn: &ExecutionArn) {
        if oldest_first { self.raise(start, arn) } else { self.reduce(start, arn) }
    }

    /// Leaves out what a list has from this place on.
    fn end_before(&mut self, oldest_first: bool, start: Timestamp, arn: &ExecutionArn) {
        if oldest_first { self.reduce(start, arn) } else { self.raise(start, arn) }
    }

    fn raise(&mut self, start: Timestamp, arn: &ExecutionArn) {
        let place = (start.as_millis(), arn.to_string());
        if place > self.lower {
            self.lower = place;
        }
    }

    fn reduce(&mut self, start: Timestamp, arn: &ExecutionArn) {
        let place = (start.as_millis(), arn.to_string());
        if place < self.upper {
            self.upper = place;
        }
    }
}

/// Returns the executions of a list.
pub(crate) fn list(
    connection: &Connection,
    list: &ListExecutions,
) -> rusqlite::Result<Vec<ExecutionSummary>> {
    if let Some(name) = &list.name {
        // One at most.
        let sql = format!("{SELECT} WHERE function = ? AND name = ?");
        let found = select(connection, &sql, vec![list.function.clone().into(), name.clone().into()])?;
        return Ok(list.of(found.into_iter()));
    }
    let (mut between, mut found) = (Between::of(list), Vec::new());
    for part in parts(list) {
        found.extend(candidates(connection, list, &part, &between)?);
        found = list.of(found.into_iter());
        // What comes after a full page need not be read from the other parts.
        if found.len() == list.most
            && let Some(last) = found.last()
        {
            between.end_before(list.oldest_first, last.start, &last.arn);
        }
    }
    Ok(found)
}

/// The parts that together have all executions of a list.
fn parts(list: &ListExecutions) -> Vec<Part<'_>> {
    let version = list.version.as_deref();
    if let (Some(version), true) = (version, list.statuses.is_empty()) {
        return vec![Part::OfVersion(version)];
    }
    let statuses: BTreeSet<&str> = if list.statuses.is_empty() {
        Standing::ALL.map(Standing::as_str).into()
    } else {
        list.statuses.iter().map(String::as_str).collect()
    };
    statuses.into_iter().map(|status| Part::OfStatus(status, version)).collect()
}

const SELECT: &str = "SELECT arn, status, start_ms, end_ms FROM executions";

/// How the first executions of a part are selected.
fn sql(part: &Part<'_>, oldest_first: bool) -> String {
    let of = match part {
        Part::OfVersion(_) => "version = ?",
        Part::OfStatus(_, None) => "status = ?",
        // By the plus, the version is no reason to use the other index.
        Part::OfStatus(_, Some(_)) => "status = ? AND +version = ?",
    };
    let order = if oldest_first { "" } else { " DESC" };
    format!(
        "{SELECT} WHERE function = ? AND {of} AND (start_ms, arn) > (?, ?) AND (start_ms, arn) < (?, ?)
         ORDER BY start_ms{order}, arn{order} LIMIT ?"
    )
}

/// The first executions of a part, as many as a page may have.
fn candidates(
    connection: &Connection,
    list: &ListExecutions,
    part: &Part<'_>,
    between: &Between,
) -> rusqlite::Result<Vec<ExecutionSummary>> {
    let mut values: Vec<Value> = vec![list.function.clone().into()];
    match *part {
        Part::OfVersion(of) | Part::OfStatus(of, None) => values.push(of.to_owned().into()),
        Part::OfStatus(of, Some(version)) => {
            values.extend([of.to_owned().into(), version.to_owned().into()]);
        }
    }
    let Between { lower, upper } = between;
    for (start, arn) in [lower, upper] {
        values.extend([(*start).into(), arn.clone().into()]);
    }
    values.push(i64::try_from(list.most).unwrap_or(i64::MAX).into());
    select(connection, &sql(part, list.oldest_first), values)
}

fn select(connection: &Connection, sql: &str, values: Vec<Value>) -> rusqlite::Result<Vec<ExecutionSummary>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        let standing = standing(row, 1)?;
        let end: Option<i64> = row.get(3)?;
        Ok(ExecutionSummary {
            arn: row.get::<_, String>(0)?.into(),
            standing,
            start: Timestamp::from_millis(row.get(2)?),
            end: end.map(Timestamp::from_millis),
        })
    })?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreFile;

    /// No list is sorted, and no list by one filter passes over executions that it does not have.
    #[test]
    fn each_part_is_a_range_of_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let connection = StoreFile::open(&folder.path().join("s.db")).unwrap().connect().unwrap();
        for (part, range) in [
            (Part::OfStatus("FAILED", None), "executions_of_status (function=? AND status=?"),
            (Part::OfStatus("FAILED", Some("1")), "executions_of_status (function=? AND status=?"),
            (Part::OfVersion("1"), "executions_of_version (function=? AND version=?"),
        ] {
            for oldest_first in [true, false] {
                let explain = format!("EXPLAIN QUERY PLAN {}", sql(&part, oldest_first));
                let mut statement = connection.prepare(&explain).unwrap();
                let (mut rows, mut plan) = (statement.raw_query(), Vec::new());
                while let Some(row) = rows.next().unwrap() {
                    plan.push(row.get::<_, String>(3).unwrap());
                }
                let between = "AND (start_ms,arn)>(?,?) AND (start_ms,arn)<(?,?))";
                assert_eq!(plan, [format!("SEARCH executions USING INDEX {range} {between}")]);
            }
        }
    }
}
