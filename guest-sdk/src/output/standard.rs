//! Standard output, and the standard library's buffer of it.
//!
//! Invariants: buffered output has been sent to the host before an operation starts, before code waits and may be
//! suspended, before a body begins, when a body ends, and when the handler ends or panics. An instance that is dropped
//! loses no output, even if the last line has no line end.

use std::io::Write as _;

/// Sends buffered output. Makes no call of the host if nothing is buffered.
pub(crate) fn flush() {
    if cfg!(target_family = "wasm") {
        // The error cannot be reported.
        std::io::stdout().flush().unwrap_or_default();
    }
}

/// Installs a panic hook that sends buffered output before the panic is reported.
#[cfg(target_family = "wasm")]
pub(crate) fn flush_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        flush();
        report(panic);
    }));
}
