//! `durawasm completions`

use clap_complete::{Shell, generate};

use super::{
    exit::{Exit, Failure, OrExit},
    output::say_lines,
};

const EXAMPLES: &str = "Examples:
  durawasm completions bash > ~/.local/share/bash-completion/completions/durawasm
  durawasm completions zsh > ~/.zfunc/_durawasm          with ~/.zfunc in $fpath
  durawasm completions fish > ~/.config/fish/completions/durawasm.fish";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

/// Prints a script that makes a shell complete this command.
pub(super) fn completions(args: &Args, mut command: clap::Command) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    let name = command.get_name().to_owned();
    generate(args.shell, &mut command, name, &mut script);
    say_lines(String::from_utf8(script).or_exit(Exit::Host)?.trim_end());
    Ok(Exit::Done)
}
