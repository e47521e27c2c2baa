//! `LocalDurableTestRunner`: executions of a component, in this process.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use durawasm_host::{
    orchestrator::{Environment, EnvironmentOptions, FunctionGrants, TimeMode},
    sandbox::{Disturbance, Handler, LogBuffer, SandboxLimits},
    server::{Answer, InvocationRetry, ScriptedAnswer, StartExecution},
};
use serde::Serialize;

use crate::{ErrorObject, TestError, TestResult, components};

/// How a test's environment behaves.
#[derive(Debug, Clone)]
pub struct TestEnvironmentConfig {
    /// Waits, delays and timeouts take no real time. On by default.
    pub skip_time: bool,
    /// Makes ids and the randomness inside steps the same in every run; `None` draws them from the machine. 0 by default.
    pub seed: Option<u64>,
    /// What is done to the instances on purpose, to see that the handler survives it. Nothing by default.
    pub disturbance: Option<Disturbance>,
    /// Whether each execution has a directory of its own at `/scratch`, empty at first, for as long as it runs. None by default.
    pub scratch: bool,
}

impl Default for TestEnvironmentConfig {
    fn default() -> Self {
        Self { skip_time: true, seed: Some(0), disturbance: None, scratch: false }
    }
}

/// Runs a component's functions. Every run has an environment of its own: a server, a clock, a history.
#[derive(Clone)]
pub struct LocalDurableTestRunner {
    handler: Handler,
    function: Option<String>,
    config: TestEnvironmentConfig,
    answers: Vec<ScriptedAnswer>,
    retry: InvocationRetry,
    timeout: Option<Duration>,
    target_timeouts: HashMap<String, u64>,
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
        Ok(Self {
            handler: components::load(path.as_ref(), limits)?,
            function: None,
            config: TestEnvironmentConfig::default(),
            answers: Vec::new(),
            retry: InvocationRetry::default(),
            timeout: None,
            target_timeouts: HashMap::new(),
        })
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

    /// Chooses the function to run; needed when the component has several.
    #[must_use]
    pub fn function(mut self, name: impl Into<String>) -> Self {
        self.function = Some(name.into());
        self
    }

    /// How the environment behaves.
    #[must_use]
    pub fn config(mut self, config: TestEnvironmentConfig) -> Self {
        self.config = config;
        self
    }

    /// What follows a crashed invocation.
    #[must_use]
    pub fn invocation_retry(mut self, retry: InvocationRetry) -> Self {
        self.retry = retry;
        self
    }

    /// How long the execution may take; whole seconds.
    #[must_use]
    pub fn execution_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long executions of this function may take when the handler invokes it; whole seconds.
    #[must_use]
    pub fn target_timeout(mut self, function: impl Into<String>, timeout: Duration) -> Self {
        self.target_timeouts.insert(function.into(), timeout.as_secs());
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
        let after =
            durawasm_host::parse_duration(after).ok_or_else(|| TestError::Duration(after.to_owned()))?;
        self.answers.push(ScriptedAnswer { callback: callback.to_owned(), after, answer });
        Ok(self)
    }

    /// Runs an execution on this event, to its end.
    ///
    /// # Errors
    /// When the execution could not be run, or waits for what nobody will answer. What goes wrong in the handler is in the
    /// result.
    pub async fn run(&self, event: impl Serialize) -> Result<TestResult, TestError> {
        let event = serde_json::to_string(&event)
            .map_err(|source| TestError::SerializationError { what: "the event", source })?;
        self.run_text(event).await
    }

    /// Runs an execution on an event that is JSON text already, or is meant not to be.
    ///
    /// # Errors
    /// As for [`LocalDurableTestRunner::run`].
    pub async fn run_text(&self, event: String) -> Result<TestResult, TestError> {
        let log = Arc::new(LogBuffer::default());
        let options = EnvironmentOptions {
            time: if self.config.skip_time { TimeMode::SKIP } else { TimeMode::Real },
            seed: self.config.seed,
            disturbance: self.config.disturbance,
            grants: FunctionGrants { scratch: self.config.scratch, ..FunctionGrants::default() },
            execution_timeouts: self.target_timeouts.clone(),
            ..EnvironmentOptions::default()
        };
        let environment = Environment::new(options, std::slice::from_ref(&self.handler), log.clone()).await?;
        let only = || environment.functions().only().map(|function| function.name.to_string());
        let function = self.function.clone().or_else(only);
        let function = function.ok_or_else(|| TestError::ChooseFunction(environment.functions().names()))?;
        let mut start = StartExecution::new(function, Some(event));
        start.answers.clone_from(&self.answers);
        start.invocation_retry = self.retry;
        start.timeout_seconds = self.timeout.map(|t| t.as_secs());
        let run = environment.run(start).await?;
        if let Some(stall) = &run.stall {
            return Err(TestError::Stalled(stall.to_string()));
        }
        Ok(TestResult::new(run, log.take()))
    }
}
