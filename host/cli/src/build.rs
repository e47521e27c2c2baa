//! `durawasm build`

use std::path::PathBuf;

use super::{
    exit::{Exit, Failure, OrExit},
    inspect,
    output::{note, say, say_json},
    target::CrateArgs,
};
use durawasm_build as build;

const EXAMPLES: &str = "Examples:
  durawasm build                      the crate in this folder
  durawasm build examples/order       a crate elsewhere
  durawasm build --json | jq .path    the component's path, for scripts

A toolchain with the target wasm32-wasip2 or wasm32-wasip1 is needed:
  rustup target add wasm32-wasip2     or scripts/setup, where rustup has none";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The crate's folder, or its Cargo.toml
    #[arg(default_value = ".")]
    path: PathBuf,
    #[command(flatten)]
    crate_args: CrateArgs,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn build(args: &Args) -> Result<Exit, Failure> {
    let built = build::build(&args.crate_args.options(&args.path), &mut |event| note(event));
    let built = built.or_exit(Exit::Build)?;
    if args.json {
        say_json(&built)?;
        return Ok(Exit::Done);
    }
    let state = if built.fresh { "up to date" } else { "written" };
    say(format_args!("{} ({}, {state})", built.path.display(), inspect::size(built.size)));
    inspect::print(&built.summary);
    Ok(Exit::Done)
}
