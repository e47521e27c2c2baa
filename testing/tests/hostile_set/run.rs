//! Runs rows of the set, all in one host.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use durawasm_core::{
    budget::HostBudget,
    invocation::{DiskQuota, LogBuffer},
    orchestrator::{Environment, EnvironmentError, EnvironmentOptions, FunctionGrants, Run, TimeMode},
    protocol::{ErrorObject, ExecutionStatus, Limits},
    server::StartExecution,
};
use durawasm_sandbox::{
    Handler, HttpLimits, Sandbox, SandboxLimits, SandboxOptions, SandboxUsage, default_cache_directory,
};
use durawasm_testing::LocalDurableTestRunner;
use serde_json::Value;

use super::row::{Class, Ends, Row, Source};

const MIB: usize = 1 << 20;

/// A sandbox with the limits of a class, and the components that all rows of the class share.
struct Place {
    class: Class,
    sandbox: Sandbox,
    handlers: Handler,
    http: Handler,
}

/// All that the guests share.
pub struct Host {
    places: Vec<Place>,
    pub budget: HostBudget,
    grants: FunctionGrants,
}

fn limits(class: Class) -> SandboxLimits {
    let usual = SandboxLimits {
        memory: 128 * MIB,
        operations: 5_000,
        http: HttpLimits { bytes: 4 * MIB as u64, ..HttpLimits::default() },
        ..SandboxLimits::default()
    };
    match class {
        Class::Busy => SandboxLimits { cpu: Duration::from_millis(200), timers: 10_000_000, ..usual },
        Class::Greedy => {
            SandboxLimits { cpu: Duration::from_mins(1), handles: 10_000, timers: 1_000, ..usual }
        }
        Class::Slow => SandboxLimits { wall: Duration::from_millis(200), ..usual },
    }
}

/// The component of a crate of guests.
pub fn built(folder: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    std::fs::read(LocalDurableTestRunner::build(folder).unwrap()).unwrap()
}

impl Host {
    /// HTTP requests to `server` are granted.
    pub fn new(server: SocketAddr) -> Self {
        let (handlers, http) = (built("guests"), built("http-guests"));
        let places = [Class::Busy, Class::Greedy, Class::Slow].map(|class| {
            let options = SandboxOptions {
                cache: default_cache_directory(),
                limits: limits(class),
                ..SandboxOptions::default()
            };
            let sandbox = Sandbox::new(options).unwrap();
            let (handlers, http) = (sandbox.load(&handlers).unwrap(), sandbox.load(&http).unwrap());
            Place { class, sandbox, handlers, http }
        });
        let mut grants = FunctionGrants {
            scratch: true,
            disk: DiskQuota { bytes: 1_000 << 10, files: 20 },
            ..FunctionGrants::default()
        };
        grants.all.http_request(server.to_string().parse().unwrap());
        Self { places: places.into(), budget: HostBudget::default(), grants }
    }

    fn place(&self, class: Class) -> &Place {
        self.places.iter().find(|place| place.class == class).unwrap()
    }

    /// What each sandbox holds.
    pub fn usage(&self) -> Vec<SandboxUsage> {
        self.places.iter().map(|place| place.sandbox.usage()).collect()
    }

    async fn environment(&self, class: Class, handler: Handler) -> Result<Environment, EnvironmentError> {
        let limits = Limits {
            execution_bytes: 16 * MIB,
            invokes: 50,
            invoke_depth: 5,
            events: 1_200,
            ..Limits::default()
        };
        let time = if class == Class::Slow { TimeMode::Real } else { TimeMode::SKIP };
        let (host, grants) = (self.budget.clone(), self.grants.clone());
        let options = EnvironmentOptions { time, limits, host, grants, ..EnvironmentOptions::default() };
        Environment::new(options, &[handler], Arc::new(LogBuffer::default())).await
    }

    /// Runs a row. Returns what was wrong about its end.
    pub async fn run(&self, row: &Row) -> Result<(), String> {
        let ended = tokio::time::timeout(Duration::from_mins(5), self.end_of(row)).await;
        let ended = ended.map_err(|_| format!("{} does not end", row.name))?;
        if is_as_expected(&ended, &row.ends) {
            return Ok(());
        }
        let (ended, expected) = (shown(&format!("{ended:?}")), shown(&format!("{:?}", row.ends)));
        Err(format!("{} ends as {ended} instead of {expected}", row.name))
    }

    async fn end_of(&self, row: &Row) -> Ended {
        let place = self.place(row.class);
        let (handler, function, event) = match &row.source {
            Source::Handler(function, event) => (place.handlers.clone(), *function, event.clone()),
            Source::Http(function, event) => (place.http.clone(), *function, event.clone()),
            Source::Text(guest) => match place.sandbox.load(&guest.wasm()) {
                Ok(handler) => (handler, guest.name.as_str(), Value::Null),
                Err(error) => return Ended::Refused(error.to_string()),
            },
            Source::Bytes(bytes) => match place.sandbox.load(bytes) {
                Ok(handler) => (handler, "f", Value::Null),
                Err(error) => return Ended::Refused(error.to_string()),
            },
        };
        let environment = match self.environment(row.class, handler).await {
            Ok(environment) => environment,
            Err(EnvironmentError::Functions(error)) => return Ended::Unlisted(error),
            Err(error) => return Ended::Refused(error.to_string()),
        };
        let mut start = StartExecution::new(function, Some(event.to_string()));
        start.invocation_retry.max_retries = 0;
        match environment.run(start).await {
            Ok(run) => Ended::Run(Box::new(run)),
            Err(error) => Ended::Refused(error.to_string()),
        }
    }

    /// Runs well-behaved handlers beside the others.
    pub async fn bystanders(&self) -> Vec<Run> {
        let mut runs = Vec::new();
        for (function, event) in [
            ("two_steps_and_wait", "10"),
            ("counts_down", "3"),
            ("map_of_steps", "20"),
            ("two_waits", "[5, 9]"),
        ] {
            let handler = self.place(Class::Greedy).handlers.clone();
            let environment = self.environment(Class::Greedy, handler).await.unwrap();
            let start = StartExecution::new(function, Some(event.to_owned()));
            let run = environment.run(start).await.unwrap();
            assert_eq!(run.view.status, ExecutionStatus::Succeeded, "{function}: {:?}", run.view.error);
            runs.push(run);
        }
        runs
    }
}

/// How a row ended.
#[derive(Debug)]
enum Ended {
    Refused(String),
    Unlisted(ErrorObject),
    Run(Box<Run>),
}

fn is(error: &ErrorObject, error_type: &str, says: &str) -> bool {
    let found = error.error_type.as_deref().unwrap_or_default();
    let message = error.error_message.as_deref().unwrap_or_default();
    (found == error_type || (found.len() > 100 && found.starts_with(error_type))) && message.contains(says)
}

fn is_as_expected(ended: &Ended, expected: &Ends) -> bool {
    match (ended, expected) {
        (Ended::Refused(error), Ends::Refused(says)) => error.contains(says) && !error.contains('\n'),
        (Ended::Unlisted(error), Ends::Unlisted(error_type, says)) => is(error, error_type, says),
        (Ended::Run(run), expected) => {
            let Run { view, stall, .. } = &**run;
            match expected {
                Ends::Failed(error_type, says) => {
                    view.status == ExecutionStatus::Failed
                        && view.error.as_ref().is_some_and(|error| is(error, error_type, says))
                }
                Ends::Succeeded(value) => {
                    let result = view.result.as_deref().unwrap_or("null");
                    view.status == ExecutionStatus::Succeeded
                        && serde_json::from_str::<Value>(result).unwrap() == *value
                }
                Ends::Returned(begins) => {
                    view.status == ExecutionStatus::Succeeded
                        && view.result.as_deref().is_some_and(|result| result.starts_with(begins))
                }
                Ends::TimedOut => view.status == ExecutionStatus::TimedOut,
                Ends::Stalled => stall.is_some(),
                Ends::Refused(_) | Ends::Unlisted(..) => false,
            }
        }
        _ => false,
    }
}

/// The beginning of a text, of which a guest decides how long it is, without what a replay would need.
fn shown(text: &str) -> String {
    let from = text.find("status: ").unwrap_or(0);
    text.chars().skip(from).take(700).collect()
}
