//! Standard output and error of a guest, split into lines.
//!
//! The streams only collect bytes. The invocation converts them to log lines later, when it knows whether the code that
//! wrote them was replayed.
//!
//! Invariants: what is collected takes no more than the limit of the log, as which it will be written, and is charged to
//! the execution's budget before it is collected.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use durawasm_core::{
    budget::{Budget, Charge},
    invocation::{Ended, LogLine, log_limit},
};
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamError, StreamResult},
};

/// The longest line in bytes; a longer one is split.
const LINE: usize = 64 * 1024;

/// One of the two output streams of a guest.
#[derive(Clone)]
pub(super) struct Output(Arc<Shared>);

struct Shared {
    /// Whether writing fails.
    fails: bool,
    /// The most bytes that are collected, counted as in the log.
    most: usize,
    /// Whether the buffer contains anything. It is checked at each operation, and is usually false.
    holds: AtomicBool,
    collected: Mutex<Collected>,
}

struct Collected {
    partial: Vec<u8>,
    lines: Vec<String>,
    /// What is collected, counted as in the log.
    size: usize,
    charge: Charge,
    /// Why more was refused.
    refused: Option<Ended>,
}

impl Output {
    /// A stream on which writing fails, if `fails` is set. It collects no more than `most` bytes.
    pub(super) fn new(fails: bool, most: usize, budget: &Budget) -> Self {
        let collected = Collected {
            partial: Vec::new(),
            lines: Vec::new(),
            size: 0,
            charge: budget.hold(),
            refused: None,
        };
        Self(Arc::new(Shared {
            fails,
            most,
            holds: AtomicBool::new(false),
            collected: Mutex::new(collected),
        }))
    }

    /// Takes the reason why a write was refused that ended the guest's run.
    pub(super) fn take_refused(&self) -> Option<Ended> {
        self.lock().refused.take()
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
        let rest = collected.partial.len();
        let taken = collected.size - rest;
        collected.size = rest;
        collected.charge.shrink(taken);
        std::mem::take(&mut collected.lines)
    }

    /// Ends an incomplete line.
    pub(super) fn finish(&self) {
        if !self.0.holds.load(Ordering::Relaxed) {
            return;
        }
        let mut collected = self.lock();
        if !collected.partial.is_empty() {
            // Not refused: the line is about to be written to the log, which is charged for it.
            collected.end_line();
        }
    }

    fn collect(&self, bytes: &[u8]) -> Result<(), Ended> {
        let mut collected = self.lock();
        collected.admit(bytes, self.0.most)?;
        collected.write(bytes);
        self.0.holds.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Collected {
    /// Charges what writing these bytes adds.
    fn admit(&mut self, bytes: &[u8], most: usize) -> Result<(), Ended> {
        let ends = bytes.split(|byte| *byte == b'\n').count() - 1;
        // A line that is too long is split.
        let lines = ends + (self.partial.len() + bytes.len()) / LINE;
        let size = bytes.len() + lines * LogLine::LINE;
        let reached = self.size.saturating_add(size);
        if reached > most {
            return Err(log_limit(most, reached));
        }
        self.charge.grow(size)?;
        self.size = reached;
        Ok(())
    }

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
        self.collect(&bytes).map_err(|why| {
            let error = wasmtime::Error::msg("the host ended the invocation");
            self.lock().refused = Some(why);
            StreamError::Trap(error)
        })
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
    use durawasm_core::budget::HostBudget;
    use proptest::prelude::*;

    fn output() -> Output {
        Output::new(false, usize::MAX, &Budget::default())
    }

    #[test]
    fn what_nobody_takes_is_bounded_and_charged() {
        let budget = Budget::new(50_000, HostBudget::default());
        let output = Output::new(false, 20_000, &budget);
        let refused = |ended: Result<(), Ended>| match ended {
            Err(Ended::Limit(kind, message)) => (kind, message),
            other => panic!("{other:?}"),
        };
        output.collect(&[b'x'; 15_000]).unwrap();
        let (kind, message) = refused(output.collect(&[b'\n'; 100]));
        assert_eq!(kind, "Sandbox.LogLimitExceeded");
        assert!(message.contains("21500") && message.contains("20000"), "{message}");
        output.finish();
        assert_eq!(output.take_lines().len(), 1);
        output.collect(&[b'\n'; 100]).unwrap();
        assert!(budget.used() >= 6_500);
        drop(output);
        assert_eq!(budget.used(), 0);

        let output = Output::new(false, usize::MAX, &budget);
        output.collect(&vec![b'x'; 49_000]).unwrap();
        assert_eq!(refused(output.collect(&[b'x'; 1_001])).0, "Execution.ByteLimitExceeded");
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_they_are_written(text in "[a-c\n]{0,200}", cuts in proptest::collection::vec(0..200_usize, 0..8)) {
            let output = output();
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                output.collect(now).unwrap();
                rest = later;
            }
            output.collect(rest).unwrap();
            output.finish();
            let expected: Vec<_> = text.lines().map(str::to_owned).collect();
            prop_assert_eq!(output.take_lines(), expected);
        }
    }

    #[test]
    fn a_line_without_end_does_not_grow() {
        let output = output();
        for _ in 0..40 {
            output.collect(&[b'x'; 10_000]).unwrap();
        }
        assert!(output.lock().partial.len() < LINE);
        assert!(output.take_lines().iter().all(|l| l.len() <= LINE + 10_000));
    }
}
