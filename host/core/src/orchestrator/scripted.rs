//! A function from data: a stand-in for one that is not there, or that must not be called.
//!
//! Always true: it ends the way it was told to, that long after it was called, whatever it is given; and while it takes
//! its time, the clock is told.

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

/// How a stand-in ends, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptedFunction {
    /// How long it takes, in the time of whoever calls it; to the millisecond.
    pub after: Duration,
    /// How it ends.
    pub outcome: InvokeOutcome,
}

/// Whether a stand-in was called.
#[derive(Debug, Clone, Default)]
pub struct Called(Arc<AtomicBool>);

impl Called {
    /// Whether it was.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stand-in that remembers whether it was called.
struct StandIn {
    function: ScriptedFunction,
    called: Called,
}

impl ScriptedFunction {
    /// A plain function of this name, to be registered in an environment; and whether it was called.
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

/// What a function fails with whose execution took longer than it may, where nothing else is said.
pub fn timed_out() -> ErrorObject {
    ErrorObject::new(error_types::EXECUTION_TIMEOUT, "the function's execution took longer than its timeout")
}

/// What a function fails with whose execution was stopped, where nothing else is said.
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
