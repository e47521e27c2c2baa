//! The limits on instances, as options of `run` and `check`.

use durawasm_sandbox::SandboxLimits;

/// Limits beside `--memory`.
#[derive(Debug, clap::Args)]
pub(super) struct InstanceArgs {
    /// Memory of all concurrent invocations together, in MiB; one for which there is not enough waits for others to end
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    total_memory: u32,
    /// Contexts and pollables that an invocation may hold at once
    #[arg(long, value_name = "NUMBER", default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    handles: u32,
    /// Timers that an invocation may hold at once
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    timers: u32,
}

impl InstanceArgs {
    /// Sets these limits.
    pub(super) fn apply(&self, limits: &mut SandboxLimits) {
        limits.total_memory = (self.total_memory as usize) << 20;
        limits.handles = self.handles;
        limits.timers = self.timers;
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    fn parsed(arguments: &[&str]) -> SandboxLimits {
        let command = InstanceArgs::augment_args(Command::new("x").no_binary_name(true));
        let args = InstanceArgs::from_arg_matches(&command.get_matches_from(arguments)).unwrap();
        let mut limits = SandboxLimits { total_memory: 0, handles: 0, timers: 0, ..SandboxLimits::default() };
        args.apply(&mut limits);
        limits
    }

    #[test]
    fn the_defaults_are_those_of_the_sandbox() {
        assert_eq!(parsed(&[]), SandboxLimits::default());
        let limits = parsed(&["--total-memory", "3", "--handles", "4", "--timers", "5"]);
        assert_eq!((limits.total_memory, limits.handles, limits.timers), (3 << 20, 4, 5));
    }
}
