//! Cases at an endpoint: functions that another process serves, in real time.
//!
//! Invariants: all that is known of an execution comes from the API. An execution that a case leaves while it runs is
//! stopped; one that is not over within the limit of a case is not.

use std::{collections::BTreeSet, error::Error, time::Duration};

use durawasm_client::{Access, Client, Endpoint, Followed, Intervals};
use durawasm_core::{
    orchestrator::Run,
    protocol::FunctionName,
    server::{ExecutionView, ScriptedAnswer},
};
use tokio::time::{Instant, sleep_until};

use super::{
    Case, Config, RunnerError,
    place::{Executing, Place, Ran},
    turns::Turns,
};

/// The maximum duration of a case in real time. The longest wait of a case is a minute.
const CASE_LIMIT: Duration = Duration::from_mins(3);

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
    fn execute<'a>(&'a self, case: &'a Case, _: &'a Config) -> Executing<'a> {
        Box::pin(async move {
            // Connections belong to the runtime of a case.
            let client = Client::new(self.endpoint.clone(), self.access.clone())?;
            let function = FunctionName::new(case.id.as_str());
            let arn = match client.start(&function, None, &case.input).await {
                Ok(arn) => arn,
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let mut followed = Followed::new(client.clone(), arn);
            let view = follow(&client, &mut followed, case).await?;
            if view.end.is_none() {
                // It has told what the case asks for, and may have ended meanwhile.
                let _ = client.stop(followed.arn(), None).await;
            }
            let checkpoints = view.checkpoints;
            Ok(Some(Ran { run: Run { view, stall: None, checkpoints }, log: Vec::new() }))
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

/// Follows an execution as far as its case asks for, and answers its callbacks.
async fn follow(
    client: &Client,
    followed: &mut Followed,
    case: &Case,
) -> Result<ExecutionView, Box<dyn Error>> {
    let mut turns = Turns::new(&case.answers);
    let mut next: Option<(_, ScriptedAnswer, Instant)> = None;
    let mut intervals = Intervals::up_to(LONGEST);
    loop {
        let is_over = followed.look().await?;
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
            match client.answer(&id, &answer.answer).await {
                // An answer that comes too late is lost, as in the case.
                Err(error) if !error.is_refused() => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
            continue;
        }
        sleep_until(again).await;
    }
}
