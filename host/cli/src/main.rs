//! The `durawasm` command: arguments in, text and an exit code out. It contains no logic of its own.
//!
//! Invariants: results go to standard output, everything else to standard error; an error is one line that says what is
//! wrong and what to do; the exit code alone identifies the outcome.

mod build;
mod check;
mod check_report;
mod compile;
mod completions;
mod config;
mod credentials;
mod event;
mod exit;
mod functions;
mod grants;
mod in_force;
mod inspect;
mod kept;
mod library;
mod limits;
mod listed;
mod log;
mod offers;
mod options;
mod output;
mod remote;
mod report;
mod run;
mod secret;
mod serve;
mod served;
mod skipped_time;
mod store;
mod table;
mod target;
mod terminal;
mod test;
mod test_report;
mod tls;
mod trace;
mod upgrade;
mod versions;
mod watch;

use std::{ffi::OsStr, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand};

use durawasm_report::{LONGEST_MESSAGE, shortened};
use exit::Exit;
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
    /// Look at a file of `run --store`: list, check, export, import and delete executions
    Store(store::Args),
    /// Serve functions over HTTP, with the API of AWS Lambda durable functions
    Serve(serve::Args),
    /// Start, list, look at, wait for and stop executions of an endpoint, such as `durawasm serve`
    Execution(remote::ExecutionArgs),
    /// Answer callbacks of executions of an endpoint
    Callback(remote::CallbackArgs),
    /// Show the time of the functions of an endpoint, or advance it where time is skipped
    Clock(remote::ClockArgs),
    /// Print a script that completes this command in a shell
    Completions(completions::Args),
    /// Compile a component for another process of durawasm
    #[command(name = durawasm_sandbox::COMPILER_COMMAND, hide = true)]
    Compile(compile::Args),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Clap reports help and version as errors too.
            if error.use_stderr() && std::env::args_os().any(|arg| clean(&arg) != arg.to_string_lossy()) {
                note_usage(&error);
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
        Command::Store(args) => store::store(&args),
        Command::Inspect(args) => inspect::inspect(&args),
        Command::Serve(args) => serve::serve(&args),
        Command::Execution(args) => remote::execution(&args),
        Command::Callback(args) => remote::callback(&args),
        Command::Clock(args) => remote::clock(&args),
        Command::Completions(args) => completions::completions(&args, Cli::command()),
        Command::Compile(args) => return compile::serve(&args),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            note(format_args!("error: {}", failure.line()));
            failure.exit.into()
        }
    }
}

/// An argument as clap may show it.
fn clean(argument: &OsStr) -> String {
    shortened(&argument.to_string_lossy(), LONGEST_MESSAGE)
}

/// Shows what is wrong with arguments that are not safe to show. The error quotes them, line breaks included, so it is
/// made again from clean ones.
fn note_usage(error: &clap::Error) {
    match Cli::try_parse_from(std::env::args_os().map(|arg| clean(&arg))) {
        Err(again) if again.use_stderr() => again.render().to_string().lines().for_each(note),
        _ => note(error.render().to_string().replace('\n', " ")),
    }
}
