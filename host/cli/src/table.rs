//! Tables of operations for terminals.

use comfy_table::{ContentArrangement, Table, presets};

use super::output::say;
use durawasm_core::{protocol::Timestamp, server::ExecutionView};
use durawasm_report::{LONGEST_MESSAGE, attempts, duration, kind, shortened, tree};

/// The width for a terminal that does not report its own, in columns: enough for most tables.
const USUAL_WIDTH: u16 = 80;

/// An empty table that fits the terminal, if there is one.
pub(super) fn new() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width() == Some(0) {
        table.set_width(USUAL_WIDTH);
    }
    table
}

/// The operations of an execution; those of a context follow it.
pub(super) fn operations(view: &ExecutionView) -> Table {
    let mut table = new();
    table.set_header(["name", "type", "status", "attempts", "start", "duration"]);
    for (depth, operation) in tree(&view.operations) {
        table.add_row([
            "  ".repeat(depth.min(20)) + &cell(operation.name.as_deref().unwrap_or("-")),
            cell(&kind(operation)),
            operation.status.to_string(),
            attempts(operation),
            format!("+{}", duration(operation.start_timestamp.since(view.start))),
            operation
                .end_timestamp
                .map_or("-".to_owned(), |end| duration(end.since(operation.start_timestamp))),
        ]);
    }
    table
}

/// Text for a cell: in one line, because a line break would be one of the table.
pub(super) fn cell(text: &str) -> String {
    shortened(text, LONGEST_MESSAGE).replace('\t', " ")
}

/// Prints a table without trailing spaces.
pub(super) fn print(table: &Table) {
    for line in table.lines() {
        say(format_args!("{}", line.trim_end()));
    }
}

/// The duration of an execution, until its end or until `now`.
pub(super) fn elapsed(view: &ExecutionView, now: Timestamp) -> String {
    let end = view.end.unwrap_or(now);
    duration(end.since(view.start))
}
