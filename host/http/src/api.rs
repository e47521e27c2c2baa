//! The API: from a request that was read to its answer.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use durawasm_core::{
    ambient::{Clock as _, SystemClock},
    budget::HostBudget,
    orchestrator::{Environment, Versions},
    protocol::{Limits, Timestamp},
    server::{InvocationRetry, ServerHandle},
};
use tokio::sync::Semaphore;

use super::{
    bounds::Bounds,
    error::{ApiError, Exception},
    failures::{Failure, Failures},
    gate::Gate,
    marker::Markers,
    metrics::Metrics,
    names::FunctionRef,
    once::Once,
    reply::Reply,
    request::ApiRequest,
    route::Operation,
    tail::LogTails,
};

/// The type of the answer to `GET /metrics`.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is in force for executions of a function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionSettings {
    /// The execution timeout in seconds; none for the longest that the limits allow.
    pub execution_timeout: Option<u64>,
    /// What happens after a crashed invocation.
    pub invocation_retry: InvocationRetry,
}

/// The options of an API.
#[derive(Debug, Clone, Default)]
pub struct ApiOptions {
    /// What clients can make the process keep and wait for.
    pub bounds: Bounds,
    /// What is in force for functions, by name.
    pub functions: HashMap<String, FunctionSettings>,
    /// What is in force for all other functions.
    pub others: FunctionSettings,
    /// The limits of the environment.
    pub limits: Limits,
    /// What the executions of the environment may make the process keep.
    pub host: HostBudget,
    /// Is told of what failed.
    pub failures: Option<Failures>,
    /// What is counted and measured.
    pub metrics: Metrics,
}

/// The durable execution API of one environment.
pub struct Api {
    pub(crate) environment: Arc<Environment>,
    /// Whether nothing is started any more.
    pub(crate) closed: AtomicBool,
    pub(crate) tails: Arc<LogTails>,
    pub(crate) markers: Markers,
    pub(crate) once: Once,
    pub(crate) plain: Arc<Semaphore>,
    pub(crate) gate: Gate,
    real_time: SystemClock,
    pub(crate) options: ApiOptions,
}

impl Api {
    /// Creates the API for the functions of an environment. `tails` has to be the environment's log. The environment has
    /// to let answers come from outside.
    ///
    /// If the environment has a store, its executions that have not ended continue with [`Server::run`](super::Server::run).
    pub fn new(mut environment: Environment, tails: Arc<LogTails>, options: ApiOptions) -> Arc<Self> {
        // Who waits at the gate would keep time from being skipped. The sandbox has its own places, which do not.
        let skips = environment.clock().skips();
        let gate = Gate::new(if skips { usize::MAX } else { options.bounds.invocations });
        let versions: Arc<dyn Versions> = match environment.versions() {
            Some(versions) => versions.clone(),
            None => Arc::new(environment.functions().clone()),
        };
        options.metrics.serve(versions.functions().iter());
        environment.server().count(Arc::new(options.metrics.clone()));
        environment.set_versions(gate.around_all(versions, &options.metrics));
        let environment = Arc::new(environment);
        let plain = options.bounds.plain_invocations.min(Semaphore::MAX_PERMITS);
        let (markers, once, plain) = (Markers::new(), Once::default(), Arc::new(Semaphore::new(plain)));
        Arc::new(Self {
            environment,
            closed: AtomicBool::new(false),
            tails,
            markers,
            once,
            plain,
            gate,
            real_time: SystemClock::new(),
            options,
        })
    }

    /// The server of the environment.
    pub fn server(&self) -> &ServerHandle {
        self.environment.server()
    }

    /// Refuses to start anything from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Refuses an invocation if the server is about to end.
    pub(crate) fn check_open(&self) -> Result<(), ApiError> {
        if self.closed.load(Ordering::Acquire) {
            let message = "the server is about to end: it starts nothing more";
            return Err(ApiError::new(Exception::Service, message));
        }
        Ok(())
    }

    /// The time of the machine, which clients have as well.
    pub(crate) fn real_now(&self) -> Timestamp {
        self.real_time.now()
    }

    /// The time of the functions.
    pub(crate) fn now(&self) -> Timestamp {
        self.environment.clock().now()
    }

    /// What the ARNs of executions have for the version that a request names.
    pub(crate) fn resolve(&self, named: &FunctionRef) -> Result<Arc<str>, ApiError> {
        Ok(self.environment.resolve(&named.to_string())?)
    }

    /// Tells of a failure.
    pub(crate) fn report(&self, failure: Failure<'_>) {
        if let Some(failures) = &self.options.failures {
            failures.report(failure);
        }
    }

    pub(crate) fn settings(&self, function: &str) -> &FunctionSettings {
        self.options.functions.get(function).unwrap_or(&self.options.others)
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, operation: Operation, request: ApiRequest) -> Result<Reply, ApiError> {
        match operation {
            Operation::Invoke => self.invoke(&request).await,
            Operation::GetDurableExecution => self.get(&request).await,
            Operation::GetDurableExecutionHistory => self.history(&request).await,
            Operation::GetDurableExecutionState => self.state(&request).await,
            Operation::CheckpointDurableExecution => self.checkpoint(&request).await,
            Operation::ListDurableExecutionsByFunction => self.list(&request).await,
            Operation::StopDurableExecution => self.stop(&request).await,
            Operation::PauseDurableExecution => self.pause(&request).await,
            Operation::ResumeDurableExecution => self.resume(&request).await,
            Operation::DeleteDurableExecution => self.delete(&request).await,
            Operation::SendDurableExecutionCallbackSuccess => self.succeed_callback(&request).await,
            Operation::SendDurableExecutionCallbackFailure => self.fail_callback(&request).await,
            Operation::SendDurableExecutionCallbackHeartbeat => self.beat_callback(&request).await,
            Operation::Health => self.health(),
            Operation::Metrics => self.metrics(),
            Operation::Clock => Ok(self.clock()),
            Operation::AdvanceClock => self.advance_clock(&request).await,
        }
    }

    fn health(&self) -> Result<Reply, ApiError> {
        if self.server().is_gone() {
            return Err(ApiError::new(Exception::Service, "the checkpoint server has ended"));
        }
        Ok(Reply::text(200, r#"{"status":"ok"}"#))
    }

    fn metrics(&self) -> Result<Reply, ApiError> {
        match self.options.metrics.page() {
            Ok(page) => Ok(Reply::of_type(METRICS, page)),
            Err(error) => {
                Err(ApiError::new(Exception::Service, format!("the metrics cannot be told: {error}")))
            }
        }
    }
}
