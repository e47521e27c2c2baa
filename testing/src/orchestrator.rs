//! `TestExecutionOrchestrator`: runs one execution from start to end while a test observes it.
//!
//! It starts the execution at the checkpoint server, waits for notifications, invokes the handler when the server
//! requests an invocation, and repeats this until the execution ends. It never polls.

use std::{
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use durawasm_core::{
    invocation::LogBuffer,
    orchestrator::{Attendant, Environment, EnvironmentOptions, Function, Run, Scheduler, SharedScheduler},
    protocol::EventDetails,
    server::StartExecution,
};
use durawasm_sandbox::Handler;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    OperationStorage, TestError, TestResult,
    checkpoint_server::CheckpointWorkerManager,
    lookup::lookups,
    runner::TestAttendant,
    tokio_time::{self, TokioClockHold},
    tracking::{Following, Hub},
};

/// How long a run waits, in real time, for a test that holds time with a handle.
pub(crate) const DEFAULT_ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether time is skipped. It must agree with the setting of the checkpoint server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkipTimeConfig {
    /// Whether waits, delays and timeouts take no real time.
    pub enabled: bool,
}

/// The result of an execution.
pub type TestExecutionResult<O> = TestResult<O>;

/// The functions that a handler can invoke: those of components, and single functions. A single function takes
/// precedence over a component's function with the same name.
#[derive(Clone, Default)]
pub struct FunctionStorage {
    components: Vec<Handler>,
    functions: Vec<Function>,
}

impl FunctionStorage {
    /// A storage without functions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds all functions of a component.
    pub fn add_component(&mut self, component: Handler) {
        self.components.push(component);
    }

    /// Adds all functions to an environment.
    pub(crate) async fn add_to(&self, environment: &mut Environment) -> Result<(), TestError> {
        for component in &self.components {
            environment.add(component).await?;
        }
        for function in &self.functions {
            environment.register(function.clone());
        }
        Ok(())
    }

    /// Adds one function.
    pub fn add_function(&mut self, function: Function) {
        self.functions.push(function);
    }
}

/// Runs executions of one handler.
pub struct TestExecutionOrchestrator<O = Value> {
    handler: Option<String>,
    functions: FunctionStorage,
    checkpoint_api: Arc<CheckpointWorkerManager>,
    skip_time: SkipTimeConfig,
    pub(crate) options: EnvironmentOptions,
    scheduler: Option<SharedScheduler>,
    pub(crate) template: StartExecution,
    pub(crate) answer_timeout: Duration,
    hub: Hub,
    storage: Arc<Mutex<OperationStorage>>,
    _result: PhantomData<fn() -> O>,
}

impl<O: DeserializeOwned> TestExecutionOrchestrator<O> {
    /// An orchestrator for the function with this name in the storage; without a name, for its only function.
    /// `operation_storage` receives the operations when an execution ends.
    ///
    /// # Errors
    /// [`TestError::CheckpointServerError`] if the checkpoint server has another setting for time skipping.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{sync::{Arc, Mutex}, time::Duration};
    ///
    /// use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_testing::{
    ///     FunctionStorage, NativeHandler, OperationStorage, SkipTimeConfig, TestError, TestExecutionOrchestrator,
    ///     checkpoint_server::CheckpointWorkerManager,
    /// };
    ///
    /// async fn nap(name: String, ctx: DurableContext) -> Result<String, BoxError> {
    ///     ctx.wait(Duration::from_secs(60)).name("nap").await?;
    ///     Ok(format!("{name} is awake"))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), TestError> {
    /// let mut functions = FunctionStorage::new();
    /// functions.add_function(NativeHandler::durable("nap", nap).into_function());
    /// let server = Arc::new(CheckpointWorkerManager::new(None));
    /// server.setup().await?;
    /// let operations = Arc::new(Mutex::new(OperationStorage::new()));
    /// let skip = SkipTimeConfig { enabled: true };
    /// let mut orchestrator: TestExecutionOrchestrator<String> =
    ///     TestExecutionOrchestrator::new(Some("nap"), operations.clone(), server.clone(), functions, skip)?;
    /// let result = orchestrator.execute_handler("Ada").await?;
    /// assert_eq!(result.get_result()?, "Ada is awake");
    /// assert_eq!(operations.lock().unwrap().get_all().len(), 1);
    /// server.teardown().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(
        handler: Option<&str>,
        operation_storage: Arc<Mutex<OperationStorage>>,
        checkpoint_api: Arc<CheckpointWorkerManager>,
        function_storage: FunctionStorage,
        skip_time_config: SkipTimeConfig,
    ) -> Result<Self, TestError> {
        if checkpoint_api.params().skip_time != skip_time_config.enabled {
            let how = if skip_time_config.enabled { "does not skip" } else { "skips" };
            return Err(TestError::CheckpointServerError(format!("its time {how}")));
        }
        Ok(Self {
            handler: handler.map(str::to_owned),
            functions: function_storage,
            options: checkpoint_api.params().options(),
            checkpoint_api,
            skip_time: skip_time_config,
            scheduler: None,
            template: StartExecution::new("", None),
            answer_timeout: DEFAULT_ANSWER_TIMEOUT,
            hub: Hub::default(),
            storage: operation_storage,
            _result: PhantomData,
        })
    }

    /// Lets a scheduler decide when waits end.
    ///
    /// # Errors
    /// [`TestError::TimeIsSkipped`] if the scheduler uses real timestamps and time is skipped.
    pub fn with_scheduler(mut self, scheduler: Box<dyn Scheduler>) -> Result<Self, TestError> {
        let scheduler = SharedScheduler::new(scheduler);
        if scheduler.goes_by_timestamps() && self.skip_time.enabled {
            return Err(TestError::TimeIsSkipped);
        }
        self.scheduler = Some(scheduler);
        Ok(self)
    }

    lookups!();

    pub(crate) fn followed_by(mut self, hub: Hub) -> Self {
        self.hub = hub;
        self
    }

    /// Starts an execution with this payload, and runs it to its end.
    ///
    /// # Errors
    /// Returns an error if the execution could not be run, or waits for an external answer that cannot arrive. An error
    /// of the handler is part of the result.
    pub async fn execute_handler(
        &mut self,
        payload: impl Serialize,
    ) -> Result<TestExecutionResult<O>, TestError> {
        let payload = serde_json::to_string(&payload)
            .map_err(|source| TestError::SerializationError { what: "the payload", source })?;
        let following = self.hub.follow()?;
        let executed = self.execute_text(payload, &following).await;
        *self.storage.lock().unwrap_or_else(PoisonError::into_inner) = self.hub.all().into_iter().collect();
        executed
    }

    pub(crate) async fn execute_text(
        &self,
        payload: String,
        following: &Following,
    ) -> Result<TestExecutionResult<O>, TestError> {
        let tokio_time = self.checkpoint_api.params().tokio_time;
        if tokio_time {
            tokio_time::is_paused().await?;
        }
        let _tokio_hold = self.skip_time.enabled.then(TokioClockHold::new);
        let log = Arc::new(LogBuffer::default());
        let backend = self.checkpoint_api.backend()?;
        let clock = backend.clock.clone();
        let none: &[Handler] = &[];
        let mut environment = Environment::on(backend, self.options.clone(), none, log.clone()).await?;
        self.functions.add_to(&mut environment).await?;
        if let Some(scheduler) = &self.scheduler {
            environment = environment.with_scheduler(scheduler.clone());
        }
        let only = || environment.functions().only().map(|function| function.name.to_string());
        let function = self.handler.clone().or_else(only);
        let function = function.ok_or_else(|| TestError::ChooseFunction(environment.functions().names()))?;
        let start = StartExecution { function_name: function, input: Some(payload), ..self.template.clone() };
        let attendant: Arc<dyn Attendant> =
            Arc::new(TestAttendant { hub: self.hub.clone(), run: following.run(), clock });
        let run = tokio::select! {
            biased;
            run = environment.run_attended(start, &attendant) => run?,
            held = self.hub.unanswered(self.answer_timeout), if self.skip_time.enabled && !tokio_time => {
                return Err(TestError::WaitTimeout(format!(
                    "a handle of {held} holds time before its deadline, and the callback was not answered for {} s of real \
                     time: answer it, advance the time, wait for its end, or drop the handle",
                    self.answer_timeout.as_secs_f64()
                )));
            }
        };
        if let Some(stall) = &run.stall {
            return Err(TestError::Stalled(stall.to_string()));
        }
        if let Some(name) = missing_function(&run, &environment) {
            return Err(TestError::FunctionNotRegistered(name));
        }
        Ok(TestResult::new(run.view, log.take(), run.checkpoints))
    }
}

/// The name of the missing function, if the execution failed because a function it invoked does not exist.
fn missing_function(run: &Run, environment: &Environment) -> Option<String> {
    let why = run.view.error.as_ref()?.error_message.as_ref()?;
    run.view.events.iter().find_map(|event| match &event.details {
        EventDetails::ChainedInvokeStarted(details) => {
            // The message must be the one that the failed invoke has recorded.
            let missing = environment.functions().find(&details.function_name).err()?;
            why.contains(&missing.to_string()).then_some(missing.name)
        }
        _ => None,
    })
}
