//! The log lines of handlers on standard error, as they are written.

use std::{collections::BTreeMap, sync::Arc};

use super::{output::say_json_line, terminal::Screen};
use durawasm_core::{
    invocation::{LogLine, LogSink, LogSource},
    protocol::Timestamp,
};
use durawasm_report::LONGEST_LOG_LINE;
use serde::Serialize;

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

/// Prints log lines as JSON on standard output, without those that an earlier invocation has written.
pub(super) struct JsonLines;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonLine<'a> {
    time: Timestamp,
    level: &'a str,
    source: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<&'a str, &'a str>,
    execution: &'a str,
    request_id: &'a str,
}

impl LogSink for JsonLines {
    fn write(&self, line: LogLine) {
        if line.replayed {
            return;
        }
        let source = match line.source {
            LogSource::Log => "log",
            LogSource::Stdout => "stdout",
            LogSource::Stderr => "stderr",
        };
        // Texts can always be written as JSON.
        let _ = say_json_line(&JsonLine {
            time: line.time,
            level: line.level.as_str(),
            source,
            message: &line.message,
            fields: line.fields.iter().map(|(name, value)| (&**name, &**value)).collect(),
            execution: line.execution.as_str(),
            request_id: &line.invocation_id,
        });
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
