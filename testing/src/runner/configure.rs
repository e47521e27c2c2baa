//! The settings of a run, the scripted answers to callbacks and invokes, and the functions that can be invoked.

use std::{path::Path, sync::Arc, time::Duration};

use durawasm_core::{
    invocation::{Disturbance, HttpGrantError, Isolation},
    orchestrator::{self, Scheduler, ScriptedFunction},
    server::{Answer, InvocationRetry, InvokeOutcome, ScriptedAnswer},
};
use durawasm_sandbox::SandboxLimits;
use serde::{Serialize, de::DeserializeOwned};

use super::{LocalDurableTestRunner, TestEnvironmentConfig};
use crate::{
    ErrorObject, TestError, components,
    native::{DurableHandler, NativeHandler},
};

impl<I, O> LocalDurableTestRunner<I, O> {
    /// Chooses the function to run. Required if the component has several.
    #[must_use]
    pub fn function(mut self, name: impl Into<String>) -> Self {
        self.function = Some(name.into());
        self
    }

    /// Overrides how time passes in the thread's environment. Each run then has its own checkpoint server.
    #[must_use]
    pub fn config(mut self, config: TestEnvironmentConfig) -> Self {
        self.settings.config = config;
        self.environment = None;
        self
    }

    /// Seeds ids and the randomness inside steps, so that they are the same in every run; `None` takes them from the
    /// operating system. The default is 0. Each run then has its own checkpoint server.
    #[must_use]
    pub fn seed(mut self, seed: Option<u64>) -> Self {
        self.settings.seed = seed;
        self.environment = None;
        self
    }

    /// Injects a fault into instances or their checkpoints, to test that the handler recovers. Faults of several calls
    /// add up.
    ///
    /// # Examples
    ///
    /// ```
    /// use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_testing::{Disturbance, LocalDurableTestRunner, TestError};
    ///
    /// async fn double(number: i32, ctx: DurableContext) -> Result<i32, BoxError> {
    ///     Ok(ctx.step(move |_| async move { Ok(number * 2) }).name("double").await?)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), TestError> {
    /// let runner = LocalDurableTestRunner::new(double).disturb(Disturbance::DieAfterCheckpoint(1));
    /// let result = runner.run(21).await?;
    /// assert_eq!(*result.get_result()?, 42);
    /// assert_eq!(result.get_invocations().len(), 2, "the first one died");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn disturb(mut self, disturbance: Disturbance) -> Self {
        self.settings.disturbances.push(disturbance);
        self
    }

    /// Isolates the bodies of steps and the contexts from each other: a fresh instance runs after each, so that no
    /// state in memory is left behind, as on a replay. For a native handler a fresh run takes over, but statics and
    /// thread-local state remain.
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.settings.isolation = isolation;
        self
    }

    /// Gives each execution its own directory at `/scratch`, empty at first. It exists as long as the execution runs.
    #[must_use]
    pub fn scratch(mut self) -> Self {
        self.settings.grants.scratch = true;
        self
    }

    /// Lets the handlers' steps send HTTP requests to this host, port and with these methods, written
    /// `HOST[:PORT][=METHOD,..]`. It has no effect on native handlers, which have no sandbox.
    ///
    /// # Errors
    /// When the text is not of this form.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(_: (), _: DurableContext) -> Result<(), BoxError> { Ok(()) }
    /// use durawasm_testing::LocalDurableTestRunner;
    ///
    /// let runner = LocalDurableTestRunner::new(handler).allow_http("127.0.0.1:8080=GET,POST")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn allow_http(mut self, grant: &str) -> Result<Self, HttpGrantError> {
        self.settings.grants.all.http_request(grant.parse()?);
        Ok(self)
    }

    /// Lets a scheduler decide when waits end and retries begin, instead of virtual time. Each run then has its own
    /// scheduler and its own checkpoint server.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_testing::{LocalDurableTestRunner, QueueScheduler, TestError};
    ///
    /// async fn race(_: (), ctx: DurableContext) -> Result<u64, BoxError> {
    ///     let wait = |seconds: u64| {
    ///         ctx.run_in_child_context(move |child| async move {
    ///             child.wait(Duration::from_secs(seconds)).await?;
    ///             Ok(seconds)
    ///         })
    ///         .future()
    ///     };
    ///     Ok(ctx.race([wait(10), wait(1)]).await?)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), TestError> {
    /// // A queue ends waits in the order in which they were started, whatever their durations.
    /// let runner = LocalDurableTestRunner::new(race).scheduler(QueueScheduler::new);
    /// assert_eq!(*runner.run(()).await?.get_result()?, 10);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn scheduler<S: Scheduler + 'static>(mut self, make: impl Fn() -> S + Send + Sync + 'static) -> Self {
        self.settings.scheduler = Some(Arc::new(move || Box::new(make())));
        self.environment = None;
        self
    }

    /// Advances tokio's clock with skipped time, for a `#[tokio::test(start_paused = true)]`: code that uses tokio's
    /// clock then observes the waits too. The limit on an invocation's real time, 15 minutes, then includes the time
    /// that is skipped during it, and [`answer_timeout`](Self::answer_timeout) has no effect. Each run then has its own
    /// checkpoint server.
    #[must_use]
    pub fn tokio_time(mut self) -> Self {
        self.settings.tokio_time = true;
        self.environment = None;
        self
    }

    /// How long a run waits, in real time, for a test that holds a handle of a callback and does not answer it. The
    /// default is 30 s.
    #[must_use]
    pub fn answer_timeout(mut self, timeout: Duration) -> Self {
        self.settings.answer_timeout = timeout;
        self
    }

    /// What one execution may make this process keep, in bytes: payloads, results, errors, history, queued updates, log
    /// and output. Beyond that it fails with `Execution.ByteLimitExceeded`. The default is 256 MiB. Each run then has
    /// its own checkpoint server.
    ///
    /// # Examples
    ///
    /// ```
    /// use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_testing::{LocalDurableTestRunner, TestError};
    ///
    /// async fn collect(_: (), ctx: DurableContext) -> Result<(), BoxError> {
    ///     for _ in 0..100 {
    ///         ctx.step(|_| async { Ok("x".repeat(100_000)) }).await?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), TestError> {
    /// let result = LocalDurableTestRunner::new(collect).execution_bytes(1 << 20).run(()).await?;
    /// let error = result.get_error().ok().and_then(|error| error.error_type.as_deref());
    /// assert_eq!(error, Some("Execution.ByteLimitExceeded"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn execution_bytes(mut self, bytes: usize) -> Self {
        self.settings.execution_bytes = bytes;
        self.environment = None;
        self
    }

    /// What an execution and all those that it invokes may make this process keep together, in bytes. Beyond that, who
    /// asks for more is refused with `Sandbox.HostByteLimitExceeded`. The default is 1 GiB. Each run then has its own
    /// checkpoint server.
    #[must_use]
    pub fn host_bytes(mut self, bytes: usize) -> Self {
        self.settings.host_bytes = bytes;
        self.environment = None;
        self
    }

    /// How many functions a run may invoke, by itself and by the functions that it invokes. Beyond that an invoke fails
    /// with `Invoke.CountExceeded`. The default is 10,000.
    #[must_use]
    pub fn invokes(mut self, number: usize) -> Self {
        self.settings.invokes = number;
        self
    }

    /// How many functions may wait for each other in a chain of invokes. Beyond that an invoke fails with
    /// `Invoke.DepthExceeded`. The default is 100.
    #[must_use]
    pub fn invoke_depth(mut self, number: usize) -> Self {
        self.settings.invoke_depth = number;
        self
    }

    /// The retry policy for crashed invocations.
    #[must_use]
    pub fn invocation_retry(mut self, retry: InvocationRetry) -> Self {
        self.settings.retry = retry;
        self
    }

    /// The timeout of the execution, in whole seconds.
    #[must_use]
    pub fn execution_timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = Some(timeout);
        self
    }

    /// The timeout of executions of this function when the handler invokes it, in whole seconds.
    #[must_use]
    pub fn target_timeout(mut self, function: impl Into<String>, timeout: Duration) -> Self {
        self.settings.target_timeouts.insert(function.into(), timeout.as_secs());
        self
    }

    /// Answers a callback with this name with this value, this long after the callback was created.
    ///
    /// # Errors
    /// Returns an error if `after` is not a duration, or the value cannot be serialized.
    ///
    /// # Examples
    ///
    /// ```
    /// use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_testing::{LocalDurableTestRunner, TestError};
    ///
    /// async fn ask(_: (), ctx: DurableContext) -> Result<String, BoxError> {
    ///     Ok(ctx.wait_for_callback(|_, _id| async { Ok(()) }).name("approval").await?)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), TestError> {
    /// let runner = LocalDurableTestRunner::new(ask).answer("approval", "2h", "yes")?;
    /// let result = runner.run(()).await?;
    /// assert_eq!(result.get_result()?, "yes");
    /// assert_eq!(result.get_duration().as_secs(), 7200);
    /// # Ok(())
    /// # }
    /// ```
    pub fn answer(self, callback: &str, after: &str, value: impl Serialize) -> Result<Self, TestError> {
        let text = serde_json::to_string(&value)
            .map_err(|source| TestError::SerializationError { what: "the answer", source })?;
        self.respond(callback, after, Answer::Success(Some(text)))
    }

    /// Answers every callback with this name with this value, this long after the callback was created.
    ///
    /// # Errors
    /// Returns an error if `after` is not a duration, or the value cannot be serialized.
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

    /// Fails a callback with this name, this long after the callback was created.
    ///
    /// # Errors
    /// Returns an error if `after` is not a duration.
    pub fn answer_failure(self, callback: &str, after: &str, error: ErrorObject) -> Result<Self, TestError> {
        self.respond(callback, after, Answer::Failure(error))
    }

    /// Sends a heartbeat to a callback with this name, this long after the callback was created.
    ///
    /// # Errors
    /// Returns an error if `after` is not a duration.
    pub fn answer_heartbeat(self, callback: &str, after: &str) -> Result<Self, TestError> {
        self.respond(callback, after, Answer::Heartbeat)
    }

    fn respond(mut self, callback: &str, after: &str, answer: Answer) -> Result<Self, TestError> {
        let after = duration(after)?;
        self.settings.answers.push(ScriptedAnswer::new(callback, after, answer));
        Ok(self)
    }

    /// Makes a function with this name return this result, this long after the handler invoked it.
    ///
    /// # Errors
    /// Returns an error if `after` is not a duration, or the result cannot be serialized.
    ///
    /// # Examples
    ///
    /// ```
    /// use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_testing::{LocalDurableTestRunner, TestError};
    ///
    /// async fn quote(item: String, ctx: DurableContext) -> Result<u32, BoxError> {
    ///     Ok(ctx.invoke("price", item).await?)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), TestError> {
    /// let runner = LocalDurableTestRunner::new(quote).answer_invoke("price", "5s", 42)?;
    /// let result = runner.run("tea".to_owned()).await?;
    /// assert_eq!(*result.get_result()?, 42);
    /// assert_eq!(result.get_duration().as_secs(), 5);
    /// # Ok(())
    /// # }
    /// ```
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

    /// Makes a function with this name fail, this long after the handler invoked it.
    ///
    /// # Errors
    /// Returns an error if `after` is not a duration.
    pub fn answer_invoke_failure(
        self,
        function: &str,
        after: &str,
        error: ErrorObject,
    ) -> Result<Self, TestError> {
        self.stand_in(function, after, InvokeOutcome::Failed(error))
    }

    /// Makes the execution of a function with this name time out, this long after the handler invoked it.
    ///
    /// # Errors
    /// Returns an error if `after` is not a duration.
    pub fn answer_invoke_timeout(self, function: &str, after: &str) -> Result<Self, TestError> {
        self.stand_in(function, after, InvokeOutcome::TimedOut(orchestrator::timed_out()))
    }

    /// Makes the execution of a function with this name end as STOPPED with this error, this long after the handler
    /// invoked it.
    ///
    /// # Errors
    /// Returns an error if `after` is not a duration.
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

    /// Registers a durable function that the handler can invoke: an async function that runs in this process.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_testing::{LocalDurableTestRunner, TestError};
    ///
    /// async fn quote(item: String, ctx: DurableContext) -> Result<u32, BoxError> {
    ///     Ok(ctx.invoke("price", item).await?)
    /// }
    ///
    /// async fn price(item: String, ctx: DurableContext) -> Result<usize, BoxError> {
    ///     ctx.wait(Duration::from_secs(60)).await?;
    ///     Ok(item.len())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), TestError> {
    /// let mut runner = LocalDurableTestRunner::new(quote);
    /// runner.register_durable_function("price", price);
    /// assert_eq!(*runner.run("tea".to_owned()).await?.get_result()?, 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn register_durable_function<FI, FO>(
        &mut self,
        name: &str,
        handler: impl DurableHandler<FI, FO>,
    ) -> &mut Self {
        self.functions.add_function(NativeHandler::durable(name, handler).into_function());
        self
    }

    /// Registers a plain function that the handler can invoke: it runs once, in this process, and its return value is
    /// the result.
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

    /// Registers a plain function that can fail: `Ok` is the result, `Err` the error.
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

    /// Registers the functions of another component that the handler can invoke.
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
