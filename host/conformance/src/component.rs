//! Cases in this process: the handlers of a component, in virtual time.
//!
//! Invariants: a case has its own environment, with its own time, server and scratch directories; the same case with
//! the same component has the same outcome.

use std::{collections::BTreeSet, error::Error, num::NonZeroUsize, sync::Arc, thread, time::Duration};

use durawasm_core::{
    invocation::LogBuffer,
    orchestrator::{Environment, EnvironmentOptions},
    server::{AnswerOrder, ExecutionView, StartExecution},
};
use durawasm_sandbox::Handler;
use tokio::time::timeout;

use super::{
    Case, Config, RunnerError,
    place::{Executed, Executing, Place, Ran},
    runtime::runtime,
};

/// The maximum duration of a case in real time. Cases take milliseconds: one that takes longer does not end.
const CASE_LIMIT: Duration = Duration::from_mins(1);

/// A component with handlers.
pub(super) struct Component(pub(super) Handler);

impl Component {
    async fn environment(
        &self,
        options: EnvironmentOptions,
        log: Arc<LogBuffer>,
    ) -> Result<Environment, RunnerError> {
        Ok(Environment::new(options, std::slice::from_ref(&self.0), log).await?)
    }

    async fn run(&self, case: &Case, config: &Config) -> Result<Executed, Box<dyn Error>> {
        let log = Arc::new(LogBuffer::default());
        let options = EnvironmentOptions { grants: config.grants(), ..EnvironmentOptions::default() };
        let environment = self.environment(options, log.clone()).await?;
        let name = case.id.as_str();
        if !environment.functions().iter().any(|function| &*function.name == name) {
            return Ok(Executed::NoHandler);
        }
        let mut start = StartExecution::new(name, Some(case.input.clone()));
        start.answers.clone_from(&case.answers);
        start.answer_order = AnswerOrder::InTurn;
        let run = match case.seen_after() {
            None => environment.run(start).await?,
            Some(last) => {
                let seen = |view: &ExecutionView| view.events.len() as u64 >= last;
                environment.run_until(start, &seen).await?
            }
        };
        Ok(Executed::Ran(Box::new(Ran { run, log: log.take() })))
    }
}

impl Place for Component {
    fn execute<'a>(&'a self, case: &'a Case, config: &'a Config, limit: Duration) -> Executing<'a> {
        Box::pin(async move { timeout(limit, self.run(case, config)).await.unwrap_or(Ok(Executed::Late)) })
    }

    fn name(&self) -> String {
        "the component".to_owned()
    }

    fn tells_log(&self) -> bool {
        true
    }

    fn handlers(&self) -> Result<Option<BTreeSet<String>>, RunnerError> {
        let environment = self.environment(EnvironmentOptions::default(), Arc::new(LogBuffer::default()));
        let environment = runtime()?.block_on(environment)?;
        Ok(Some(environment.functions().iter().map(|function| function.name.to_string()).collect()))
    }

    fn at_once(&self) -> usize {
        thread::available_parallelism().map_or(1, NonZeroUsize::get)
    }

    fn case_limit(&self) -> Duration {
        CASE_LIMIT
    }
}
