//! Where the execution of a case runs.
//!
//! Invariants: whatever the place, a case is judged by the same comparison of what a place tells.

use std::{collections::BTreeSet, error::Error, future::Future, pin::Pin, time::Duration};

use durawasm_core::{invocation::LogLine, orchestrator::Run};

use super::{Case, Config, RunnerError};

/// The future of [`Place::execute`].
pub(super) type Executing<'a> = Pin<Box<dyn Future<Output = Result<Executed, Box<dyn Error>>> + 'a>>;

/// How far the execution of a case came.
pub(super) enum Executed {
    /// As far as the case asks for.
    Ran(Box<Ran>),
    /// There is no handler of the case's name.
    NoHandler,
    /// Less far, in all the time that the case may take.
    Late,
}

/// What a place tells of an execution.
pub(super) struct Ran {
    pub(super) run: Run,
    /// The lines of its log; empty if the place tells none.
    pub(super) log: Vec<LogLine>,
}

/// Something that runs handlers.
pub(super) trait Place: Send + Sync {
    /// Runs the execution of a case as far as the case asks for, within `limit` of real time, and answers its
    /// callbacks.
    fn execute<'a>(&'a self, case: &'a Case, config: &'a Config, limit: Duration) -> Executing<'a>;

    /// Where no handler was found, as the beginning of a sentence.
    fn name(&self) -> String;

    /// Whether the log lines of executions are told.
    fn tells_log(&self) -> bool;

    /// The names of the handlers; `None` if they cannot be listed.
    ///
    /// # Errors
    /// When the handlers can be listed, and it failed.
    fn handlers(&self) -> Result<Option<BTreeSet<String>>, RunnerError>;

    /// How many cases run at once.
    fn at_once(&self) -> usize;

    /// How long a case may take, in real time.
    fn case_limit(&self) -> Duration;
}
