//! Polls a job that runs in another system.
//!
//! `wait_for_condition` checks the job, suspends the function, and checks again at growing intervals. The state that a
//! check returns is recorded, and is the input of the next check.
#![forbid(unsafe_code)]

use std::time::Duration;

use durawasm_guest::builders::JitterStrategy;
use durawasm_guest::builders::wait_for_condition::WaitStrategy;
use durawasm_guest::{
    BoxError, DurableContext, OperationErrorKind, TypedError, WaitForConditionErrorKind, durable_execution,
};
use serde::{Deserialize, Serialize};
use tracing::info;

/// The event: a job, and its progress between two checks. (A real job would determine that itself.)
#[derive(Deserialize)]
struct Job {
    id: String,
    percent_a_check: u32,
}

/// The known state of the job. It is passed from check to check, so a check needs no memory of its own.
#[derive(Clone, Serialize, Deserialize)]
struct Progress {
    percent: u32,
    checks: u32,
}

/// The result.
#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Outcome {
    /// The job is done.
    Done { checks: u32 },
    /// The job was not done at the last check.
    GaveUp,
}

#[durable_execution]
async fn poller(job: Job, ctx: DurableContext) -> Result<Outcome, BoxError> {
    // After 10 seconds, then 20, 40, 60, 60 ..., and at most six checks. Jitter, the default, keeps a thousand pollers
    // from checking at the same moment; without it this example is easier to follow.
    let ever_more_rarely = WaitStrategy::builder(|progress: &Progress| progress.percent >= 100)
        .initial_delay(Duration::from_secs(10))
        .backoff_rate(2.0)
        .max_delay(Duration::from_mins(1))
        .jitter(JitterStrategy::None)
        .max_attempts(6)
        .build();
    let start = Progress { percent: 0, checks: 0 };
    let end = ctx
        .wait_for_condition(
            move |_step, known: Progress| {
                let (id, step) = (job.id.clone(), job.percent_a_check);
                async move { ask(&id, &known, step) }
            },
            start,
        )
        .name("job-done")
        .wait_strategy(ever_more_rarely)
        .await;
    match end {
        Ok(progress) => Ok(Outcome::Done { checks: progress.checks }),
        // The strategy's decision to stop has its own kind of error; any other error is a failure.
        Err(error) => match error.kind() {
            OperationErrorKind::WaitForCondition(condition)
                if matches!(condition.kind(), WaitForConditionErrorKind::MaxChecksExceeded(_)) =>
            {
                Ok(Outcome::GaveUp)
            }
            _ => Err(error.into()),
        },
    }
}

/// The simulated check. An error ends the polling, so a check must handle temporary failures itself.
fn ask(job: &str, known: &Progress, step: u32) -> Result<Progress, BoxError> {
    if job.contains("unknown") {
        return Err(TypedError::with_type("UnknownJob", format!("there is no job {job}")).into());
    }
    let progress = Progress { percent: known.percent + step, checks: known.checks + 1 };
    info!(job, percent = progress.percent, "checked");
    Ok(progress)
}
