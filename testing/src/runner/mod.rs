//! `LocalDurableTestRunner`: runs executions of a handler in this process.
//!
//! Invariants: runners share nothing but compiled components, unless a test sets up an environment for several; under
//! time skipping, the result of a run depends only on the handler, the event, the actions of the test and the seed.

mod attendant;
pub(crate) mod check;
mod configure;
mod environment;
mod settings;

use std::{
    marker::PhantomData,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use durawasm_core::{protocol::is_component_function_name, server::StartExecution};
use durawasm_sandbox::SandboxLimits;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub(crate) use self::attendant::TestAttendant;
use self::environment::TestEnvironment;
pub use self::environment::{
    TestEnvironmentConfig, TestEnvironmentSetup, setup_test_environment, teardown_test_environment,
};
use self::settings::Settings;
use crate::{
    ErrorObject, FunctionStorage, SkipTimeConfig, TestError, TestExecutionOrchestrator, TestResult,
    checkpoint_server::{CheckpointWorkerManager, CheckpointWorkerParams},
    components,
    lookup::lookups,
    native::{DurableHandler, NativeHandler},
    tracking::Hub,
};

/// The payload type of runners whose handler does not determine it: a component accepts any serializable payload.
#[derive(Debug, Clone, Copy)]
pub enum AnyPayload {}

/// A payload that a run can be started with.
pub trait Payload<I> {
    /// The payload as JSON text.
    ///
    /// # Errors
    /// Returns an error if the payload cannot be serialized.
    fn to_json(&self) -> serde_json::Result<String>;
}

impl<T: Serialize> Payload<AnyPayload> for T {
    fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

impl<I: Serialize> Payload<I> for I {
    fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

/// Runs executions of a handler. `I` is the type of the payload, `O` that of the result.
///
/// A clone can run concurrently with the original, and has its own operations.
pub struct LocalDurableTestRunner<I = AnyPayload, O = Value> {
    functions: FunctionStorage,
    function: Option<String>,
    settings: Settings,
    environment: Option<Arc<TestEnvironment>>,
    /// The server of the last run. It is kept so that answers sent after the run get its error.
    worker: Mutex<Option<Arc<CheckpointWorkerManager>>>,
    hub: Hub,
    types: PhantomData<fn(I) -> O>,
}

impl<I, O> Clone for LocalDurableTestRunner<I, O> {
    fn clone(&self) -> Self {
        Self {
            functions: self.functions.clone(),
            function: self.function.clone(),
            settings: self.settings.clone(),
            environment: self.environment.clone(),
            worker: Mutex::default(),
            hub: Hub::default(),
            types: PhantomData,
        }
    }
}

impl LocalDurableTestRunner {
    /// A runner for a component's file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or is not a component with durable handlers.
    pub fn from_component(path: impl AsRef<Path>) -> Result<Self, TestError> {
        Self::with_limits(path, &SandboxLimits::default())
    }

    /// A runner for a component's file, with other limits per invocation.
    ///
    /// # Errors
    /// As for [`LocalDurableTestRunner::from_component`].
    pub fn with_limits(path: impl AsRef<Path>, limits: &SandboxLimits) -> Result<Self, TestError> {
        let mut functions = FunctionStorage::new();
        functions.add_component(components::load(path.as_ref(), limits)?);
        Ok(Self::with_functions(functions, None))
    }

    /// A runner for a handler crate, given by its folder. The first call in a process builds the crate.
    ///
    /// # Errors
    /// Returns an error if the crate does not build; otherwise as for [`LocalDurableTestRunner::from_component`].
    pub fn from_crate(path: impl AsRef<Path>) -> Result<Self, TestError> {
        Self::from_component(components::build(path.as_ref())?)
    }

    /// Builds a handler crate, once per process, and returns the path of its component.
    ///
    /// # Errors
    /// Returns an error if the crate does not build.
    pub fn build(path: impl AsRef<Path>) -> Result<std::path::PathBuf, TestError> {
        components::build(path.as_ref())
    }

    /// Calls [`setup_test_environment`].
    ///
    /// # Errors
    /// As for [`setup_test_environment`].
    pub async fn setup_test_environment(setup: impl Into<TestEnvironmentSetup>) -> Result<(), TestError> {
        setup_test_environment(setup).await
    }

    /// Calls [`teardown_test_environment`].
    ///
    /// # Errors
    /// As for [`teardown_test_environment`].
    pub async fn teardown_test_environment() -> Result<(), TestError> {
        teardown_test_environment().await
    }
}

impl<I, O> LocalDurableTestRunner<I, O> {
    /// A runner for an async function, compiled natively and run in this process:
    /// `async fn(event: I, ctx: DurableContext) -> Result<O, Err>`. For debuggers, coverage and quick tests; see
    /// [`native`](crate::native) for what differs from the component.
    ///
    /// # Examples
    ///
    /// ```
    /// use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_testing::{LocalDurableTestRunner, TestError};
    /// use std::time::Duration;
    ///
    /// async fn greet(name: String, ctx: DurableContext) -> Result<String, BoxError> {
    ///     ctx.wait(Duration::from_secs(3600)).name("an-hour").await?;
    ///     Ok(format!("Hello, {name}"))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), TestError> {
    /// let runner = LocalDurableTestRunner::new(greet);
    /// let result = runner.run("Ada".to_owned()).await?;
    /// assert_eq!(result.get_result()?, "Hello, Ada");
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(handler: impl DurableHandler<I, O>) -> Self {
        let name = function_name(std::any::type_name_of_val(&handler));
        let mut functions = FunctionStorage::new();
        functions.add_function(NativeHandler::durable(name, handler).into_function());
        Self::with_functions(functions, Some(name.to_owned()))
    }

    fn with_functions(functions: FunctionStorage, function: Option<String>) -> Self {
        let environment = environment::current();
        let config = environment.as_ref().map(|environment| environment.config).unwrap_or_default();
        Self {
            functions,
            function,
            settings: Settings::new(config),
            environment,
            worker: Mutex::default(),
            hub: Hub::default(),
            types: PhantomData,
        }
    }

    /// The same runner with other types of payload and result. They must serialize to the same JSON as the handler's
    /// own types.
    #[must_use]
    pub fn typed<I2, O2>(self) -> LocalDurableTestRunner<I2, O2> {
        let Self { functions, function, settings, environment, worker, hub, types: _ } = self;
        LocalDurableTestRunner { functions, function, settings, environment, worker, hub, types: PhantomData }
    }

    lookups!();

    /// Advances time by this much while an execution runs: all that becomes due happens, each at its own time,
    /// including timeouts of callbacks for which the test holds handles. Returns when that time is reached. Call it
    /// from a task that runs concurrently with [`run`](Self::run).
    ///
    /// # Errors
    /// [`TestError::TimeIsReal`] if time is not skipped; [`TestError::ExecutionNotFound`] if no execution runs.
    pub async fn advance_time(&self, by: Duration) -> Result<(), TestError> {
        self.hub.advance(by).await
    }

    /// Stops the running execution: it ends as STOPPED with this error.
    ///
    /// # Errors
    /// [`TestError::ExecutionNotFound`] if no execution runs.
    pub async fn stop(&self, error: Option<ErrorObject>) -> Result<(), TestError> {
        self.hub.stop(error).await
    }

    /// The checkpoint server of the current or the last run; `None` before the first.
    pub fn checkpoint_server(&self) -> Option<Arc<CheckpointWorkerManager>> {
        match &self.environment {
            Some(environment) => Some(environment.worker.clone()),
            None => self.worker.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Removes the operations and the history of the last run. Settings and registered functions stay.
    pub fn reset(&mut self) {
        self.hub.reset();
        let worker = self.worker.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        drop(worker);
    }
}

impl<I, O: DeserializeOwned> LocalDurableTestRunner<I, O> {
    /// Runs an execution with this payload to its end.
    ///
    /// A runner runs one execution at a time. To answer callbacks during the run, use `tokio::join!` or another task.
    ///
    /// # Errors
    /// Returns an error if the execution could not be run, or waits for an external answer that cannot arrive. An error
    /// of the handler is part of the result.
    pub async fn run(&self, payload: impl Payload<I>) -> Result<TestResult<O>, TestError> {
        let payload = payload.to_json();
        self.run_text(
            payload.map_err(|source| TestError::SerializationError { what: "the payload", source })?,
        )
        .await
    }

    /// Runs an execution with a payload that is already JSON text, or deliberately is not JSON.
    ///
    /// # Errors
    /// As for [`LocalDurableTestRunner::run`].
    pub async fn run_text(&self, payload: String) -> Result<TestResult<O>, TestError> {
        let following = self.hub.follow()?;
        let settings = &self.settings;
        let worker = self.worker()?;
        let skip = SkipTimeConfig { enabled: worker.params().skip_time };
        let (function, functions) = (self.function.as_deref(), self.functions.clone());
        let mut orchestrator =
            TestExecutionOrchestrator::new(function, Arc::default(), worker, functions, skip)?
                .followed_by(self.hub.clone());
        if let Some(make) = &settings.scheduler {
            orchestrator = orchestrator.with_scheduler(make())?;
        }
        orchestrator.answer_timeout = settings.answer_timeout;
        let options = &mut orchestrator.options;
        options.disturbances.clone_from(&settings.disturbances);
        options.isolation = settings.isolation;
        options.grants.clone_from(&settings.grants);
        options.execution_timeouts.clone_from(&settings.target_timeouts);
        options.limits.invokes = settings.invokes;
        options.limits.invoke_depth = settings.invoke_depth;
        orchestrator.template = StartExecution {
            answers: settings.answers.clone(),
            invocation_retry: settings.retry,
            timeout_seconds: settings.timeout.map(|timeout| timeout.as_secs()),
            ..orchestrator.template
        };
        orchestrator.execute_text(payload, &following).await
    }

    /// The checkpoint server for a run: the environment's, or a new one.
    fn worker(&self) -> Result<Arc<CheckpointWorkerManager>, TestError> {
        if let Some(environment) = &self.environment {
            let worker = environment.worker.clone();
            return if worker.is_set_up() { Ok(worker) } else { Err(TestError::EnvironmentNotSetUp) };
        }
        let Settings { config, seed, tokio_time, execution_bytes, host_bytes, .. } = self.settings;
        let params =
            CheckpointWorkerParams { tokio_time, execution_bytes, host_bytes, ..config.worker(seed) };
        let worker = Arc::new(CheckpointWorkerManager::new(Some(params)));
        worker.start()?;
        let last = self.worker.lock().unwrap_or_else(PoisonError::into_inner).replace(worker.clone());
        drop(last);
        Ok(worker)
    }
}

/// The name of a function: the last segment of its type path; `handler` if it has none, such as a closure.
fn function_name(path: &str) -> &str {
    let name = path.rsplit("::").next().unwrap_or_default();
    if is_component_function_name(name) { name } else { "handler" }
}
