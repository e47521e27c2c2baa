//! The bounds of compiling a component, and the process that compiles.

use std::{process::ExitCode, time::Duration};

use durawasm_core::durations::parse_some_duration;
use durawasm_sandbox::{CompileBounds, compiler_process, serve_as_compiler};

use super::exit::{Exit, Failure, OrExit};

/// The options for compiling.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct CompileArgs {
    /// How long compiling a component may take
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = parse_some_duration)]
    compile_timeout: Duration,
    /// Memory for compiling a component, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(64..=65536))]
    compile_memory: u64,
}

impl CompileArgs {
    /// The bounds, with this executable as the compiler.
    pub(super) fn bounds(&self) -> Result<CompileBounds, Failure> {
        let program = executable().or_exit(Exit::Host)?;
        Ok(CompileBounds {
            time: self.compile_timeout,
            memory: self.compile_memory << 20,
            process: Some(compiler_process(program)),
        })
    }
}

/// This executable. On Linux that is a link to the file which runs, even if another one has its path by now: an update of
/// durawasm must not mix versions.
fn executable() -> std::io::Result<std::path::PathBuf> {
    let running = std::path::PathBuf::from("/proc/self/exe");
    if cfg!(target_os = "linux") && running.exists() { Ok(running) } else { std::env::current_exe() }
}

/// What the parent of a compiler asks for.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The limit of memory in bytes
    memory: u64,
    /// The limit of computing time in seconds
    seconds: u64,
}

pub(super) fn serve(args: &Args) -> ExitCode {
    serve_as_compiler(args.memory, args.seconds)
}
