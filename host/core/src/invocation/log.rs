//! Output of guests: log lines, and standard output and error, line by line.
//!
//! Invariants: lines of replayed code are marked as such; the amount that a guest writes is limited.

use std::sync::{Arc, Mutex, PoisonError};

use crate::protocol::{ExecutionArn, OperationId, Timestamp};

/// The severity of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Very detailed.
    Trace,
    /// For debugging.
    Debug,
    /// Informational; also the level of standard output.
    Info,
    /// A possible problem; also the level of standard error.
    Warn,
    /// An error.
    Error,
}

impl LogLevel {
    /// The name in capitals.
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

/// The origin of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogSource {
    /// The durable log.
    Log,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of a guest's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written, in the time that the guest sees.
    pub time: Timestamp,
    /// The severity.
    pub level: LogLevel,
    /// The origin.
    pub source: LogSource,
    /// The text, without a line end.
    pub message: String,
    /// Structured fields: names and values.
    pub fields: Vec<(String, String)>,
    /// The operation that it belongs to.
    pub operation: Option<OperationId>,
    /// Whether an earlier invocation has written the line already.
    pub replayed: bool,
    /// The execution whose code wrote it.
    pub execution: ExecutionArn,
    /// The invocation that wrote it.
    pub invocation_id: Arc<str>,
}

impl LogLine {
    /// What a line counts against the limit of an invocation's log beside its texts, in bytes.
    pub const LINE: usize = 64;
    /// What a field counts beside its name and its value, in bytes.
    const FIELD: usize = 16;

    /// What it counts against the limit of an invocation's log, in bytes.
    pub fn size(&self) -> usize {
        let fields = self.fields.iter().map(|(name, value)| Self::FIELD + name.len() + value.len());
        let operation = self.operation.as_ref().map_or(0, |id| id.as_str().len());
        Self::LINE + self.message.len() + operation + fields.sum::<usize>()
    }

    /// The memory that it takes, in bytes.
    pub fn kept(&self) -> usize {
        let fields = self.fields.len() * (2 * size_of::<String>() + 32);
        size_of::<Self>() + 32 + self.size() + fields
    }

    /// The message followed by the fields as `name=value`; values with spaces or quotes are quoted.
    pub fn text(&self) -> String {
        let mut text = self.message.clone();
        for (name, value) in &self.fields {
            let quoted = value.contains([' ', '"']);
            text += &if quoted { format!(" {name}={value:?}") } else { format!(" {name}={value}") };
        }
        text
    }
}

/// Receives guests' lines. It is called from within invocations and must not block.
pub trait LogSink: Send + Sync {
    /// Receives one line.
    fn write(&self, line: LogLine);

    /// Whether [`write`](Self::write) keeps this line in memory. Then it is charged to the budget of its execution.
    fn keeps(&self, _line: &LogLine) -> bool {
        true
    }
}

/// Keeps lines in memory, except those of replayed code.
#[derive(Debug, Default)]
pub struct LogBuffer(Mutex<Vec<LogLine>>);

impl LogBuffer {
    /// Takes the lines so far and leaves the buffer empty.
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

    fn keeps(&self, line: &LogLine) -> bool {
        !line.replayed
    }
}
