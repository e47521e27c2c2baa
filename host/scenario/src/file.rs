//! A scenario file: its format and its content.
//!
//! Invariants: a setting that a scenario omits comes from its file; one that both omit has the default of
//! `durawasm run --skip-time`. Each setting of a file can be overridden by a scenario.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{
    answers::{GoodAnswer, GoodStandIn, StandIn},
    data,
    exact::Json,
    expect::Expectation,
};
use durawasm_config::{
    Limit, Origin, RunSettings, Settings, Stated, StatedGrants, StatedLimits, Value, of_scenario, values,
};
use durawasm_core::{
    durations::ExecutionTimeout,
    invocation::{HttpGrant, Isolation},
    orchestrator::{DirectoryRequest, TimeMode, VariableRequest},
    server::ScriptedAnswer,
};

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
    /// When a fresh instance is used.
    pub isolation: Isolation,
    /// Whether it is also checked that the handler replays.
    pub check: bool,
    /// The grants and limits that the scenario and its file state.
    pub stated: Stated,
    /// The grants and limits in force: of the function that is run, and of those that it may invoke. What is stated is
    /// part of them; whoever runs the scenario may add to them.
    pub settings: RunSettings,
    /// The expected outcome.
    pub expect: Expectation,
}

/// The settings that a file and a scenario can have.
#[derive(Debug, Clone, Default)]
pub(super) struct FileSettings {
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
    limits: StatedLimits,
    env: Vec<VariableRequest>,
    dir: Vec<DirectoryRequest>,
    scratch: Option<bool>,
    allow_http: Vec<HttpGrant>,
}

/// Defines a struct with these fields and those of [`FileSettings`]. Serde's `flatten` would accept unknown keys, and lose
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
            #[serde(default, deserialize_with = "of_scenario")]
            limits: StatedLimits,
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
            pub(super) fn settings(&mut self) -> FileSettings {
                FileSettings {
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
                    limits: std::mem::take(&mut self.limits),
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

impl FileSettings {
    /// These settings, completed by those of the file.
    pub(super) fn or(self, file: &FileSettings) -> Result<Self, String> {
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
            limits: self.limits.or(&file.limits),
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
        let mut limits = self.limits;
        if let Some(timeout) = self.execution_timeout {
            limits.set(Limit::ExecutionTimeout, Value::Timeout(timeout));
        }
        if let Some(retries) = self.invocation_retries {
            limits.set(Limit::InvocationRetries, Value::Number(retries.into()));
        }
        let grants =
            StatedGrants { env: self.env, dir: self.dir, scratch: self.scratch, allow_http: self.allow_http };
        let stated = Stated { grants, limits };
        let settings = Settings::default().with(Origin::Scenario, &stated, folder);
        Ok(Scenario {
            name,
            function: self.function,
            event,
            answers: answers.into_iter().map(|answer| answer.0).collect(),
            functions: self.functions,
            time,
            seed: self.seed.or((!real_time).then_some(0)),
            isolation: self.isolation.unwrap_or_default(),
            check: self.check.unwrap_or_default(),
            stated,
            settings: RunSettings::of_all(settings),
            expect,
        })
    }
}
