//! What is counted and measured, for `GET /metrics`, in the text format of `OpenMetrics`, which Prometheus reads.
//!
//! Invariants:
//! - a label has few values: operations of the API, status codes, outcomes, and functions that are served; whatever else a
//!   client or a handler names is `other` or `unknown`;
//! - counting neither waits nor fails, and no lock of it is held across an `await`.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, OnceLock},
};

use durawasm_core::{
    protocol::{ExecutionArn, ExecutionStatus},
    server::{Store, Tally},
};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};
use tokio::time::Instant;

use super::{
    counted::Counted,
    error::Scarce,
    function_meter::FunctionMeter,
    labels::{Answered, Ended, FunctionName, OfFunction, OfOperation, Outcome, Refused, Status},
    metered_store::MeteredStore,
    route::Operation,
};

/// Upper bounds of buckets for what takes as long as code of functions, in seconds.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0];

/// Upper bounds of buckets for commits, in seconds.
const COMMIT_SECONDS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// What a server counts and measures. Clones share it.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    functions: OnceLock<BTreeSet<Arc<str>>>,
    requests: Family<Answered, Counter>,
    request_durations: Family<OfOperation, Histogram>,
    refused: Family<Refused, Counter>,
    connections: Gauge,
    handshake_failures: Counter,
    body_bytes: Gauge,
    started: Family<OfFunction, Counter>,
    ended: Family<Ended, Counter>,
    at_work: Gauge,
    invocations_waiting: Gauge,
    invocations_running: Gauge,
    invocations: Family<Outcome, Counter>,
    invocation_durations: Family<OfFunction, Histogram>,
    checkpoints: Family<OfFunction, Counter>,
    commit_durations: Histogram,
    commit_failures: Counter,
}

impl Default for Inner {
    fn default() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(SECONDS);
        let inner = Self {
            registry: Registry::with_prefix("durawasm"),
            functions: OnceLock::new(),
            requests: Family::default(),
            request_durations: Family::new_with_constructor(seconds),
            refused: Family::default(),
            connections: Gauge::default(),
            handshake_failures: Counter::default(),
            body_bytes: Gauge::default(),
            started: Family::default(),
            ended: Family::default(),
            at_work: Gauge::default(),
            invocations_waiting: Gauge::default(),
            invocations_running: Gauge::default(),
            invocations: Family::default(),
            invocation_durations: Family::new_with_constructor(seconds),
            checkpoints: Family::default(),
            commit_durations: Histogram::new(COMMIT_SECONDS),
            commit_failures: Counter::default(),
        };
        // A series that is there from the start shows its first increase.
        for scarce in Scarce::ALL {
            drop(inner.refused.get_or_create(&Refused { reason: scarce.name() }));
        }
        inner.registered()
    }
}

impl Inner {
    /// Names what is counted. A counter's name gets `_total`, and a unit comes before it.
    fn registered(mut self) -> Self {
        let all = &mut self.registry;
        all.register("build", "The version of durawasm", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        all.register("requests", "Requests, by their answers' status", self.requests.clone());
        all.register_with_unit(
            "request_duration",
            "Time from the head of a request to its answer",
            Unit::Seconds,
            self.request_durations.clone(),
        );
        all.register("requests_refused", "Requests that were refused for want of room", self.refused.clone());
        all.register("connections", "Open connections", self.connections.clone());
        all.register(
            "tls_handshake_failures",
            "Connections that ended before their TLS handshake",
            self.handshake_failures.clone(),
        );
        all.register_with_unit(
            "request_body",
            "What bodies of requests take now",
            Unit::Bytes,
            self.body_bytes.clone(),
        );
        all.register("executions_started", "Executions that have started", self.started.clone());
        all.register("executions_ended", "Executions that have ended", self.ended.clone());
        all.register(
            "executions_at_work",
            "Executions that wait neither for time nor for an answer",
            self.at_work.clone(),
        );
        all.register(
            "invocations_waiting",
            "Invocations that wait for their turn",
            self.invocations_waiting.clone(),
        );
        all.register("invocations_running", "Invocations that run now", self.invocations_running.clone());
        all.register("invocations", "Invocations that have ended", self.invocations.clone());
        all.register_with_unit(
            "invocation_duration",
            "Time that an invocation ran",
            Unit::Seconds,
            self.invocation_durations.clone(),
        );
        all.register("checkpoints", "Checkpoints of invocations that have ended", self.checkpoints.clone());
        all.register_with_unit(
            "store_commit_duration",
            "Time that the store took for a commit",
            Unit::Seconds,
            self.commit_durations.clone(),
        );
        all.register(
            "store_commit_failures",
            "Commits that the store has refused",
            self.commit_failures.clone(),
        );
        self
    }

    fn name_of(&self, function: &str) -> FunctionName {
        let served = self.functions.get().and_then(|functions| functions.get(function));
        FunctionName(served.cloned().unwrap_or_else(|| "other".into()))
    }
}

impl Metrics {
    /// Measures the commits of a store.
    pub fn of_store(&self, store: Box<dyn Store>) -> Box<dyn Store> {
        let (durations, failures) = (self.0.commit_durations.clone(), self.0.commit_failures.clone());
        Box::new(MeteredStore { store, durations, failures })
    }

    /// Says which functions are served. Only the first call counts.
    pub(crate) fn serve<'a>(&self, functions: impl Iterator<Item = &'a Arc<str>>) {
        self.0.functions.get_or_init(|| functions.cloned().collect());
    }

    /// All values, in the text format of `OpenMetrics`.
    pub(crate) fn page(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        encode(&mut page, &self.0.registry)?;
        Ok(page)
    }

    /// Counts a connection until the value is dropped.
    pub(crate) fn connection(&self) -> Counted {
        Counted::one(&self.0.connections)
    }

    /// Counts an execution at work until the value is dropped.
    pub(crate) fn at_work(&self) -> Counted {
        Counted::one(&self.0.at_work)
    }

    pub(crate) fn handshake_failed(&self) {
        self.0.handshake_failures.inc();
    }

    /// The bytes that bodies of requests take now.
    pub(crate) fn body_bytes(&self) -> &Gauge {
        &self.0.body_bytes
    }

    pub(crate) fn refused(&self, scarce: Scarce) {
        self.0.refused.get_or_create(&Refused { reason: scarce.name() }).inc();
    }

    /// Measures a request from now on; none if no operation has its method and path.
    pub(crate) fn request(&self, operation: Option<Operation>) -> Measured<'_> {
        let operation = operation.map_or("unknown", Operation::name);
        Measured { inner: &self.0, began: Instant::now(), operation, status: None }
    }

    /// The counters of a function's invocations.
    pub(crate) fn function(&self, name: &str) -> FunctionMeter {
        let of = OfFunction { function: self.0.name_of(name) };
        FunctionMeter {
            waiting: self.0.invocations_waiting.clone(),
            running: self.0.invocations_running.clone(),
            durations: self.0.invocation_durations.get_or_create_owned(&of),
            checkpoints: self.0.checkpoints.get_or_create_owned(&of),
            outcomes: self.0.invocations.clone(),
            name: of.function,
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Tally for Metrics {
    fn started(&self, arn: &ExecutionArn) {
        let function = self.0.name_of(arn.parts().unwrap_or_default().0);
        self.0.started.get_or_create(&OfFunction { function }).inc();
    }

    fn ended(&self, arn: &ExecutionArn, status: ExecutionStatus) {
        let function = self.0.name_of(arn.parts().unwrap_or_default().0);
        self.0.ended.get_or_create(&Ended { function, status: status.as_str() }).inc();
    }
}

/// A request that is measured until it is dropped.
pub(crate) struct Measured<'a> {
    inner: &'a Inner,
    began: Instant,
    operation: &'static str,
    status: Option<u16>,
}

impl Measured<'_> {
    pub(crate) fn operation(&self) -> &'static str {
        self.operation
    }

    /// How long it has taken until now.
    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// The request was answered with this status.
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = Some(status);
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let (inner, operation, status) = (self.inner, self.operation, Status(self.status));
        inner.requests.get_or_create(&Answered { operation, status }).inc();
        inner.request_durations.get_or_create(&OfOperation { operation }).observe(self.seconds());
    }
}
