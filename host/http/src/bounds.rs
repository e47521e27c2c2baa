//! What clients can make the process keep and wait for.

use std::time::Duration;

/// The bounds of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at once. More wait until one is closed.
    pub connections: usize,
    /// Executions that run or could, because they do not wait for time or an answer. Requests for more are refused (429).
    pub open_executions: usize,
    /// Plain functions that run at once for requests. More are refused (429).
    pub plain_invocations: usize,
    /// Invocations of functions that run at once. More wait, first come, first served.
    pub invocations: usize,
    /// The largest head of a request, in bytes.
    pub head_bytes: usize,
    /// The longest time to receive the head of a request, which is also how long a connection may be idle.
    pub head_time: Duration,
    /// The longest time to receive the body of a request.
    pub body_time: Duration,
    /// The longest time in which a client accepts nothing of an answer.
    pub write_time: Duration,
    /// Bytes of bodies that all requests hold at once. A request for which there is no room is refused (429).
    pub bodies_bytes: usize,
    /// How long an execution is kept after its end; `None` keeps it until it is deleted.
    pub retention: Option<Duration>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 1024,
            open_executions: 10_000,
            plain_invocations: 256,
            invocations: 64,
            head_bytes: 64 * 1024,
            head_time: Duration::from_mins(1),
            body_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            bodies_bytes: 256 << 20,
            retention: Some(Duration::from_hours(7 * 24)),
        }
    }
}

/// How long what failed for want of a store or of file handles waits until it is tried again.
pub(crate) const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The largest payload of a synchronous invocation, in bytes (service model: `Invoke`).
pub(crate) const SYNCHRONOUS_PAYLOAD: usize = 6 << 20;

/// The largest payload of an asynchronous invocation, in bytes (service model: `Invoke`).
pub(crate) const ASYNCHRONOUS_PAYLOAD: usize = 1 << 20;

/// The largest result of a callback, in bytes (service model: `BinaryOperationPayload`).
pub(crate) const CALLBACK_RESULT: usize = 1 << 20;

/// The largest body with an error, in bytes. An error has at most 1 MiB. Clients that write JSON in ASCII, as boto3 does, need
/// up to three times as much for text that is not.
pub(crate) const ERROR_BODY: usize = 4 << 20;

/// The largest body of a checkpoint, in bytes. It may hold the result of an execution, 6 MiB, as JSON text within JSON.
pub(crate) const CHECKPOINT_BODY: usize = 16 << 20;

/// The largest body of a pause or a resumption, in bytes.
pub(crate) const REASON_BODY: usize = 16 << 10;

/// The payloads of the events of one page, in bytes: a page ends after the event that exceeds it.
pub(crate) const PAGE_BYTES: usize = 6 << 20;
