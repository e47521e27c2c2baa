//! Compiling within bounds.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use durawasm_complexity::check;
use wasmtime::Engine;

use super::{Bounds, CompileError, Machine, bounds::STACK, process};

/// Compiles a component for an engine.
///
/// Its complexity is checked first, so that compiling takes time and memory in proportion to its size. In a process of its
/// own, compiling is ended at the limits. In this process, the deadline ends only the waiting: a compiler cannot be
/// interrupted, and its thread ends when it has finished.
///
/// # Errors
/// When the component is too complex or invalid, or exceeds a limit.
pub fn compile(engine: &Engine, wasm: &[u8], bounds: &Bounds) -> Result<Machine, CompileError> {
    let (engine, bytes) = (engine.clone(), wasm.to_vec());
    if let Some(process) = &bounds.process {
        let bytes = on_thread(bounds.time, move || check(&bytes).map(|()| bytes))??;
        return process::compile(process, bytes, bounds);
    }
    on_thread(bounds.time, move || {
        check(&bytes)?;
        Machine::compile(&engine, &bytes).map_err(CompileError::Invalid)
    })?
}

/// Runs a function on a thread with much stack, and waits for it as long as the limit says.
fn on_thread<T: Send + 'static>(
    limit: Duration,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CompileError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = thread::Builder::new().name("durawasm-compile".to_owned()).stack_size(STACK);
    thread
        .spawn(move || {
            // The receiver is gone if the time is over.
            let _ = sender.send(run());
        })
        .map_err(|error| CompileError::Compiler(format!("its thread cannot start: {error}")))?;
    receiver.recv_timeout(limit).map_err(|error| match error {
        RecvTimeoutError::Timeout => CompileError::Time { limit },
        RecvTimeoutError::Disconnected => CompileError::Compiler("it panicked".to_owned()),
    })
}
