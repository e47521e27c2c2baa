//! `durawasm store`

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow};
use clap::{Subcommand, builder::NonEmptyStringValueParser};
use durawasm_core::{
    ambient::{Clock, SystemClock},
    durations::parse_duration,
    files::read_text_file,
    protocol::Timestamp,
};
use durawasm_store::{
    Code, ComponentDigest, ExchangeError, Found, Listed, StoreFile, StoreReader, StoredVersion,
};
use serde::Serialize;

use super::{
    exit::{Exit, Failure, OrExit},
    kept::{exit_of, of_store},
    listed::{COLUMNS, Row},
    output::{report_is_writable, say, say_json},
    table::{self, cell},
};

const EXAMPLES: &str = "Examples:
  durawasm run order.wasm --store orders.db --name o-1     keeps the execution o-1 in orders.db
  durawasm store list orders.db
  durawasm store export orders.db o-1 --output o-1.json    for a bug report, or for `durawasm check --history`
  durawasm store delete orders.db --ended-before 7d";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the executions
    List {
        /// The store
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the versions of the functions that `serve` has served with it
    Versions {
        /// The store
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Verify the file, and that each execution can be continued
    Check {
        /// The store
        file: PathBuf,
    },
    /// Write an execution as JSON, with the components that it began with
    Export {
        /// The store
        file: PathBuf,
        /// The execution: its name, its ARN, or the beginning of either
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        execution: String,
        /// The file to write [default: standard output]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Read an execution that was exported
    Import {
        /// The store; it is made if it is not there
        file: PathBuf,
        /// The file that `export` wrote
        exported: PathBuf,
    },
    /// Delete executions, and return the space that is free to the system
    Delete {
        /// The store
        file: PathBuf,
        /// The executions: names, ARNs, or the beginnings of either
        #[arg(
            value_parser = NonEmptyStringValueParser::new(),
            required_unless_present_any = ["ended_before", "function_version", "unused_versions"]
        )]
        executions: Vec<String>,
        /// Delete all that ended longer ago than this, as in 7d
        #[arg(long, value_name = "DURATION", conflicts_with = "executions", value_parser = age)]
        ended_before: Option<Duration>,
        /// Delete a version of a function that is not its newest; executions that began with it keep their code
        #[arg(long, value_name = "FUNCTION:NUMBER", value_parser = numbered)]
        function_version: Vec<(String, u32)>,
        /// Delete the versions of functions with whose component no execution began, except the newest of each
        #[arg(long)]
        unused_versions: bool,
    },
}

/// How many digits of a digest a table shows.
const SHOWN_DIGITS: usize = 16;

/// The largest file of an exported execution, in bytes.
const MAX_EXPORTED: u64 = 1 << 30;

fn age(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

fn numbered(text: &str) -> Result<(String, u32), String> {
    let parts = text.rsplit_once(':').and_then(|(function, number)| Some((function, number.parse().ok()?)));
    let (function, number) = parts.ok_or("it is not FUNCTION:NUMBER, as in order:2")?;
    Ok((function.to_owned(), number))
}

pub(super) fn store(args: &Args) -> Result<Exit, Failure> {
    match &args.action {
        Action::List { file, json } => list(file, *json),
        Action::Versions { file, json } => versions(file, *json),
        Action::Check { file } => check(file),
        Action::Export { file, execution, output } => export(file, execution, output.as_deref()),
        Action::Import { file, exported } => import(file, exported),
        Action::Delete { file, executions, ended_before, function_version, unused_versions } => {
            delete(file, executions, *ended_before, function_version, *unused_versions)
        }
    }
}

/// An execution in a list, and when it continues by itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StoredRow<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    due_timestamp: Option<Timestamp>,
}

impl<'a> StoredRow<'a> {
    fn new(listed: &'a Listed) -> Self {
        let row = Row {
            execution_arn: &listed.arn,
            function: &listed.function,
            name: &listed.name,
            status: &listed.status,
            start_timestamp: listed.start,
            end_timestamp: listed.end,
        };
        Self { row, due_timestamp: listed.due }
    }

    fn continues(&self) -> String {
        match self.due_timestamp {
            _ if self.row.end_timestamp.is_some() => "-".to_owned(),
            None => "when it is answered".to_owned(),
            Some(due) => due.to_string(),
        }
    }
}

fn list(file: &Path, json: bool) -> Result<Exit, Failure> {
    let all = of_store(StoreReader::open(file).and_then(|reader| reader.list()))?;
    let rows: Vec<StoredRow<'_>> = all.iter().map(StoredRow::new).collect();
    if json {
        say_json(&rows)?;
        return Ok(Exit::Done);
    }
    let mut table = table::new();
    table.set_header(COLUMNS.into_iter().chain(["continues"]));
    for stored in &rows {
        table.add_row(stored.row.cells().into_iter().chain([stored.continues()]));
    }
    table::print(&table);
    Ok(Exit::Done)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionRow<'a> {
    function: &'a str,
    version: u32,
    component: &'a ComponentDigest,
    export: &'a str,
    durable: bool,
    published: Timestamp,
}

impl<'a> VersionRow<'a> {
    fn new(version: &'a StoredVersion) -> Self {
        let StoredVersion { function, number, code, published } = version;
        let Code { component, export, durable } = code;
        Self { function, version: *number, component, export, durable: *durable, published: *published }
    }
}

fn versions(file: &Path, json: bool) -> Result<Exit, Failure> {
    let all = of_store(StoreReader::open(file).and_then(|reader| reader.versions()))?;
    if json {
        let rows: Vec<VersionRow<'_>> = all.iter().map(VersionRow::new).collect();
        say_json(&rows)?;
        return Ok(Exit::Done);
    }
    let mut table = table::new();
    table.set_header(["function", "version", "published", "export", "component"]);
    for StoredVersion { function, number, code, published } in &all {
        table.add_row([
            cell(function),
            number.to_string(),
            published.to_string(),
            cell(&code.export),
            code.component.as_str().chars().take(SHOWN_DIGITS).collect(),
        ]);
    }
    table::print(&table);
    Ok(Exit::Done)
}

fn check(file: &Path) -> Result<Exit, Failure> {
    let (good, flaws) = of_store(StoreReader::open(file).and_then(|reader| reader.verify()))?;
    for flaw in &flaws {
        say(format_args!("{flaw}"));
    }
    let executions = if good == 1 { "1 execution is".to_owned() } else { format!("{good} executions are") };
    say(format_args!(
        "{executions} whole; {} found",
        match flaws.len() {
            0 => "no damage was".to_owned(),
            1 => "1 flaw was".to_owned(),
            more => format!("{more} flaws were"),
        }
    ));
    Ok(if flaws.is_empty() { Exit::Done } else { Exit::Failed })
}

/// The ARN of the one execution that a text means.
fn one(reader: &StoreReader, text: &str) -> Result<String, Failure> {
    let error = match of_store(reader.find(text))? {
        Found::One(listed) => return Ok(listed.arn),
        Found::No => anyhow!("there is no execution {text}; `durawasm store list` shows all"),
        Found::Several(several) => {
            let arns: Vec<_> = several.iter().take(10).map(|listed| &*listed.arn).collect();
            anyhow!("{text} may mean {} executions, such as {}", several.len(), arns.join(", "))
        }
    };
    Err(Failure { exit: Exit::Usage, error })
}

fn exchanged<T>(result: Result<T, ExchangeError>) -> Result<T, Failure> {
    result.map_err(|error| {
        let exit = match &error {
            ExchangeError::Store(error) => exit_of(error),
            ExchangeError::Damaged { .. } => Exit::Host,
            ExchangeError::Missing(_) | ExchangeError::Form(_) | ExchangeError::Exists(_) => Exit::Usage,
        };
        Failure { exit, error: error.into() }
    })
}

fn export(file: &Path, execution: &str, output: Option<&Path>) -> Result<Exit, Failure> {
    if let Some(output) = output {
        report_is_writable(output)?;
    }
    let reader = of_store(StoreReader::open(file))?;
    let exported = exchanged(reader.export(&one(&reader, execution)?))?;
    let Some(output) = output else {
        say_json(&exported)?;
        return Ok(Exit::Done);
    };
    let written = std::fs::File::create(output).and_then(|to| {
        let mut to = std::io::BufWriter::new(to);
        serde_json::to_writer_pretty(&mut to, &exported)?;
        to.write_all(b"\n")?;
        to.flush()
    });
    written.with_context(|| format!("cannot write {}", output.display())).or_exit(Exit::Host)?;
    Ok(Exit::Done)
}

fn import(file: &Path, exported: &Path) -> Result<Exit, Failure> {
    let about = || exported.display().to_string();
    let text = read_text_file(exported, MAX_EXPORTED).with_context(about).or_exit(Exit::Usage)?;
    let store = of_store(StoreFile::open(file))?;
    let arn = exchanged(store.import(&text))
        .map_err(|Failure { exit, error }| Failure { exit, error: error.context(about()) })?;
    say(format_args!("imported {arn}"));
    Ok(Exit::Done)
}

fn delete(
    file: &Path,
    executions: &[String],
    ended_before: Option<Duration>,
    function_versions: &[(String, u32)],
    unused_versions: bool,
) -> Result<Exit, Failure> {
    // Opening makes a file that is not there, and there is nothing to delete in it.
    of_store(StoreReader::open(file))?;
    let store = of_store(StoreFile::open(file))?;
    let reader = of_store(store.reader())?;
    // All are looked up before one is deleted, so that a misspelled name deletes nothing.
    let arns: Vec<String> =
        executions.iter().map(|execution| one(&reader, execution)).collect::<Result<_, _>>()?;
    let known = of_store(reader.versions())?;
    for (function, number) in function_versions {
        let of_function = || known.iter().filter(|version| version.function == *function);
        let why = match of_function().next_back() {
            Some(newest) if newest.number == *number => "the newest version of a function stays",
            Some(_) if of_function().any(|version| version.number == *number) => continue,
            _ => "there is no such version",
        };
        let error = anyhow!("{function}:{number}: {why}; `durawasm store versions` shows all");
        return Err(Failure { exit: Exit::Usage, error });
    }
    let mut deleted = 0;
    if let Some(age) = ended_before {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let now = SystemClock::new().now().as_millis();
        deleted = of_store(store.delete_ended_before(Timestamp::from_millis(now.saturating_sub(age))))?;
    }
    let mut gone = if unused_versions { of_store(store.delete_unused_versions())? } else { 0 };
    for (function, number) in function_versions {
        gone += usize::from(of_store(store.delete_version(function, *number))?);
    }
    for arn in arns {
        deleted += usize::from(of_store(store.delete(&arn))?);
    }
    of_store(store.vacuum())?;
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let versions = if function_versions.is_empty() && !unused_versions {
        String::new()
    } else {
        format!(" and {}", count(gone, "version"))
    };
    say(format_args!("deleted {}{versions}", count(deleted, "execution")));
    Ok(Exit::Done)
}
