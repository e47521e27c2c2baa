//! Everything that executions need, put together: a clock, a server of its own, and a component's functions.
//!
//! Always true: two environments share nothing but the sandbox they run in, so any number live side by side.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{
    Attendant, Called, Component, Function, FunctionGrants, Functions, Granter, Orchestrator, Run, RunError,
    ScriptedFunction, SharedScheduler,
};
use crate::{
    ambient::{Clock, Entropy, OsEntropy, SeededEntropy, SystemClock, VirtualClock},
    invocation::{Disturbance, Faults, Isolation, LogSink},
    protocol::{ErrorObject, Limits, Timestamp},
    server::{CheckpointServer, ExecutionView, ServerConfig, ServerHandle, StartExecution},
};

/// How time passes in an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeMode {
    /// As it does.
    Real,
    /// It starts here, stands still while anything runs, and skips to what comes next.
    Skip {
        /// The first instant.
        start: Timestamp,
    },
}

impl TimeMode {
    /// Skipping from the first instant of 2025: the same in every run, so that runs can be compared.
    pub const SKIP: Self = Self::Skip { start: Timestamp::Y2025 };
}

/// What sets one environment apart from another.
#[derive(Debug, Clone)]
pub struct EnvironmentOptions {
    /// How time passes.
    pub time: TimeMode,
    /// Makes ids and the randomness inside steps the same in every run; without it they come from the machine.
    pub seed: Option<u64>,
    /// The service's limits.
    pub limits: Limits,
    /// How long executions of these functions may take when they are invoked by others, in seconds, by the functions'
    /// names. By default any time.
    pub execution_timeouts: HashMap<String, u64>,
    /// What functions may reach. By default nothing.
    pub grants: FunctionGrants,
    /// What is done to invocations on purpose. By default nothing.
    pub disturbances: Vec<Disturbance>,
    /// How long each checkpoint takes, in the environment's time. By default none.
    pub checkpoint_delay: Option<Duration>,
    /// What an instance is shared by. By default all code of an invocation.
    pub isolation: Isolation,
}

impl Default for EnvironmentOptions {
    /// Time skips, and everything repeats.
    fn default() -> Self {
        Self {
            time: TimeMode::SKIP,
            seed: Some(0),
            limits: Limits::default(),
            execution_timeouts: HashMap::new(),
            grants: FunctionGrants::default(),
            disturbances: Vec::new(),
            checkpoint_delay: None,
            isolation: Isolation::default(),
        }
    }
}

/// Why an environment could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The server's thread did not start.
    #[error("the checkpoint server cannot start: {0}")]
    Server(#[from] std::io::Error),
    /// The component trapped, or took too long, when it was asked for its functions.
    #[error("the component does not say which functions it has: {0}")]
    Functions(ErrorObject),
}

/// What an environment runs on: a server, its time, and where randomness comes from. Several environments may share
/// one.
#[derive(Clone)]
pub struct Backend {
    /// The server.
    pub server: ServerHandle,
    /// Its time.
    pub clock: Arc<dyn Clock>,
    /// Randomness inside steps.
    pub entropy: Arc<dyn Entropy>,
}

impl Backend {
    /// A new backend, for an environment with these options. The server's thread ends when the server is dropped.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn new(options: &EnvironmentOptions) -> std::io::Result<(CheckpointServer, Self)> {
        let clock: Arc<dyn Clock> = match options.time {
            TimeMode::Real => Arc::new(SystemClock::new()),
            TimeMode::Skip { start } => Arc::new(VirtualClock::new(start)),
        };
        Self::with_clock(options, clock)
    }

    /// The same, with this clock for the options' time.
    ///
    /// # Errors
    /// As for [`Backend::new`].
    pub fn with_clock(
        options: &EnvironmentOptions,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<(CheckpointServer, Self)> {
        // Two streams: how much a guest draws must not change the ids.
        let (ids, entropy): (Arc<dyn Entropy>, Arc<dyn Entropy>) = match options.seed {
            Some(seed) => (Arc::new(SeededEntropy::new(seed)), Arc::new(SeededEntropy::new(!seed))),
            None => (Arc::new(OsEntropy), Arc::new(OsEntropy)),
        };
        let server = CheckpointServer::spawn(ServerConfig {
            clock: clock.clone(),
            entropy: ids,
            limits: options.limits.clone(),
        })?;
        let backend = Self { server: server.handle(), clock, entropy };
        Ok((server, backend))
    }
}

/// A place for executions to run in.
pub struct Environment {
    orchestrator: Orchestrator,
    _server: Option<CheckpointServer>,
}

impl Environment {
    /// An environment in which the functions of these components can be run and invoked, with a server of its own.
    pub async fn new(
        options: EnvironmentOptions,
        components: &[impl Component],
        log: Arc<dyn LogSink>,
    ) -> Result<Self, EnvironmentError> {
        let (server, backend) = Backend::new(&options)?;
        let environment = Self::on(backend, options, components, log).await?;
        Ok(Self { _server: Some(server), ..environment })
    }

    /// An environment without functions, with a server of its own. Functions can be added with
    /// [`register`](Self::register).
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn empty(options: EnvironmentOptions, log: Arc<dyn LogSink>) -> Result<Self, EnvironmentError> {
        let (server, backend) = Backend::new(&options)?;
        Ok(Self { orchestrator: Self::orchestrator(backend, options, log), _server: Some(server) })
    }

    fn orchestrator(backend: Backend, options: EnvironmentOptions, log: Arc<dyn LogSink>) -> Orchestrator {
        let Backend { server, clock, entropy } = backend;
        Orchestrator {
            server,
            functions: Functions::default(),
            clock,
            entropy,
            log,
            limits: options.limits,
            execution_timeouts: Arc::new(options.execution_timeouts),
            grants: Arc::new(Granter::new(options.grants)),
            faults: Faults::new(options.disturbances, options.checkpoint_delay),
            isolation: options.isolation,
            scheduler: None,
        }
    }

    /// The same, on a backend that is there. It must have been made with the same time, seed and limits.
    pub async fn on(
        backend: Backend,
        options: EnvironmentOptions,
        components: &[impl Component],
        log: Arc<dyn LogSink>,
    ) -> Result<Self, EnvironmentError> {
        let mut orchestrator = Self::orchestrator(backend, options, log);
        for component in components {
            // Whoever asks for a list needs no grants.
            let around = orchestrator.around(Arc::default(), "functions");
            orchestrator.functions.add(component, around).await.map_err(EnvironmentError::Functions)?;
        }
        Ok(Self { orchestrator, _server: None })
    }

    /// Has this scheduler decide when the waits end of executions that are run from now on.
    #[must_use]
    pub fn with_scheduler(mut self, scheduler: SharedScheduler) -> Self {
        self.orchestrator.scheduler = Some(scheduler);
        self
    }

    /// Adds a function to those that can be run and invoked; it replaces one of the same name.
    pub fn register(&mut self, function: Function) {
        self.orchestrator.functions.insert(function);
    }

    /// Adds a function from data, which stands in for one that is not there, or must not be called.
    pub fn stand_in(&mut self, name: impl Into<Arc<str>>, function: ScriptedFunction) -> Called {
        let (function, called) = function.named(name);
        self.register(function);
        called
    }

    /// The functions that can be run.
    pub fn functions(&self) -> &Functions {
        &self.orchestrator.functions
    }

    /// Starts an execution and runs it to its end. See [`Orchestrator::run`].
    pub async fn run(&self, start: StartExecution) -> Result<Run, RunError> {
        self.orchestrator.run(start).await
    }

    /// Starts an execution and runs it to its end, attended by someone. See [`Orchestrator::run_attended`].
    pub async fn run_attended(
        &self,
        start: StartExecution,
        attendant: &Arc<dyn Attendant>,
    ) -> Result<Run, RunError> {
        self.orchestrator.run_attended(start, attendant).await
    }

    /// The server.
    pub fn server(&self) -> &ServerHandle {
        &self.orchestrator.server
    }

    /// Its time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.orchestrator.clock
    }

    /// Starts an execution and runs it until it has gone far enough. See [`Orchestrator::run_until`].
    pub async fn run_until(
        &self,
        start: StartExecution,
        enough: &(dyn Fn(&ExecutionView) -> bool + Send + Sync),
    ) -> Result<Run, RunError> {
        self.orchestrator.run_until(start, enough).await
    }
}
