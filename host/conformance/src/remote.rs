//! Cases at an endpoint: functions that another process serves, in real time.
//!
//! Invariants: all that is known of an execution comes from the API. An execution that a case leaves while it runs is
//! stopped, whether the case has seen enough, has failed, or has taken too long. A request that fails in passing is
//! repeated, and no repetition does anything twice.

use std::{collections::BTreeSet, error::Error, time::Duration};

use durawasm_client::{Access, Client, Endpoint, Followed, Intervals, repeated};
use durawasm_core::{
    ambient::{Entropy, OsEntropy},
    orchestrator::Run,
    protocol::{ExecutionArn, FunctionName},
    server::{ExecutionView, ScriptedAnswer},
};
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    Case, Config, RunnerError,
    place::{Executed, Executing, Place, Ran},
    turns::Turns,
};

/// The maximum duration of a case in real time. The longest wait of a case is a minute.
const CASE_LIMIT: Duration = Duration::from_mins(3);

/// The time to stop an execution that is left.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The cases that run at once: they wait for most of their time.
const AT_ONCE: usize = 16;

/// The longest time between two looks at an execution.
const LONGEST: Duration = Duration::from_millis(500);

/// The endpoint that serves the handlers, each as a function of its name.
pub(super) struct Remote {
    pub(super) endpoint: Endpoint,
    pub(super) access: Access,
}

impl Place for Remote {
    fn execute<'a>(&'a self, case: &'a Case, _: &'a Config, limit: Duration) -> Executing<'a> {
        Box::pin(async move {
            // Connections belong to the runtime of a case.
            let client = Client::new(self.endpoint.clone(), self.access.clone())?;
            let mut running = None;
            let executed = timeout(limit, run(&client, case, &mut running)).await;
            if let Some(arn) = running {
                stop(&client, &arn).await;
            }
            executed.unwrap_or(Ok(Executed::Late))
        })
    }

    fn name(&self) -> String {
        self.endpoint.to_string()
    }

    fn tells_log(&self) -> bool {
        false
    }

    fn handlers(&self) -> Result<Option<BTreeSet<String>>, RunnerError> {
        Ok(None)
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn case_limit(&self) -> Duration {
        CASE_LIMIT
    }
}

/// Runs the execution of a case as far as the case asks for. From its start until its end is seen, it is `running`.
async fn run(
    client: &Client,
    case: &Case,
    running: &mut Option<ExecutionArn>,
) -> Result<Executed, Box<dyn Error>> {
    let function = FunctionName::new(case.id.as_str());
    let name = execution_name();
    let arn = match repeated(async || client.start(&function, Some(&name), &case.input).await).await {
        Ok(arn) => arn,
        Err(error) if error.is_not_found() => return Ok(Executed::NoHandler),
        Err(error) => return Err(error.into()),
    };
    *running = Some(arn.clone());
    let view = follow(client, arn, case).await?;
    if view.end.is_some() {
        *running = None;
    }
    let checkpoints = view.checkpoints;
    Ok(Executed::Ran(Box::new(Ran { run: Run { view, stall: None, checkpoints }, log: Vec::new() })))
}

/// Follows an execution as far as its case asks for, and answers its callbacks.
async fn follow(client: &Client, arn: ExecutionArn, case: &Case) -> Result<ExecutionView, Box<dyn Error>> {
    let mut followed = Followed::new(client.clone(), arn);
    let mut turns = Turns::new(&case.answers);
    let mut next: Option<(_, ScriptedAnswer, Instant)> = None;
    let mut intervals = Intervals::up_to(LONGEST);
    loop {
        let is_over = repeated(async || followed.look().await).await?;
        let view = followed.view().ok_or("the endpoint tells nothing of it")?;
        let is_seen = case.seen_after().is_some_and(|last| view.events.len() as u64 >= last);
        if is_over || is_seen {
            return Ok(view);
        }
        if next.is_none() {
            let turn = turns.next(view.operations.iter().map(|operation| &**operation));
            next = turn.map(|(id, answer)| {
                let due = Instant::now() + answer.after;
                (id, answer, due)
            });
        }
        let again = Instant::now() + intervals.next().unwrap_or(LONGEST);
        if let Some((id, answer, due)) = next.take_if(|(.., due)| *due <= again) {
            sleep_until(due).await;
            match repeated(async || client.answer(&id, &answer.answer).await).await {
                // An answer that comes too late is lost, as in the case.
                Err(error) if !error.is_refused() => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
            continue;
        }
        sleep_until(again).await;
    }
}

/// Stops an execution that nothing follows any more. It may have ended meanwhile; where the endpoint does not answer,
/// it stays as it is.
async fn stop(client: &Client, arn: &ExecutionArn) {
    let _ = timeout(STOP_LIMIT, repeated(async || client.stop(arn, None).await)).await;
}

/// A name for an execution that no other one has: starts under one name are one execution, however often they are sent.
fn execution_name() -> String {
    let mut bytes = [0; 16];
    OsEntropy.fill(&mut bytes);
    format!("conformance-{:032x}", u128::from_be_bytes(bytes))
}
