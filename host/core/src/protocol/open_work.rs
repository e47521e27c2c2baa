//! Describes the operations that an execution has not finished, for messages about executions that did not end.

use std::collections::HashSet;

use super::{Operation, OperationId, OperationType};

/// How many operations are described.
const SHOWN: usize = 3;

/// Describes the open operations that contain no other open operation, the first three of them.
pub fn open_work<'a>(operations: impl Iterator<Item = &'a Operation> + Clone) -> Vec<String> {
    let open = operations.filter(|o| o.kind != OperationType::Execution && !o.status.is_terminal());
    let around: HashSet<&OperationId> = open.clone().filter_map(|o| o.parent_id.as_ref()).collect();
    let mut innermost = open.clone().filter(|o| !around.contains(&o.id));
    let context = |o: &Operation| open.clone().find(|other| Some(&other.id) == o.parent_id.as_ref());
    let mut shown: Vec<String> = innermost.by_ref().take(SHOWN).map(|o| words(o, context(o))).collect();
    match innermost.count() {
        0 => {}
        more => shown.push(format!("{more} more")),
    }
    shown
}

fn words(operation: &Operation, context: Option<&Operation>) -> String {
    let mut text = operation.kind.to_string();
    match (&operation.name, context.and_then(|context| context.name.as_ref())) {
        (Some(name), _) => text.push_str(&format!(" {name:?}")),
        (None, Some(context)) => text.push_str(&format!(" in {context:?}")),
        (None, None) => {}
    }
    if let Some(attempts) = operation.step_details.as_ref().map(|details| details.attempt).filter(|n| *n > 0)
    {
        text.push_str(&format!(" after {attempts} {}", if attempts == 1 { "attempt" } else { "attempts" }));
    }
    let wait = operation.wait_details.as_ref().and_then(|details| details.scheduled_end_timestamp);
    let retry = operation.step_details.as_ref().and_then(|details| details.next_attempt_timestamp);
    if let Some(until) = wait.or(retry) {
        text.push_str(&format!(" until {until}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_innermost_and_not_over_is_named() {
        let operations = json!([
            {"Id": "e", "Type": "EXECUTION", "StartTimestamp": 0, "Status": "STARTED"},
            {"Id": "c", "Type": "CONTEXT", "Name": "outer", "StartTimestamp": 0, "Status": "STARTED"},
            {"Id": "s", "Type": "STEP", "Name": "flaky", "ParentId": "c", "StartTimestamp": 0, "Status": "PENDING",
             "StepDetails": {"Attempt": 7, "NextAttemptTimestamp": 60}},
            {"Id": "d", "Type": "STEP", "Name": "done", "StartTimestamp": 0, "Status": "SUCCEEDED"},
            {"Id": "w", "Type": "WAIT", "StartTimestamp": 0, "Status": "STARTED",
             "WaitDetails": {"ScheduledEndTimestamp": 3600}},
            {"Id": "x", "Type": "CALLBACK", "Name": "approval", "StartTimestamp": 0, "Status": "STARTED"},
            {"Id": "f", "Type": "CONTEXT", "Name": "around", "StartTimestamp": 0, "Status": "STARTED"},
            {"Id": "y", "Type": "CALLBACK", "ParentId": "f", "StartTimestamp": 0, "Status": "STARTED"},
            {"Id": "z", "Type": "CALLBACK", "StartTimestamp": 0, "Status": "STARTED"},
        ]);
        let operations: Vec<Operation> = serde_json::from_value(operations).unwrap();
        let expected = [
            "STEP \"flaky\" after 7 attempts until 1970-01-01T00:01:00.000Z",
            "WAIT until 1970-01-01T01:00:00.000Z",
            "CALLBACK \"approval\"",
            "2 more",
        ];
        assert_eq!(open_work(operations.iter()), expected);
        assert_eq!(open_work(operations.iter().skip(6)), ["CALLBACK in \"around\"", "CALLBACK"]);
        assert!(open_work(operations.iter().take(1)).is_empty());
    }
}
