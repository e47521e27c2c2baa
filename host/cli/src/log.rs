//! Handlers' lines on standard error, as they come.

use std::sync::Arc;

use super::terminal::Screen;
use durawasm_core::invocation::{LogLine, LogSink, LogSource};
use durawasm_report::printable;

/// Prints lines, without those that were printed by an earlier invocation already.
pub(super) struct Printer(pub(super) Arc<Screen>);

impl LogSink for Printer {
    fn write(&self, line: LogLine) {
        if line.replayed {
            return;
        }
        let source = match line.source {
            LogSource::Log => line.level.as_str(),
            LogSource::Stdout => "out",
            LogSource::Stderr => "err",
        };
        self.0.line(&format!("  {} {source:<5} {}", line.time, printable(&line.text())));
    }
}

/// Drops lines.
pub(super) struct Quiet;

impl LogSink for Quiet {
    fn write(&self, _: LogLine) {}
}
