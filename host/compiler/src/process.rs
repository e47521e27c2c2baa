//! Compiling in a process of its own.

use std::{
    io::{self, Read, Write as _},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
};

use super::{
    Bounds, CompileError, CompilerProcess, Machine, Request,
    serve::{COMPILED, REFUSED},
};

/// The most bytes of a compiler's standard error that are read.
const MAX_ERRORS: u64 = 16 << 10;

/// The most threads that compile.
const MAX_THREADS: usize = 8;

/// The output of a process, and the process itself, which is ended when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Compiles a component within these bounds.
pub(crate) fn compile(
    process: &CompilerProcess,
    wasm: Vec<u8>,
    bounds: &Bounds,
) -> Result<Machine, CompileError> {
    let failed = |error: io::Error| CompileError::Compiler(format!("{}: {error}", process.program.display()));
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let seconds = bounds.time.as_secs().saturating_add(2).saturating_mul(threads as u64);
    let Request { memory, seconds } = Request { memory: bounds.memory, seconds };
    let mut command = Command::new(&process.program);
    command.args(&process.arguments).args([memory.to_string(), seconds.to_string()]);
    // Each thread takes memory, however little there is to do.
    command.env("RAYON_NUM_THREADS", threads.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running(command.spawn().map_err(failed)?);
    let child = &mut running.0;
    let (Some(mut input), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(CompileError::Compiler("it has no pipes".to_owned()));
    };
    // What the compiler says is bounded as well: a program that writes for ever is not a compiler.
    let answer = read(output, bounds.memory).map_err(failed)?;
    let errors = read(errors, MAX_ERRORS).map_err(failed)?;
    // The compiler may end before it has read everything, so a failure to write says nothing.
    let write = move || input.write_all(&wasm).unwrap_or_default();
    thread::Builder::new().spawn(write).map_err(failed)?;
    let answer = match answer.recv_timeout(bounds.time) {
        Ok(answer) => answer,
        Err(RecvTimeoutError::Timeout) => return Err(CompileError::Time { limit: bounds.time }),
        Err(RecvTimeoutError::Disconnected) => Vec::new(),
    };
    // Its output is closed: it has ended, or does so now, or is ended after a second.
    let errors = errors.recv_timeout(std::time::Duration::from_secs(1)).unwrap_or_default();
    let _ = running.0.kill();
    let status = running.0.wait().map_err(failed)?;
    match whole(&answer) {
        Some((COMPILED, code)) => {
            // SAFETY: the compiler process has compiled this, nothing else has the pipe, and it is complete.
            Ok(unsafe { Machine::from_bytes(code.to_vec()) })
        }
        Some((REFUSED, reason)) => Err(refusal(String::from_utf8_lossy(reason).into_owned(), bounds)),
        _ => Err(crash(status, &String::from_utf8_lossy(&errors), bounds)),
    }
}

/// Reads a pipe to its end on a thread, so that no process blocks because a pipe is full.
fn read(pipe: impl Read + Send + 'static, limit: u64) -> io::Result<mpsc::Receiver<Vec<u8>>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        if pipe.take(limit).read_to_end(&mut bytes).is_ok() {
            let _ = sender.send(bytes);
        }
    })?;
    Ok(receiver)
}

/// The kind and the content of an answer, if all of it has arrived.
fn whole(answer: &[u8]) -> Option<(u8, &[u8])> {
    let (kind, rest) = answer.split_first()?;
    let (length, content) = rest.split_first_chunk()?;
    (u64::from_le_bytes(*length) == content.len() as u64).then_some((*kind, content))
}

fn is_out_of_memory(text: &str) -> bool {
    ["memory allocation of", "Cannot allocate memory", "out of memory"].iter().any(|said| text.contains(said))
}

fn refusal(reason: String, bounds: &Bounds) -> CompileError {
    if is_out_of_memory(&reason) {
        return CompileError::Memory { limit: bounds.memory };
    }
    CompileError::Invalid(reason)
}

/// Why a compiler ended without an answer.
fn crash(status: ExitStatus, errors: &str, bounds: &Bounds) -> CompileError {
    if is_out_of_memory(errors) {
        return CompileError::Memory { limit: bounds.memory };
    }
    let line = errors.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    CompileError::Compiler(format!("it ended with {status}: {line}"))
}
