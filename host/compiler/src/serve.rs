//! The inside of a compiler process.

use std::{
    io::{self, Read as _, Write as _},
    process::ExitCode,
    thread,
};

use wasmtime::Engine;

use super::{Machine, bounds::STACK};
use durawasm_complexity::MAX_COMPONENT_SIZE;

/// Begins an answer with machine code.
pub(crate) const COMPILED: u8 = b'C';

/// Begins an answer with the reason why there is none.
pub(crate) const REFUSED: u8 = b'R';

/// What the parent of a compiler process asks for, in its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The limit of memory in bytes.
    pub memory: u64,
    /// The limit of computing time of all threads, in seconds. The parent ends the process earlier; this one is for a
    /// process without a parent.
    pub seconds: u64,
}

/// Compiles the component on standard input, and writes machine code, or why there is none, to standard output. The
/// process limits itself first. `engine` has to have the settings of the parent's engine.
pub fn serve(request: Request, engine: impl FnOnce() -> Result<Engine, String> + Send) -> ExitCode {
    if let Err(error) = limit(request) {
        eprintln!("a limit cannot be set: {error}");
        return ExitCode::FAILURE;
    }
    let done = thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || answer(engine))?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the compiler panicked")))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(engine: impl FnOnce() -> Result<Engine, String>) -> io::Result<()> {
    let mut wasm = Vec::new();
    io::stdin().lock().take(MAX_COMPONENT_SIZE + 1).read_to_end(&mut wasm)?;
    let engine = engine().map_err(io::Error::other)?;
    match Machine::compile(&engine, &wasm) {
        Ok(machine) => write(COMPILED, machine.as_bytes()),
        Err(error) => write(REFUSED, error.as_bytes()),
    }
}

/// Writes an answer. Its length tells the parent whether it is whole.
fn write(kind: u8, content: &[u8]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(&[kind])?;
    output.write_all(&(content.len() as u64).to_le_bytes())?;
    output.write_all(content)?;
    output.flush()
}

/// Limits this process: memory, computing time, no core dump, and no life without its parent.
#[cfg(target_os = "linux")]
fn limit(request: Request) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};

    let at_most = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    setrlimit(Resource::Core, at_most(0))?;
    setrlimit(Resource::Cpu, at_most(request.seconds))?;
    // This limit counts memory that can be written, and not address space that is only reserved, which allocators and
    // threads take much of. The stack of the thread that compiles counts although most of it is not used.
    setrlimit(Resource::Data, at_most(request.memory.saturating_add(STACK as u64)))?;
    Ok(())
}

/// Other systems do not limit the memory of a process reliably.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "on Linux it can fail")]
fn limit(_: Request) -> io::Result<()> {
    Ok(())
}
