//! The `durawasm` command: arguments in, text and an exit code out. It contains no logic of its own.
//!
//! Invariants: results go to standard output, everything else to standard error; an error is one line that says what is
//! wrong and what to do; the exit code alone identifies the outcome.

mod build;
mod check;
mod check_report;
mod event;
mod exit;
mod grants;
mod inspect;
mod limits;
mod log;
mod output;
mod report;
mod run;
mod table;
mod target;
mod terminal;
mod test;
mod test_report;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use durawasm_report::printable;
use exit::{Exit, Failure};
use output::note;

/// Durable execution in a sandbox: runs async handlers, compiled to WebAssembly components, across suspensions, crashes
/// and retries, with the semantics of AWS Lambda durable functions.
#[derive(Debug, Parser)]
#[command(name = "durawasm", version, after_help = exit::HELP, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compile a handler crate to a component
    Build(build::Args),
    /// Run a handler to its end
    Run(run::Args),
    /// Run scenarios: tests of handlers, written as TOML or YAML
    Test(test::Args),
    /// Check whether a handler replays: crash it everywhere, feed it its own record, perturb clocks and random numbers
    Check(check::Args),
    /// Show what a component imports and exports, and what it is granted
    Inspect(inspect::Args),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Clap reports help and version as errors too.
            if error.use_stderr()
                && std::env::args_os().any(|arg| has_control_characters(&arg.to_string_lossy()))
            {
                for line in error.render().to_string().lines() {
                    note(printable(line));
                }
            } else {
                let _ = error.print();
            }
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let done = match cli.command {
        Command::Build(args) => build::build(&args),
        Command::Run(args) => run::run(&args),
        Command::Test(args) => test::test(&args),
        Command::Check(args) => check::check(&args),
        Command::Inspect(args) => inspect::inspect(&args),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(Failure { exit, error }) => {
            let line = one_line(&error);
            note(format_args!("error: {line}"));
            exit.into()
        }
    }
}

fn has_control_characters(text: &str) -> bool {
    printable(text) != text
}

/// An error and its causes in one line, outermost first. A cause whose text is already part of the line is omitted.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(|cause| cause.to_string().replace('\n', " ")) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line += &format!(": {cause}");
        }
    }
    printable(&line)
}
