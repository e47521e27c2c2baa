//! Checks that a handler replays: every prefix of its record, every crash, other clocks and random numbers.
//!
//! Invariants: a check uses the runner's functions, answers and grants, and environments of its own in virtual time; it
//! leaves the runner as it was.

use std::sync::Arc;

use durawasm_check::{CheckError, Options, Subject, check};
use durawasm_core::{
    invocation::LogBuffer,
    orchestrator::{Environment, EnvironmentOptions},
};

use super::{LocalDurableTestRunner, Payload};
use crate::{ReplayReport, TestError};

impl<I, O> LocalDurableTestRunner<I, O> {
    /// Checks whether the handler replays with this payload: it records a run, repeats it with the instance killed at
    /// every point, feeds every prefix of the record to fresh instances, and perturbs clocks, random numbers and
    /// everything else that the sandbox virtualizes.
    ///
    /// Native functions run in this process, so statics and the real clock are shared by all runs: for them the report
    /// covers replays and crashes. Components are checked completely.
    ///
    /// # Errors
    /// Returns an error if the check could not be made. A handler that does not replay is part of the report.
    pub async fn check(&self, payload: impl Payload<I>) -> Result<ReplayReport, TestError> {
        let event = payload.to_json();
        let event = event.map_err(|source| TestError::SerializationError { what: "the payload", source })?;
        let settings = &self.settings;
        let mut environment =
            Environment::empty(EnvironmentOptions::default(), Arc::new(LogBuffer::default()))?;
        self.functions.add_to(&mut environment).await?;
        let only = || environment.functions().only().map(|function| function.name.to_string());
        let function = self.function.clone().or_else(only);
        let function = function.ok_or_else(|| TestError::ChooseFunction(environment.functions().names()))?;
        let mut subject = Subject::new(environment.functions().clone(), function.clone(), Some(event));
        subject.answers.clone_from(&settings.answers);
        subject.grants.clone_from(&settings.grants);
        subject.invocation_retries = settings.retry.max_retries;
        subject.execution_timeout = settings.timeout.map(|timeout| timeout.as_secs());
        let options = Options { seed: settings.seed.unwrap_or(0), ..Options::default() };
        check(&subject, &options, &function).map_err(TestError::Check)
    }
}

/// Fails the test with a diagnosis unless the handler replays with this payload: no replay and no crash makes a
/// difference, and no crash makes the effect of a body happen twice. A handler that only a perturbation changes passes,
/// because the sandbox virtualizes what is perturbed; use [`LocalDurableTestRunner::check`] to be stricter.
///
/// # Panics
/// When the handler does not replay, or the check could not be made.
///
/// # Examples
///
/// ```no_run
/// use durawasm_testing::{LocalDurableTestRunner, TestError, assert_replay_safe};
///
/// # async fn example() -> Result<(), TestError> {
/// let runner = LocalDurableTestRunner::from_crate("examples/order")?.answer("approval", "2h", "yes")?;
/// assert_replay_safe(&runner, &serde_json::json!({"id": "o-1"})).await;
/// # Ok(())
/// # }
/// ```
#[track_caller]
#[expect(clippy::panic, reason = "it is an assertion")]
pub fn assert_replay_safe<'a, I: 'a, O>(
    runner: &'a LocalDurableTestRunner<I, O>,
    payload: impl Payload<I> + 'a,
) -> impl Future<Output = ()> + 'a {
    let place = std::panic::Location::caller();
    async move {
        match runner.check(payload).await {
            Err(error) => panic!("{place}: the handler could not be checked: {error}"),
            Ok(report) if report.is_unsafe() => panic!("{place}: {report}"),
            Ok(_) => {}
        }
    }
}

impl From<CheckError> for TestError {
    fn from(error: CheckError) -> Self {
        Self::Check(error)
    }
}
