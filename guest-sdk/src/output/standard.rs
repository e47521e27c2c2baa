//! What the handler prints, and the buffer that the standard library keeps of it.
//!
//! Always true here: what was printed has reached the host before an operation starts, before code waits that may never
//! go on, before a body begins and when it ends, and when the handler ends or panics. The last line need not end: an
//! instance that is dropped loses nothing of it.

use std::io::Write as _;

/// Hands over what is buffered. Where nothing is, no call of the host is made.
pub(crate) fn flush() {
    if cfg!(target_family = "wasm") {
        // There is nobody to tell, and nothing to do about it.
        std::io::stdout().flush().unwrap_or_default();
    }
}

/// Sees to it that a panic hands over what is buffered, before it says what happened.
#[cfg(target_family = "wasm")]
pub(crate) fn flush_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        flush();
        report(panic);
    }));
}
