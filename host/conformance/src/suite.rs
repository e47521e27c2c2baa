//! Runs all cases concurrently, on several threads.
//!
//! Invariants: outcomes are reported in the order of the cases, whichever case ends first.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use durawasm_build::BuildOptions;
use durawasm_client::{Access, Endpoint};
use durawasm_sandbox::{Sandbox, SandboxLimits};

use super::{
    Case, Config, Outcome, Report, RunnerError, Verdict, component::Component, place::Place, remote::Remote,
    run::run, runtime::runtime,
};

/// Runs cases against a component, or against an endpoint.
#[derive(Clone)]
pub struct ConformanceRunner {
    place: Arc<dyn Place>,
    config: Config,
    case_limit: Duration,
}

impl ConformanceRunner {
    /// A runner for a component's file, in virtual time.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or is not a component with durable handlers.
    pub fn from_component(path: impl AsRef<Path>) -> Result<Self, RunnerError> {
        let (sandbox, _) = Sandbox::with_default_cache(&SandboxLimits::default())?;
        Ok(Self::at(Component(sandbox.load_file(path.as_ref())?)))
    }

    /// A runner for a handler crate, given by its folder. Builds the crate unless it is up to date.
    ///
    /// # Errors
    /// Returns an error if the crate does not build; otherwise as for [`ConformanceRunner::from_component`].
    pub fn from_crate(path: impl AsRef<Path>) -> Result<Self, RunnerError> {
        let path = path.as_ref();
        let built = durawasm_build::build(&BuildOptions::new(path), &mut |_| {});
        let built = built.map_err(|source| RunnerError::Build { path: path.to_owned(), source })?;
        Self::from_component(built.path)
    }

    /// A runner for the functions of an endpoint, in real time: a case runs the function of its id. Log lines are not
    /// compared: the API does not tell them.
    pub fn from_endpoint(endpoint: Endpoint, access: Access) -> Self {
        Self::at(Remote { endpoint, access })
    }

    fn at(place: impl Place + 'static) -> Self {
        let case_limit = place.case_limit();
        Self { place: Arc::new(place), config: Config::default(), case_limit }
    }

    /// Sets the environment variables of the handlers of a component. Those of an endpoint have what it gives them.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The maximum duration of a case in real time, after which it fails. The default is one minute, and at an endpoint
    /// three.
    #[must_use]
    pub fn case_limit(mut self, limit: Duration) -> Self {
        self.case_limit = limit;
        self
    }

    /// The names of the component's handlers; `None` for an endpoint.
    ///
    /// # Errors
    /// Returns an error if the component traps, or takes too long, while listing them.
    pub fn handlers(&self) -> Result<Option<BTreeSet<String>>, RunnerError> {
        self.place.handlers()
    }

    /// Runs cases, and reports each outcome as soon as it and all earlier ones are known.
    pub fn run(&self, cases: &[Case], mut tell: impl FnMut(&Outcome)) -> Report {
        let next = AtomicUsize::new(0);
        let threads = self.place.at_once().min(cases.len());
        let mut outcomes = Vec::with_capacity(cases.len());
        thread::scope(|scope| {
            let (done, over) = mpsc::channel();
            for _ in 0..threads {
                let (next, done) = (&next, done.clone());
                scope.spawn(move || {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(case) = cases.get(at) else { return };
                        let outcome = catch_unwind(AssertUnwindSafe(|| self.run_one(case)));
                        let outcome = outcome.unwrap_or_else(|_| {
                            failed(case, "the host panicked, which is a bug of durawasm's".to_owned())
                        });
                        if done.send((at, outcome)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(done);
            let mut early = BTreeMap::new();
            for (at, outcome) in over {
                early.insert(at, outcome);
                while let Some(outcome) = early.remove(&outcomes.len()) {
                    tell(&outcome);
                    outcomes.push(outcome);
                }
            }
        });
        Report { outcomes }
    }

    fn run_one(&self, case: &Case) -> Outcome {
        let started = Instant::now();
        let (verdict, explanation) = match runtime() {
            Ok(runtime) => {
                let outcome = runtime.block_on(run(case, &*self.place, &self.config, self.case_limit));
                // A file operation that hangs must not block the runner.
                runtime.shutdown_background();
                outcome
            }
            Err(error) => return failed(case, error.to_string()),
        };
        let log_unchecked = !case.logs.is_empty() && !self.place.tells_log();
        Outcome {
            verdict,
            explanation,
            log_unchecked,
            took: started.elapsed(),
            ..failed(case, String::new())
        }
    }
}

fn failed(case: &Case, why: String) -> Outcome {
    Outcome {
        id: case.id.clone(),
        group: case.group.clone(),
        description: case.description.clone(),
        optional: case.optional,
        verdict: Verdict::Failed,
        explanation: vec![why],
        log_unchecked: false,
        took: Duration::ZERO,
    }
}
