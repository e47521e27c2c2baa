//! The ends of logs, for invocations that ask for them (`X-Amz-Log-Type: Tail`).
//!
//! Invariants: of each log at most the last 4 KiB are kept, and only while somebody wants it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use durawasm_core::{
    invocation::{LogLine, LogSink},
    protocol::ExecutionArn,
};

/// The bytes of a log that an answer has (service model: `LogResult`).
const TAIL: usize = 4096;

/// Passes log lines on, and keeps the ends of the logs that are wanted.
pub struct LogTails {
    next: Arc<dyn LogSink>,
    wanted: Mutex<HashMap<ExecutionArn, Arc<Tail>>>,
}

/// The end of one log.
#[derive(Default)]
pub(crate) struct Tail(Mutex<VecDeque<u8>>);

impl Tail {
    fn push(&self, line: &LogLine) {
        let text = format!("{} {:<5} {}\n", line.time, line.level.as_str(), line.text());
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend(text.as_bytes());
        let excess = bytes.len().saturating_sub(TAIL);
        bytes.drain(..excess);
    }

    /// The log's end in base64.
    pub(crate) fn encoded(&self) -> String {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        STANDARD.encode(&*bytes.make_contiguous())
    }
}

impl LogTails {
    /// Passes lines on to `next`. It has to be the log of the environment that the API serves.
    pub fn new(next: Arc<dyn LogSink>) -> Arc<Self> {
        Arc::new(Self { next, wanted: Mutex::default() })
    }

    fn wanted(&self) -> MutexGuard<'_, HashMap<ExecutionArn, Arc<Tail>>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the end of an execution's log from now on.
    pub(crate) fn follow(&self, arn: &ExecutionArn) -> Arc<Tail> {
        self.wanted().entry(arn.clone()).or_default().clone()
    }

    /// Ends what [`Self::follow`] began. Whoever has the end of the log keeps it.
    pub(crate) fn over(&self, arn: &ExecutionArn) {
        self.wanted().remove(arn);
    }
}

impl LogSink for LogTails {
    fn write(&self, line: LogLine) {
        if !line.replayed {
            let tail = self.wanted().get(&line.execution).cloned();
            if let Some(tail) = tail {
                tail.push(&line);
            }
        }
        self.next.write(line);
    }

    fn keeps(&self, line: &LogLine) -> bool {
        self.next.keeps(line)
    }
}
