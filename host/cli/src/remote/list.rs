//! `durawasm execution list`

use anyhow::anyhow;
use chrono::DateTime;
use clap::builder::PossibleValuesParser;
use durawasm_client::{Client, ListQuery, ListedExecution, Rest};
use durawasm_core::{
    ambient::{Clock, SystemClock},
    parse_duration,
    protocol::{Timestamp, check_execution_name},
};

use super::endpoint::failed;
use crate::{
    exit::{Exit, Failure, OrExit},
    listed::{COLUMNS, Row},
    output::{note, say_json},
    table,
};

/// The statuses of executions (service model: `ExecutionStatus`).
const STATUSES: [&str; 8] =
    ["RUNNING", "PAUSING", "PAUSED", "SUCCEEDED", "FAILED", "TIMED_OUT", "STOPPED", "DELETING"];

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// The function: its name, with or without `:QUALIFIER`, or its ARN
    function: String,
    /// Only executions with one of these statuses, separated by commas
    #[arg(long, value_name = "STATUS", value_delimiter = ',', ignore_case = true,
        value_parser = PossibleValuesParser::new(STATUSES))]
    status: Vec<String>,
    /// Only the execution of this name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only executions that started after this time, as in 2025-01-31T09:00:00Z, or not longer ago than this, as in 2h
    #[arg(long, value_name = "TIME|DURATION", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only executions that started before this time, or longer ago than this
    #[arg(long, value_name = "TIME|DURATION", value_parser = moment)]
    until: Option<Timestamp>,
    /// How many to list, the latest first
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// A time, or how long ago one is.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc().into());
    }
    let ago = parse_duration(text)
        .map_err(|error| format!("{error}; a time is written as 2025-01-31T09:00:00Z"))?;
    let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
    Ok(Timestamp::from_millis(SystemClock::new().now().as_millis().saturating_sub(ago)))
}

fn row(listed: &ListedExecution) -> Row<'_> {
    let arn = &listed.durable_execution_arn;
    Row {
        execution_arn: arn.as_str(),
        function: arn.parts().map_or(&listed.function_arn, |(function, ..)| function),
        name: &listed.durable_execution_name,
        status: listed.status.as_str(),
        start_timestamp: listed.start_timestamp,
        end_timestamp: listed.end_timestamp,
    }
}

/// Lists executions of a function.
pub(crate) async fn list(client: &Client, args: &ListArgs, json: bool) -> Result<Exit, Failure> {
    if let Some(name) = &args.name {
        check_execution_name(name).or_exit(Exit::Usage)?;
    }
    if let (Some(since), Some(until)) = (args.since, args.until)
        && since >= until
    {
        let error =
            anyhow!("nothing started since {since} and until {until}: --since has to be before --until");
        return Err(Failure { exit: Exit::Usage, error });
    }
    let query = ListQuery {
        function: args.function.clone(),
        name: args.name.clone(),
        statuses: args.status.iter().map(|status| status.to_ascii_uppercase()).collect(),
        started_after: args.since,
        started_before: args.until,
    };
    let most = args.limit as usize;
    let (found, rest) = client.list(&query, "", most).await.map_err(failed)?;
    let rows: Vec<Row<'_>> = found.iter().map(row).collect();
    if json {
        say_json(&rows)?;
    } else {
        let mut table = table::new();
        table.set_header(COLUMNS);
        for row in &rows {
            table.add_row(row.cells());
        }
        table::print(&table);
    }
    match rest {
        Rest::Nothing => {}
        Rest::Exactly(_) | Rest::AtLeast(_) => {
            note(format_args!("there are more executions: --limit {} shows more", most.saturating_mul(10)));
        }
        Rest::TooLarge => note(format_args!(
            "there are more executions: the list of these {} has more than 256 MiB already; --status, --since and \
             --until choose others",
            found.len()
        )),
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_times_or_durations() {
        assert_eq!(moment("2025-01-01T01:00:00+01:00"), Ok(Timestamp::Y2025));
        let (before, ago, now) = (SystemClock::new().now(), moment("1h").unwrap(), SystemClock::new().now());
        assert!(before <= ago.plus_seconds(3600) && ago.plus_seconds(3600) <= now);
        assert!(moment("soon").unwrap_err().contains("2025-01-31T09:00:00Z"));
    }
}
