//! Waits for the end of an execution: `durawasm execution wait`, and `start --wait`.
//!
//! Invariants: a timeout counts from the beginning of the command, so it also ends the search for the execution that is
//! meant; an interrupt does as well.

use std::{future::Future, pin::pin, time::Duration};

use anyhow::anyhow;
use durawasm_client::{Client, ClientError, Followed};
use durawasm_core::protocol::{ExecutionArn, ExecutionStatus};
use durawasm_report::duration;

use super::{
    endpoint::failed,
    show::{print_followed, say_report},
};
use crate::{
    exit::{Exit, Failure, OrExit},
    terminal::Interrupts,
};

/// How the waiting ended.
enum Waited {
    Ended(Result<(), ClientError>),
    Late(Duration),
    Interrupted,
}

/// Waits for the execution that `found` gives, and prints the result as `run` does. `named` is how the command line
/// names it. `timeout` is the time for both.
pub(crate) async fn wait(
    client: &Client,
    named: &str,
    found: impl Future<Output = Result<ExecutionArn, Failure>>,
    timeout: Option<Duration>,
    json: bool,
) -> Result<Exit, Failure> {
    let interrupts = Interrupts::listen().or_exit(Exit::Host)?;
    let mut late = pin!(async {
        match timeout {
            Some(timeout) => {
                tokio::time::sleep(timeout).await;
                timeout
            }
            None => std::future::pending().await,
        }
    });
    let goes_on = "if there is such an execution, it goes on";
    let arn = tokio::select! {
        biased;
        () = interrupts.first() => {
            let error = anyhow!("interrupted before {named} was found; {goes_on}");
            return Err(Failure { exit: Exit::Interrupted, error });
        }
        arn = found => arn?,
        timeout = &mut late => {
            let (timeout, endpoint) = (duration(timeout), client.endpoint());
            let error = anyhow!("{endpoint} did not tell within {timeout} which execution {named} is; {goes_on}");
            return Err(Failure { exit: Exit::NotOver, error });
        }
    };
    let mut followed = Followed::new(client.clone(), arn);
    let waited = tokio::select! {
        biased;
        () = interrupts.first() => Waited::Interrupted,
        ended = followed.to_the_end() => Waited::Ended(ended),
        timeout = late => Waited::Late(timeout),
    };
    let arn = followed.arn();
    let again = format!("it goes on, and `durawasm execution wait '{arn}'` waits for it again");
    match waited {
        Waited::Ended(ended) => ended.map_err(failed)?,
        Waited::Late(timeout) => {
            let status = followed.execution().map_or("not known", |execution| execution.status.as_str());
            let error = anyhow!("{arn} had not ended after {}, and is {status}: {again}", duration(timeout));
            return Err(Failure { exit: Exit::NotOver, error });
        }
        Waited::Interrupted => {
            return Err(Failure { exit: Exit::Interrupted, error: anyhow!("interrupted: {again}") });
        }
    }
    if json {
        say_report(&followed)?;
    } else {
        print_followed(&followed);
    }
    let status = followed.execution().and_then(|execution| execution.status.end());
    Ok(if status == Some(ExecutionStatus::Succeeded) { Exit::Done } else { Exit::Failed })
}
