//! Derives the operations and the invocations of an execution from its history.
//!
//! Invariants: a pure function of the events. An operation exists from the first event that names it, in the order of
//! these events, with EXECUTION first; a member that the history does not contain is empty.

use std::{collections::HashMap, sync::Arc};

use durawasm_core::{
    protocol::{
        CallbackDetails, ChainedInvokeDetails, ContextDetails, ErrorObject, Event, EventDetails, EventError,
        EventResult, ExecutionDetails, Operation, OperationId, OperationStatus, OperationType, RetryDetails,
        StepDetails, Timestamp, WaitDetails,
    },
    server::InvocationView,
};

/// The operations of an execution as its history describes them: EXECUTION first, then in the order of their start.
///
/// The history does not contain everything: whether a context replays its children, that a callback or an invoke was
/// cancelled, and that a step's next attempt may begin but has not. Such a context has no `replay_children`, such an
/// operation is STARTED, and such a step is PENDING. Operations of the same millisecond are in the order of their
/// events.
pub fn operations_of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<Arc<Operation>> {
    let mut operations: Vec<Operation> = Vec::new();
    let mut places: HashMap<OperationId, usize> = HashMap::new();
    for event in events {
        let Some(kind) = kind(&event.details) else { continue };
        // The service may omit the id if only one operation is possible.
        let id = event.id.clone().unwrap_or_else(|| OperationId::from("execution"));
        let id = if kind == OperationType::Execution {
            operations.first().filter(|first| first.kind == kind).map_or(id, |first| first.id.clone())
        } else {
            id
        };
        let place = *places.entry(id.clone()).or_insert(operations.len());
        if place == operations.len() {
            operations.push(Operation {
                parent_id: event.parent_id.clone(),
                name: event.name.clone(),
                sub_type: event.sub_type.clone(),
                ..Operation::new(id, kind, event.event_timestamp)
            });
        }
        if let Some(operation) = operations.get_mut(place) {
            apply(operation, event);
        }
    }
    operations.into_iter().map(Arc::new).collect()
}

/// The invocations of an execution that its history describes, in the order of their ends. One that is running is not in
/// the history.
pub fn invocations_of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<InvocationView> {
    let invocation = |event: &Event| {
        let EventDetails::InvocationCompleted(details) = &event.details else { return None };
        Some(InvocationView {
            request_id: details.request_id.clone(),
            start: details.start_timestamp,
            end: Some(details.end_timestamp),
            error: details.error.as_ref().map(|error| error.payload.clone().unwrap_or_default()),
        })
    };
    events.into_iter().filter_map(invocation).collect()
}

/// The type of the operation that an event belongs to; `None` if it belongs to none.
fn kind(details: &EventDetails) -> Option<OperationType> {
    use EventDetails as E;
    Some(match details {
        E::ExecutionStarted(_)
        | E::ExecutionSucceeded { .. }
        | E::ExecutionFailed { .. }
        | E::ExecutionTimedOut { .. }
        | E::ExecutionStopped { .. } => OperationType::Execution,
        E::ContextStarted {} | E::ContextSucceeded { .. } | E::ContextFailed { .. } => OperationType::Context,
        E::WaitStarted(_) | E::WaitSucceeded { .. } | E::WaitCancelled {} => OperationType::Wait,
        E::StepStarted {} | E::StepSucceeded(_) | E::StepFailed(_) => OperationType::Step,
        E::ChainedInvokeStarted(_)
        | E::ChainedInvokeSucceeded { .. }
        | E::ChainedInvokeFailed { .. }
        | E::ChainedInvokeTimedOut { .. }
        | E::ChainedInvokeStopped { .. } => OperationType::ChainedInvoke,
        E::CallbackStarted(_)
        | E::CallbackSucceeded { .. }
        | E::CallbackFailed { .. }
        | E::CallbackTimedOut { .. } => OperationType::Callback,
        E::InvocationCompleted(_) | E::ExecutionPaused(_) | E::ExecutionResumed(_) => return None,
    })
}

fn apply(operation: &mut Operation, event: &Event) {
    use EventDetails as E;
    use OperationStatus::{Cancelled, Failed, Started, Stopped, Succeeded, TimedOut};
    let at = event.event_timestamp;
    match &event.details {
        E::ExecutionStarted(started) => {
            operation.execution_details =
                Some(ExecutionDetails { input_payload: started.input.payload.clone() });
        }
        E::ExecutionFailed { .. } => end(operation, at, Failed),
        E::ExecutionTimedOut { .. } => end(operation, at, TimedOut),
        E::ExecutionStopped { .. } => end(operation, at, Stopped),
        E::ContextStarted {} => operation.context_details = Some(ContextDetails::default()),
        E::ContextSucceeded { result } => end_context(operation, at, Succeeded, outcome(Some(result), None)),
        E::ContextFailed { error } => end_context(operation, at, Failed, outcome(None, Some(error))),
        E::WaitStarted(started) => {
            operation.wait_details =
                Some(WaitDetails { scheduled_end_timestamp: Some(started.scheduled_end_timestamp) });
        }
        E::ExecutionSucceeded { .. } | E::WaitSucceeded { .. } => end(operation, at, Succeeded),
        E::WaitCancelled {} => end(operation, at, Cancelled),
        E::StepStarted {} => {
            operation.status = Started;
            operation.step_details.get_or_insert_default().next_attempt_timestamp = None;
        }
        E::StepSucceeded(closed) => {
            let details = operation.step_details.get_or_insert_default();
            details.result.clone_from(&closed.outcome.result.payload);
            details.error = None;
            end_attempt(operation, at, Succeeded, closed.retry_details);
        }
        E::StepFailed(closed) => {
            let details = operation.step_details.get_or_insert_default();
            details.error.clone_from(&closed.outcome.error.payload);
            if next_attempt(closed.retry_details).is_none() {
                details.result = None;
            }
            end_attempt(operation, at, Failed, closed.retry_details);
        }
        E::ChainedInvokeStarted(_) => {
            operation.chained_invoke_details = Some(ChainedInvokeDetails::default());
        }
        E::ChainedInvokeSucceeded { result } => {
            end_invoke(operation, at, Succeeded, outcome(Some(result), None));
        }
        E::ChainedInvokeFailed { error } => end_invoke(operation, at, Failed, outcome(None, Some(error))),
        E::ChainedInvokeTimedOut { error } => end_invoke(operation, at, TimedOut, outcome(None, Some(error))),
        E::ChainedInvokeStopped { error } => end_invoke(operation, at, Stopped, outcome(None, Some(error))),
        E::CallbackStarted(started) => {
            let callback_id = Some(started.callback_id.clone());
            operation.callback_details = Some(CallbackDetails { callback_id, ..CallbackDetails::default() });
        }
        E::CallbackSucceeded { result } => {
            end_callback(operation, at, Succeeded, outcome(Some(result), None));
        }
        E::CallbackFailed { error } => end_callback(operation, at, Failed, outcome(None, Some(error))),
        E::CallbackTimedOut { error } => end_callback(operation, at, TimedOut, outcome(None, Some(error))),
        E::InvocationCompleted(_) | E::ExecutionPaused(_) | E::ExecutionResumed(_) => {}
    }
}

/// A result, or an error.
type Outcome = (Option<Arc<str>>, Option<ErrorObject>);

fn outcome(result: Option<&EventResult>, error: Option<&EventError>) -> Outcome {
    (result.and_then(|result| result.payload.clone()), error.and_then(|error| error.payload.clone()))
}

fn end(operation: &mut Operation, at: Timestamp, status: OperationStatus) {
    operation.status = status;
    operation.end_timestamp = Some(at);
}

fn end_context(operation: &mut Operation, at: Timestamp, status: OperationStatus, outcome: Outcome) {
    let (result, error) = outcome;
    operation.context_details = Some(ContextDetails { replay_children: false, result, error });
    end(operation, at, status);
}

fn end_invoke(operation: &mut Operation, at: Timestamp, status: OperationStatus, outcome: Outcome) {
    let (result, error) = outcome;
    operation.chained_invoke_details = Some(ChainedInvokeDetails { result, error });
    end(operation, at, status);
}

fn end_callback(operation: &mut Operation, at: Timestamp, status: OperationStatus, outcome: Outcome) {
    let details = operation.callback_details.get_or_insert_default();
    (details.result, details.error) = outcome;
    end(operation, at, status);
}

/// The seconds until the next attempt; `None` if there is none. A delay is at least one second.
fn next_attempt(retry: RetryDetails) -> Option<u64> {
    retry.next_attempt_delay_seconds.filter(|delay| *delay > 0)
}

fn end_attempt(operation: &mut Operation, at: Timestamp, status: OperationStatus, retry: RetryDetails) {
    let details: &mut StepDetails = operation.step_details.get_or_insert_default();
    details.attempt = retry.current_attempt;
    details.next_attempt_timestamp = next_attempt(retry).map(|delay| at.plus_seconds(delay));
    match details.next_attempt_timestamp {
        Some(_) => operation.status = OperationStatus::Pending,
        None => end(operation, at, status),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The operations of these events, given in their wire format.
    fn operations_from(events: &Value) -> Vec<Arc<Operation>> {
        let mut events = events.as_array().unwrap().clone();
        for (place, event) in events.iter_mut().enumerate() {
            event["EventId"] = json!(place + 1);
            event["EventTimestamp"] = json!(1000 + place);
        }
        let events: Vec<Event> = serde_json::from_value(events.into()).unwrap();
        operations_of(&events)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn nothing_is_told_by_no_events() {
        assert!(operations_from(&json!([])).is_empty());
    }

    #[test]
    fn an_execution_and_its_invocations() {
        let start = json!({"EventType": "ExecutionStarted", "Id": "e", "Name": "run-1",
            "ExecutionStartedDetails": {"Input": {"Payload": "7"}, "ExecutionTimeout": 60}});
        let completed = json!({"EventType": "InvocationCompleted", "InvocationCompletedDetails":
            {"StartTimestamp": 1000, "EndTimestamp": 1001, "RequestId": "r"}});
        // The end event has no id: it can only belong to the execution.
        let end = json!({"EventType": "ExecutionTimedOut", "ExecutionTimedOutDetails": {"Error": {}}});
        let operations = operations_from(&json!([start, completed, end]));
        let [execution] = operations.as_slice() else { panic!("{operations:?}") };
        assert_eq!((execution.id.as_str(), execution.name.as_deref()), ("e", Some("run-1")));
        assert_eq!(execution.kind, OperationType::Execution);
        assert_eq!(execution.status, OperationStatus::TimedOut);
        assert_eq!((execution.start_timestamp, execution.end_timestamp), (at(1000), Some(at(1002))));
        assert_eq!(execution.execution_details.as_ref().unwrap().input_payload.as_deref(), Some("7"));
    }

    fn step(event_type: &str, details: &Value) -> Value {
        json!({"EventType": event_type, "SubType": "Step", "Id": "s", "Name": "pay", "ParentId": "p",
            format!("{event_type}Details"): details})
    }

    #[test]
    fn a_step_through_its_attempts() {
        let failed = json!({"Error": {"Payload": {"ErrorType": "Busy"}},
            "RetryDetails": {"CurrentAttempt": 1, "NextAttemptDelaySeconds": 30}});
        let succeeded = json!({"Result": {"Payload": "5"}, "RetryDetails": {"CurrentAttempt": 2}});
        let events = [
            step("StepStarted", &json!({})),
            step("StepFailed", &failed),
            step("StepStarted", &json!({})),
            step("StepSucceeded", &succeeded),
        ];
        let stands = |count: usize| operations_from(&json!(events[..count]))[0].as_ref().clone();
        let pending = stands(2);
        assert_eq!((pending.status, pending.end_timestamp), (OperationStatus::Pending, None));
        let details = pending.step_details.unwrap();
        assert_eq!((details.attempt, details.next_attempt_timestamp), (1, Some(at(1031))));
        assert_eq!(details.error.unwrap().error_type.as_deref(), Some("Busy"));
        let again = stands(3);
        assert_eq!(again.status, OperationStatus::Started);
        assert_eq!(again.step_details.unwrap().next_attempt_timestamp, None);
        let over = stands(4);
        assert_eq!((over.status, over.end_timestamp), (OperationStatus::Succeeded, Some(at(1003))));
        assert_eq!((over.name.as_deref(), over.sub_type.as_deref()), (Some("pay"), Some("Step")));
        assert_eq!(over.parent_id.unwrap().as_str(), "p");
        let details = over.step_details.unwrap();
        assert_eq!((details.attempt, details.result.as_deref(), details.error), (2, Some("5"), None));
    }

    #[test]
    fn a_condition_keeps_its_state_over_a_failed_check() {
        let state = json!({"Result": {"Payload": "\"so far\""},
            "RetryDetails": {"CurrentAttempt": 1, "NextAttemptDelaySeconds": 1}});
        let failed = json!({"Error": {"Payload": {"ErrorType": "Busy"}},
            "RetryDetails": {"CurrentAttempt": 2, "NextAttemptDelaySeconds": 1}});
        let given_up =
            json!({"Error": {"Payload": {"ErrorType": "Busy"}}, "RetryDetails": {"CurrentAttempt": 3}});
        let events = [
            step("StepStarted", &json!({})),
            step("StepSucceeded", &state),
            step("StepFailed", &failed),
            step("StepFailed", &given_up),
        ];
        let result = |count: usize| operations_from(&json!(events[..count]))[0].result().cloned();
        assert_eq!(result(2).as_deref(), Some("\"so far\""));
        assert_eq!(result(3).as_deref(), Some("\"so far\""));
        assert_eq!(result(4), None);
    }

    #[test]
    fn a_callback_keeps_its_id() {
        let event = |event_type: &str, details: &Value| json!({"EventType": event_type, "Id": "c", format!("{event_type}Details"): details});
        let operations = operations_from(&json!([
            event("CallbackStarted", &json!({"CallbackId": "abc", "Timeout": 5})),
            event("CallbackFailed", &json!({"Error": {"Payload": {"ErrorType": "No"}}})),
        ]));
        let details = operations[0].callback_details.as_ref().unwrap();
        assert_eq!(details.callback_id.as_ref().unwrap().as_str(), "abc");
        assert_eq!(details.error.as_ref().unwrap().error_type.as_deref(), Some("No"));
        assert_eq!(operations[0].status, OperationStatus::Failed);
    }

    #[test]
    fn a_wait_ends_or_is_called_off() {
        let event = |id: &str, event_type: &str, details: &Value| json!({"EventType": event_type, "Id": id, format!("{event_type}Details"): details});
        let started = json!({"Duration": 60, "ScheduledEndTimestamp": 1060});
        let operations = operations_from(&json!([
            event("a", "WaitStarted", &started),
            event("b", "WaitStarted", &started),
            event("c", "WaitStarted", &started),
            event("b", "WaitSucceeded", &json!({"Duration": 60})),
            event("a", "WaitCancelled", &json!({})),
        ]));
        let stand = |operation: &Arc<Operation>| {
            let scheduled = operation.wait_details.as_ref().and_then(|d| d.scheduled_end_timestamp);
            assert_eq!(scheduled, Some(at(1060)));
            (operation.id.to_string(), operation.status, operation.end_timestamp)
        };
        assert_eq!(
            operations.iter().map(stand).collect::<Vec<_>>(),
            [
                ("a".to_owned(), OperationStatus::Cancelled, Some(at(1004))),
                ("b".to_owned(), OperationStatus::Succeeded, Some(at(1003))),
                ("c".to_owned(), OperationStatus::Started, None),
            ]
        );
    }

    #[test]
    fn an_invoke_ends_in_each_way() {
        for (event_type, status) in [
            ("ChainedInvokeFailed", OperationStatus::Failed),
            ("ChainedInvokeTimedOut", OperationStatus::TimedOut),
            ("ChainedInvokeStopped", OperationStatus::Stopped),
        ] {
            let operations = operations_from(&json!([
                {"EventType": "ChainedInvokeStarted", "Id": "i", "ChainedInvokeStartedDetails": {"FunctionName": "f", "Input": {}}},
                {"EventType": event_type, "Id": "i", format!("{event_type}Details"): {"Error": {"Payload": {"ErrorType": "No"}}}},
            ]));
            assert_eq!((operations.len(), operations[0].status), (1, status));
            assert_eq!(operations[0].error().unwrap().error_type.as_deref(), Some("No"));
        }
    }

    /// A service that records a start and an end together may report only the end.
    #[test]
    fn an_operation_whose_start_is_not_told() {
        let done = json!({"Result": {"Payload": "1"}, "RetryDetails": {"CurrentAttempt": 1}});
        let operations = operations_from(&json!([step("StepSucceeded", &done)]));
        assert_eq!(operations[0].status, OperationStatus::Succeeded);
        assert_eq!((operations[0].start_timestamp, operations[0].end_timestamp), (at(1000), Some(at(1000))));
    }
}
