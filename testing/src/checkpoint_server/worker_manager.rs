//! `CheckpointWorkerManager`: the life of one checkpoint server's thread.
//!
//! Invariants: any number live side by side and share nothing; after `teardown`, and when one is dropped, its thread is
//! gone; a call to one whose thread is gone ends with the reason.

use std::{
    cell::RefCell,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use durawasm_core::{
    orchestrator::{Backend, EnvironmentOptions, TimeMode},
    protocol::{
        CheckpointResponse, CheckpointToken, DurableServiceClient, ExecutionArn, OperationUpdate,
        ServiceCall, ServiceError, StatePage, Watch, Watching,
    },
    server::CheckpointServer,
};

use super::ApiRequest;
use crate::{TestError, tokio_time::TokioClock};

/// How a checkpoint server is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointWorkerParams {
    /// How long each checkpoint takes, in milliseconds of the server's time; none by default.
    pub checkpoint_delay: Option<u64>,
    /// Whether the server's time skips; it does by default.
    pub skip_time: bool,
    /// Makes ids the same in every run; `None` draws them from the machine. 0 by default.
    pub seed: Option<u64>,
    /// Whether skipped time takes tokio's along.
    pub tokio_time: bool,
}

impl Default for CheckpointWorkerParams {
    fn default() -> Self {
        Self { checkpoint_delay: None, skip_time: true, seed: Some(0), tokio_time: false }
    }
}

impl CheckpointWorkerParams {
    /// The same for an environment.
    pub(crate) fn options(self) -> EnvironmentOptions {
        EnvironmentOptions {
            time: if self.skip_time { TimeMode::SKIP } else { TimeMode::Real },
            seed: self.seed,
            checkpoint_delay: self.checkpoint_delay.map(Duration::from_millis),
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
        /// Dropping it stops the thread.
        _server: CheckpointServer,
        backend: Backend,
    },
    /// Torn down. The way to the server stays: it tells that the server is gone.
    Gone(Option<Backend>),
}

impl Worker {
    fn runs(&self) -> bool {
        matches!(self, Self::Running { backend, .. } if !backend.server.is_gone())
    }
}

thread_local! {
    /// The instance of a test's thread. Tests run on threads of their own, so they do not share it.
    static INSTANCE: RefCell<Option<Arc<CheckpointWorkerManager>>> = const { RefCell::new(None) };
}

impl CheckpointWorkerManager {
    /// A manager; its thread does not run yet.
    pub fn new(params: Option<CheckpointWorkerParams>) -> Self {
        Self { params: params.unwrap_or_default(), worker: Mutex::new(Worker::New) }
    }

    /// This thread's instance, made when first asked for. Tests have a thread each, so none sees another's.
    ///
    /// # Errors
    /// When there is an instance already, and with other parameters.
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

    /// Forgets this thread's instance: the next call of [`get_instance`](Self::get_instance) makes another.
    pub fn reset_instance_for_testing() {
        let instance = INSTANCE.take();
        drop(instance);
    }

    /// How it is set up.
    pub fn params(&self) -> CheckpointWorkerParams {
        self.params
    }

    fn worker(&self) -> MutexGuard<'_, Worker> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the thread. Nothing, if it runs. After a teardown, or a fault, it starts another, without executions.
    ///
    /// # Errors
    /// [`TestError::CheckpointServerError`] when the system refuses a thread.
    #[expect(clippy::unused_async, reason = "the product owner's name and signature for it")]
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

    /// Whether the thread runs: it was set up, and neither torn down nor ended by a fault of its own.
    pub fn is_set_up(&self) -> bool {
        self.worker().runs()
    }

    /// The server, its time and its chance.
    ///
    /// # Errors
    /// [`TestError::CheckpointCommunicationError`] when it was not set up or was torn down.
    pub fn backend(&self) -> Result<Backend, TestError> {
        match &*self.worker() {
            Worker::Running { backend, .. } => Ok(backend.clone()),
            Worker::New | Worker::Gone(None) => {
                Err(TestError::CheckpointCommunicationError("it was not set up".to_owned()))
            }
            Worker::Gone(Some(_)) => {
                Err(TestError::CheckpointCommunicationError("it was shut down".to_owned()))
            }
        }
    }

    /// Sends a request, and waits for the answer.
    ///
    /// # Errors
    /// What the server refuses; [`TestError::CheckpointCommunicationError`] when its thread is gone, also when it ends
    /// meanwhile.
    pub async fn send_api_request<R: ApiRequest>(&self, request: R) -> Result<R::Response, TestError> {
        let backend = self.backend()?;
        Ok(request.send(&backend).await?)
    }

    /// Stops the thread when it has processed what was sent before, and waits until it is gone. Nothing, if it does not
    /// run.
    ///
    /// # Errors
    /// None.
    #[expect(clippy::unused_async, reason = "the product owner's name and signature for it")]
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
        // Dropping the server waits for its thread: not while others wait for the lock.
        drop(gone);
    }

    /// Has the thread end as if by a fault of its own, to see what becomes of those who wait for it.
    ///
    /// # Errors
    /// As for [`backend`](Self::backend).
    pub fn crash(&self, why: &str) -> Result<(), TestError> {
        self.backend()?.server.crash(why);
        Ok(())
    }

    /// As [`backend`](Self::backend), for a service client: a server that is gone says so itself.
    fn client(&self) -> Result<Backend, ServiceError> {
        match &*self.worker() {
            Worker::Running { backend, .. } | Worker::Gone(Some(backend)) => Ok(backend.clone()),
            Worker::New | Worker::Gone(None) => {
                Err(ServiceError::Unavailable("it was not set up".to_owned()))
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

    fn watch<'a>(&'a self, arn: &'a ExecutionArn) -> Watch<'a> {
        match self.client() {
            Ok(Backend { server, .. }) => Box::pin(async move { server.watch(arn).await }),
            Err(_) => Box::pin(std::future::ready(Watching::never())),
        }
    }
}
