//! The process that compiles components.

use std::process::ExitCode;

use durawasm_sandbox::{CompileBounds, compiler_process, serve_as_compiler};

use super::exit::{Exit, Failure, OrExit};

/// These bounds, with this executable as the compiler.
pub(super) fn in_own_process(bounds: &CompileBounds) -> Result<CompileBounds, Failure> {
    let program = executable().or_exit(Exit::Host)?;
    Ok(CompileBounds { process: Some(compiler_process(program)), ..bounds.clone() })
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
