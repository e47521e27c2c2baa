//! Handlers' lines on standard error, as they come.

use std::io::Write;

use crate::{
    report::printable,
    sandbox::{LogLine, LogSink, LogSource},
};

/// Prints lines, without those that were printed by an earlier invocation already.
pub(super) struct Printer;

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
        let mut text = format!("  {} {source:<5} {}", line.time, printable(&line.message));
        for (name, value) in &line.fields {
            let value = printable(value);
            let value = if value.contains([' ', '"']) { format!("{value:?}") } else { value };
            text += &format!(" {}={value}", printable(name));
        }
        // A closed standard error is no reason to stop an execution.
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}

/// Drops lines.
pub(super) struct Quiet;

impl LogSink for Quiet {
    fn write(&self, _: LogLine) {}
}
