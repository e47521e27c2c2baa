//! A function from data: a stand-in for one that is not there, or that must not be called.
//!
//! Always true: it ends the way it was told to, that long after it was called, whatever it is given; and while it takes its
//! time, the clock is told.

use std::{sync::Arc, time::Duration};

use super::{Function, Invocable, Invocation, Invoked};
use crate::{
    protocol::{ErrorObject, InvocationOutput},
    sandbox::{InvocationEnd, InvocationReport},
};

/// How a stand-in ends, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptedFunction {
    /// How long it takes, in the time of whoever calls it; to the millisecond.
    pub after: Duration,
    /// What it returns, JSON text; or what it fails with.
    pub outcome: Result<Option<String>, ErrorObject>,
}

impl ScriptedFunction {
    /// A plain function of this name, to be registered in an environment.
    pub fn named(self, name: impl Into<Arc<str>>) -> Function {
        Function { name: name.into(), durable: false, handler: Arc::new(self) }
    }
}

impl Invocable for ScriptedFunction {
    fn invoke<'a>(&'a self, invocation: Invocation<'a>) -> Invoked<'a> {
        Box::pin(async move {
            let clock = invocation.around.clock;
            if !self.after.is_zero() {
                let millis = u64::try_from(self.after.as_millis()).unwrap_or(u64::MAX);
                clock.sleep(Some(clock.now().plus_millis(millis))).await;
            }
            let output = match &self.outcome {
                Ok(result) => InvocationOutput::succeeded(result.clone()),
                Err(error) => InvocationOutput::failed(error.clone()),
            };
            InvocationReport { end: InvocationEnd::Output(output), checkpoints: 0 }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        orchestrator::{Environment, EnvironmentOptions},
        protocol::ExecutionStatus,
        sandbox::LogBuffer,
        server::StartExecution,
    };

    #[tokio::test]
    async fn it_ends_as_told_after_as_long_as_told() {
        let failure = ErrorObject::new("Sold", "all is sold out");
        let cases = [
            (Duration::from_secs(90), Ok(Some("7".to_owned())), ExecutionStatus::Succeeded),
            (Duration::ZERO, Err(failure), ExecutionStatus::Failed),
        ];
        for (after, outcome, status) in cases {
            let log = Arc::new(LogBuffer::default());
            let mut environment = Environment::new(EnvironmentOptions::default(), &[], log).await.unwrap();
            environment.register(ScriptedFunction { after, outcome: outcome.clone() }.named("price"));
            let view = environment.run(StartExecution::new("price", None)).await.unwrap().view;
            assert_eq!((view.status, view.end.unwrap().since(view.start)), (status, after));
            assert_eq!(view.result.as_deref(), outcome.as_ref().ok().and_then(|result| result.as_deref()));
            assert_eq!(view.error, outcome.err());
        }
    }
}
