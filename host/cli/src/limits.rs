//! `--execution-bytes`, `--host-bytes`, `--invokes`, `--invoke-depth`: what executions may make the host keep, and how many
//! there may be.

use durawasm_core::{
    budget::{HOST_BYTES, HostBudget},
    protocol::Limits,
};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits of executions")]
pub(super) struct LimitArgs {
    /// What one execution may make the host keep, in MiB: payloads, results, errors, history, queued updates, log and
    /// output [default: 256]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    execution_bytes: Option<u32>,
    /// What all executions together may make the host keep, in MiB [default: 1024]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    host_bytes: Option<u32>,
    /// How many functions a run may invoke, by itself and by the functions that it invokes [default: 10000]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    invokes: Option<u32>,
    /// How many functions may wait for each other in a chain of invokes [default: 100]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(0..=1_000))]
    invoke_depth: Option<u32>,
}

impl LimitArgs {
    /// Replaces those limits that are given.
    pub(super) fn apply(&self, limits: &mut Limits) {
        if let Some(mib) = self.execution_bytes {
            limits.execution_bytes = bytes(mib);
        }
        if let Some(number) = self.invokes {
            limits.invokes = number as usize;
        }
        if let Some(number) = self.invoke_depth {
            limits.invoke_depth = number as usize;
        }
    }

    /// The budget of all executions of the command.
    pub(super) fn host(&self) -> HostBudget {
        HostBudget::new(self.host_bytes.map_or(HOST_BYTES, bytes))
    }
}

fn bytes(mib: u32) -> usize {
    (mib as usize) << 20
}
