//! `durawasm callback`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Subcommand, builder::NonEmptyStringValueParser};
use durawasm_core::{
    files::read_text_file,
    protocol::{CallbackId, Limits},
    server::Answer,
};
use serde::Serialize;

use super::{
    endpoint::{EndpointArgs, failed, send},
    error_args::ErrorArgs,
};
use crate::{
    exit::{Exit, Failure, OrExit},
    output::{say, say_json},
};

const EXAMPLES: &str = "Examples:
  durawasm execution history order/o-1     shows the ids of the callbacks that are open
  durawasm callback succeed ID --result '{\"approved\":true}'
  durawasm callback fail ID --error-type Rejected --error-message 'too expensive'
  durawasm callback heartbeat ID";

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
    /// Answer a callback with a result
    Succeed {
        /// The id of the callback
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// The result [default: none]
        #[arg(long, value_name = "JSON")]
        result: Option<String>,
        /// A file with the result: any text, for a handler that reads something else than JSON
        #[arg(long, value_name = "FILE", conflicts_with = "result")]
        result_file: Option<PathBuf>,
    },
    /// Answer a callback with an error
    Fail {
        /// The id of the callback
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        #[command(flatten)]
        error: ErrorArgs,
    },
    /// Tell that the answer to a callback is still to be expected
    Heartbeat {
        /// The id of the callback
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
}

impl Action {
    fn answer(&self) -> Result<(&str, Answer), Failure> {
        Ok(match self {
            Self::Succeed { id, result, result_file } => {
                (id, Answer::Success(the_result(result.as_deref(), result_file.as_deref())?))
            }
            Self::Fail { id, error } => (id, Answer::Failure(error.error().unwrap_or_default())),
            Self::Heartbeat { id } => (id, Answer::Heartbeat),
        })
    }
}

fn the_result(json: Option<&str>, file: Option<&Path>) -> Result<Option<String>, Failure> {
    if let Some(path) = file {
        let most = Limits::default().callback_bytes as u64;
        let text = read_text_file(path, most).with_context(|| path.display().to_string());
        return text.map(Some).or_exit(Exit::Usage);
    }
    let Some(text) = json else { return Ok(None) };
    serde_json::from_str::<serde::de::IgnoredAny>(text)
        .map_err(|error| anyhow!("--result is no JSON: {error}; a text as JSON needs quotes: '\"text\"'"))
        .or_exit(Exit::Usage)?;
    Ok(Some(text.to_owned()))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done<'a> {
    callback_id: &'a CallbackId,
}

pub(crate) fn callback(args: &Args) -> Result<Exit, Failure> {
    let (id, answer) = args.action.answer()?;
    let client = args.endpoint.client()?;
    let id = CallbackId::from(id);
    send(async { client.answer(&id, &answer).await.map_err(failed) })?;
    if args.endpoint.json {
        say_json(&Done { callback_id: &id })?;
        return Ok(Exit::Done);
    }
    say(match answer {
        Answer::Success(_) | Answer::Failure(_) => "answered",
        Answer::Heartbeat => "told that the answer is to be expected",
    });
    Ok(Exit::Done)
}
