//! `durawasm inspect`

use std::path::PathBuf;

use serde::Serialize;

use super::output::{say, say_json};
use super::{
    exit::{Exit, Failure, OrExit},
    in_force::{InForce, InForceJson},
    options::{SharedArgs, granted},
    table,
    target::{Building, component},
};
use durawasm_build::{self as build, ComponentSummary};

const EXAMPLES: &str = "Examples:
  durawasm inspect target/guest/order.wasm
  durawasm inspect --build examples/order  a crate, which is built first";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A component's file, or a function of durawasm.toml; with --build a crate's folder
    handler: PathBuf,
    /// Build a crate first. That runs its build script, macros and toolchain file outside of the sandbox
    #[arg(long)]
    build: bool,
    #[command(flatten)]
    shared: SharedArgs,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn inspect(args: &Args) -> Result<Exit, Failure> {
    args.shared.check_grants()?;
    let subject = args.shared.subject(&args.handler)?;
    let settings = args.shared.settings(subject.file(), None);
    let grants = granted(&settings, subject.file())?;
    let in_force = InForce::new(&subject, &settings, &grants, subject.function().unwrap_or_default());
    let building = if args.build { Building::Allowed } else { Building::NotRequested };
    let (path, bytes) = component(subject.path(), &args.shared.crate_args, building, false)?;
    let summary = build::inspect(&bytes).or_exit(Exit::Component)?;
    if args.json {
        say_json(&Inspected { summary: &summary, in_force: in_force.json() })?;
        return Ok(Exit::Done);
    }
    say(format_args!("{} ({})", path.display(), size(summary.size)));
    print(&summary);
    in_force.lines().iter().for_each(say);
    Ok(Exit::Done)
}

/// A component's summary, and the grants that it would have.
#[derive(Serialize)]
struct Inspected<'a> {
    #[serde(flatten)]
    summary: &'a ComponentSummary,
    #[serde(flatten)]
    in_force: InForceJson<'a>,
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
