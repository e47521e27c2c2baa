//! `LocalDurableTestRunner`: executions of a handler, in this process.
//!
//! Always true: runners share nothing but compiled components, unless a test sets up an environment for several; what a run
//! comes to depends, under time skipping, on the handler, the event, what the test does and the seed alone.

mod attend;
mod environment;

use std::{
    collections::HashMap,
    marker::PhantomData,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use durawasm_host::{
    orchestrator::{FunctionGrants, Scheduler, ScriptedFunction},
    sandbox::{Disturbance, SandboxLimits},
    server::{Answer, InvocationRetry, ScriptedAnswer, StartExecution},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub(crate) use self::attend::Attend;
use self::environment::TestEnvironment;
pub use self::environment::{TestEnvironmentConfig, setup_test_environment, teardown_test_environment};
use crate::{
    DurableOperation, ErrorObject, FunctionStorage, OperationHandle, SkipTimeConfig, TestError,
    TestExecutionOrchestrator, TestResult,
    checkpoint_server::{CheckpointWorkerManager, CheckpointWorkerParams},
    components,
    native::{DurableHandler, NativeHandler},
    storage::Selector,
    watch::Hub,
};

/// How long a run waits, in real time, for a test that keeps time from going on by holding a handle.
pub(crate) const DEFAULT_ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The payload's type of runners whose handler says nothing of it: components take anything that serializes.
#[derive(Debug, Clone, Copy)]
pub enum AnyPayload {}

/// What a run can be started with.
pub trait Payload<I> {
    /// As JSON text.
    ///
    /// # Errors
    /// When it does not serialize.
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

/// Makes a scheduler for a run.
type MakeScheduler = Arc<dyn Fn() -> Box<dyn Scheduler> + Send + Sync>;

/// Runs a handler. `I` is its payload, `O` its result.
///
/// A clone runs beside the runner it was made of, and has operations of its own.
pub struct LocalDurableTestRunner<I = AnyPayload, O = Value> {
    functions: FunctionStorage,
    function: Option<String>,
    settings: Settings,
    environment: Option<Arc<TestEnvironment>>,
    /// The server of the last run: who answers late is told so by it.
    worker: Mutex<Option<Arc<CheckpointWorkerManager>>>,
    hub: Hub,
    types: PhantomData<fn(I) -> O>,
}

/// What a run is to be like.
#[derive(Clone)]
struct Settings {
    config: TestEnvironmentConfig,
    seed: Option<u64>,
    disturbances: Vec<Disturbance>,
    grants: FunctionGrants,
    answers: Vec<ScriptedAnswer>,
    retry: InvocationRetry,
    timeout: Option<Duration>,
    target_timeouts: HashMap<String, u64>,
    scheduler: Option<MakeScheduler>,
    tokio_time: bool,
    answer_timeout: Duration,
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
    /// When the file cannot be read, or is not a component with durable handlers.
    pub fn from_component(path: impl AsRef<Path>) -> Result<Self, TestError> {
        Self::with_limits(path, &SandboxLimits::default())
    }

    /// A runner for a component's file, with other bounds on each invocation.
    ///
    /// # Errors
    /// As for [`LocalDurableTestRunner::from_component`].
    pub fn with_limits(path: impl AsRef<Path>, limits: &SandboxLimits) -> Result<Self, TestError> {
        let mut functions = FunctionStorage::new();
        functions.add_component(components::load(path.as_ref(), limits)?);
        Ok(Self::with_functions(functions, None))
    }

    /// A runner for a handler crate, given by its folder. The first runner of a process builds the crate.
    ///
    /// # Errors
    /// When it does not build, or as for [`LocalDurableTestRunner::from_component`].
    pub fn from_crate(path: impl AsRef<Path>) -> Result<Self, TestError> {
        Self::from_component(components::build(path.as_ref())?)
    }

    /// The component of a handler crate, for those who want to look at the file.
    ///
    /// # Errors
    /// When it does not build.
    pub fn build(path: impl AsRef<Path>) -> Result<std::path::PathBuf, TestError> {
        components::build(path.as_ref())
    }

    /// See [`setup_test_environment`].
    ///
    /// # Errors
    /// As there.
    pub async fn setup_test_environment(config: TestEnvironmentConfig) -> Result<(), TestError> {
        setup_test_environment(config).await
    }

    /// See [`teardown_test_environment`].
    ///
    /// # Errors
    /// As there.
    pub async fn teardown_test_environment() -> Result<(), TestError> {
        teardown_test_environment().await
    }
}

impl<I, O> LocalDurableTestRunner<I, O> {
    /// A runner for an async function, compiled natively and run in this process: `async fn(event: I, ctx: DurableContext) ->
    /// Result<O, Err>`. For debuggers, coverage and quick tests; see [`native`](crate::native) for what differs from the component.
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
            settings: Settings {
                config,
                seed: Some(0),
                disturbances: Vec::new(),
                grants: FunctionGrants::default(),
                answers: Vec::new(),
                retry: InvocationRetry::default(),
                timeout: None,
                target_timeouts: HashMap::new(),
                scheduler: None,
                tokio_time: false,
                answer_timeout: DEFAULT_ANSWER_TIMEOUT,
            },
            environment,
            worker: Mutex::default(),
            hub: Hub::default(),
            types: PhantomData,
        }
    }

    /// The same runner, with a payload and a result of other types. They are those that the handler reads and writes, or
    /// serialize to the same JSON.
    #[must_use]
    pub fn typed<I2, O2>(self) -> LocalDurableTestRunner<I2, O2> {
        let Self { functions, function, settings, environment, worker, hub, types: _ } = self;
        LocalDurableTestRunner { functions, function, settings, environment, worker, hub, types: PhantomData }
    }

    /// Chooses the function to run; needed when the component has several.
    #[must_use]
    pub fn function(mut self, name: impl Into<String>) -> Self {
        self.function = Some(name.into());
        self
    }

    /// How time passes, whatever the thread's environment says. Each run then has a checkpoint server of its own.
    #[must_use]
    pub fn config(mut self, config: TestEnvironmentConfig) -> Self {
        self.settings.config = config;
        self.environment = None;
        self
    }

    /// Makes ids and the randomness inside steps other ones, the same in every run; `None` draws them from the machine. 0 by
    /// default. Each run then has a checkpoint server of its own.
    #[must_use]
    pub fn seed(mut self, seed: Option<u64>) -> Self {
        self.settings.seed = seed;
        self.environment = None;
        self
    }

    /// Does something to the instances or their checkpoints on purpose, to see that the handler survives it. Several add up.
    #[must_use]
    pub fn disturb(mut self, disturbance: Disturbance) -> Self {
        self.settings.disturbances.push(disturbance);
        self
    }

    /// Gives each execution a directory of its own at `/scratch`, empty at first, for as long as it runs.
    #[must_use]
    pub fn scratch(mut self) -> Self {
        self.settings.grants.scratch = true;
        self
    }

    /// Has a scheduler decide when waits end and retries begin, in the place of virtual time. Each run then has a scheduler and a
    /// checkpoint server of its own.
    #[must_use]
    pub fn scheduler<S: Scheduler + 'static>(mut self, make: impl Fn() -> S + Send + Sync + 'static) -> Self {
        self.settings.scheduler = Some(Arc::new(move || Box::new(make())));
        self.environment = None;
        self
    }

    /// Has tokio's time go along with skipped time, for a `#[tokio::test(start_paused = true)]`: what goes by tokio's clock then
    /// sees the waits pass as well. An invocation's bound of real time, 15 minutes, then counts what is skipped within it, and
    /// [`answer_timeout`](Self::answer_timeout) does not count. Each run then has a checkpoint server of its own.
    #[must_use]
    pub fn tokio_time(mut self) -> Self {
        self.settings.tokio_time = true;
        self.environment = None;
        self
    }

    /// How long a run waits, in real time, for a test that holds a handle of a callback and does not answer it: 30 s by default.
    #[must_use]
    pub fn answer_timeout(mut self, timeout: Duration) -> Self {
        self.settings.answer_timeout = timeout;
        self
    }

    /// What follows a crashed invocation.
    #[must_use]
    pub fn invocation_retry(mut self, retry: InvocationRetry) -> Self {
        self.settings.retry = retry;
        self
    }

    /// How long the execution may take; whole seconds.
    #[must_use]
    pub fn execution_timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = Some(timeout);
        self
    }

    /// How long executions of this function may take when the handler invokes it; whole seconds.
    #[must_use]
    pub fn target_timeout(mut self, function: impl Into<String>, timeout: Duration) -> Self {
        self.settings.target_timeouts.insert(function.into(), timeout.as_secs());
        self
    }

    /// Has the outside world answer a callback of this name with this value, so long after the callback was made.
    ///
    /// # Errors
    /// When `after` is no duration, or the value cannot be serialized.
    pub fn answer(self, callback: &str, after: &str, value: impl Serialize) -> Result<Self, TestError> {
        let text = serde_json::to_string(&value)
            .map_err(|source| TestError::SerializationError { what: "the answer", source })?;
        self.respond(callback, after, Answer::Success(Some(text)))
    }

    /// Has the outside world fail a callback of this name, so long after the callback was made.
    ///
    /// # Errors
    /// When `after` is no duration.
    pub fn answer_failure(self, callback: &str, after: &str, error: ErrorObject) -> Result<Self, TestError> {
        self.respond(callback, after, Answer::Failure(error))
    }

    /// Has the outside world send a sign of life to a callback of this name, so long after the callback was made.
    ///
    /// # Errors
    /// When `after` is no duration.
    pub fn answer_heartbeat(self, callback: &str, after: &str) -> Result<Self, TestError> {
        self.respond(callback, after, Answer::Heartbeat)
    }

    fn respond(mut self, callback: &str, after: &str, answer: Answer) -> Result<Self, TestError> {
        let after = duration(after)?;
        self.settings.answers.push(ScriptedAnswer { callback: callback.to_owned(), after, answer });
        Ok(self)
    }

    /// Has a function of this name return this when the handler invokes it, so long after it was invoked.
    ///
    /// # Errors
    /// When `after` is no duration, or the result cannot be serialized.
    pub fn answer_invoke(
        self,
        function: &str,
        after: &str,
        result: impl Serialize,
    ) -> Result<Self, TestError> {
        let text = serde_json::to_string(&result)
            .map_err(|source| TestError::SerializationError { what: "the function's result", source })?;
        self.stand_in(function, after, Ok(Some(text)))
    }

    /// Has a function of this name fail when the handler invokes it, so long after it was invoked.
    ///
    /// # Errors
    /// When `after` is no duration.
    pub fn answer_invoke_failure(
        self,
        function: &str,
        after: &str,
        error: ErrorObject,
    ) -> Result<Self, TestError> {
        self.stand_in(function, after, Err(error))
    }

    fn stand_in(
        mut self,
        function: &str,
        after: &str,
        outcome: Result<Option<String>, ErrorObject>,
    ) -> Result<Self, TestError> {
        let after = duration(after)?;
        self.functions.add_function(ScriptedFunction { after, outcome }.named(function));
        Ok(self)
    }

    /// Adds a durable function to those that the handler can invoke: an async function that runs in this process.
    pub fn register_durable_function<FI, FO>(
        &mut self,
        name: &str,
        handler: impl DurableHandler<FI, FO>,
    ) -> &mut Self {
        self.functions.add_function(NativeHandler::durable(name, handler).into_function());
        self
    }

    /// Adds a plain function to those that the handler can invoke: it runs once, in this process, and what it returns is the
    /// result.
    pub fn register_function<FI, FO>(
        &mut self,
        name: &str,
        function: impl Fn(FI) -> FO + Send + Sync + 'static,
    ) -> &mut Self
    where
        FI: DeserializeOwned + Send + 'static,
        FO: Serialize + Send + 'static,
    {
        self.functions.add_function(NativeHandler::plain(name, function).into_function());
        self
    }

    /// The same for a function that can fail.
    pub fn register_fallible_function<FI, FO, Err>(
        &mut self,
        name: &str,
        function: impl Fn(FI) -> Result<FO, Err> + Send + Sync + 'static,
    ) -> &mut Self
    where
        FI: DeserializeOwned + Send + 'static,
        FO: Serialize + Send + 'static,
        Err: Into<durawasm_guest::BoxError> + 'static,
    {
        self.functions.add_function(NativeHandler::plain_fallible(name, function).into_function());
        self
    }

    /// Adds the functions of another component to those that the handler can invoke.
    ///
    /// # Errors
    /// As for [`LocalDurableTestRunner::from_component`].
    pub fn register_component(&mut self, path: impl AsRef<Path>) -> Result<&mut Self, TestError> {
        self.functions.add_component(components::load(path.as_ref(), &SandboxLimits::default())?);
        Ok(self)
    }

    /// A handle of the first operation of this name, whether it has started or not.
    pub fn operation(&self, name: &str) -> OperationHandle {
        OperationHandle::new(&self.hub, Selector::Name(name.to_owned()))
    }

    /// A handle of the n-th operation that is started, from 0.
    pub fn operation_by_index(&self, index: usize) -> OperationHandle {
        OperationHandle::new(&self.hub, Selector::Index(index))
    }

    /// A handle of the n-th operation of this name, from 0.
    pub fn operation_by_name_and_index(&self, name: &str, index: usize) -> OperationHandle {
        OperationHandle::new(&self.hub, Selector::NameAndIndex(name.to_owned(), index))
    }

    /// A handle of the operation with this id.
    pub fn operation_by_id(&self, id: &str) -> OperationHandle {
        OperationHandle::new(&self.hub, Selector::Id(id.into()))
    }

    /// The first operation of this name, in the execution that runs or ran last; none if it has not started.
    pub fn get_operation(&self, name: &str) -> Option<DurableOperation> {
        self.find(&Selector::Name(name.to_owned()))
    }

    /// The n-th operation that was started, from 0.
    pub fn get_operation_by_index(&self, index: usize) -> Option<DurableOperation> {
        self.find(&Selector::Index(index))
    }

    /// The n-th operation of this name, from 0.
    pub fn get_operation_by_name_and_index(&self, name: &str, index: usize) -> Option<DurableOperation> {
        self.find(&Selector::NameAndIndex(name.to_owned(), index))
    }

    /// The operation with this id.
    pub fn get_operation_by_id(&self, id: &str) -> Option<DurableOperation> {
        self.find(&Selector::Id(id.into()))
    }

    fn find(&self, selector: &Selector) -> Option<DurableOperation> {
        self.hub.find(selector).map(|operation| DurableOperation::new(&self.hub, operation))
    }

    /// All operations that were started, in that order.
    pub fn get_operations(&self) -> Vec<DurableOperation> {
        self.hub.all().into_iter().map(|operation| DurableOperation::new(&self.hub, operation)).collect()
    }

    /// Lets so much time pass, while an execution runs: all that is due by then happens, each at its own time, also the timeouts of
    /// callbacks that the test holds handles of. Ends when the time has come. To be called from a task beside
    /// [`run`](Self::run).
    ///
    /// # Errors
    /// [`TestError::TimeIsReal`] when time does not skip; [`TestError::ExecutionNotFound`] when no execution runs.
    pub async fn advance_time(&self, by: Duration) -> Result<(), TestError> {
        self.hub.advance(by).await
    }

    /// Stops the execution that runs: it ends as STOPPED, with this error.
    ///
    /// # Errors
    /// [`TestError::ExecutionNotFound`] when no execution runs.
    pub async fn stop(&self, error: Option<ErrorObject>) -> Result<(), TestError> {
        self.hub.stop(error).await
    }

    /// The checkpoint server of the run that is under way, or of the last; none before the first.
    pub fn checkpoint_server(&self) -> Option<Arc<CheckpointWorkerManager>> {
        match &self.environment {
            Some(environment) => Some(environment.worker.clone()),
            None => self.worker.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Forgets the operations and the history of the last run. Settings and registered functions stay.
    pub fn reset(&mut self) {
        self.hub.reset();
        let worker = self.worker.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        drop(worker);
    }
}

impl<I, O: DeserializeOwned> LocalDurableTestRunner<I, O> {
    /// Runs an execution on this payload, to its end.
    ///
    /// A runner runs one execution at a time. To answer callbacks while it runs, use `tokio::join!` or a task beside it.
    ///
    /// # Errors
    /// When the execution could not be run, or waits for what nobody will answer. What goes wrong in the handler is in the
    /// result.
    pub async fn run(&self, payload: impl Payload<I>) -> Result<TestResult<O>, TestError> {
        let payload = payload.to_json();
        self.run_text(
            payload.map_err(|source| TestError::SerializationError { what: "the payload", source })?,
        )
        .await
    }

    /// Runs an execution on a payload that is JSON text already, or is meant not to be.
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
        options.grants.clone_from(&settings.grants);
        options.execution_timeouts.clone_from(&settings.target_timeouts);
        orchestrator.template = StartExecution {
            answers: settings.answers.clone(),
            invocation_retry: settings.retry,
            timeout_seconds: settings.timeout.map(|timeout| timeout.as_secs()),
            ..orchestrator.template
        };
        orchestrator.execute_text(payload, &following).await
    }

    /// The checkpoint server for a run: that of the environment, or a new one.
    fn worker(&self) -> Result<Arc<CheckpointWorkerManager>, TestError> {
        if let Some(environment) = &self.environment {
            let worker = environment.worker.clone();
            return if worker.is_set_up() { Ok(worker) } else { Err(TestError::EnvironmentNotSetUp) };
        }
        let Settings { config, seed, tokio_time, .. } = &self.settings;
        let params = CheckpointWorkerParams { tokio_time: *tokio_time, ..config.worker(*seed) };
        let worker = Arc::new(CheckpointWorkerManager::new(Some(params)));
        worker.start()?;
        let last = self.worker.lock().unwrap_or_else(PoisonError::into_inner).replace(worker.clone());
        drop(last);
        Ok(worker)
    }
}

/// What to call a function: the last part of its path; `handler` for what has none, such as a closure.
fn function_name(path: &str) -> &str {
    let name = path.rsplit("::").next().unwrap_or_default();
    let fits = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if (1..=64).contains(&name.len()) && fits(name) { name } else { "handler" }
}

fn duration(text: &str) -> Result<Duration, TestError> {
    durawasm_host::parse_duration(text).ok_or_else(|| TestError::Duration(text.to_owned()))
}
