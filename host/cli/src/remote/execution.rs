//! `durawasm execution`

use std::{future::ready, time::Duration};

use clap::Subcommand;
use durawasm_client::Client;
use durawasm_core::{
    parse_duration,
    protocol::{ExecutionArn, FunctionName, Timestamp, check_execution_name},
};
use serde::Serialize;

use super::{
    endpoint::{EndpointArgs, failed, send},
    error_args::ErrorArgs,
    find::Which,
    list::{ListArgs, list},
    show::{get, history},
    wait::wait,
};
use crate::{
    event,
    exit::{Exit, Failure, OrExit},
    output::{say, say_json},
};

const EXAMPLES: &str = "Examples:
  durawasm execution start order --event '{\"id\":\"o-1\"}' --name o-1
  durawasm execution list order --status RUNNING,PAUSED --since 2h
  durawasm execution history order/o-1     its operations, and the ids of callbacks that are open
  durawasm execution wait -f order o-1 --timeout 10m
  durawasm execution stop order/o-1 --error-type Cancelled --error-message 'the customer called'

Requests are signed with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION of the environment.
Without these, only an endpoint on this machine is asked.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start an execution of a function, and print its ARN
    Start(StartArgs),
    /// List executions of a function, the latest first
    List(ListArgs),
    /// Show the state of an execution: status, times, input, result or error
    Get(Which),
    /// Show the operations of an execution; with --json, its events
    History(Which),
    /// Wait for the end of an execution, and print its result
    Wait {
        #[command(flatten)]
        which: Which,
        /// How long to wait, from the start of the command on [default: to the end]
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        timeout: Option<Duration>,
    },
    /// Stop an execution: it ends as STOPPED
    Stop {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        error: ErrorArgs,
    },
    /// Delete an execution and its history
    Delete(Which),
    /// Pause an execution: it starts no invocation until it is resumed
    Pause {
        #[command(flatten)]
        which: Which,
        /// Why; it is recorded in the history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Do not pause the execution timeout
        #[arg(long)]
        keep_timeout: bool,
    },
    /// Resume an execution that is paused
    Resume {
        #[command(flatten)]
        which: Which,
        /// Why; it is recorded in the history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct StartArgs {
    /// The function: its name, `NAME:QUALIFIER`, or its ARN; without a qualifier, `$LATEST` is started
    function: String,
    /// The event: a file, JSON, or - for standard input
    #[arg(long, short, value_name = "FILE|JSON|-", default_value = "null", hide_default_value = true)]
    event: String,
    /// The execution's name: 1 to 64 of A-Z a-z 0-9 - _. An execution that has it, and the same event, is not started
    /// again
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Wait for the end of the execution, and print its result
    #[arg(long)]
    wait: bool,
}

pub(crate) fn execution(args: &Args) -> Result<Exit, Failure> {
    let client = args.endpoint.client()?;
    send(execute(&client, &args.action, args.endpoint.json))
}

async fn execute(client: &Client, action: &Action, json: bool) -> Result<Exit, Failure> {
    match action {
        Action::Start(args) => start(client, args, json).await,
        Action::List(args) => list(client, args, json).await,
        Action::Get(which) => get(client, &which.find(client).await?, json).await,
        Action::History(which) => history(client, which.find(client).await?, json).await,
        Action::Wait { which, timeout } => {
            wait(client, which.text(), which.find(client), *timeout, json).await
        }
        Action::Stop { which, error } => {
            let arn = which.find(client).await?;
            let end = client.stop(&arn, error.error().as_ref()).await.map_err(failed)?;
            done(&arn, "stopped", end, json)
        }
        Action::Delete(which) => {
            let arn = which.find(client).await?;
            client.delete(&arn).await.map_err(failed)?;
            done(&arn, "deleted", None, json)
        }
        Action::Pause { which, reason, keep_timeout } => {
            let arn = which.find(client).await?;
            client.pause(&arn, reason.as_deref(), *keep_timeout).await.map_err(failed)?;
            done(&arn, "paused", None, json)
        }
        Action::Resume { which, reason } => {
            let arn = which.find(client).await?;
            client.resume(&arn, reason.as_deref()).await.map_err(failed)?;
            done(&arn, "resumed", None, json)
        }
    }
}

async fn start(client: &Client, args: &StartArgs, json: bool) -> Result<Exit, Failure> {
    if let Some(name) = &args.name {
        check_execution_name(name).or_exit(Exit::Usage)?;
    }
    let event = event::read(&args.event, std::io::stdin().lock()).or_exit(Exit::Usage)?;
    let function = FunctionName::new(&*args.function);
    let arn = client.start(&function, args.name.as_deref(), &event).await.map_err(failed)?;
    // With --wait and --json, the one value is the report.
    match (json, args.wait) {
        (true, true) => {}
        (true, false) => say_json(&Done { execution_arn: &arn, end_timestamp: None })?,
        (false, _) => say(&arn),
    }
    if !args.wait {
        return Ok(Exit::Done);
    }
    wait(client, arn.as_str(), ready(Ok(arn.clone())), None, json).await
}

/// The answer to a request that was fulfilled, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done<'a> {
    execution_arn: &'a ExecutionArn,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_timestamp: Option<Timestamp>,
}

fn done(arn: &ExecutionArn, what: &str, end: Option<Timestamp>, json: bool) -> Result<Exit, Failure> {
    if json {
        say_json(&Done { execution_arn: arn, end_timestamp: end })?;
    } else {
        say(format_args!("{what} {arn}"));
    }
    Ok(Exit::Done)
}
