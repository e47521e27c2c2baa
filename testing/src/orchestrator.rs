//! `TestExecutionOrchestrator`: one execution from its start to its end, with a test watching.
//!
//! It starts the execution at the checkpoint server, waits until it is told that there is news, invokes the handler
//! when the server says so, and goes on until the execution is over. Nothing is looked for by the clock.

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
    runner::Attend,
    tokio_time::{self, Standstill},
    watch::{Following, Hub},
};

/// Whether time skips. It must agree with the checkpoint server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkipTimeConfig {
    /// It does.
    pub enabled: bool,
}

/// What an execution came to.
pub type TestExecutionResult<O> = TestResult<O>;

/// The functions that a handler can invoke: those of components, and single ones, which count where both have one of a
/// name.
#[derive(Clone, Default)]
pub struct FunctionStorage {
    components: Vec<Handler>,
    functions: Vec<Function>,
}

impl FunctionStorage {
    /// Without functions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds all functions of a component.
    pub fn add_component(&mut self, component: Handler) {
        self.components.push(component);
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
    /// For the function of this name in the storage; without a name, for the only one there is. `operation_storage` has
    /// the operations when an execution is over.
    ///
    /// # Errors
    /// [`TestError::CheckpointServerError`] when the checkpoint server's time passes in another way.
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
            answer_timeout: crate::DEFAULT_ANSWER_TIMEOUT,
            hub: Hub::default(),
            storage: operation_storage,
            _result: PhantomData,
        })
    }

    /// Has a scheduler decide when waits end.
    ///
    /// # Errors
    /// [`TestError::TimeIsSkipped`] when it goes by timestamps, and time skips.
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

    /// Starts an execution on this payload, and runs it to its end.
    ///
    /// # Errors
    /// When it could not be run, or waits for what nobody will answer. What goes wrong in the handler is in the result.
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
        let _standstill = self.skip_time.enabled.then(Standstill::new);
        let log = Arc::new(LogBuffer::default());
        let backend = self.checkpoint_api.backend()?;
        let clock = backend.clock.clone();
        let FunctionStorage { components, functions } = &self.functions;
        let mut environment = Environment::on(backend, self.options.clone(), components, log.clone()).await?;
        for function in functions {
            environment.register(function.clone());
        }
        if let Some(scheduler) = &self.scheduler {
            environment = environment.with_scheduler(scheduler.clone());
        }
        let only = || environment.functions().only().map(|function| function.name.to_string());
        let function = self.handler.clone().or_else(only);
        let function = function.ok_or_else(|| TestError::ChooseFunction(environment.functions().names()))?;
        let start = StartExecution { function_name: function, input: Some(payload), ..self.template.clone() };
        let attendant: Arc<dyn Attendant> =
            Arc::new(Attend { hub: self.hub.clone(), run: following.run(), clock });
        let run = tokio::select! {
            biased;
            run = environment.run_attended(start, &attendant) => run?,
            held = self.hub.neglected(self.answer_timeout), if self.skip_time.enabled && !tokio_time => {
                return Err(TestError::WaitTimeout(format!(
                    "a handle of {held} is there, so time stands still before its deadline, and for {} s of real time nobody \
                     answered it: answer it, advance the time, wait for its end, or drop the handle",
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

/// The function that is not there, if the execution failed for want of one.
fn missing_function(run: &Run, environment: &Environment) -> Option<String> {
    let why = run.view.error.as_ref()?.error_message.as_ref()?;
    run.view.events.iter().find_map(|event| match &event.details {
        EventDetails::ChainedInvokeStarted(details) => {
            // The same words that the invoke has failed with.
            let missing = environment.functions().find(&details.function_name).err()?;
            why.contains(&missing.to_string()).then_some(missing.name)
        }
        _ => None,
    })
}
