//! Tables of operations for terminals and test output.

use std::{io::Write as _, sync::Arc};

use durawasm_core::protocol::{Operation, Timestamp};
use durawasm_report::{LONGEST_MESSAGE, duration, kind, printable, shortened, tree};
use tabwriter::TabWriter;

/// How many characters of a name are on one line: with the other columns, a line is not longer than 110 characters.
const NAME: usize = 48;

/// How many spaces separate columns.
const GAP: usize = 2;

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
    let line = |cells: [String; 7]| {
        let cells = columns.iter().zip(cells).filter(|((shown, _), _)| *shown);
        // A tab ends a cell.
        cells.map(|(_, cell)| printable(&cell).replace('\t', " ")).collect::<Vec<_>>().join("\t")
    };
    let mut lines = vec![line(columns.map(|(_, title)| title.to_owned()))];
    let none = String::new;
    let since = |at: Timestamp| format!("+{}", duration(at.since(start)));
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for (depth, operation) in tree(operations) {
        let end = operation.end_timestamp;
        let name = "  ".repeat(depth.min(20))
            + &shortened(operation.name.as_deref().unwrap_or("-"), LONGEST_MESSAGE);
        let mut parts = parts(&name).into_iter();
        lines.push(line([
            parts.next().unwrap_or_default(),
            kind(operation),
            operation.status.to_string(),
            since(operation.start_timestamp),
            or_dash(end.map(since)),
            or_dash(end.map(|end| duration(end.since(operation.start_timestamp)))),
            or_dash(operation.parent_id.as_ref().map(ToString::to_string)),
        ]));
        if config.show_name {
            lines.extend(parts.map(|part| line([part, none(), none(), none(), none(), none(), none()])));
        }
    }
    aligned(&lines).unwrap_or_else(|| lines.join("\n"))
}

/// Lines of cells, which tabs end, with columns of the same width.
fn aligned(lines: &[String]) -> Option<String> {
    let mut writer = TabWriter::new(Vec::new()).padding(GAP);
    writer.write_all(lines.join("\n").as_bytes()).ok()?;
    let aligned = String::from_utf8(writer.into_inner().ok()?).ok()?;
    Some(aligned.lines().map(|line| format!(" {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n"))
}

/// A name, in parts that are not too long for a line.
fn parts(name: &str) -> Vec<String> {
    let characters: Vec<char> = name.chars().collect();
    characters.chunks(NAME).map(|part| part.iter().collect()).collect()
}
