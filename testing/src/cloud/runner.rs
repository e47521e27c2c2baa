//! `CloudDurableTestRunner`: executions of a function that is deployed.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use aws_sdk_lambda::Client;
use durawasm_core::{
    ambient::{Entropy, OsEntropy},
    server::ExecutionView,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep, timeout_at};

use super::{CloudApi, client, follow::Followed, function::FunctionName};
use crate::{
    TestError, TestResult,
    watch::{Hub, World},
};

/// How a [`CloudDurableTestRunner`] waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudTestRunnerConfig {
    /// Milliseconds between two looks at the execution. 1,000 by default.
    pub poll_interval: u64,
    /// How long a run may take. 300 seconds by default.
    pub timeout: Duration,
}

impl Default for CloudTestRunnerConfig {
    fn default() -> Self {
        Self { poll_interval: 1000, timeout: Duration::from_mins(5) }
    }
}

/// Runs a function that is deployed, and tells what became of it. `O` is what the function returns.
///
/// Needs a tokio runtime with time and I/O. A clone runs beside the runner it was made of, and has operations of its
/// own; the two share connections.
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
    /// Region, credentials and endpoint come from where AWS's tools take them: the environment, profiles, the machine's
    /// role.
    ///
    /// # Errors
    /// [`TestError::AwsError`] when there is no region, or there are no credentials.
    pub async fn new(function_name: impl Into<String>) -> Result<Self, TestError> {
        Ok(Self::with_client(function_name, client::of_aws().await?))
    }

    /// The same, through a client of the test's own.
    pub fn with_client(function_name: impl Into<String>, client: Client) -> Self {
        Self::through(function_name, CloudApi::new(client))
    }

    /// A runner for a function behind an endpoint that speaks the AWS Lambda API, such as `http://127.0.0.1:3000`.
    ///
    /// Requests are signed with the credentials that the environment has (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN`, `AWS_REGION`), and with made-up ones where it has none.
    pub fn with_endpoint(function_name: impl Into<String>, url: impl AsRef<str>) -> Self {
        let url = url.as_ref();
        let client = client::of_endpoint(url, |name| std::env::var(name).ok());
        Self::through(function_name, CloudApi::at(client, url))
    }

    fn through(function_name: impl Into<String>, api: CloudApi) -> Self {
        let (function, config) = (FunctionName::new(function_name), CloudTestRunnerConfig::default());
        Self { function, api, config, hub: Hub::default(), result: PhantomData }
    }

    /// How it waits.
    #[must_use]
    pub fn with_config(mut self, config: CloudTestRunnerConfig) -> Self {
        self.config = config;
        self
    }

    /// The API.
    pub fn api(&self) -> &CloudApi {
        &self.api
    }

    /// Runs an execution on this payload, to its end, and tells of each look at it, the last one included. Looking goes
    /// on at its pace, whatever the test does meanwhile.
    ///
    /// # Errors
    /// [`TestError::AwsError`] when the service refuses something, [`TestError::WaitTimeout`] when the execution is not
    /// over in time. It goes on then. [`TestError::AlreadyRunning`] when this runner runs an execution. What goes wrong
    /// in the handler is in the view.
    pub async fn execute<I: Serialize>(
        &self,
        payload: I,
        on_change: impl FnMut(&ExecutionView),
    ) -> Result<ExecutionView, TestError> {
        let payload = serde_json::to_vec(&payload)
            .map_err(|source| TestError::SerializationError { what: "the payload", source })?;
        // Serialized already: nothing of the caller's type is held while the execution runs.
        self.follow(payload, on_change).await
    }

    async fn follow(
        &self,
        payload: Vec<u8>,
        on_change: impl FnMut(&ExecutionView),
    ) -> Result<ExecutionView, TestError> {
        // What is followed is over when this is dropped, however it came to that.
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
            World { arn: arn.clone(), api: Arc::new(self.api.clone()), clock: None },
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
    /// Runs an execution on this payload, to its end.
    ///
    /// A runner runs one execution at a time. To answer callbacks while it runs, use `tokio::join!` or a task beside
    /// it.
    ///
    /// # Errors
    /// As for [`CloudDurableTestRunner::execute`]. What goes wrong in the handler is in the result.
    pub async fn run<I: Serialize>(&self, payload: I) -> Result<TestResult<O>, TestError> {
        let view = self.execute(payload, |_| {}).await?;
        Ok(TestResult::new(view, Vec::new(), 0))
    }
}

/// A name that no other execution has: the service starts one execution for a name, also when it is asked twice.
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
