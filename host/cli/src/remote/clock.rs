//! `durawasm clock`

use clap::Subcommand;
use durawasm_core::parse_duration;

use super::endpoint::{EndpointArgs, failed, send};
use crate::{
    exit::{Exit, Failure},
    output::{say, say_json},
};

const EXAMPLES: &str = "Examples:
  durawasm clock show
  durawasm clock advance 2h       callbacks of `durawasm serve --skip-time` that time out within two hours do";

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
    /// Show the time of the functions
    Show,
    /// Advance the clock of `durawasm serve --skip-time`
    Advance {
        /// By how much, as in 90s, 2h 30m or 3days; 366 days at most
        #[arg(value_name = "DURATION", value_parser = checked)]
        by: String,
    },
}

/// A duration as it was written: the endpoint reads it.
fn checked(text: &str) -> Result<String, String> {
    parse_duration(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

pub(crate) fn clock(args: &Args) -> Result<Exit, Failure> {
    let client = args.endpoint.client()?;
    let clock = send(async {
        let clock = match &args.action {
            Action::Show => client.clock().await,
            Action::Advance { by } => client.advance_clock(by).await,
        };
        clock.map_err(failed)
    })?;
    if args.endpoint.json {
        say_json(&clock)?;
    } else {
        say(format_args!("{}{}", clock.now, if clock.skips { ", skipped" } else { "" }));
    }
    Ok(Exit::Done)
}
