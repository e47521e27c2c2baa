//! `conformance`: runs conformance cases against a component. See `docs/conformance.md`.
//!
//! Invariants: outcomes go to standard output, everything else to standard error; the exit code alone identifies the
//! outcome.

use std::{
    ffi::OsString,
    fmt::Display,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use durawasm_build::{self as build, BuildOptions};
use durawasm_client::{Access, Endpoint};
use durawasm_conformance::{CaseId, Cases, Config, ConformanceRunner, RunnerError};
use durawasm_core::orchestrator::EnvironmentError;
use durawasm_report::{Exit, LONGEST_MESSAGE, printable_lines, shortened};
use durawasm_sandbox::LoadError;

const EXIT_CODES: &str = "Exit codes:
  0  all required cases passed
  1  a required case failed, or has no handler
  2  the command line or one of its inputs is wrong, or a case cannot be read
  3  the handler crate does not build
  4  the file is not a component with durable handlers
  6  the host itself failed, or the report cannot be written";

/// Runs conformance cases, each against the handler of its name: of a component in virtual time, or at an endpoint.
#[derive(Debug, Parser)]
#[command(name = "conformance", version, after_help = EXIT_CODES, max_term_width = 110)]
struct Args {
    /// The folder with the cases, or one case
    #[arg(long, value_name = "DIR")]
    cases: PathBuf,
    /// A component's file, or the folder of a crate, which is built first
    #[arg(long, value_name = "COMPONENT", required_unless_present = "endpoint")]
    handlers: Option<PathBuf>,
    /// An endpoint that serves the handlers, each as a function of its name, such as <http://127.0.0.1:9001>. Requests are
    /// signed with the credentials of the environment. Log lines are not compared
    #[arg(long, value_name = "URL", conflicts_with_all = ["handlers", "config"])]
    endpoint: Option<String>,
    /// Run these cases and no others
    #[arg(long, value_name = "ID", num_args = 1.., value_delimiter = ',')]
    only: Vec<String>,
    /// Write a report to this file, as continuous integration systems read it: the XML of junit
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Environment variables for handlers: a YAML or JSON file that maps their names, or *, to names and values
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// An error that ends the command, with the exit code to report it with.
type Failure = (Exit, Box<dyn std::error::Error>);

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Clap reports help and version as errors too.
            if !error.use_stderr() {
                let _ = error.print();
                return Exit::Done.into();
            }
            // The error quotes arguments, line breaks included, so it is made again from clean ones.
            let clean = |arg: OsString| shortened(&arg.to_string_lossy(), LONGEST_MESSAGE);
            match Args::try_parse_from(std::env::args_os().map(clean)) {
                Err(again) if again.use_stderr() => again.render().to_string().lines().for_each(note),
                _ => note(error.render().to_string().replace('\n', " ")),
            }
            return Exit::Usage.into();
        }
    };
    let exit = conformance(&args).unwrap_or_else(|(exit, error)| {
        note(format_args!("error: {}", error.to_string().replace('\n', " ")));
        exit
    });
    exit.into()
}

fn conformance(args: &Args) -> Result<Exit, Failure> {
    let usage = |error| (Exit::Usage, Box::from(error));
    let mut cases = Cases::load(&args.cases).map_err(usage)?;
    if !args.only.is_empty() {
        let only: Vec<CaseId> = args.only.iter().map(CaseId::new).collect();
        cases.only(&only).map_err(usage)?;
    }
    let config = args.config.as_deref().map(Config::load).transpose().map_err(usage)?.unwrap_or_default();
    for case in &cases.unreadable {
        note(format_args!("error: {} is no case: {}", case.path.display(), case.reason.replace('\n', " ")));
    }
    let runner = runner(args)?;
    let handlers = runner.handlers().map_err(unusable)?;
    let is_unknown = |handler: &&str| handlers.as_ref().is_some_and(|handlers| !handlers.contains(*handler));
    for unknown in config.handlers().filter(is_unknown) {
        note(format_args!(
            "warning: the configuration names {unknown}, and the component has no such handler"
        ));
    }
    let report = runner.config(config).run(&cases.cases, |outcome| say(outcome));
    say(report.summary());
    if let Some(path) = &args.report {
        let written = report.junit().and_then(|xml| fs::write(path, xml));
        written.map_err(|error| (Exit::Host, format!("cannot write {}: {error}", path.display()).into()))?;
    }
    Ok(match (cases.unreadable.is_empty(), report.passed()) {
        (false, _) => Exit::Usage,
        (true, false) => Exit::Failed,
        (true, true) => Exit::Done,
    })
}

/// The runner for what the command line names.
fn runner(args: &Args) -> Result<ConformanceRunner, Failure> {
    if let Some(handlers) = &args.handlers {
        return ConformanceRunner::from_component(component(handlers)?).map_err(unusable);
    }
    let url = args.endpoint.as_deref().unwrap_or_default();
    let endpoint = Endpoint::parse(url).map_err(|error| (Exit::Usage, error.into()))?;
    let access = Access::from_variables(&endpoint, |name| std::env::var(name).ok());
    let access = access.map_err(|error| (Exit::Usage, error.into()))?;
    Ok(ConformanceRunner::from_endpoint(endpoint, access))
}

/// The path of the component. A crate is built first.
fn component(handlers: &Path) -> Result<PathBuf, Failure> {
    let manifest = handlers.file_name().is_some_and(|name| name == "Cargo.toml");
    if handlers.is_dir() || manifest {
        let built = build::build(&BuildOptions::new(handlers), &mut |event| note(event));
        return built.map(|built| built.path).map_err(|error| (Exit::Build, error.into()));
    }
    if !handlers.exists() {
        let path = handlers.display();
        let error = format!("there is no {path}; name a component's file or a crate's folder");
        return Err((Exit::Usage, error.into()));
    }
    Ok(handlers.to_owned())
}

fn unusable(error: RunnerError) -> Failure {
    let exit = match &error {
        RunnerError::Load(LoadError::Unusable { .. })
        | RunnerError::Environment(EnvironmentError::Functions(_)) => Exit::Component,
        RunnerError::Load(LoadError::Read { .. }) => Exit::Usage,
        _ => Exit::Host,
    };
    (exit, error.into())
}

/// Writes a line to standard output. A closed pipe is not an error: the reader has read enough.
fn say(line: impl Display) {
    // The lines of an outcome are its own, and each is safe.
    let line = printable_lines(&line.to_string());
    if let Err(error) = writeln!(io::stdout().lock(), "{line}")
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        note(format_args!("error: cannot write to standard output: {error}"));
        std::process::exit(Exit::Host as i32);
    }
}

/// Writes a line to standard error. Of a very long one the middle is left out.
fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", shortened(&line.to_string(), LONGEST_MESSAGE));
}
