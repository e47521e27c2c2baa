//! Reads an event of a history.
//!
//! Invariants: what the service wrote is taken unchanged; what it may leave out has the value that stands for nothing;
//! a type that this version does not know is left out, not guessed.

use durawasm_core::protocol::{Event, EventType};
use serde_json::{Map, Value, json};

/// Reads an event; `None` for a type that this version does not know.
///
/// # Errors
/// Which event cannot be read, and why.
pub(crate) fn read(event: &Value) -> Result<Option<Event>, String> {
    let id = event.get("EventId").cloned().unwrap_or_default();
    let unreadable = |why: String| format!("event {id} cannot be read: {why}");
    let Some(members) = event.as_object() else { return Err(unreadable("it is no object".to_owned())) };
    let name = members.get("EventType").and_then(Value::as_str).unwrap_or_default();
    let Ok(kind) = serde_json::from_value::<EventType>(json!(name)) else { return Ok(None) };
    let key = format!("{name}Details");
    // Only what belongs to the type: the details of an event are one member of it.
    let other = |member: &String| member.ends_with("Details") && *member != key;
    let mut members: Map<String, Value> = members
        .iter()
        .filter(|(member, _)| !other(member))
        .map(|(member, v)| (member.clone(), v.clone()))
        .collect();
    members.retain(|_, value| !value.is_null());
    let details = members.entry(key).or_insert_with(|| json!({}));
    if let Some(details) = details.as_object_mut() {
        details.retain(|_, value| !value.is_null());
        for (member, value) in optional(kind) {
            details.entry(member).or_insert(value);
        }
    }
    serde_json::from_value(Value::Object(members)).map(Some).map_err(|error| unreadable(error.to_string()))
}

/// The members of an event's details that a service may leave out, and what they are then.
fn optional(kind: EventType) -> Vec<(&'static str, Value)> {
    use EventType as E;
    let nothing = |member| (member, json!({}));
    let no_attempt = || ("RetryDetails", json!({ "CurrentAttempt": 0 }));
    match kind {
        E::ExecutionSucceeded | E::ContextSucceeded | E::ChainedInvokeSucceeded | E::CallbackSucceeded => {
            vec![nothing("Result")]
        }
        E::ExecutionFailed
        | E::ExecutionTimedOut
        | E::ExecutionStopped
        | E::ContextFailed
        | E::ChainedInvokeFailed
        | E::ChainedInvokeTimedOut
        | E::ChainedInvokeStopped
        | E::CallbackFailed
        | E::CallbackTimedOut => vec![nothing("Error")],
        E::StepSucceeded => vec![nothing("Result"), no_attempt()],
        E::StepFailed => vec![nothing("Error"), no_attempt()],
        E::WaitSucceeded => vec![("Duration", json!(0))],
        E::ExecutionStarted => vec![nothing("Input"), ("ExecutionTimeout", json!(0))],
        E::ChainedInvokeStarted => vec![nothing("Input")],
        E::ContextStarted
        | E::WaitStarted
        | E::WaitCancelled
        | E::StepStarted
        | E::CallbackStarted
        | E::InvocationCompleted
        | E::ExecutionPaused
        | E::ExecutionResumed => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use durawasm_core::protocol::EventDetails;

    use super::*;

    fn event(kind: &str, more: &Value) -> Value {
        let mut event = json!({"EventType": kind, "EventId": 4, "EventTimestamp": 1});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    }

    #[test]
    fn what_may_be_left_out_is_nothing() {
        for kind in [
            "ExecutionSucceeded",
            "ExecutionFailed",
            "ExecutionStopped",
            "ContextStarted",
            "ContextSucceeded",
            "ContextFailed",
            "WaitSucceeded",
            "WaitCancelled",
            "StepStarted",
            "StepSucceeded",
            "StepFailed",
            "ChainedInvokeTimedOut",
            "CallbackSucceeded",
            "CallbackTimedOut",
        ] {
            let read = read(&event(kind, &json!({}))).unwrap().unwrap();
            assert_eq!(json!(read.event_type), json!(kind));
            assert_eq!(read.details.event_type(), read.event_type);
        }
        let null = json!({"Name": null, "StepSucceededDetails": {"Result": null}, "WaitStartedDetails": {}});
        let read = read(&event("StepSucceeded", &null)).unwrap().unwrap();
        assert!(matches!(read.details, EventDetails::StepSucceeded(_)) && read.name.is_none());
    }

    #[test]
    fn a_type_to_come_is_left_out_and_what_must_be_there_is_missed() {
        assert_eq!(read(&event("ExecutionMoved", &json!({"ExecutionMovedDetails": {"To": 1}}))), Ok(None));
        let error = read(&event("WaitStarted", &json!({}))).unwrap_err();
        assert!(error.contains("event 4 cannot be read"), "{error}");
        assert!(read(&json!([])).is_err());
    }
}
