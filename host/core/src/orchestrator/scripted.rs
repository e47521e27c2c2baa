//! Scripted functions: stand-ins for functions that do not exist here or must not be called.
//!
//! Invariants: a scripted function ignores its input and ends with its given outcome, after the given time on the
//! caller's clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{Function, Invocable, Invocation, Invoked, PlainInvoked};
use crate::{
    invocation::InvocationReport,
    protocol::{ErrorObject, InvocationOutput, InvocationResult, error_types},
    server::InvokeOutcome,
};

/// The outcome of a scripted function, and its duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptedFunction {
    /// The duration on the caller's clock, to the millisecond.
    pub after: Duration,
    /// The outcome.
    pub outcome: InvokeOutcome,
}

/// Whether a scripted function was called.
#[derive(Debug, Clone, Default)]
pub struct Called(Arc<AtomicBool>);

impl Called {
    /// Returns whether it was called.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A scripted function and its call record.
struct StandIn {
    function: ScriptedFunction,
    called: Called,
}

impl ScriptedFunction {
    /// Creates a plain function of this name, for registration in an environment, and its call record.
    pub fn named(self, name: impl Into<Arc<str>>) -> (Function, Called) {
        let called = Called::default();
        let handler = Arc::new(StandIn { function: self, called: called.clone() });
        (Function { name: name.into(), durable: false, handler }, called)
    }
}

impl StandIn {
    async fn outcome(&self, invocation: Invocation<'_>) -> InvokeOutcome {
        self.called.0.store(true, Ordering::Relaxed);
        let clock = invocation.around.clock;
        if !self.function.after.is_zero() {
            let millis = u64::try_from(self.function.after.as_millis()).unwrap_or(u64::MAX);
            clock.sleep(Some(clock.now().plus_millis(millis))).await;
        }
        self.function.outcome.clone()
    }
}

impl Invocable for StandIn {
    fn invoke<'a>(&'a self, invocation: Invocation<'a>) -> Invoked<'a> {
        Box::pin(async move {
            let output = match self.outcome(invocation).await {
                InvokeOutcome::Succeeded(result) => InvocationOutput::succeeded(result),
                InvokeOutcome::Failed(error)
                | InvokeOutcome::TimedOut(error)
                | InvokeOutcome::Stopped(error) => InvocationOutput::failed(error),
            };
            InvocationReport { result: InvocationResult::Output(output), checkpoints: 0 }
        })
    }

    fn invoke_plain<'a>(&'a self, invocation: Invocation<'a>) -> PlainInvoked<'a> {
        Box::pin(self.outcome(invocation))
    }
}

/// The default error of a function whose execution exceeded its timeout.
pub fn timed_out() -> ErrorObject {
    ErrorObject::new(error_types::EXECUTION_TIMEOUT, "the function's execution took longer than its timeout")
}

/// The default error of a function whose execution was stopped.
pub fn stopped() -> ErrorObject {
    ErrorObject::new(error_types::EXECUTION_STOPPED, "the function's execution was stopped")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        invocation::LogBuffer,
        orchestrator::{Environment, EnvironmentOptions},
        protocol::ExecutionStatus,
        server::StartExecution,
    };

    #[tokio::test]
    async fn it_ends_as_told_after_as_long_as_told() {
        let failure = ErrorObject::new("Sold", "all is sold out");
        let cases = [
            (
                Duration::from_secs(90),
                InvokeOutcome::Succeeded(Some("7".to_owned())),
                ExecutionStatus::Succeeded,
            ),
            (Duration::ZERO, InvokeOutcome::Failed(failure), ExecutionStatus::Failed),
            // An execution of its own does not time out because it says so.
            (Duration::ZERO, InvokeOutcome::TimedOut(timed_out()), ExecutionStatus::Failed),
        ];
        for (after, outcome, status) in cases {
            let log = Arc::new(LogBuffer::default());
            let mut environment = Environment::empty(EnvironmentOptions::default(), log).unwrap();
            let called = environment.stand_in("price", ScriptedFunction { after, outcome: outcome.clone() });
            assert!(!called.get());
            let view = environment.run(StartExecution::new("price", None)).await.unwrap().view;
            assert!(called.get());
            assert_eq!((view.status, view.end.unwrap().since(view.start)), (status, after));
            let (result, error) = match outcome {
                InvokeOutcome::Succeeded(result) => (result, None),
                InvokeOutcome::Failed(error)
                | InvokeOutcome::TimedOut(error)
                | InvokeOutcome::Stopped(error) => (None, Some(error)),
            };
            assert_eq!((view.result.as_deref(), view.error), (result.as_deref(), error));
        }
    }
}
