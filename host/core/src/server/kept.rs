//! What the server keeps for each record, in bytes: what is charged to an execution's budget before it is kept.
//!
//! The sizes are those of the values, with what allocators and tables add to them. `testing/tests/hostile_bytes.rs`
//! measures the memory of a process in which executions exceed the default budget.
//!
//! Invariants: the START of an operation is charged for its end as well, so that no change from outside, such as the end
//! of a wait, needs anything of the budgets but room for a payload.

use std::sync::Arc;

use super::{
    api::{Answer, InvokeOutcome, StartExecution},
    transitions::{Begin, Effect, Transition},
};
use crate::protocol::{ErrorObject, Event, Operation};

/// An event, with its place in the history.
const EVENT: usize = size_of::<Event>() + 64;

/// An operation with the events of its start and its end, its places in the tables of the server, and what an invocation
/// keeps to replay it.
const OPERATION: usize = size_of::<Operation>() + 2 * EVENT + 800;

/// An execution without operations: its tables, its first and last events, and the task that runs it, which is most of
/// it. Measured: 10,000 executions that wait take 11 KiB each, with what their one operation takes.
const EXECUTION: usize = OPERATION + 12 * 1024;

/// An invocation, with its event.
pub(super) const INVOCATION: usize = EVENT + 256;

/// An execution before its first invocation.
pub(super) fn execution(request: &StartExecution) -> usize {
    EXECUTION + request.function_name.len() + request.input.as_ref().map_or(0, String::len)
}

/// An execution that is read from a store. `payloads` are the lengths of the inputs and results, each counted once.
pub(super) fn restored<'a>(
    operations: impl Iterator<Item = &'a Operation>,
    events: usize,
    invocations: usize,
    payloads: usize,
) -> usize {
    let (mut bytes, mut count) = (0, 0);
    for operation in operations {
        count += 1;
        bytes += text(operation.name.as_ref()) + text(operation.sub_type.as_ref());
        bytes += operation.error().map_or(0, error_of);
    }
    // The events of the start and of the end are in the size of an operation.
    let more = events.saturating_sub(2 * count);
    EXECUTION + OPERATION * count + INVOCATION * invocations + EVENT * more + bytes + payloads
}

/// What a handler's update adds.
pub(super) fn transition(transition: &Transition) -> usize {
    match &transition.effect {
        Effect::Begin { name, sub_type, begin, .. } => {
            let begin = match begin {
                Begin::Invoke { function_name, tenant_id, payload } => {
                    EVENT + function_name.len() + text(tenant_id.as_ref()) + text(payload.as_ref())
                }
                // Its id, and two timers.
                Begin::Callback(_) => EVENT,
                Begin::Context | Begin::Step | Begin::Wait { .. } => 0,
            };
            OPERATION + text(name.as_ref()) + text(sub_type.as_ref()) + begin
        }
        Effect::StepRetry { outcome, .. } | Effect::Decide(outcome) => EVENT + outcome_of(outcome),
        Effect::StepSucceed(result) | Effect::ContextSucceed { result, .. } => text(result.as_ref()),
        Effect::StepFail(error) | Effect::ContextFail(error) => error_of(error),
        Effect::StartAttempt => EVENT,
        Effect::CancelWait | Effect::CancelCallback | Effect::CancelInvoke => 0,
    }
}

/// An error: in its operation, in an event, and once more while either is read.
pub(super) fn error_of(error: &ErrorObject) -> usize {
    3 * error.kept()
}

/// The answer to a callback.
pub(super) fn answer(answer: &Answer) -> usize {
    match answer {
        Answer::Success(result) => result.as_ref().map_or(0, String::len),
        Answer::Failure(error) => error_of(error),
        Answer::Heartbeat => 0,
    }
}

/// The outcome of a chained invoke.
pub(super) fn invoke(outcome: &InvokeOutcome) -> usize {
    match outcome {
        InvokeOutcome::Succeeded(result) => result.as_ref().map_or(0, String::len),
        InvokeOutcome::Failed(error) | InvokeOutcome::TimedOut(error) | InvokeOutcome::Stopped(error) => {
            error_of(error)
        }
    }
}

/// A result or an error.
fn outcome_of(outcome: &Result<Option<Arc<str>>, ErrorObject>) -> usize {
    match outcome {
        Ok(result) => text(result.as_ref()),
        Err(error) => error_of(error),
    }
}

fn text(text: Option<&Arc<str>>) -> usize {
    text.map_or(0, |text| text.len())
}
