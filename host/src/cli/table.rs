//! Tables and durations for people.

use std::collections::HashMap;

use comfy_table::{ContentArrangement, Table, presets};

use super::log::printable;
use super::say;
use crate::{
    format_duration as duration,
    protocol::{Operation, OperationId, OperationType, Timestamp},
    server::ExecutionView,
};

/// The operations of an execution, children under their contexts.
pub(super) fn operations(view: &ExecutionView) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["name", "type", "status", "attempts", "start", "duration"]);
    for (depth, operation) in tree(view) {
        table.add_row([
            "  ".repeat(depth.min(20)) + &printable(operation.name.as_deref().unwrap_or("-")),
            kind(operation),
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

/// All operations but the execution, each followed by those in it, siblings in the order in which they were started.
fn tree(view: &ExecutionView) -> Vec<(usize, &Operation)> {
    let mut children: HashMap<Option<&OperationId>, Vec<&Operation>> = HashMap::new();
    for operation in view.operations.iter().rev().filter(|o| o.kind != OperationType::Execution) {
        children.entry(operation.parent_id.as_ref()).or_default().push(operation);
    }
    let roots = children.remove(&None).unwrap_or_default();
    let mut open: Vec<(usize, &Operation)> = roots.into_iter().map(|operation| (0, operation)).collect();
    let mut rows = Vec::with_capacity(view.operations.len());
    while let Some((depth, operation)) = open.pop() {
        rows.push((depth, operation));
        let inside = children.remove(&Some(&operation.id)).unwrap_or_default();
        open.extend(inside.into_iter().map(|child| (depth + 1, child)));
    }
    rows
}

/// Prints a table without spaces at line ends.
pub(super) fn print(table: &Table) {
    for line in table.lines() {
        say(format_args!("{}", line.trim_end()));
    }
}

fn kind(operation: &Operation) -> String {
    match (operation.kind, operation.sub_type.as_deref()) {
        (OperationType::Context, Some(sub_type)) => sub_type.to_owned(),
        (OperationType::Step, Some(sub_type)) if sub_type != "Step" => sub_type.to_owned(),
        (kind, _) => kind.to_string(),
    }
}

fn attempts(operation: &Operation) -> String {
    operation.step_details.as_ref().map_or("-".to_owned(), |d| d.attempt.to_string())
}

/// How long an execution took, or has taken.
pub(super) fn elapsed(view: &ExecutionView, now: Option<Timestamp>) -> String {
    let end = view.end.or(now).unwrap_or(view.start);
    duration(end.since(view.start))
}
