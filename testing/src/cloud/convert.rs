//! Conversion between the types of the AWS client and those of durawasm.
//!
//! Invariants: values of the service are converted unchanged; values that this version does not know are omitted, not
//! guessed.

use std::sync::Arc;

use aws_sdk_lambda::{
    operation::get_durable_execution::GetDurableExecutionOutput, primitives::DateTime, types as sdk,
};
use durawasm_core::protocol::{
    CallbackStartedDetails, ChainedInvokeStartedDetails, ErrorObject, Event, EventDetails, EventError,
    EventInput, EventResult, EventType, ExecutionStartedDetails, ExecutionStatus, InvocationCompletedDetails,
    RetryDetails, StepClosedDetails, StepError, StepResult, Timestamp, WaitStartedDetails,
};

use crate::TestError;

/// The status of an execution as the service reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) status: ExecutionStatus,
    pub(super) input: Option<Arc<str>>,
    pub(super) result: Option<Arc<str>>,
    pub(super) error: Option<ErrorObject>,
    pub(super) start: Timestamp,
    pub(super) end: Option<Timestamp>,
}

/// Converts the response to `GetDurableExecution`.
pub(super) fn standing(answer: GetDurableExecutionOutput) -> Result<Standing, TestError> {
    let status = match answer.status.as_str() {
        "SUCCEEDED" => ExecutionStatus::Succeeded,
        "FAILED" => ExecutionStatus::Failed,
        "TIMED_OUT" => ExecutionStatus::TimedOut,
        "STOPPED" => ExecutionStatus::Stopped,
        // For this runner, a paused execution is one that has not ended.
        "RUNNING" | "PAUSING" | "PAUSED" => ExecutionStatus::Running,
        other => {
            let arn = &answer.durable_execution_arn;
            return Err(TestError::AwsError(format!(
                "execution {arn} is {other}: it has no end to wait for"
            )));
        }
    };
    Ok(Standing {
        status,
        input: answer.input_payload.map(Into::into),
        result: answer.result.map(Into::into),
        error: answer.error.map(error_object),
        start: timestamp(answer.start_timestamp),
        end: answer.end_timestamp.map(timestamp),
    })
}

/// Converts an event of the history; `None` for an event type that this version does not know.
pub(super) fn event(event: sdk::Event) -> Result<Option<Event>, TestError> {
    let id = u64::try_from(event.event_id).unwrap_or(0);
    let Some(at) = event.event_timestamp else { return missing(id, "EventTimestamp") };
    let (sub_type, operation, name, parent) =
        (event.sub_type.clone(), event.id.clone(), event.name.clone(), event.parent_id.clone());
    let Some(details) = details(id, event)? else { return Ok(None) };
    Ok(Some(Event {
        event_type: details.event_type(),
        sub_type: sub_type.map(Into::into),
        event_id: id,
        id: operation.map(Into::into),
        name: name.map(Into::into),
        event_timestamp: timestamp(at),
        parent_id: parent.map(Into::into),
        details,
    }))
}

fn missing<T>(event: u64, what: &str) -> Result<T, TestError> {
    Err(TestError::AwsError(format!(
        "the history cannot be read: event {event} has no {what}. What answers is not the AWS Lambda API of this version"
    )))
}

fn details(id: u64, event: sdk::Event) -> Result<Option<EventDetails>, TestError> {
    use EventDetails as E;
    let Some(event_type) = event.event_type.as_ref().and_then(known) else { return Ok(None) };
    // The service may omit details that have no required member.
    Ok(Some(match event_type {
        EventType::ExecutionStarted => {
            let Some(d) = event.execution_started_details else { return missing(id, "details") };
            let (input, execution_timeout) = (input(d.input), seconds(d.execution_timeout));
            E::ExecutionStarted(ExecutionStartedDetails { input, execution_timeout })
        }
        EventType::ExecutionSucceeded => {
            E::ExecutionSucceeded { result: result(event.execution_succeeded_details.and_then(|d| d.result)) }
        }
        EventType::ExecutionFailed => {
            E::ExecutionFailed { error: error(event.execution_failed_details.and_then(|d| d.error)) }
        }
        EventType::ExecutionTimedOut => {
            E::ExecutionTimedOut { error: error(event.execution_timed_out_details.and_then(|d| d.error)) }
        }
        EventType::ExecutionStopped => {
            E::ExecutionStopped { error: error(event.execution_stopped_details.and_then(|d| d.error)) }
        }
        EventType::ContextStarted => E::ContextStarted {},
        EventType::ContextSucceeded => {
            E::ContextSucceeded { result: result(event.context_succeeded_details.and_then(|d| d.result)) }
        }
        EventType::ContextFailed => {
            E::ContextFailed { error: error(event.context_failed_details.and_then(|d| d.error)) }
        }
        EventType::WaitStarted => {
            let Some(d) = event.wait_started_details else { return missing(id, "details") };
            let (duration, end) = (seconds(d.duration), timestamp(d.scheduled_end_timestamp));
            E::WaitStarted(WaitStartedDetails { duration, scheduled_end_timestamp: end })
        }
        EventType::WaitSucceeded => {
            let duration = event.wait_succeeded_details.and_then(|d| d.duration);
            E::WaitSucceeded { duration: duration.map_or(0, seconds) }
        }
        EventType::WaitCancelled => E::WaitCancelled {},
        EventType::StepStarted => E::StepStarted {},
        EventType::StepSucceeded => {
            let (outcome, details) =
                event.step_succeeded_details.map(|d| (d.result, d.retry_details)).unzip();
            let outcome = StepResult { result: result(outcome.flatten()) };
            E::StepSucceeded(StepClosedDetails { outcome, retry_details: retry(details.flatten()) })
        }
        EventType::StepFailed => {
            let (outcome, details) = event.step_failed_details.map(|d| (d.error, d.retry_details)).unzip();
            let outcome = StepError { error: error(outcome.flatten()) };
            E::StepFailed(StepClosedDetails { outcome, retry_details: retry(details.flatten()) })
        }
        EventType::ChainedInvokeStarted => {
            let Some(d) = event.chained_invoke_started_details else { return missing(id, "details") };
            E::ChainedInvokeStarted(ChainedInvokeStartedDetails {
                function_name: d.function_name.into(),
                tenant_id: d.tenant_id.map(Into::into),
                input: input(d.input),
                executed_version: d.executed_version.map(Into::into),
                durable_execution_arn: d.durable_execution_arn.map(Into::into),
            })
        }
        EventType::ChainedInvokeSucceeded => E::ChainedInvokeSucceeded {
            result: result(event.chained_invoke_succeeded_details.and_then(|d| d.result)),
        },
        EventType::ChainedInvokeFailed => {
            E::ChainedInvokeFailed { error: error(event.chained_invoke_failed_details.and_then(|d| d.error)) }
        }
        EventType::ChainedInvokeTimedOut => E::ChainedInvokeTimedOut {
            error: error(event.chained_invoke_timed_out_details.and_then(|d| d.error)),
        },
        EventType::ChainedInvokeStopped => E::ChainedInvokeStopped {
            error: error(event.chained_invoke_stopped_details.and_then(|d| d.error)),
        },
        EventType::CallbackStarted => {
            let Some(d) = event.callback_started_details else { return missing(id, "details") };
            E::CallbackStarted(CallbackStartedDetails {
                callback_id: d.callback_id.into(),
                heartbeat_timeout: d.heartbeat_timeout.map(seconds),
                timeout: d.timeout.map(seconds),
            })
        }
        EventType::CallbackSucceeded => {
            E::CallbackSucceeded { result: result(event.callback_succeeded_details.and_then(|d| d.result)) }
        }
        EventType::CallbackFailed => {
            E::CallbackFailed { error: error(event.callback_failed_details.and_then(|d| d.error)) }
        }
        EventType::CallbackTimedOut => {
            E::CallbackTimedOut { error: error(event.callback_timed_out_details.and_then(|d| d.error)) }
        }
        // The client has no details of these.
        EventType::ExecutionPaused | EventType::ExecutionResumed => return Ok(None),
        EventType::InvocationCompleted => {
            let Some(d) = event.invocation_completed_details else { return missing(id, "details") };
            E::InvocationCompleted(InvocationCompletedDetails {
                start_timestamp: timestamp(d.start_timestamp),
                end_timestamp: timestamp(d.end_timestamp),
                request_id: d.request_id.into(),
                error: d.error.map(|cause| error(Some(cause))),
            })
        }
    }))
}

/// The corresponding event type. The names are equal; a name without a counterpart is new.
fn known(event_type: &sdk::EventType) -> Option<EventType> {
    serde_json::from_value(event_type.as_str().into()).ok()
}

/// Rounds to the nearest millisecond: a time is a floating-point number on the wire, so the client's may be off by less
/// than that.
fn timestamp(time: DateTime) -> Timestamp {
    let millis = i64::from(time.subsec_nanos().saturating_add(500_000) / 1_000_000);
    Timestamp::from_millis(time.secs().saturating_mul(1000).saturating_add(millis))
}

fn seconds(count: i32) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

fn input(input: Option<sdk::EventInput>) -> EventInput {
    input.map_or_else(EventInput::default, |input| EventInput {
        payload: input.payload.map(Into::into),
        truncated: input.truncated.unwrap_or(false),
    })
}

fn result(result: Option<sdk::EventResult>) -> EventResult {
    result.map_or_else(EventResult::default, |result| EventResult {
        payload: result.payload.map(Into::into),
        truncated: result.truncated.unwrap_or(false),
    })
}

fn error(error: Option<sdk::EventError>) -> EventError {
    error.map_or_else(EventError::default, |error| EventError {
        payload: error.payload.map(error_object),
        truncated: error.truncated.unwrap_or(false),
    })
}

fn retry(details: Option<sdk::RetryDetails>) -> RetryDetails {
    let (attempt, delay) = details.map_or((0, None), |d| (d.current_attempt, d.next_attempt_delay_seconds));
    RetryDetails {
        current_attempt: u32::try_from(attempt).unwrap_or(0),
        next_attempt_delay_seconds: delay.map(seconds),
    }
}

fn error_object(error: sdk::ErrorObject) -> ErrorObject {
    ErrorObject {
        error_message: error.error_message,
        error_type: error.error_type,
        error_data: error.error_data,
        stack_trace: error.stack_trace.unwrap_or_default(),
    }
}

/// Converts an error for the client.
pub(super) fn to_sdk(error: ErrorObject) -> sdk::ErrorObject {
    sdk::ErrorObject::builder()
        .set_error_message(error.error_message)
        .set_error_type(error.error_type)
        .set_error_data(error.error_data)
        .set_stack_trace((!error.stack_trace.is_empty()).then_some(error.stack_trace))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_to_the_millisecond() {
        for millis in [0, 1, 999, 1_735_689_600_001, 1_735_689_600_999, 1_735_689_612_345] {
            let sent = serde_json::to_value(Timestamp::from_millis(millis)).unwrap().as_f64().unwrap();
            assert_eq!(timestamp(DateTime::from_secs_f64(sent)).as_millis(), millis);
        }
    }

    #[test]
    fn events_of_types_to_come_are_left_out() {
        let time = DateTime::from_secs(1);
        let paused = sdk::Event::builder().event_type("ExecutionPaused".into()).event_timestamp(time).build();
        assert_eq!(event(paused).unwrap(), None);
    }

    #[test]
    fn what_must_be_there_is_missed() {
        let started = sdk::Event::builder().event_id(4).event_type(sdk::EventType::WaitStarted);
        let error = event(started.clone().build()).unwrap_err().to_string();
        assert!(error.contains("event 4 has no EventTimestamp"), "{error}");
        let error = event(started.event_timestamp(DateTime::from_secs(1)).build()).unwrap_err().to_string();
        assert!(error.contains("event 4 has no details"), "{error}");
    }
}
