//! Environments: a clock, a server, randomness and the functions of components.
//!
//! Invariants: two environments share nothing but the sandbox, so any number can run concurrently.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{
    Attendant, Called, Component, Function, FunctionGrants, Functions, GrantProvider, Orchestrator, Progress,
    Run, RunError, ScriptedFunction, SharedScheduler, Version, VersionError, Versions,
};
use crate::{
    ambient::{Actor, Clock, Entropy, OsEntropy, SeededEntropy, SystemClock, VirtualClock},
    budget::{Budget, HostBudget},
    invocation::{Disturbance, Faults, Isolation, LogSink},
    protocol::{ErrorObject, ExecutionArn, Limits, Timestamp},
    server::{
        Attendance, CheckpointServer, ExecutionView, InvokeOutcome, ServerConfig, ServerHandle,
        StartExecution, Store,
    },
};

/// How time passes in an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeMode {
    /// Real time.
    Real,
    /// Virtual time: it starts at `start`, does not advance while code runs, and skips to the next deadline.
    Skip {
        /// The time at which it starts.
        start: Timestamp,
    },
}

impl TimeMode {
    /// Virtual time from the beginning of 2025: the same in every run, so that runs can be compared.
    pub const SKIP: Self = Self::Skip { start: Timestamp::Y2025 };

    /// A clock for which time passes like this.
    fn clock(self) -> Arc<dyn Clock> {
        match self {
            Self::Real => Arc::new(SystemClock::new()),
            Self::Skip { start } => Arc::new(VirtualClock::new(start)),
        }
    }
}

/// The options of an environment.
#[derive(Debug, Clone)]
pub struct EnvironmentOptions {
    /// How time passes.
    pub time: TimeMode,
    /// The seed of ids and of randomness inside steps; `None` takes both from the operating system.
    pub seed: Option<u64>,
    /// The service's limits.
    pub limits: Limits,
    /// What executions may make this process keep. Environments may share it; by default each has its own.
    pub host: HostBudget,
    /// The execution timeouts of functions that are invoked by others, in seconds, by the name of the function. By
    /// default there are none.
    pub execution_timeouts: HashMap<String, u64>,
    /// What functions may access. By default nothing.
    pub grants: FunctionGrants,
    /// The faults to inject. By default none.
    pub disturbances: Vec<Disturbance>,
    /// The duration of each checkpoint, on the environment's clock. By default none.
    pub checkpoint_delay: Option<Duration>,
    /// Which code shares an instance. By default all code of an invocation.
    pub isolation: Isolation,
    /// Whether answers may come from outside at any time. By default an execution that waits for an answer that nobody in
    /// this process gives is given up as stalled.
    pub answers_from_outside: bool,
}

impl Default for EnvironmentOptions {
    /// Virtual time and a fixed seed, so that every run is the same.
    fn default() -> Self {
        Self {
            time: TimeMode::SKIP,
            seed: Some(0),
            limits: Limits::default(),
            host: HostBudget::default(),
            execution_timeouts: HashMap::new(),
            grants: FunctionGrants::default(),
            disturbances: Vec::new(),
            checkpoint_delay: None,
            isolation: Isolation::default(),
            answers_from_outside: false,
        }
    }
}

/// Why an environment could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The server's thread could not be started.
    #[error("the checkpoint server cannot start: {0}")]
    Server(#[from] std::io::Error),
    /// The component trapped or exceeded a limit while it listed its functions.
    #[error("the component does not say which functions it has: {0}")]
    Functions(ErrorObject),
}

/// The backend of an environment: a server, its clock and a source of randomness. Several environments may share one.
#[derive(Clone)]
pub struct Backend {
    /// The server.
    pub server: ServerHandle,
    /// The server's clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness inside steps.
    pub entropy: Arc<dyn Entropy>,
}

impl Backend {
    /// Creates a backend for an environment with these options. The server's thread ends when the server is dropped.
    ///
    /// # Errors
    /// When the operating system cannot start a thread.
    pub fn new(options: &EnvironmentOptions) -> std::io::Result<(CheckpointServer, Self)> {
        Self::with_clock(options, options.time.clock())
    }

    /// Creates a backend with this clock instead of the one in the options.
    ///
    /// # Errors
    /// As for [`Backend::new`].
    pub fn with_clock(
        options: &EnvironmentOptions,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<(CheckpointServer, Self)> {
        Self::on(options, clock, None)
    }

    fn on(
        options: &EnvironmentOptions,
        clock: Arc<dyn Clock>,
        store: Option<Box<dyn Store>>,
    ) -> std::io::Result<(CheckpointServer, Self)> {
        // Separate streams, so that ids do not depend on how much randomness guests draw.
        let (ids, entropy): (Arc<dyn Entropy>, Arc<dyn Entropy>) = match options.seed {
            Some(seed) => (Arc::new(SeededEntropy::new(seed)), Arc::new(SeededEntropy::new(!seed))),
            None => (Arc::new(OsEntropy), Arc::new(OsEntropy)),
        };
        let config = ServerConfig { clock: clock.clone(), entropy: ids, limits: options.limits.clone() };
        let server = CheckpointServer::spawn_with(config, options.host.clone(), store)?;
        let backend = Self { server: server.handle(), clock, entropy };
        Ok((server, backend))
    }
}

/// A set of functions, and the backend that their executions run on.
///
/// # Examples
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use durawasm_core::{
///     invocation::LogBuffer,
///     orchestrator::{Environment, EnvironmentOptions, ScriptedFunction},
///     protocol::ExecutionStatus,
///     server::{InvokeOutcome, StartExecution},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut environment = Environment::empty(EnvironmentOptions::default(), Arc::new(LogBuffer::default()))?;
/// // In place of a component: a function that returns this result after an hour of virtual time.
/// let outcome = InvokeOutcome::Succeeded(Some("42".to_owned()));
/// let answer = ScriptedFunction { after: Duration::from_hours(1), outcome };
/// let called = environment.stand_in("answer", answer);
///
/// let run = environment.run(StartExecution::new("answer", None)).await?;
/// assert!(called.get());
/// assert_eq!(run.view.status, ExecutionStatus::Succeeded);
/// assert_eq!(run.view.result.as_deref(), Some("42"));
/// # Ok(())
/// # }
/// ```
pub struct Environment {
    orchestrator: Orchestrator,
    _server: Option<CheckpointServer>,
}

impl Environment {
    /// Creates an environment with a server of its own, in which the functions of these components can be run and
    /// invoked.
    pub async fn new(
        options: EnvironmentOptions,
        components: &[impl Component],
        log: Arc<dyn LogSink>,
    ) -> Result<Self, EnvironmentError> {
        let (server, backend) = Backend::new(&options)?;
        let environment = Self::on(backend, options, components, log).await?;
        Ok(Self { _server: Some(server), ..environment })
    }

    /// Creates an environment without functions, with a server of its own. Functions are added with
    /// [`register`](Self::register).
    ///
    /// # Errors
    /// When the operating system cannot start a thread.
    pub fn empty(options: EnvironmentOptions, log: Arc<dyn LogSink>) -> Result<Self, EnvironmentError> {
        Self::with_store(options, log, None)
    }

    /// Creates an environment without functions, with a server of its own that keeps executions in a store.
    ///
    /// # Errors
    /// When the operating system cannot start a thread.
    pub fn with_store(
        options: EnvironmentOptions,
        log: Arc<dyn LogSink>,
        store: Option<Box<dyn Store>>,
    ) -> Result<Self, EnvironmentError> {
        let (server, backend) = Backend::on(&options, options.time.clock(), store)?;
        Ok(Self { orchestrator: Self::orchestrator(backend, options, log), _server: Some(server) })
    }

    fn orchestrator(backend: Backend, options: EnvironmentOptions, log: Arc<dyn LogSink>) -> Orchestrator {
        let Backend { server, clock, entropy } = backend;
        Orchestrator {
            server,
            functions: Functions::default(),
            versions: None,
            clock,
            entropy,
            log,
            limits: options.limits,
            execution_timeouts: Arc::new(options.execution_timeouts),
            grants: Arc::new(GrantProvider::new(options.grants)),
            faults: Faults::new(options.disturbances, options.checkpoint_delay),
            isolation: options.isolation,
            answers_from_outside: options.answers_from_outside,
            scheduler: None,
        }
    }

    /// Creates an environment on an existing backend. The backend must have been made with the same time, seed and
    /// limits.
    pub async fn on(
        backend: Backend,
        options: EnvironmentOptions,
        components: &[impl Component],
        log: Arc<dyn LogSink>,
    ) -> Result<Self, EnvironmentError> {
        let orchestrator = Self::orchestrator(backend, options, log);
        let mut environment = Self { orchestrator, _server: None };
        for component in components {
            environment.add(component).await?;
        }
        Ok(environment)
    }

    /// Adds all functions of a component. A function replaces one of the same name.
    ///
    /// # Errors
    /// [`EnvironmentError::Functions`] when the component does not list its functions.
    pub async fn add(&mut self, component: &impl Component) -> Result<(), EnvironmentError> {
        // Listing functions needs no grants.
        let around = self.orchestrator.around(Arc::default(), "functions");
        self.orchestrator.functions.add(component, around).await.map_err(EnvironmentError::Functions)
    }

    /// Adds these functions. Each replaces one of the same name.
    pub fn register_all(&mut self, functions: &Functions) {
        for function in functions.iter() {
            self.register(function.clone());
        }
    }

    /// Sets the scheduler that decides when waits end, for executions that are run from now on.
    #[must_use]
    pub fn with_scheduler(mut self, scheduler: SharedScheduler) -> Self {
        self.orchestrator.scheduler = Some(scheduler);
        self
    }

    /// Adds a function that can be run and invoked. It replaces one of the same name.
    pub fn register(&mut self, function: Function) {
        self.orchestrator.functions.insert(function);
    }

    /// Adds a scripted function in place of one that does not exist here or must not be called.
    pub fn stand_in(&mut self, name: impl Into<Arc<str>>, function: ScriptedFunction) -> Called {
        let (function, called) = function.named(name);
        self.register(function);
        called
    }

    /// Takes functions from this source from now on, instead of those that were added.
    pub fn set_versions(&mut self, versions: Arc<dyn Versions>) {
        self.orchestrator.versions = Some(versions);
    }

    /// The source of functions whose code changes, if there is one.
    pub fn versions(&self) -> Option<&Arc<dyn Versions>> {
        self.orchestrator.versions.as_ref()
    }

    /// The version of a function that a new execution runs. See [`Orchestrator::find`].
    pub async fn find(&self, name: &str) -> Result<Version, VersionError> {
        self.orchestrator.find(name).await
    }

    /// What the ARNs of executions have for the version that a name stands for. See [`Orchestrator::resolve`].
    pub fn resolve(&self, name: &str) -> Result<Arc<str>, VersionError> {
        self.orchestrator.resolve(name)
    }

    /// The functions that can be run.
    pub fn functions(&self) -> &Functions {
        &self.orchestrator.functions
    }

    /// Starts an execution and runs it to its end. See [`Orchestrator::run`].
    pub async fn run(&self, start: StartExecution) -> Result<Run, RunError> {
        self.orchestrator.run(start).await
    }

    /// Starts an execution with an attendant and runs it to its end. See [`Orchestrator::run_attended`].
    pub async fn run_attended(
        &self,
        start: StartExecution,
        attendant: &Arc<dyn Attendant>,
    ) -> Result<Run, RunError> {
        self.orchestrator.run_attended(start, attendant).await
    }

    /// Continues an execution that a store keeps, with an attendant, and runs it to its end. See
    /// [`Orchestrator::resume`].
    pub async fn resume_attended(
        &self,
        arn: &ExecutionArn,
        attendant: &Arc<dyn Attendant>,
    ) -> Result<Run, RunError> {
        self.orchestrator.resume(arn, Some(attendant)).await
    }

    /// Runs an execution that the server has dispatched, until it has ended or waits. See
    /// [`Orchestrator::run_attendance`].
    pub async fn run_attendance(&self, attendance: &Attendance, actor: Actor) -> Result<Progress, RunError> {
        self.orchestrator.run_attendance(attendance, actor).await
    }

    /// Frees what was granted to an execution that ended while nobody ran it.
    pub fn over(&self, arn: &ExecutionArn) {
        self.orchestrator.grants.over(arn);
    }

    /// Runs a plain function once, without an execution. See [`Orchestrator::run_plain_function`].
    pub async fn run_plain_function(
        &self,
        function: &Function,
        payload: Option<Arc<str>>,
        id: &str,
        budget: Budget,
    ) -> InvokeOutcome {
        self.orchestrator.run_plain_function(function, payload, id, budget).await
    }

    /// The server.
    pub fn server(&self) -> &ServerHandle {
        &self.orchestrator.server
    }

    /// The server's clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.orchestrator.clock
    }

    /// Starts an execution and runs it until `enough` returns true. See [`Orchestrator::run_until`].
    pub async fn run_until(
        &self,
        start: StartExecution,
        enough: &(dyn Fn(&ExecutionView) -> bool + Send + Sync),
    ) -> Result<Run, RunError> {
        self.orchestrator.run_until(start, enough).await
    }
}
