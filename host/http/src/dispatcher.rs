//! Runs the executions that can go on.
//!
//! Invariants:
//! - each runs in a task of its own, so it does not depend on the request that started it;
//! - one that could not be run, because the store is full for example, is tried again;
//! - when the future is dropped, no further execution begins to run.

use std::{sync::Arc, time::Duration};

use durawasm_core::{
    ambient::Actor,
    orchestrator::{CODE_RETRY_SECONDS, Progress, RunError},
    protocol::ServiceError,
    server::{Attendance, Dispatched},
};
use tokio::time::sleep;
use tracing::{Instrument as _, info, info_span, warn};

use super::{api::Api, bounds::AFTER_FAILURE, failures::Failure};

/// How many executions are taken at once.
const TAKEN: usize = 64;

/// Runs executions until the server is lost.
pub(crate) async fn dispatch(api: Arc<Api>) {
    let clock = api.environment.clock().clone();
    // While it is active, virtual time does not advance.
    let _actor = clock.actor();
    loop {
        let Dispatched { ready, ended, next, news } = match api.server().take_ready(TAKEN).await {
            Ok(dispatched) => dispatched,
            Err(ServiceError::Unavailable(_)) => return,
            Err(_) => {
                sleep(AFTER_FAILURE).await;
                continue;
            }
        };
        for arn in &ended {
            api.environment.over(arn);
        }
        let waits = ready.is_empty();
        for attendance in ready {
            let api = api.clone();
            let actor = clock.actor();
            let span = info_span!("execution", arn = attendance.arn().as_str());
            tokio::spawn(async move { run(&api, attendance, actor).await }.instrument(span));
        }
        if waits {
            tokio::select! {
                _ = news.news() => {}
                () = clock.sleep(next) => {}
            }
        }
    }
}

async fn run(api: &Api, attendance: Attendance, actor: Actor) {
    let _counted = api.options.metrics.at_work();
    let arn = attendance.arn();
    let error = match api.environment.run_attendance(&attendance, actor).await {
        Ok(Progress::Ended) => return info!("the execution has ended"),
        Ok(Progress::Waits) => return info!("the execution waits"),
        Err(error) => error,
    };
    warn!(%error, "the execution cannot continue");
    api.report(Failure::Execution { arn, error: &error });
    match error {
        // Nothing else could run it.
        RunError::Function(_) => attendance.shelve(),
        RunError::Code(_) => sleep(Duration::from_secs(CODE_RETRY_SECONDS)).await,
        RunError::Service(_) => sleep(AFTER_FAILURE).await,
    }
}
