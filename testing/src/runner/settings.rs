//! What a run is to be like: settings, answers of the world outside, functions that can be invoked.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use durawasm_core::{
    invocation::{Disturbance, Isolation},
    orchestrator::{self, FunctionGrants, Scheduler, ScriptedFunction},
    server::{Answer, InvocationRetry, InvokeOutcome, ScriptedAnswer},
};
use durawasm_sandbox::SandboxLimits;
use serde::{Serialize, de::DeserializeOwned};

use super::{DEFAULT_ANSWER_TIMEOUT, LocalDurableTestRunner, TestEnvironmentConfig};
use crate::{
    ErrorObject, TestError, components,
    native::{DurableHandler, NativeHandler},
};

/// Makes a scheduler for a run.
type MakeScheduler = Arc<dyn Fn() -> Box<dyn Scheduler> + Send + Sync>;

/// What a run is to be like.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) config: TestEnvironmentConfig,
    pub(super) seed: Option<u64>,
    pub(super) disturbances: Vec<Disturbance>,
    pub(super) isolation: Isolation,
    pub(super) grants: FunctionGrants,
    pub(super) answers: Vec<ScriptedAnswer>,
    pub(super) retry: InvocationRetry,
    pub(super) timeout: Option<Duration>,
    pub(super) target_timeouts: HashMap<String, u64>,
    pub(super) scheduler: Option<MakeScheduler>,
    pub(super) tokio_time: bool,
    pub(super) answer_timeout: Duration,
}

impl Settings {
    pub(super) fn new(config: TestEnvironmentConfig) -> Self {
        Self {
            config,
            seed: Some(0),
            disturbances: Vec::new(),
            isolation: Isolation::default(),
            grants: FunctionGrants::default(),
            answers: Vec::new(),
            retry: InvocationRetry::default(),
            timeout: None,
            target_timeouts: HashMap::new(),
            scheduler: None,
            tokio_time: false,
            answer_timeout: DEFAULT_ANSWER_TIMEOUT,
        }
    }
}

impl<I, O> LocalDurableTestRunner<I, O> {
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

    /// Makes ids and the randomness inside steps other ones, the same in every run; `None` draws them from the machine.
    /// 0 by default. Each run then has a checkpoint server of its own.
    #[must_use]
    pub fn seed(mut self, seed: Option<u64>) -> Self {
        self.settings.seed = seed;
        self.environment = None;
        self
    }

    /// Does something to the instances or their checkpoints on purpose, to see that the handler survives it. Several
    /// add up.
    #[must_use]
    pub fn disturb(mut self, disturbance: Disturbance) -> Self {
        self.settings.disturbances.push(disturbance);
        self
    }

    /// Has no two bodies of steps, and no two contexts, share an instance: what one leaves behind in its memory is gone
    /// before other code runs, as it is on a replay. Natively a fresh run of the handler takes over, but statics and
    /// what threads keep stay.
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.settings.isolation = isolation;
        self
    }

    /// Gives each execution a directory of its own at `/scratch`, empty at first, for as long as it runs.
    #[must_use]
    pub fn scratch(mut self) -> Self {
        self.settings.grants.scratch = true;
        self
    }

    /// Has a scheduler decide when waits end and retries begin, in the place of virtual time. Each run then has a
    /// scheduler and a checkpoint server of its own.
    #[must_use]
    pub fn scheduler<S: Scheduler + 'static>(mut self, make: impl Fn() -> S + Send + Sync + 'static) -> Self {
        self.settings.scheduler = Some(Arc::new(move || Box::new(make())));
        self.environment = None;
        self
    }

    /// Has tokio's time go along with skipped time, for a `#[tokio::test(start_paused = true)]`: what goes by tokio's
    /// clock then sees the waits pass as well. An invocation's bound of real time, 15 minutes, then counts what is
    /// skipped within it, and [`answer_timeout`](Self::answer_timeout) does not count. Each run then has a checkpoint
    /// server of its own.
    #[must_use]
    pub fn tokio_time(mut self) -> Self {
        self.settings.tokio_time = true;
        self.environment = None;
        self
    }

    /// How long a run waits, in real time, for a test that holds a handle of a callback and does not answer it: 30 s by
    /// default.
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

    /// Has the outside world answer every callback of this name with this value, so long after it was made.
    ///
    /// # Errors
    /// When `after` is no duration, or the value cannot be serialized.
    pub fn answer_all(
        mut self,
        callback: &str,
        after: &str,
        value: impl Serialize,
    ) -> Result<Self, TestError> {
        self = self.answer(callback, after, value)?;
        if let Some(answer) = self.settings.answers.last_mut() {
            answer.every = true;
        }
        Ok(self)
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
        self.settings.answers.push(ScriptedAnswer::new(callback, after, answer));
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
        self.stand_in(function, after, InvokeOutcome::Succeeded(Some(text)))
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
        self.stand_in(function, after, InvokeOutcome::Failed(error))
    }

    /// Has the execution of a function of this name time out when the handler invokes it, so long after it was invoked.
    ///
    /// # Errors
    /// When `after` is no duration.
    pub fn answer_invoke_timeout(self, function: &str, after: &str) -> Result<Self, TestError> {
        self.stand_in(function, after, InvokeOutcome::TimedOut(orchestrator::timed_out()))
    }

    /// Has the execution of a function of this name be stopped when the handler invokes it, so long after it was
    /// invoked, with this error.
    ///
    /// # Errors
    /// When `after` is no duration.
    pub fn answer_invoke_stopped(
        self,
        function: &str,
        after: &str,
        error: ErrorObject,
    ) -> Result<Self, TestError> {
        self.stand_in(function, after, InvokeOutcome::Stopped(error))
    }

    fn stand_in(mut self, function: &str, after: &str, outcome: InvokeOutcome) -> Result<Self, TestError> {
        let after = duration(after)?;
        let (function, _) = ScriptedFunction { after, outcome }.named(function);
        self.functions.add_function(function);
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

    /// Adds a plain function to those that the handler can invoke: it runs once, in this process, and what it returns
    /// is the result.
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
}

fn duration(text: &str) -> Result<Duration, TestError> {
    Ok(durawasm_core::parse_duration(text)?)
}
