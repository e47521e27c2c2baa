//! Compares the history of an execution with the events that a case expects.
//!
//! Invariants: events are matched by `EventId` alone, so a missing or additional event affects all later ones; if the
//! type of an event differs, no other member is compared, and no name takes a value from it.

use durawasm_core::protocol::{Event, EventDetails};
use serde_json::{Map, Value};
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::{
    compare::{Keys, compare, shorten},
    template::{Bindings, text_of},
};

/// An expected event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ExpectedEvent {
    /// The position in the history, counted from 1.
    pub(super) id: u64,
    /// All other keys.
    pub(super) keys: Map<String, Value>,
}

impl ExpectedEvent {
    fn event_type(&self) -> Option<&str> {
        self.keys.get("EventType")?.as_str()
    }
}

/// The history in the service's JSON shape.
pub(super) fn as_json(events: &[std::sync::Arc<Event>]) -> Vec<Value> {
    events.iter().map(|event| serde_json::to_value(&**event).unwrap_or_default()).collect()
}

/// The differences from the expected events, one line each.
pub(super) fn check(expected: &[ExpectedEvent], events: &[Value], bindings: &mut Bindings) -> Vec<String> {
    let mut findings = Vec::new();
    for wanted in expected {
        let id = wanted.id;
        let kind = wanted.event_type().unwrap_or("any type");
        let Some(event) =
            events.iter().find(|event| event.get("EventId").and_then(Value::as_u64) == Some(id))
        else {
            findings
                .push(format!("event {id}: expected {kind}, but the history has {} events", events.len()));
            continue;
        };
        if let Some(expected) = wanted.keys.get("EventType") {
            let differences = compare(expected, event.get("EventType"), Keys::AtLeast, &mut bindings.clone());
            if !differences.is_empty() {
                let found = event.get("EventType").map(text_of).unwrap_or_default();
                findings.push(format!("event {id}: expected {kind}, found {found}"));
                continue;
            }
        }
        let keys = Value::Object(wanted.keys.clone());
        for difference in compare(&keys, Some(event), Keys::AtLeast, bindings) {
            findings.push(format!("event {id} ({kind}): {difference}"));
        }
    }
    findings
}

/// The history as text, one line per event. `-` marks an expected event that is missing, `+` the event in its place;
/// events without an expectation have no mark.
pub(super) fn show(expected: &[ExpectedEvent], events: &[std::sync::Arc<Event>]) -> Vec<String> {
    let found: Vec<String> = events.iter().map(|event| format!("{:?}", event.event_type)).collect();
    let last = expected.iter().map(|event| event.id).max().unwrap_or(0);
    let wanted: Vec<String> = (1..=last.max(events.len() as u64))
        .filter_map(|id| {
            let named = expected.iter().find(|event| event.id == id).and_then(ExpectedEvent::event_type);
            let there = usize::try_from(id - 1).ok().and_then(|at| found.get(at)).map(String::as_str);
            named.or(there).map(str::to_owned)
        })
        .collect();
    let mut lines = Vec::new();
    let there = |mark: char, range: std::ops::Range<usize>, lines: &mut Vec<String>| {
        lines.extend(events.get(range).into_iter().flatten().map(|event| format!("{mark} {}", line(event))));
    };
    let missing = |range: std::ops::Range<usize>, lines: &mut Vec<String>| {
        lines.extend(wanted.get(range).into_iter().flatten().map(|kind| format!("-     {kind}")));
    };
    for op in capture_diff_slices(Algorithm::Myers, &wanted, &found) {
        match op {
            DiffOp::Equal { new_index, len, .. } => there(' ', new_index..new_index + len, &mut lines),
            DiffOp::Delete { old_index, old_len, .. } => missing(old_index..old_index + old_len, &mut lines),
            DiffOp::Insert { new_index, new_len, .. } => {
                there('+', new_index..new_index + new_len, &mut lines);
            }
            DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                missing(old_index..old_index + old_len, &mut lines);
                there('+', new_index..new_index + new_len, &mut lines);
            }
        }
    }
    lines
}

/// One event: its id and type, its operation, and the most useful details.
fn line(event: &Event) -> String {
    let mut line = format!("{:>3} {:?}", event.event_id, event.event_type);
    if let Some(sub_type) = event.sub_type.as_deref().filter(|sub_type| !line.contains(sub_type)) {
        line.push_str(&format!(" {sub_type}"));
    }
    if let Some(name) = event.name.as_deref().filter(|_| !is_of_execution(event)) {
        line.push_str(&format!(" {name:?}"));
    }
    if let Some(id) = event.id.as_ref().filter(|_| !is_of_execution(event)) {
        line.push_str(&format!(" {}", start(id.as_str())));
    }
    if let Some(parent) = &event.parent_id {
        line.push_str(&format!(" in {}", start(parent.as_str())));
    }
    if let Some(details) = details(&event.details) {
        line.push_str(&format!(": {}", shorten(&details, 100)));
    }
    line
}

fn is_of_execution(event: &Event) -> bool {
    use EventDetails as D;
    matches!(
        event.details,
        D::ExecutionStarted(_)
            | D::ExecutionSucceeded { .. }
            | D::ExecutionFailed { .. }
            | D::ExecutionTimedOut { .. }
            | D::ExecutionStopped { .. }
    )
}

/// A prefix of an id that is long enough to distinguish it from others.
fn start(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

fn details(details: &EventDetails) -> Option<String> {
    use EventDetails as D;
    let error = |error: &durawasm_core::protocol::EventError| error.payload.as_ref().map(ToString::to_string);
    let reason = |reason: Option<&durawasm_core::protocol::EventReason>| {
        reason.and_then(|reason| reason.payload.as_deref().map(str::to_owned))
    };
    let retry = |text: Option<String>, retry: &durawasm_core::protocol::RetryDetails| {
        let next = retry.next_attempt_delay_seconds.map(|seconds| format!(", again in {seconds} s"));
        let attempt = format!("attempt {}{}", retry.current_attempt, next.unwrap_or_default());
        Some(text.map_or(attempt.clone(), |text| format!("{attempt}: {text}")))
    };
    match details {
        D::ExecutionStarted(started) => started.input.payload.as_deref().map(str::to_owned),
        D::ExecutionSucceeded { result }
        | D::ContextSucceeded { result }
        | D::ChainedInvokeSucceeded { result }
        | D::CallbackSucceeded { result } => result.payload.as_deref().map(str::to_owned),
        D::ExecutionFailed { error: why }
        | D::ExecutionTimedOut { error: why }
        | D::ExecutionStopped { error: why }
        | D::ContextFailed { error: why }
        | D::ChainedInvokeFailed { error: why }
        | D::ChainedInvokeTimedOut { error: why }
        | D::ChainedInvokeStopped { error: why }
        | D::CallbackFailed { error: why }
        | D::CallbackTimedOut { error: why } => error(why),
        D::WaitStarted(started) => Some(format!("{} s", started.duration)),
        D::WaitSucceeded { duration } => Some(format!("{duration} s")),
        D::StepSucceeded(step) => {
            retry(step.outcome.result.payload.as_deref().map(str::to_owned), &step.retry_details)
        }
        D::StepFailed(step) => retry(error(&step.outcome.error), &step.retry_details),
        D::ChainedInvokeStarted(started) => {
            let payload = started.input.payload.as_deref().unwrap_or_default();
            Some(format!("{} {payload}", started.function_name))
        }
        D::CallbackStarted(started) => {
            let limit =
                |what: &str, seconds: Option<u64>| seconds.map(|seconds| format!("{what} {seconds} s"));
            let limits = [limit("timeout", started.timeout), limit("heartbeat", started.heartbeat_timeout)];
            let limits: Vec<String> = limits.into_iter().flatten().collect();
            (!limits.is_empty()).then(|| limits.join(", "))
        }
        D::ExecutionPaused(paused) => reason(paused.reason.as_ref()),
        D::ExecutionResumed(resumed) => reason(resumed.reason.as_ref()),
        D::InvocationCompleted(completed) => completed.error.as_ref().and_then(error),
        D::ContextStarted {} | D::WaitCancelled {} | D::StepStarted {} => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn events(list: &Value) -> Vec<Arc<Event>> {
        let stamped = |event: &Value| {
            let mut event = event.clone();
            event["EventTimestamp"] = json!(0);
            Arc::new(serde_json::from_value(event).unwrap())
        };
        list.as_array().unwrap().iter().map(stamped).collect()
    }

    fn expected(list: &Value) -> Vec<ExpectedEvent> {
        let event = |event: &Value| {
            let mut keys = event.as_object().unwrap().clone();
            let id = keys.remove("EventId").unwrap().as_u64().unwrap();
            ExpectedEvent { id, keys }
        };
        list.as_array().unwrap().iter().map(event).collect()
    }

    fn two_steps() -> Vec<Arc<Event>> {
        let details = |n: u32| json!({"Result": {"Payload": n.to_string(), "Truncated": false}, "RetryDetails": {"CurrentAttempt": 1}});
        events(&json!([
            {"EventId": 1, "EventType": "StepStarted", "Id": "aaaaaaaaaa", "Name": "one", "SubType": "Step", "StepStartedDetails": {}},
            {"EventId": 2, "EventType": "StepSucceeded", "Id": "aaaaaaaaaa", "Name": "one", "SubType": "Step", "StepSucceededDetails": details(1)},
            {"EventId": 3, "EventType": "StepStarted", "Id": "b", "ParentId": "c", "SubType": "Step", "StepStartedDetails": {}},
            {"EventId": 4, "EventType": "StepSucceeded", "Id": "b", "ParentId": "c", "SubType": "Step", "StepSucceededDetails": details(2)},
        ]))
    }

    fn findings(list: &Value) -> Vec<String> {
        check(&expected(list), &as_json(&two_steps()), &mut Bindings::default())
    }

    #[test]
    fn events_are_found_by_their_ids_and_names_hold_across_them() {
        let wanted = |last: &str| {
            json!([
                {"EventId": 1, "EventType": "StepStarted", "Id": "${ID1}", "StepStartedDetails": {}, "EventTimestamp": "*"},
                {"EventId": 2, "EventType": "StepSucceeded", "Id": "${ID1}", "StepSucceededDetails": {"Result": {"Payload": "1"}}},
                {"EventId": 4, "EventType": "StepSucceeded", "Id": last},
            ])
        };
        assert_eq!(findings(&wanted("${ID2}")), [""; 0]);
        assert_eq!(
            findings(&wanted("${ID1}")),
            [r#"event 4 (StepSucceeded): Id: expected "aaaaaaaaaa", found "b""#]
        );
    }

    #[test]
    fn another_type_binds_nothing_and_what_is_beyond_the_end_is_missing() {
        let wanted = json!([
            {"EventId": 1, "EventType": "WaitStarted", "Id": "${ID}", "WaitStartedDetails": {}},
            {"EventId": 3, "EventType": "StepStarted", "Id": "${ID}", "Name": "*"},
            {"EventId": 9, "EventType": "StepSucceeded", "Id": "${ID}"},
        ]);
        assert_eq!(
            findings(&wanted),
            [
                "event 1: expected WaitStarted, found StepStarted",
                "event 3 (StepStarted): Name: expected any value, found nothing",
                "event 9: expected StepSucceeded, but the history has 4 events",
            ]
        );
    }

    #[test]
    fn the_history_for_people_marks_what_is_missing_and_what_is_there_instead() {
        let wanted = expected(&json!([
            {"EventId": 1, "EventType": "StepStarted"},
            {"EventId": 2, "EventType": "StepFailed"},
            {"EventId": 3, "EventType": "StepStarted"},
            {"EventId": 5, "EventType": "InvocationCompleted"},
        ]));
        assert_eq!(
            show(&wanted, &two_steps()),
            [
                r#"    1 StepStarted "one" aaaaaaaa"#,
                "-     StepFailed",
                r#"+   2 StepSucceeded "one" aaaaaaaa: attempt 1: 1"#,
                "    3 StepStarted b in c",
                "    4 StepSucceeded b in c: attempt 1: 2",
                "-     InvocationCompleted",
            ]
        );
    }
}
