//! The flags of limits: one for each limit that can be set.
//!
//! Invariants: flags are made from the list of limits, so that none is missing and each accepts what `durawasm.toml`
//! accepts.

use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};
use durawasm_config::{Kind, Limit, StatedLimits, Value};

/// The limits that the command line states.
#[derive(Debug, Clone, Default)]
pub(super) struct LimitArgs(pub(super) StatedLimits);

fn flag(limit: Limit) -> Arg {
    let flag = Arg::new(limit.key()).long(limit.key()).help_heading("Limits");
    let value = match limit.kind() {
        Kind::Switch => return flag.action(ArgAction::SetTrue).help(limit.help()),
        Kind::Mebibytes(..) => "MIB",
        Kind::Number(..) => "NUMBER",
        Kind::Time | Kind::Timeout => "DURATION",
    };
    let help = format!("{} [default: {}]", limit.help(), limit.default_text());
    flag.value_name(value).help(help).value_parser(move |text: &str| limit.parse(text))
}

impl clap::Args for LimitArgs {
    fn augment_args(command: Command) -> Command {
        command.args(Limit::ALL.iter().copied().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LimitArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut limits = Self::default();
        limits.update_from_arg_matches(matches)?;
        Ok(limits)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for limit in Limit::ALL {
            let value = match limit.kind() {
                Kind::Switch => matches.get_flag(limit.key()).then_some(Value::Switch(true)),
                _ => matches.get_one::<Value>(limit.key()).copied(),
            };
            if let Some(value) = value {
                self.0.set(*limit, value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Args as _;

    use super::*;

    fn parsed(arguments: &[&str]) -> Result<StatedLimits, clap::Error> {
        let command = LimitArgs::augment_args(Command::new("x").no_binary_name(true));
        command
            .try_get_matches_from(arguments)
            .and_then(|found| LimitArgs::from_arg_matches(&found))
            .map(|l| l.0)
    }

    #[test]
    fn every_limit_is_a_flag_that_states_it_alone() {
        assert_eq!(parsed(&[]).unwrap(), StatedLimits::default());
        for limit in Limit::ALL {
            let flag = format!("--{}", limit.key());
            let default = limit.default_text();
            let (arguments, value) = match limit.kind() {
                Kind::Switch => (vec![&*flag], Value::Switch(true)),
                _ => (vec![&*flag, default], limit.parse(default).unwrap()),
            };
            let stated = parsed(&arguments).unwrap();
            assert_eq!(stated.iter().collect::<Vec<_>>(), [(*limit, value)]);
        }
        let refused = parsed(&["--memory", "0"]).unwrap_err().to_string();
        assert!(refused.contains("a size from 1 to 4096 MiB is expected, not 0"), "{refused}");
    }
}
