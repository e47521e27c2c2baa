//! A thread with much stack.
//!
//! Parsers recurse over types that contain types. Their complexity is checked, but not to a depth that each thread, such
//! as one of a test, can take.

use std::{io, thread};

/// The stack in bytes. Memory that is not used is not allocated.
const STACK: usize = 32 << 20;

/// Runs a function on a thread with much stack.
///
/// # Errors
/// When the thread cannot start, or panics.
pub(super) fn with_much_stack<T: Send>(run: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("durawasm-inspect".to_owned()).stack_size(STACK);
        let thread = thread.spawn_scoped(scope, run)?;
        thread.join().map_err(|_| io::Error::other("its reader panicked"))
    })
}
