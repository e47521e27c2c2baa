//! What guests write: log lines, and standard output and error, line by line.
//!
//! Always true: a line of code that is being replayed is marked as such, and what a guest may write is bounded.

use std::sync::{Arc, Mutex, PoisonError};

use crate::protocol::{ExecutionArn, OperationId, Timestamp};

/// Severity of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Finest.
    Trace,
    /// For debugging.
    Debug,
    /// What happens; also standard output.
    Info,
    /// What may be wrong; also standard error.
    Warn,
    /// What is wrong.
    Error,
}

impl LogLevel {
    /// In capitals.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// Where a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogSource {
    /// The durable log.
    Log,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When, in the guest's time.
    pub time: Timestamp,
    /// How severe.
    pub level: LogLevel,
    /// From where.
    pub source: LogSource,
    /// The text, without a line end.
    pub message: String,
    /// Names and values.
    pub fields: Vec<(String, String)>,
    /// The operation that it belongs to.
    pub operation: Option<OperationId>,
    /// Whether the line was written before already, by an earlier invocation.
    pub replayed: bool,
    /// The execution whose code wrote it.
    pub execution: ExecutionArn,
    /// The invocation that wrote it.
    pub invocation_id: Arc<str>,
}

impl LogLine {
    /// The text, and the fields after it: `name=value`, in quotes where a value has spaces or quotes.
    pub fn text(&self) -> String {
        let mut text = self.message.clone();
        for (name, value) in &self.fields {
            let quoted = value.contains([' ', '"']);
            text += &if quoted { format!(" {name}={value:?}") } else { format!(" {name}={value}") };
        }
        text
    }
}

/// Takes a guest's lines. Called from within invocations: it must be quick.
pub trait LogSink: Send + Sync {
    /// Takes one line.
    fn write(&self, line: LogLine);
}

/// Lines kept in memory, without those that were replayed.
#[derive(Debug, Default)]
pub struct LogBuffer(Mutex<Vec<LogLine>>);

impl LogBuffer {
    /// The lines so far, and an empty buffer.
    pub fn take(&self) -> Vec<LogLine> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl LogSink for LogBuffer {
    fn write(&self, line: LogLine) {
        if !line.replayed {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }
}
