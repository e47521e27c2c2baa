//! `durawasm inspect`

use std::path::PathBuf;

use serde::Serialize;

use super::output::{say, say_json};
use super::{
    exit::{Exit, Failure, OrExit},
    grants::GrantArgs,
    table,
    target::{Building, CrateArgs, component},
};
use durawasm_build::{self as build, ComponentSummary};
use durawasm_report::Granted;

const EXAMPLES: &str = "Examples:
  durawasm inspect target/guest/order.wasm
  durawasm inspect --build examples/order  a crate, which is built first";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A component's file; with --build a crate's folder
    handler: PathBuf,
    /// Build a crate first. That runs its build script, macros and toolchain file outside of the sandbox
    #[arg(long)]
    build: bool,
    #[command(flatten)]
    crate_args: CrateArgs,
    #[command(flatten)]
    grants: GrantArgs,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn inspect(args: &Args) -> Result<Exit, Failure> {
    let grants = args.grants.grants()?;
    let granted = Granted::of(&grants);
    let building = if args.build { Building::Allowed } else { Building::NotRequested };
    let (path, bytes) = component(&args.handler, &args.crate_args, building, false)?;
    let summary = build::inspect(&bytes).or_exit(Exit::Component)?;
    if args.json {
        say_json(&Inspected { summary: &summary, granted })?;
        return Ok(Exit::Done);
    }
    say(format_args!("{} ({})", path.display(), size(summary.size)));
    print(&summary);
    for line in granted.lines() {
        say(format_args!("granted {line}"));
    }
    Ok(Exit::Done)
}

/// A component's summary, and the grants that it would have.
#[derive(Serialize)]
struct Inspected<'a> {
    #[serde(flatten)]
    summary: &'a ComponentSummary,
    granted: Granted<'a>,
}

/// Prints the imports of a component, and how the sandbox treats them.
pub(super) fn print(summary: &ComponentSummary) {
    let mut table = table::new();
    table.set_header(["imports", "in the sandbox"]);
    for capability in summary.capabilities() {
        let imports: Vec<String> = capability.imports.iter().map(|name| table::cell(name)).collect();
        table.add_row([imports.join("\n"), capability.note.to_owned()]);
    }
    table::print(&table);
    let exports = summary.exports.interfaces.iter().map(|i| match &i.version {
        Some(version) => format!("{}@{version}", i.name),
        None => i.name.clone(),
    });
    say(format_args!("exports {}", exports.collect::<Vec<_>>().join(", ")));
}

/// A size in B, kB or MB.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
