//! Executions in lists, as JSON and in tables.

use durawasm_core::protocol::Timestamp;
use serde::Serialize;

use super::table::cell;

/// An execution in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row<'a> {
    pub(super) execution_arn: &'a str,
    pub(super) function: &'a str,
    pub(super) name: &'a str,
    pub(super) status: &'a str,
    pub(super) start_timestamp: Timestamp,
    pub(super) end_timestamp: Option<Timestamp>,
}

/// The columns of a table.
pub(super) const COLUMNS: [&str; 5] = ["name", "function", "status", "start", "end"];

impl Row<'_> {
    /// The cells of a table.
    pub(super) fn cells(&self) -> [String; 5] {
        [
            cell(self.name),
            cell(self.function),
            cell(self.status),
            self.start_timestamp.to_string(),
            self.end_timestamp.map_or_else(|| "-".to_owned(), |time| time.to_string()),
        ]
    }
}
