//! A person decides about an expense, or nobody does.
//!
//! The function asks, and is gone. For days nothing runs and nothing is kept but the history. Then an answer arrives,
//! or time is up, and the function runs again from its first line, to the line where it was.
#![forbid(unsafe_code)]

use std::time::Duration;

use durawasm_guest::{
    BoxError, CallbackErrorKind, DurableContext, OperationError, OperationErrorKind, RetryDecision,
    durable_execution,
};
use serde::{Deserialize, Serialize};
use tracing::info;

const DAY: Duration = Duration::from_hours(24);

/// The event: what to decide about.
#[derive(Deserialize)]
struct Expense {
    id: String,
    cents: u64,
}

/// What the person answers: the payload that the approval system sends.
#[derive(Serialize, Deserialize)]
struct Decision {
    approved: bool,
    by: String,
}

/// The result: each way that this can end.
#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Outcome {
    /// Somebody said yes.
    Approved { by: String },
    /// Somebody said no.
    Rejected { by: String },
    /// The approval system reported a failure of its own.
    Failed { why: String },
    /// Nobody said anything for three days.
    NobodyAnswered,
    /// The approval system was silent for a day, so it has probably lost the request.
    SystemSilent,
}

#[durable_execution]
async fn approval(expense: Expense, ctx: DurableContext) -> Result<Outcome, BoxError> {
    let Expense { id, cents } = expense;
    let answer = ctx
        // A callback, and a step that hands its id to whoever is to answer. The body is run once and recorded, as a
        // step's is: no replay asks twice.
        .wait_for_callback::<Decision, _, _>(move |step, callback_id| async move {
            ask(&id, cents, &callback_id, step.attempt())
        })
        .name("decision")
        // The approval system may be down when it is asked: three attempts, a minute apart.
        .submitter_retry(|_error, attempt| match attempt {
            1..3 => RetryDecision::Retry { delay: Duration::from_mins(1) },
            _ => RetryDecision::Stop,
        })
        // How long the answer may take in all, and how long the other side may give no sign of life.
        .timeout(3 * DAY)
        .heartbeat(DAY)
        .await;
    match answer {
        Ok(Decision { approved: true, by }) => Ok(Outcome::Approved { by }),
        Ok(Decision { approved: false, by }) => Ok(Outcome::Rejected { by }),
        Err(error) => without_answer(error),
    }
}

/// Tells the ways apart in which no answer came. What is none of them fails the execution.
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

/// The approval system, pretended. A real one would get the callback's id in a request, and send it back with the
/// answer.
fn ask(expense: &str, cents: u64, callback_id: &str, attempt: u32) -> Result<(), BoxError> {
    if expense.contains("busy") && attempt == 1 {
        return Err("the approval system is restarting".into());
    }
    info!(expense, cents, callback_id, "decision requested");
    Ok(())
}
