//! Standard output and error of a guest, split into lines.
//!
//! The streams only collect bytes. The invocation converts them to log lines later, when it knows whether the code that
//! wrote them was replayed.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamError, StreamResult},
};

/// The longest line in bytes; a longer one is split.
const LINE: usize = 64 * 1024;

/// One of the two output streams of a guest.
#[derive(Clone, Default)]
pub(super) struct Output(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Whether writing fails.
    fails: bool,
    /// Whether the buffer contains anything. It is checked at each operation, and is usually false.
    holds: AtomicBool,
    collected: Mutex<Collected>,
}

#[derive(Default)]
struct Collected {
    partial: Vec<u8>,
    lines: Vec<String>,
}

impl Output {
    /// A stream on which writing fails, if `fails` is set.
    pub(super) fn new(fails: bool) -> Self {
        Self(Arc::new(Shared { fails, ..Shared::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.0.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the complete lines.
    pub(super) fn take_lines(&self) -> Vec<String> {
        if !self.0.holds.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut collected = self.lock();
        self.0.holds.store(!collected.partial.is_empty(), Ordering::Relaxed);
        std::mem::take(&mut collected.lines)
    }

    /// Ends an incomplete line.
    pub(super) fn finish(&self) {
        if !self.0.holds.load(Ordering::Relaxed) {
            return;
        }
        let mut collected = self.lock();
        if !collected.partial.is_empty() {
            collected.end_line();
        }
    }

    fn collect(&self, bytes: &[u8]) {
        self.lock().write(bytes);
        self.0.holds.store(true, Ordering::Relaxed);
    }
}

impl Collected {
    fn end_line(&mut self) {
        let bytes = std::mem::take(&mut self.partial);
        let line = String::from_utf8_lossy(&bytes);
        self.lines.push(line.strip_suffix('\r').unwrap_or(&line).to_owned());
    }

    fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            self.partial.extend_from_slice(text);
            if ends || self.partial.len() >= LINE {
                self.end_line();
            }
        }
    }
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        if self.0.fails {
            return Err(StreamError::Closed);
        }
        self.collect(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(LINE)
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI preview 3 uses this, which guests of this world do not import.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_they_are_written(text in "[a-c\n]{0,200}", cuts in proptest::collection::vec(0..200_usize, 0..8)) {
            let output = Output::default();
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                output.collect(now);
                rest = later;
            }
            output.collect(rest);
            output.finish();
            let expected: Vec<_> = text.lines().map(str::to_owned).collect();
            prop_assert_eq!(output.take_lines(), expected);
        }
    }

    #[test]
    fn a_line_without_end_does_not_grow() {
        let output = Output::default();
        for _ in 0..40 {
            output.collect(&[b'x'; 10_000]);
        }
        assert!(output.lock().partial.len() < LINE);
        assert!(output.take_lines().iter().all(|l| l.len() <= LINE + 10_000));
    }
}
