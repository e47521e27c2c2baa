//! An expense report that a person approves or rejects, with timeouts.
//!
//! The function sends a request and is suspended. For days nothing runs, and only the history is kept. When an answer
//! arrives or a timeout expires, the function runs again from its first line and continues where it waited.
#![forbid(unsafe_code)]

use std::time::Duration;

use durawasm_guest::{
    BoxError, CallbackErrorKind, DurableContext, OperationError, OperationErrorKind, RetryDecision,
    durable_execution,
};
use serde::{Deserialize, Serialize};
use tracing::info;

const DAY: Duration = Duration::from_hours(24);

/// The event: the expense to approve.
#[derive(Deserialize)]
struct Expense {
    id: String,
    cents: u64,
}

/// The answer of the person: the payload that the approval system sends.
#[derive(Serialize, Deserialize)]
struct Decision {
    approved: bool,
    by: String,
}

/// The result: every way in which the workflow can end.
#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Outcome {
    /// The expense was approved.
    Approved { by: String },
    /// The expense was rejected.
    Rejected { by: String },
    /// The approval system reported a failure of its own.
    Failed { why: String },
    /// No answer arrived within three days.
    NobodyAnswered,
    /// The approval system sent no heartbeat for a day, so it has probably lost the request.
    SystemSilent,
}

#[durable_execution]
async fn approval(expense: Expense, ctx: DurableContext) -> Result<Outcome, BoxError> {
    let Expense { id, cents } = expense;
    let answer = ctx
        // A callback, and a step that passes its id to the approval system. The step is recorded like any other, so no
        // replay sends the request again.
        .wait_for_callback::<Decision, _, _>(move |step, callback_id| async move {
            ask(&id, cents, &callback_id, step.attempt())
        })
        .name("decision")
        // The approval system may be unavailable: three attempts, a minute apart.
        .submitter_retry(|_error, attempt| match attempt {
            1..3 => RetryDecision::Retry { delay: Duration::from_mins(1) },
            _ => RetryDecision::Stop,
        })
        // The maximum time until the answer, and the maximum time between two heartbeats.
        .timeout(3 * DAY)
        .heartbeat(DAY)
        .await;
    match answer {
        Ok(Decision { approved: true, by }) => Ok(Outcome::Approved { by }),
        Ok(Decision { approved: false, by }) => Ok(Outcome::Rejected { by }),
        Err(error) => without_answer(error),
    }
}

/// Distinguishes the reasons for a missing answer. Any other error fails the execution.
fn without_answer(error: OperationError) -> Result<Outcome, BoxError> {
    let OperationErrorKind::Callback(callback) = error.kind() else { return Err(error.into()) };
    match callback.kind() {
        CallbackErrorKind::TimedOut { .. } => Ok(Outcome::NobodyAnswered),
        CallbackErrorKind::HeartbeatTimedOut { .. } => Ok(Outcome::SystemSilent),
        CallbackErrorKind::ExternalFailure { .. } => {
            let why = error.wire().and_then(|wire| wire.error_message()).unwrap_or("no reason given");
            Ok(Outcome::Failed { why: why.to_owned() })
        }
        _ => Err(error.into()),
    }
}

/// A simulated approval system. A real one would receive the callback's id in a request, and send it back with the
/// answer.
fn ask(expense: &str, cents: u64, callback_id: &str, attempt: u32) -> Result<(), BoxError> {
    if expense.contains("busy") && attempt == 1 {
        return Err("the approval system is restarting".into());
    }
    info!(expense, cents, callback_id, "decision requested");
    Ok(())
}
