//! What the commands show of executions: operations as a history describes them, their text and order, durations, `JUnit`
//! reports and exit codes.
//!
//! Invariants: nothing here prints, reads a file or ends the process; every function returns text or data.

mod exit;
mod grants;
mod growing;
#[cfg(feature = "junit")]
pub mod junit;
mod operations;

use std::{collections::HashMap, sync::Arc, time::Duration};

pub use self::{
    exit::Exit,
    grants::{Grant, Granted},
    growing::GrowingHistory,
    operations::{invocations_of, operations_of},
};
use durawasm_core::protocol::{Operation, OperationId, OperationType};
pub use durawasm_text::{
    LONGEST_LOG_LINE, LONGEST_MESSAGE, is_unsafe, json, printable, printable_lines, shortened,
};

/// All operations except EXECUTION, each with its depth. The operations of a context follow it, and siblings are in the
/// order of their start.
pub fn tree(operations: &[Arc<Operation>]) -> Vec<(usize, &Arc<Operation>)> {
    let mut children: HashMap<Option<&OperationId>, Vec<&Arc<Operation>>> = HashMap::new();
    for operation in operations.iter().rev().filter(|o| o.kind != OperationType::Execution) {
        children.entry(operation.parent_id.as_ref()).or_default().push(operation);
    }
    let roots = children.remove(&None).unwrap_or_default();
    let mut open: Vec<(usize, &Arc<Operation>)> = roots.into_iter().map(|operation| (0, operation)).collect();
    let mut rows = Vec::with_capacity(operations.len());
    while let Some((depth, operation)) = open.pop() {
        rows.push((depth, operation));
        let inside = children.remove(&Some(&operation.id)).unwrap_or_default();
        open.extend(inside.into_iter().map(|child| (depth + 1, child)));
    }
    rows
}

/// The type to show for an operation: the sub-type of contexts and of special steps, otherwise the type.
pub fn kind(operation: &Operation) -> String {
    match (operation.kind, operation.sub_type.as_deref()) {
        (OperationType::Context, Some(sub_type)) => sub_type.to_owned(),
        (OperationType::Step, Some(sub_type)) if sub_type != "Step" => sub_type.to_owned(),
        (kind, _) => kind.to_string(),
    }
}

/// How many attempts of a step have ended; `-` for other operations.
pub fn attempts(operation: &Operation) -> String {
    operation.step_details.as_ref().map_or("-".to_owned(), |d| d.attempt.to_string())
}

/// A duration as text, to the millisecond: `3days 2h`, `1s 500ms`, `0s`.
pub fn duration(duration: Duration) -> String {
    durawasm_core::durations::show_duration(duration)
}
