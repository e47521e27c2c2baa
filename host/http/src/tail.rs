//! The ends of logs, for invocations that ask for them (`X-Amz-Log-Type: Tail`).
//!
//! Invariants: of each log at most the last 4 KiB are kept, and only while a request wants it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
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
    wanted: Mutex<HashMap<ExecutionArn, Weak<Tail>>>,
}

/// Keeps the end of a log while it lives.
pub(crate) struct Following {
    tails: Arc<LogTails>,
    arn: ExecutionArn,
    tail: Arc<Tail>,
}

impl Following {
    /// The log's end in base64.
    pub(crate) fn encoded(&self) -> String {
        self.tail.encoded()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut wanted = self.tails.wanted();
        // Others may follow the same log.
        if Arc::strong_count(&self.tail) == 1 {
            wanted.remove(&self.arn);
        }
    }
}

/// The end of one log.
#[derive(Default)]
struct Tail(Mutex<VecDeque<u8>>);

impl Tail {
    fn push(&self, line: &LogLine) {
        let text = format!("{} {:<5} {}\n", line.time, line.level.as_str(), line.text());
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend(text.as_bytes());
        let excess = bytes.len().saturating_sub(TAIL);
        bytes.drain(..excess);
    }

    fn encoded(&self) -> String {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        STANDARD.encode(&*bytes.make_contiguous())
    }
}

impl LogTails {
    /// Passes lines on to `next`. It has to be the log of the environment that the API serves.
    pub fn new(next: Arc<dyn LogSink>) -> Arc<Self> {
        Arc::new(Self { next, wanted: Mutex::default() })
    }

    fn wanted(&self) -> MutexGuard<'_, HashMap<ExecutionArn, Weak<Tail>>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the end of an execution's log from now on, until the value is dropped.
    pub(crate) fn follow(self: &Arc<Self>, arn: &ExecutionArn) -> Following {
        let mut wanted = self.wanted();
        let tail = wanted.get(arn).and_then(Weak::upgrade).unwrap_or_default();
        wanted.insert(arn.clone(), Arc::downgrade(&tail));
        Following { tails: self.clone(), arn: arn.clone(), tail }
    }
}

impl LogSink for LogTails {
    fn write(&self, line: LogLine) {
        if !line.replayed {
            let tail = self.wanted().get(&line.execution).and_then(Weak::upgrade);
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
