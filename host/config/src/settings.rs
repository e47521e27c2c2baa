//! What is in force for functions: the defaults, replaced by what files, scenarios and flags state.
//!
//! Invariants: what is stated later takes precedence; of everything that is no default, it is known who stated it.

use std::{collections::BTreeMap, ffi::OsString, path::Path};

use durawasm_core::{
    budget::{HOST_BYTES, HostBudget},
    durations::ExecutionTimeout,
    invocation::{DiskQuota, HttpGrant},
    orchestrator::{
        DirectoryRequest, FunctionGrants, GrantRequests, OwnGrants, RequestError, VariableRequest,
    },
    protocol::Limits,
    server::InvocationRetry,
};
use durawasm_sandbox::{CompileBounds, SandboxLimits};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

use super::{
    limit::{Limit, Value},
    limits::StatedLimits,
    values,
};

/// Who stated something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// `[limits]` or `[grants]` of `durawasm.toml`.
    Config,
    /// `[functions.NAME]` of `durawasm.toml`.
    Function,
    /// A scenario, or its file.
    Scenario,
    /// A flag.
    Flag,
}

/// The grants that one place states.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct StatedGrants {
    /// Environment variables.
    #[serde(deserialize_with = "values::variables")]
    pub env: Vec<VariableRequest>,
    /// Directories.
    #[serde(deserialize_with = "values::directories")]
    pub dir: Vec<DirectoryRequest>,
    /// Whether each execution gets a scratch directory.
    pub scratch: Option<bool>,
    /// HTTP requests.
    #[serde(deserialize_with = "values::requests")]
    pub allow_http: Vec<HttpGrant>,
}

/// All that one place states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stated {
    /// Grants.
    pub grants: StatedGrants,
    /// Limits.
    pub limits: StatedLimits,
}

/// What is in force for one function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    grants: GrantRequests,
    limits: BTreeMap<Limit, (Value, Origin)>,
    origins: Origins,
}

/// Who stated grants, by the name of the variable, the path in the guest, and the host with its port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Origins {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, Origin>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    dir: BTreeMap<String, Origin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scratch: Option<Origin>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    allow_http: BTreeMap<String, Origin>,
}

/// The host and the port of a grant as it is written, without its methods.
fn target(grant: &str) -> &str {
    grant.split('=').next().unwrap_or(grant)
}

impl Settings {
    /// Adds what is stated, which takes precedence over what is in force. Paths of directories are relative to `folder`.
    #[must_use]
    pub fn with(mut self, origin: Origin, stated: &Stated, folder: &Path) -> Self {
        let Stated { grants: StatedGrants { env, dir, scratch, allow_http }, limits } = stated;
        self.origins.env.extend(env.iter().map(|variable| (variable.name().to_owned(), origin)));
        self.origins.dir.extend(dir.iter().map(|directory| (directory.guest().to_owned(), origin)));
        self.origins
            .allow_http
            .extend(allow_http.iter().map(|grant| (target(&grant.to_string()).to_owned(), origin)));
        let requests = GrantRequests {
            env: env.clone(),
            dir: dir.clone(),
            http: allow_http.clone(),
            ..GrantRequests::default()
        };
        self.grants.extend(requests.below(folder));
        if let Some(scratch) = *scratch {
            self.grants.scratch = scratch;
            self.origins.scratch = Some(origin);
        }
        self.limits.extend(limits.iter().map(|(limit, value)| (limit, (value, origin))));
        self
    }

    /// The value of a limit that somebody stated, and who.
    pub fn stated(&self, limit: Limit) -> Option<(Value, Origin)> {
        self.limits.get(&limit).copied()
    }

    /// The value of a limit, as it is written.
    fn shown(&self, limit: Limit) -> Result<Value, String> {
        self.stated(limit).map_or_else(|| limit.parse(limit.default_text()), |(value, _)| Ok(value))
    }

    /// The limits that somebody stated.
    pub fn stated_limits(&self) -> impl Iterator<Item = (Limit, Value, Origin)> {
        self.limits.iter().map(|(limit, (value, origin))| (*limit, *value, *origin))
    }

    /// Who granted an environment variable.
    pub fn env_origin(&self, name: &str) -> Option<Origin> {
        self.origins.env.get(name).copied()
    }

    /// Who granted a directory, by its path in the guest.
    pub fn dir_origin(&self, guest: &str) -> Option<Origin> {
        self.origins.dir.get(guest).copied()
    }

    /// Who granted HTTP requests, by the grant as it is written.
    pub fn http_origin(&self, grant: &str) -> Option<Origin> {
        self.origins.allow_http.get(target(grant)).copied()
    }

    /// Who granted a scratch directory.
    pub fn scratch_origin(&self) -> Option<Origin> {
        self.origins.scratch
    }

    /// All limits in force, for a report as JSON: by their keys in `durawasm.toml`, as they are written there.
    pub fn limits_json(&self) -> impl Serialize + '_ {
        LimitsJson(self)
    }

    /// Who stated what is no default, for a report as JSON.
    pub fn origins_json(&self) -> impl Serialize + '_ {
        OriginsJson { limits: LimitOrigins(self), grants: &self.origins }
    }

    /// The limits, in the forms that those need who enforce them.
    pub fn enforced(&self) -> Enforced {
        let mut enforced = Enforced::default();
        if self.stated(Limit::ServiceQuotas).is_some_and(|(value, _)| value == Value::Switch(true)) {
            enforced.service = Limits::service_quotas();
        }
        for (limit, value, _) in self.stated_limits() {
            enforced.set(limit, value);
        }
        enforced
    }

    /// The requested grants.
    pub fn requests(&self) -> GrantRequests {
        let Enforced { disk, .. } = self.enforced();
        GrantRequests { disk_bytes: Some(disk.bytes), disk_files: Some(disk.files), ..self.grants.clone() }
    }

    /// The grants, after they were checked. `environment` returns the variables of this process.
    ///
    /// # Errors
    /// When one of them cannot be granted.
    pub fn granted(
        &self,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<FunctionGrants, RequestError> {
        self.requests().grants(environment)
    }
}

/// Limits, in the forms that those need who enforce them.
#[derive(Debug, Clone)]
pub struct Enforced {
    /// The limits of each invocation.
    pub sandbox: SandboxLimits,
    /// The limits of the service.
    pub service: Limits,
    /// What an execution may add to its directories.
    pub disk: DiskQuota,
    /// What all executions may make the host keep, in bytes.
    pub host_bytes: usize,
    /// The execution timeout in seconds.
    pub execution_timeout: Option<u64>,
    /// How often a crashed invocation is repeated.
    pub invocation_retries: u32,
    /// The bounds of compiling, in this process.
    pub compiling: CompileBounds,
}

impl Default for Enforced {
    fn default() -> Self {
        Self {
            sandbox: SandboxLimits::default(),
            service: Limits::default(),
            disk: DiskQuota::default(),
            host_bytes: HOST_BYTES,
            execution_timeout: None,
            invocation_retries: InvocationRetry::default().max_retries,
            compiling: CompileBounds::default(),
        }
    }
}

impl Enforced {
    /// The budget of all executions.
    pub fn host(&self) -> HostBudget {
        HostBudget::new(self.host_bytes)
    }

    /// The policy for crashed invocations.
    pub fn invocation_retry(&self) -> InvocationRetry {
        InvocationRetry { max_retries: self.invocation_retries, ..InvocationRetry::default() }
    }

    fn set(&mut self, limit: Limit, value: Value) {
        let Self { sandbox, service, disk, host_bytes, execution_timeout, invocation_retries, compiling } =
            self;
        match value {
            Value::Number(number) => {
                let (mib, number32) = (number << 20, u32::try_from(number).unwrap_or(u32::MAX));
                let [bytes, count] = [mib, number].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
                match limit {
                    Limit::Memory => sandbox.memory = bytes,
                    Limit::TotalMemory => sandbox.total_memory = bytes,
                    Limit::Handles => sandbox.handles = number32,
                    Limit::Timers => sandbox.timers = number32,
                    Limit::Operations => sandbox.operations = count,
                    Limit::LogSize => sandbox.log = bytes,
                    Limit::HttpRequests => sandbox.http.requests = number32,
                    Limit::HttpSize => sandbox.http.bytes = mib,
                    Limit::DiskSize => disk.bytes = mib,
                    Limit::DiskFiles => disk.files = number,
                    Limit::ExecutionBytes => service.execution_bytes = bytes,
                    Limit::HostBytes => *host_bytes = bytes,
                    Limit::Invokes => service.invokes = count,
                    Limit::InvokeDepth => service.invoke_depth = count,
                    Limit::InvocationRetries => *invocation_retries = number32,
                    Limit::CompileMemory => compiling.memory = mib,
                    // These have no number, and `Limit` makes none for them.
                    Limit::CpuLimit
                    | Limit::InvocationTimeout
                    | Limit::HttpTimeout
                    | Limit::ExecutionTimeout
                    | Limit::ServiceQuotas
                    | Limit::CompileTimeout => {}
                }
            }
            Value::Time(time) => match limit {
                Limit::CpuLimit => sandbox.cpu = time,
                Limit::InvocationTimeout => sandbox.wall = time,
                Limit::HttpTimeout => sandbox.http.time = time,
                Limit::CompileTimeout => compiling.time = time,
                _ => {}
            },
            Value::Timeout(timeout) => *execution_timeout = ExecutionTimeout::apply(Some(timeout), service),
            // Applied before the others, which replace parts of it.
            Value::Switch(_) => {}
        }
    }
}

/// What is in force in a run: for the function that is run, and for those that it may invoke.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunSettings {
    /// For every function that is not listed.
    pub all: Settings,
    /// For functions of `durawasm.toml`, by name.
    pub functions: BTreeMap<String, Settings>,
}

impl RunSettings {
    /// The same for every function.
    pub fn of_all(all: Settings) -> Self {
        Self { all, functions: BTreeMap::new() }
    }

    /// What is in force for a function.
    pub fn of(&self, function: &str) -> &Settings {
        self.functions.get(function).unwrap_or(&self.all)
    }

    /// The grants of all functions, after they were checked.
    ///
    /// # Errors
    /// When one of them cannot be granted.
    pub fn granted(
        &self,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<FunctionGrants, GrantError> {
        let mut grants =
            self.all.granted(&environment).map_err(|source| GrantError { function: None, source })?;
        for (name, settings) in &self.functions {
            let granted = settings.granted(&environment);
            let granted = granted.map_err(|source| GrantError { function: Some(name.clone()), source })?;
            let FunctionGrants { all, scratch, disk, .. } = granted;
            let own = OwnGrants { grants: all, scratch: Some(scratch), disk: Some(disk) };
            grants.by_function.insert(name.clone(), own);
        }
        Ok(grants)
    }
}

/// Why something cannot be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{source}", .function.as_ref().map(|name| format!("functions.{name}: ")).unwrap_or_default())]
pub struct GrantError {
    /// The function of `durawasm.toml` that it would be granted to.
    pub function: Option<String>,
    /// Why.
    source: RequestError,
}

struct LimitsJson<'a>(&'a Settings);

impl Serialize for LimitsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Limit::ALL.len()))?;
        for limit in Limit::ALL {
            let value = self.0.shown(*limit).map_err(serde::ser::Error::custom)?;
            map.serialize_entry(limit.key(), &value)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct OriginsJson<'a> {
    limits: LimitOrigins<'a>,
    #[serde(flatten)]
    grants: &'a Origins,
}

struct LimitOrigins<'a>(&'a Settings);

impl Serialize for LimitOrigins<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.stated_limits().map(|(limit, _, origin)| (limit.key(), origin)))
    }
}
