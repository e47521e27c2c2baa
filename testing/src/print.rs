//! Tables of operations for terminals and test output.

use std::sync::Arc;

use comfy_table::{ContentArrangement, Table, presets};
use durawasm_core::protocol::{Operation, Timestamp};
use durawasm_report::{duration, kind, printable, tree};

/// The width of a table, in columns, if there is no terminal whose width could be used.
const WIDTH: u16 = 110;

/// The columns of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of its own")]
pub struct PrintConfig {
    /// The id of the context that contains the operation.
    pub show_parent_id: bool,
    /// The name, indented below that of its context.
    pub show_name: bool,
    /// The type; for contexts and for steps with a special sub-type, the sub-type.
    pub show_type: bool,
    /// The operation's status.
    pub show_status: bool,
    /// The start, relative to the start of the execution.
    pub show_start_time: bool,
    /// The end, relative to the start of the execution.
    pub show_end_time: bool,
    /// The time between start and end.
    pub show_duration: bool,
}

impl Default for PrintConfig {
    /// All columns but the id of the parent.
    fn default() -> Self {
        Self {
            show_parent_id: false,
            show_name: true,
            show_type: true,
            show_status: true,
            show_start_time: true,
            show_end_time: true,
            show_duration: true,
        }
    }
}

/// The operations as a table; the operations of a context follow it.
pub(crate) fn table(operations: &[Arc<Operation>], start: Timestamp, config: PrintConfig) -> String {
    let columns = [
        (config.show_name, "name"),
        (config.show_type, "type"),
        (config.show_status, "status"),
        (config.show_start_time, "start"),
        (config.show_end_time, "end"),
        (config.show_duration, "duration"),
        (config.show_parent_id, "parent"),
    ];
    let chosen = |cells: [String; 7]| {
        let cells: Vec<String> =
            columns.iter().zip(cells).filter(|((shown, _), _)| *shown).map(|(_, cell)| cell).collect();
        cells
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(WIDTH);
    }
    table.set_header(chosen(columns.map(|(_, title)| title.to_owned())));
    let since = |at: Timestamp| format!("+{}", duration(at.since(start)));
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for (depth, operation) in tree(operations) {
        let end = operation.end_timestamp;
        table.add_row(chosen([
            "  ".repeat(depth.min(20)) + &printable(operation.name.as_deref().unwrap_or("-")),
            kind(operation),
            operation.status.to_string(),
            since(operation.start_timestamp),
            or_dash(end.map(since)),
            or_dash(end.map(|end| duration(end.since(operation.start_timestamp)))),
            or_dash(operation.parent_id.as_ref().map(ToString::to_string)),
        ]));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}
