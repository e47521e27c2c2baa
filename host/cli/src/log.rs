//! The log lines of handlers on standard error, as they are written.

use std::sync::Arc;

use super::terminal::Screen;
use durawasm_core::invocation::{LogLine, LogSink, LogSource};
use durawasm_report::LONGEST_LOG_LINE;

/// Prints log lines, without those that an earlier invocation has written.
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
        self.0.line(&format!("  {} {source:<5} {}", line.time, line.text()), LONGEST_LOG_LINE);
    }

    fn keeps(&self, _: &LogLine) -> bool {
        false
    }
}

/// Discards log lines.
pub(super) struct Quiet;

impl LogSink for Quiet {
    fn write(&self, _: LogLine) {}

    fn keeps(&self, _: &LogLine) -> bool {
        false
    }
}
