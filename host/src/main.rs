//! The `durawasm` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    durawasm_host::cli::main()
}
