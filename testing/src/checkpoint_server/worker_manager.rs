//! `CheckpointWorkerManager`: starts and stops the thread of one checkpoint server.
//!
//! Invariants: managers share nothing, and any number can coexist; after `teardown` or a drop the thread has ended; a
//! call to a manager whose thread has ended returns the reason.

use std::{
    cell::RefCell,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use durawasm_core::{
    budget::{Budget, EXECUTION_BYTES, HOST_BYTES, HostBudget},
    orchestrator::{Backend, EnvironmentOptions, TimeMode},
    protocol::{
        Budgeting, ChangeSubscription, CheckpointResponse, CheckpointToken, DurableServiceClient,
        ExecutionArn, Limits, OperationUpdate, ServiceCall, ServiceError, StatePage, Subscribing,
    },
    server::CheckpointServer,
};

use super::ApiRequest;
use crate::{TestError, tokio_time::TokioClock};

/// The configuration of a checkpoint server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointWorkerParams {
    /// The duration of each checkpoint, in milliseconds of the server's time. The default is none.
    pub checkpoint_delay: Option<u64>,
    /// Whether the server skips time. The default is `true`.
    pub skip_time: bool,
    /// Seeds the ids, so that they are the same in every run; `None` takes them from the operating system. The default
    /// is 0.
    pub seed: Option<u64>,
    /// Whether skipped time advances tokio's clock as well.
    pub tokio_time: bool,
    /// What one execution may make the server's process keep, in bytes. The default is 256 MiB.
    pub execution_bytes: usize,
    /// What all executions of the server may make its process keep, in bytes. The default is 1 GiB.
    pub host_bytes: usize,
}

impl Default for CheckpointWorkerParams {
    fn default() -> Self {
        Self {
            checkpoint_delay: None,
            skip_time: true,
            seed: Some(0),
            tokio_time: false,
            execution_bytes: EXECUTION_BYTES,
            host_bytes: HOST_BYTES,
        }
    }
}

impl CheckpointWorkerParams {
    /// The corresponding options of an environment.
    pub(crate) fn options(self) -> EnvironmentOptions {
        EnvironmentOptions {
            time: if self.skip_time { TimeMode::SKIP } else { TimeMode::Real },
            seed: self.seed,
            checkpoint_delay: self.checkpoint_delay.map(Duration::from_millis),
            limits: Limits { execution_bytes: self.execution_bytes, ..Limits::default() },
            host: HostBudget::new(self.host_bytes),
            ..EnvironmentOptions::default()
        }
    }
}

/// One checkpoint server: a thread that owns all state, and channels to it.
///
/// # Examples
///
/// ```
/// use durawasm_core::server::StartExecution;
/// use durawasm_testing::checkpoint_server::{CheckpointWorkerManager, GetExecution, StartDurableExecution};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), durawasm_testing::TestError> {
/// let manager = CheckpointWorkerManager::new(None);
/// manager.setup().await?;
/// let start = StartDurableExecution(StartExecution::new("order", Some("{}".to_owned())));
/// let arn = manager.send_api_request(start).await?;
/// assert_eq!(manager.send_api_request(GetExecution(arn)).await?.events.len(), 1);
/// manager.teardown().await?;
/// # Ok(())
/// # }
/// ```
pub struct CheckpointWorkerManager {
    params: CheckpointWorkerParams,
    worker: Mutex<Worker>,
}

enum Worker {
    New,
    Running {
        /// Dropping the server stops its thread.
        _server: CheckpointServer,
        backend: Backend,
    },
    /// The server was torn down. The backend is kept, because its calls return the reason.
    Gone(Option<Backend>),
}

impl Worker {
    fn runs(&self) -> bool {
        matches!(self, Self::Running { backend, .. } if !backend.server.is_gone())
    }
}

thread_local! {
    /// The instance of this thread. Each test runs on its own thread, so tests do not share instances.
    static INSTANCE: RefCell<Option<Arc<CheckpointWorkerManager>>> = const { RefCell::new(None) };
}

impl CheckpointWorkerManager {
    /// A manager whose thread is not started yet.
    pub fn new(params: Option<CheckpointWorkerParams>) -> Self {
        Self { params: params.unwrap_or_default(), worker: Mutex::new(Worker::New) }
    }

    /// The instance of this thread. The first call creates it. Each test has its own thread, so tests do not share
    /// instances.
    ///
    /// # Errors
    /// Returns an error if an instance with other parameters exists.
    pub fn get_instance(params: Option<CheckpointWorkerParams>) -> Result<Arc<Self>, TestError> {
        INSTANCE.with_borrow_mut(|instance| {
            if let Some(instance) = instance {
                return match params {
                    Some(params) if params != instance.params => Err(TestError::CheckpointServerError(
                        "this thread's instance has other parameters: reset it first".to_owned(),
                    )),
                    _ => Ok(instance.clone()),
                };
            }
            Ok(instance.insert(Arc::new(Self::new(params))).clone())
        })
    }

    /// Drops the instance of this thread: the next call of [`get_instance`](Self::get_instance) creates another.
    pub fn reset_instance_for_testing() {
        let instance = INSTANCE.take();
        drop(instance);
    }

    /// The configuration of the server.
    pub fn params(&self) -> CheckpointWorkerParams {
        self.params
    }

    fn worker(&self) -> MutexGuard<'_, Worker> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the thread, unless it runs. After a teardown or a crash it starts a new one, without executions.
    ///
    /// # Errors
    /// [`TestError::CheckpointServerError`] if the operating system cannot start a thread.
    #[expect(clippy::unused_async, reason = "a public name and signature that users call")]
    pub async fn setup(&self) -> Result<(), TestError> {
        self.start()
    }

    pub(crate) fn start(&self) -> Result<(), TestError> {
        let mut worker = self.worker();
        if !worker.runs() {
            let options = self.params.options();
            let made = match options.time {
                TimeMode::Skip { start } if self.params.tokio_time => {
                    Backend::with_clock(&options, Arc::new(TokioClock::new(start)))
                }
                _ => Backend::new(&options),
            };
            let (server, backend) =
                made.map_err(|error| TestError::CheckpointServerError(format!("no thread for it: {error}")))?;
            *worker = Worker::Running { _server: server, backend };
        }
        Ok(())
    }

    /// Whether the thread runs: it was set up, was not torn down and has not crashed.
    pub fn is_set_up(&self) -> bool {
        self.worker().runs()
    }

    /// The server with its clock and its source of randomness.
    ///
    /// # Errors
    /// [`TestError::CheckpointCommunicationError`] if the server was not set up or was torn down.
    pub fn backend(&self) -> Result<Backend, TestError> {
        match &*self.worker() {
            Worker::Running { backend, .. } => Ok(backend.clone()),
            Worker::New | Worker::Gone(None) => {
                Err(TestError::CheckpointCommunicationError("the server was not set up".to_owned()))
            }
            Worker::Gone(Some(_)) => {
                Err(TestError::CheckpointCommunicationError("it was shut down".to_owned()))
            }
        }
    }

    /// Sends a request, and waits for the response.
    ///
    /// # Errors
    /// The error of the server; [`TestError::CheckpointCommunicationError`] if its thread has ended or ends before it
    /// responds.
    pub async fn send_api_request<R: ApiRequest>(&self, request: R) -> Result<R::Response, TestError> {
        let backend = self.backend()?;
        Ok(request.send(&backend).await?)
    }

    /// Stops the thread after it has processed all earlier requests, and waits for its end. Does nothing if it does not
    /// run.
    ///
    /// # Errors
    /// None.
    #[expect(clippy::unused_async, reason = "a public name and signature that users call")]
    pub async fn teardown(&self) -> Result<(), TestError> {
        self.stop();
        Ok(())
    }

    pub(crate) fn stop(&self) {
        let gone = {
            let mut worker = self.worker();
            let gone = std::mem::replace(&mut *worker, Worker::Gone(None));
            if let Worker::Running { backend, .. } | Worker::Gone(Some(backend)) = &gone {
                *worker = Worker::Gone(Some(backend.clone()));
            }
            gone
        };
        // Dropping the server waits for its thread, so it must happen after the lock is released.
        drop(gone);
    }

    /// Injects a crash of the thread, to test what its callers observe.
    ///
    /// # Errors
    /// As for [`backend`](Self::backend).
    pub fn crash(&self, why: &str) -> Result<(), TestError> {
        self.backend()?.server.crash(why);
        Ok(())
    }

    /// The same as [`backend`](Self::backend) for a service client. After a teardown it returns the backend, whose
    /// calls return the reason.
    fn client(&self) -> Result<Backend, ServiceError> {
        match &*self.worker() {
            Worker::Running { backend, .. } | Worker::Gone(Some(backend)) => Ok(backend.clone()),
            Worker::New | Worker::Gone(None) => {
                Err(ServiceError::Unavailable("the server was not set up".to_owned()))
            }
        }
    }
}

impl DurableServiceClient for CheckpointWorkerManager {
    fn checkpoint<'a>(
        &'a self,
        arn: &'a ExecutionArn,
        token: &'a CheckpointToken,
        updates: Vec<OperationUpdate>,
    ) -> ServiceCall<'a, CheckpointResponse> {
        Box::pin(async move {
            let Backend { server, clock, .. } = self.client()?;
            if let Some(millis) = self.params.checkpoint_delay {
                let _actor = clock.actor();
                clock.sleep(Some(clock.now().plus_millis(millis))).await;
            }
            server.checkpoint(arn, token, updates).await
        })
    }

    fn get_state<'a>(
        &'a self,
        arn: &'a ExecutionArn,
        token: &'a CheckpointToken,
        marker: &'a str,
    ) -> ServiceCall<'a, StatePage> {
        Box::pin(async move { self.client()?.server.get_state(arn, token, marker).await })
    }

    fn watch<'a>(&'a self, arn: &'a ExecutionArn) -> Subscribing<'a> {
        match self.client() {
            Ok(Backend { server, .. }) => Box::pin(async move { server.watch(arn).await }),
            Err(_) => Box::pin(std::future::ready(ChangeSubscription::never())),
        }
    }

    fn budget<'a>(&'a self, arn: &'a ExecutionArn) -> Budgeting<'a> {
        match self.client() {
            Ok(Backend { server, .. }) => {
                // The next request reports that the execution or the server is gone.
                Box::pin(async move { server.budget(arn).await.unwrap_or_default() })
            }
            Err(_) => Box::pin(std::future::ready(Budget::default())),
        }
    }
}
