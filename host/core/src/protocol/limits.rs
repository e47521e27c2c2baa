//! The service's limits, in one place and adjustable.

use crate::budget::EXECUTION_BYTES;

/// The limits that the server enforces. The default is what the service enforces on every request; the two quotas on a
/// whole execution are off unless they are set ([`Limits::service_quotas`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest payload of an operation, and the largest result or input of an execution, in bytes.
    pub payload_bytes: usize,
    /// The largest error of an update or of a crashed invocation, in bytes. The service's model allows 1 MB for an update,
    /// and the service refuses more than this.
    pub error_bytes: usize,
    /// The largest error of a callback's answer, of a stop and of an execution, in bytes: its texts, and what each frame of
    /// its stack needs beside them (service model: "The combined size of all error fields is limited to 1 MB").
    pub whole_error_bytes: usize,
    /// The largest result of a callback's answer, in bytes (service model: `BinaryOperationPayload`).
    pub callback_bytes: usize,
    /// The most updates in one checkpoint.
    pub batch_updates: usize,
    /// The most bytes of payloads and errors in one checkpoint.
    pub batch_bytes: usize,
    /// The most operations in one page of state.
    pub page_operations: usize,
    /// The most operations of one execution; `None` is no limit.
    pub operations: Option<usize>,
    /// The most bytes written by one execution; `None` is no limit.
    pub written_bytes: Option<usize>,
    /// The most bytes that one execution may make the host keep: payloads, results, errors, names, events, queued
    /// updates, log lines and output. Beyond that it fails.
    pub execution_bytes: usize,
    /// The most functions that wait for each other in a chain of invokes.
    pub invoke_depth: usize,
    /// The most functions that one run may invoke, by itself and by the functions that it invokes.
    pub invokes: usize,
    /// The most events of one execution. After that the execution cannot checkpoint any more, so endless retries end.
    pub events: usize,
    /// Seconds on its own clock after which an execution without a timeout times out (service model: `ExecutionTimeout`
    /// is at most a year); `None` is no limit. In practice an execution that waits for an answer that cannot come ends
    /// earlier, as stalled.
    pub longest_execution: Option<u64>,
}

impl Limits {
    /// The delay of a wait or a retry, in seconds.
    pub const DELAY_SECONDS: std::ops::RangeInclusive<u64> = 1..=31_622_400;
    /// A callback's timeouts, in seconds; 0 is none.
    pub const CALLBACK_SECONDS: std::ops::RangeInclusive<u64> = 0..=99_999_999;
    /// An execution's timeout, in seconds.
    pub const EXECUTION_SECONDS: std::ops::RangeInclusive<u64> = 1..=31_622_400;
    /// The largest result that a child context records in place, in bytes.
    pub const INLINE_RESULT_BYTES: usize = 256 * 1024;

    /// The limits with the service's quotas on an execution: 3,000 operations, 100 MB written.
    pub fn service_quotas() -> Self {
        Self { operations: Some(3_000), written_bytes: Some(100_000_000), ..Self::default() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes: 6 * 1024 * 1024,
            error_bytes: 32 * 1024,
            whole_error_bytes: 1024 * 1024,
            callback_bytes: 1024 * 1024,
            batch_updates: 250,
            batch_bytes: 750 * 1024,
            page_operations: 1000,
            operations: None,
            written_bytes: None,
            execution_bytes: EXECUTION_BYTES,
            invoke_depth: 100,
            invokes: 10_000,
            events: 1_000_000,
            longest_execution: Some(*Self::EXECUTION_SECONDS.end()),
        }
    }
}
