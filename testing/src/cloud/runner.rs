//! `CloudDurableTestRunner`: runs executions of a deployed function.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use aws_sdk_lambda::Client;
use durawasm_core::{
    ambient::{Entropy, OsEntropy},
    protocol::FunctionName,
    server::ExecutionView,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep, timeout_at};

use super::{CloudApi, client, follow::Followed};
use crate::{
    TestError, TestResult,
    tracking::{Hub, RunningExecution},
};

/// The polling of a [`CloudDurableTestRunner`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudTestRunnerConfig {
    /// The interval between two polls, in milliseconds. The default is 1,000.
    pub poll_interval: u64,
    /// The maximum duration of a run. The default is 300 seconds.
    pub timeout: Duration,
}

impl Default for CloudTestRunnerConfig {
    fn default() -> Self {
        Self { poll_interval: 1000, timeout: Duration::from_mins(5) }
    }
}

/// Runs executions of a deployed function. `O` is the type of the function's result.
///
/// Requires a tokio runtime with time and I/O. A clone can run concurrently with the original, and has its own
/// operations; both share connections.
pub struct CloudDurableTestRunner<O = serde_json::Value> {
    function: FunctionName,
    api: CloudApi,
    config: CloudTestRunnerConfig,
    pub(super) hub: Hub,
    result: PhantomData<fn() -> O>,
}

impl<O> Clone for CloudDurableTestRunner<O> {
    fn clone(&self) -> Self {
        Self {
            function: self.function.clone(),
            api: self.api.clone(),
            config: self.config.clone(),
            hub: Hub::default(),
            result: PhantomData,
        }
    }
}

impl<O> CloudDurableTestRunner<O> {
    /// A runner for a function in AWS, given by its name, with or without `:version` or `:alias`, or by its ARN.
    /// Without a version, `$LATEST` runs.
    ///
    /// Region, credentials and endpoint come from the standard configuration of AWS's tools: environment variables,
    /// profiles, the role of the machine.
    ///
    /// # Errors
    /// [`TestError::AwsError`] if there is no region or there are no credentials.
    pub async fn new(function_name: impl Into<String>) -> Result<Self, TestError> {
        Ok(Self::with_client(function_name, client::of_aws().await?))
    }

    /// A runner that uses this client.
    pub fn with_client(function_name: impl Into<String>, client: Client) -> Self {
        Self::through(function_name, CloudApi::new(client))
    }

    /// A runner for a function behind an endpoint that implements the AWS Lambda API, such as `http://127.0.0.1:3000`.
    ///
    /// Requests are signed with the credentials in the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN`, `AWS_REGION`), or with dummy credentials if there are none.
    pub fn with_endpoint(function_name: impl Into<String>, url: impl AsRef<str>) -> Self {
        let url = url.as_ref();
        let client = client::of_endpoint(url, |name| std::env::var(name).ok());
        Self::through(function_name, CloudApi::at(client, url))
    }

    fn through(function_name: impl Into<String>, api: CloudApi) -> Self {
        let (function, config) = (FunctionName::new(function_name), CloudTestRunnerConfig::default());
        Self { function, api, config, hub: Hub::default(), result: PhantomData }
    }

    /// Sets the polling interval and the timeout.
    #[must_use]
    pub fn with_config(mut self, config: CloudTestRunnerConfig) -> Self {
        self.config = config;
        self
    }

    /// The API that the runner uses.
    pub fn api(&self) -> &CloudApi {
        &self.api
    }

    /// Runs an execution with this payload to its end, and calls `on_change` after each poll, including the last. The
    /// polling interval does not depend on what the test does meanwhile.
    ///
    /// # Errors
    /// [`TestError::AwsError`] if the service rejects a request, [`TestError::WaitTimeout`] if the execution does not
    /// end in time; it continues to run then. [`TestError::AlreadyRunning`] if this runner already runs an execution.
    /// An error of the handler is part of the view.
    pub async fn execute<I: Serialize>(
        &self,
        payload: I,
        on_change: impl FnMut(&ExecutionView),
    ) -> Result<ExecutionView, TestError> {
        let payload = serde_json::to_vec(&payload)
            .map_err(|source| TestError::SerializationError { what: "the payload", source })?;
        // The payload is serialized first, so that no value of the caller's type is held during the execution.
        self.follow(payload, on_change).await
    }

    async fn follow(
        &self,
        payload: Vec<u8>,
        on_change: impl FnMut(&ExecutionView),
    ) -> Result<ExecutionView, TestError> {
        // Dropping the guard marks the execution as ended, on every path.
        let following = self.hub.follow()?;
        let deadline = Instant::now() + self.config.timeout;
        let name = execution_name();
        let started = timeout_at(deadline, self.api.start(&self.function, &name, payload)).await;
        let Ok(started) = started else {
            let function = self.function.as_str();
            return Err(self.late(&format!("the invocation of {function} as {name} has not been answered")));
        };
        let arn = started?;
        self.hub.started(
            following.run(),
            RunningExecution { arn: arn.clone(), api: Arc::new(self.api.clone()), clock: None },
        );
        let mut followed = Followed::new(arn);
        match timeout_at(deadline, self.look_to_the_end(following.run(), &mut followed, on_change)).await {
            Ok(view) => view,
            Err(_) => Err(self.late(&followed.waits_for())),
        }
    }

    async fn look_to_the_end(
        &self,
        run: u64,
        followed: &mut Followed,
        mut on_change: impl FnMut(&ExecutionView),
    ) -> Result<ExecutionView, TestError> {
        loop {
            let over = followed.look(&self.api).await?;
            if let Some(view) = followed.view() {
                self.hub.changed(run, view.operations.iter().cloned(), []);
                on_change(&view);
                if over {
                    return Ok(view);
                }
            }
            sleep(Duration::from_millis(self.config.poll_interval.max(1))).await;
        }
    }

    fn late(&self, what: &str) -> TestError {
        TestError::WaitTimeout(format!("{what}, after {:?}", self.config.timeout))
    }
}

impl<O: DeserializeOwned> CloudDurableTestRunner<O> {
    /// Runs an execution with this payload to its end.
    ///
    /// A runner runs one execution at a time. To answer callbacks during the run, use `tokio::join!` or another task.
    ///
    /// # Errors
    /// As for [`CloudDurableTestRunner::execute`]. An error of the handler is part of the result.
    pub async fn run<I: Serialize>(&self, payload: I) -> Result<TestResult<O>, TestError> {
        let view = self.execute(payload, |_| {}).await?;
        Ok(TestResult::new(view, Vec::new(), 0))
    }
}

/// A unique execution name. The service starts one execution per name, so a retried request does not start a second
/// one.
fn execution_name() -> String {
    let mut bytes = [0; 16];
    OsEntropy.fill(&mut bytes);
    format!("durawasm-test-{:032x}", u128::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_valid_and_unique() {
        let (one, other) = (execution_name(), execution_name());
        durawasm_core::protocol::check_execution_name(&one).unwrap();
        assert_ne!(one, other);
    }
}
