//! A scenario file: its format and its content.
//!
//! Invariants: a setting that a scenario omits comes from its file; one that both omit has the default of
//! `durawasm run --skip-time`. Each setting of a file can be overridden by a scenario.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{
    answers::{GoodAnswer, GoodStandIn, StandIn},
    data,
    exact::Json,
    expect::Expectation,
    values,
};
use durawasm_core::{
    durations::ExecutionTimeout,
    invocation::{HttpGrant, Isolation},
    orchestrator::{DirectoryRequest, GrantRequests, TimeMode, VariableRequest},
    protocol::Limits,
    server::{InvocationRetry, ScriptedAnswer},
};
use durawasm_sandbox::{HttpLimits, SandboxLimits};

/// The scenarios of a file, ready to run.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioFile {
    /// The path of the file.
    pub path: PathBuf,
    /// The path of the component or of the crate's folder, relative to the working directory, not to the file.
    pub handler: Option<PathBuf>,
    /// The scenarios in the order of the file, at least one.
    pub scenarios: Vec<Scenario>,
}

/// One test: the inputs of an execution, and its expected outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The name, unique in its file.
    pub name: String,
    /// The function to run; `None` for the component's only function.
    pub function: Option<String>,
    /// The event as JSON text.
    pub event: String,
    /// The scripted answers to callbacks.
    pub answers: Vec<ScriptedAnswer>,
    /// The stand-ins for functions that the handler invokes.
    pub functions: Vec<StandIn>,
    /// How time passes.
    pub time: TimeMode,
    /// The seed of ids and random numbers; `None` takes them from the operating system.
    pub seed: Option<u64>,
    /// The execution timeout in seconds.
    pub execution_timeout: Option<u64>,
    /// The retry policy for crashed invocations.
    pub invocation_retry: InvocationRetry,
    /// The limits of one invocation.
    pub limits: SandboxLimits,
    /// The limits of the service.
    pub service: Limits,
    /// When a fresh instance is used.
    pub isolation: Isolation,
    /// Whether it is also checked that the handler replays.
    pub check: bool,
    /// The requested grants.
    pub grants: GrantRequests,
    /// The expected outcome.
    pub expect: Expectation,
}

/// The settings that a file and a scenario can have.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) function: Option<String>,
    pub(super) event: Option<Json>,
    pub(super) event_file: Option<PathBuf>,
    functions: Vec<StandIn>,
    seed: Option<u64>,
    start_time: Option<DateTime<Utc>>,
    execution_timeout: Option<ExecutionTimeout>,
    invocation_retries: Option<u32>,
    real_time: Option<bool>,
    isolation: Option<Isolation>,
    check: Option<bool>,
    limits: Option<WrittenLimits>,
    env: Vec<VariableRequest>,
    dir: Vec<DirectoryRequest>,
    scratch: Option<bool>,
    allow_http: Vec<HttpGrant>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenLimits {
    #[serde(deserialize_with = "values::mebibytes")]
    memory: Option<u32>,
    #[serde(deserialize_with = "values::total_mebibytes")]
    total_memory: Option<u32>,
    #[serde(deserialize_with = "values::some_number")]
    handles: Option<u32>,
    #[serde(deserialize_with = "values::some_number")]
    timers: Option<u32>,
    #[serde(deserialize_with = "values::some_time")]
    cpu_limit: Option<Duration>,
    #[serde(deserialize_with = "values::some_time")]
    invocation_timeout: Option<Duration>,
    #[serde(deserialize_with = "values::some_time")]
    http_timeout: Option<Duration>,
    http_requests: Option<u32>,
    #[serde(deserialize_with = "values::mebibytes")]
    http_size: Option<u32>,
    #[serde(deserialize_with = "values::mebibytes")]
    disk_size: Option<u32>,
    disk_files: Option<u64>,
    service_quotas: Option<bool>,
    #[serde(deserialize_with = "values::kept_mebibytes")]
    execution_bytes: Option<u32>,
    invokes: Option<u32>,
    invoke_depth: Option<u32>,
}

/// Defines a struct with these fields and those of [`Settings`]. Serde's `flatten` would accept unknown keys, and lose
/// the line numbers.
macro_rules! with_settings {
    ($name:ident { $($own:tt)* }) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $($own)*
            #[serde(default)]
            function: Option<String>,
            #[serde(default, deserialize_with = "data::given")]
            event: Option<Json>,
            #[serde(default)]
            event_file: Option<PathBuf>,
            #[serde(default)]
            functions: Vec<GoodStandIn>,
            #[serde(default)]
            seed: Option<u64>,
            #[serde(default, deserialize_with = "values::time")]
            start_time: Option<DateTime<Utc>>,
            #[serde(default, deserialize_with = "values::execution_timeout")]
            execution_timeout: Option<ExecutionTimeout>,
            #[serde(default)]
            invocation_retries: Option<u32>,
            #[serde(default)]
            real_time: Option<bool>,
            #[serde(default)]
            isolation: Option<Isolation>,
            #[serde(default)]
            check: Option<bool>,
            #[serde(default)]
            limits: Option<WrittenLimits>,
            #[serde(default, deserialize_with = "values::variables")]
            env: Vec<VariableRequest>,
            #[serde(default, deserialize_with = "values::directories")]
            dir: Vec<DirectoryRequest>,
            #[serde(default)]
            scratch: Option<bool>,
            #[serde(default, deserialize_with = "values::requests")]
            allow_http: Vec<HttpGrant>,
        }

        impl $name {
            pub(super) fn settings(&mut self) -> Settings {
                Settings {
                    function: self.function.take(),
                    event: self.event.take(),
                    event_file: self.event_file.take(),
                    functions: self.functions.drain(..).map(|function| function.0).collect(),
                    seed: self.seed,
                    start_time: self.start_time,
                    execution_timeout: self.execution_timeout,
                    invocation_retries: self.invocation_retries,
                    real_time: self.real_time,
                    isolation: self.isolation,
                    check: self.check,
                    limits: self.limits.take(),
                    env: std::mem::take(&mut self.env),
                    dir: std::mem::take(&mut self.dir),
                    scratch: self.scratch,
                    allow_http: std::mem::take(&mut self.allow_http),
                }
            }
        }
    };
}

with_settings!(WrittenFile {
    #[serde(default)]
    pub(super) handler: Option<PathBuf>,
    #[serde(default)]
    pub(super) scenarios: Vec<WrittenScenario>,
});

with_settings!(WrittenScenario {
    #[serde(deserialize_with = "values::text")]
    pub(super) name: String,
    #[serde(default)]
    pub(super) answers: Vec<GoodAnswer>,
    #[serde(default)]
    pub(super) expect: Expectation,
});

impl Settings {
    /// These settings, completed by those of the file.
    pub(super) fn or(self, file: &Settings) -> Result<Self, String> {
        if self.event.is_some() && self.event_file.is_some() {
            return Err("`event` and `event_file` say the same; give one of them".to_owned());
        }
        let (event, event_file) = match (self.event, self.event_file) {
            (None, None) => (file.event.clone(), file.event_file.clone()),
            own => own,
        };
        let mut functions = self.functions;
        let mut names: Vec<String> = functions.iter().map(|function| function.name.clone()).collect();
        names.sort_unstable();
        if let Some([twice, _]) = names.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(format!("two entries of `functions` are named {twice:?}"));
        }
        for other in file.functions.iter().filter(|function| names.binary_search(&function.name).is_err()) {
            functions.push(StandIn { own: false, ..other.clone() });
        }
        let limits = match (self.limits, file.limits) {
            (Some(own), Some(file)) => Some(own.or(file)),
            (own, file) => own.or(file),
        };
        Ok(Self {
            function: self.function.or_else(|| file.function.clone()),
            event,
            event_file,
            functions,
            seed: self.seed.or(file.seed),
            start_time: self.start_time.or(file.start_time),
            execution_timeout: self.execution_timeout.or(file.execution_timeout),
            invocation_retries: self.invocation_retries.or(file.invocation_retries),
            real_time: self.real_time.or(file.real_time),
            isolation: self.isolation.or(file.isolation),
            check: self.check.or(file.check),
            limits,
            env: [file.env.clone(), self.env].concat(),
            dir: [file.dir.clone(), self.dir].concat(),
            scratch: self.scratch.or(file.scratch),
            allow_http: [file.allow_http.clone(), self.allow_http].concat(),
        })
    }

    /// The scenario with these settings, whose file is in this folder.
    pub(super) fn scenario(
        self,
        folder: &Path,
        name: String,
        event: String,
        answers: Vec<GoodAnswer>,
        expect: Expectation,
    ) -> Result<Scenario, String> {
        let real_time = self.real_time.unwrap_or(false);
        let time = match (real_time, self.start_time) {
            (true, Some(_)) => {
                return Err("real time starts now: `start_time` is for skipped time".to_owned());
            }
            (true, None) => TimeMode::Real,
            (false, None) => TimeMode::SKIP,
            (false, Some(start)) => TimeMode::Skip { start: start.into() },
        };
        if real_time && expect.duration.is_some() {
            return Err("in real time no `duration` is exact: expect one of skipped time".to_owned());
        }
        let retry = InvocationRetry::default();
        let written = self.limits.unwrap_or_default();
        let (limits, mut service) = written.limits();
        let execution_timeout = ExecutionTimeout::apply(self.execution_timeout, &mut service);
        Ok(Scenario {
            name,
            function: self.function,
            event,
            answers: answers.into_iter().map(|answer| answer.0).collect(),
            functions: self.functions,
            time,
            seed: self.seed.or((!real_time).then_some(0)),
            execution_timeout,
            invocation_retry: InvocationRetry {
                max_retries: self.invocation_retries.unwrap_or(retry.max_retries),
                ..retry
            },
            limits,
            service,
            isolation: self.isolation.unwrap_or_default(),
            check: self.check.unwrap_or_default(),
            grants: GrantRequests {
                env: self.env,
                dir: self.dir,
                scratch: self.scratch.unwrap_or(false),
                http: self.allow_http,
                disk_bytes: written.disk_size.map(|mib| u64::from(mib) << 20),
                disk_files: written.disk_files,
            }
            .below(folder),
            expect,
        })
    }
}

impl WrittenLimits {
    fn or(self, file: Self) -> Self {
        Self {
            memory: self.memory.or(file.memory),
            total_memory: self.total_memory.or(file.total_memory),
            handles: self.handles.or(file.handles),
            timers: self.timers.or(file.timers),
            cpu_limit: self.cpu_limit.or(file.cpu_limit),
            invocation_timeout: self.invocation_timeout.or(file.invocation_timeout),
            http_timeout: self.http_timeout.or(file.http_timeout),
            http_requests: self.http_requests.or(file.http_requests),
            http_size: self.http_size.or(file.http_size),
            disk_size: self.disk_size.or(file.disk_size),
            disk_files: self.disk_files.or(file.disk_files),
            service_quotas: self.service_quotas.or(file.service_quotas),
            execution_bytes: self.execution_bytes.or(file.execution_bytes),
            invokes: self.invokes.or(file.invokes),
            invoke_depth: self.invoke_depth.or(file.invoke_depth),
        }
    }

    fn limits(self) -> (SandboxLimits, Limits) {
        let usual = SandboxLimits::default();
        let http = HttpLimits {
            time: self.http_timeout.unwrap_or(usual.http.time),
            requests: self.http_requests.unwrap_or(usual.http.requests),
            bytes: self.http_size.map_or(usual.http.bytes, |mib| u64::from(mib) << 20),
        };
        let limits = SandboxLimits {
            http,
            memory: self.memory.map_or(usual.memory, |mib| (mib as usize) << 20),
            total_memory: self.total_memory.map_or(usual.total_memory, |mib| (mib as usize) << 20),
            handles: self.handles.unwrap_or(usual.handles),
            timers: self.timers.unwrap_or(usual.timers),
            cpu: self.cpu_limit.unwrap_or(usual.cpu),
            wall: self.invocation_timeout.unwrap_or(usual.wall),
            ..usual
        };
        let quotas = self.service_quotas.unwrap_or(false);
        let usual = if quotas { Limits::service_quotas() } else { Limits::default() };
        let service = Limits {
            execution_bytes: self.execution_bytes.map_or(usual.execution_bytes, |mib| (mib as usize) << 20),
            invokes: self.invokes.map_or(usual.invokes, |number| number as usize),
            invoke_depth: self.invoke_depth.map_or(usual.invoke_depth, |number| number as usize),
            ..usual
        };
        (limits, service)
    }
}
