//! Runs one scenario.
//!
//! Invariants: a scenario has its own clock, server and stand-ins, which are dropped after the run.

use std::{sync::Arc, time::Duration};

use super::{compare, file::Scenario, mismatch::Mismatch};
use durawasm_check::{CheckError, Options as CheckOptions, Subject, check};
use durawasm_config::GrantError;
use durawasm_core::{
    budget::{Budget, HostBudget},
    hint,
    invocation::LogBuffer,
    orchestrator::{
        Environment, EnvironmentError, EnvironmentOptions, FunctionGrants, Functions, Run, RunError,
        TimeMode, UnknownFunction,
    },
    server::{Answer, ExecutionView, ScriptedAnswer, StartExecution, Unused, callback_names, unused_answers},
};
use durawasm_report as report;

/// Why the function to test cannot be determined.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// The component has no such function.
    #[error(transparent)]
    Unknown(#[from] UnknownFunction),
    /// The component has several functions, and the scenario chooses none.
    #[error("the component has several functions; choose one with `function`: {0}")]
    Choose(String),
    /// A stand-in has the name of the function to test.
    #[error("{0:?} is the function that is tested: `functions` must not stand in for it")]
    StandIn(String),
}

/// The name of the function that a scenario tests.
///
/// # Errors
/// Returns an error if the function does not exist, or is ambiguous.
pub fn function_of(functions: &Functions, scenario: &Scenario) -> Result<String, SubjectError> {
    let function = match &scenario.function {
        Some(name) => functions.find(name)?,
        None => functions.only().ok_or_else(|| SubjectError::Choose(functions.names()))?,
    };
    let function = function.name.to_string();
    if scenario.functions.iter().any(|stand_in| stand_in.name == function) {
        return Err(SubjectError::StandIn(function));
    }
    Ok(function)
}

/// Why a scenario could not be run to its end. Errors of the execution are part of the outcome instead.
#[derive(Debug, thiserror::Error)]
pub enum RunFailure {
    /// The environment cannot be created.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// A requested grant is not possible.
    #[error(transparent)]
    Grants(#[from] GrantError),
    /// The execution could not be started, or the server stopped.
    #[error(transparent)]
    Run(#[from] RunError),
    /// It could not be checked whether the handler replays.
    #[error("the handler cannot be checked: {0}")]
    Check(#[from] CheckError),
    /// The system refused the scenario's thread, or the thread was lost.
    #[error("the scenario's thread failed: {0}")]
    Thread(String),
}

/// The outcome of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The execution; `None` if it exceeded the real-time limit.
    pub run: Option<Run>,
    /// The duration of the execution in its own time, until its end or until now.
    pub duration: Duration,
    /// The differences from the expectations. Empty if the scenario has passed.
    pub mismatches: Vec<Mismatch>,
    /// Observations that may be intended: answers that were not used, stand-ins that were not invoked.
    pub notes: Vec<String>,
    /// The record of the execution is charged as long as the outcome is kept.
    charged: Charged,
}

/// The budget of an execution whose record is kept. All are equal, because it is no part of what happened.
#[derive(Debug, Clone, Default)]
struct Charged {
    _budget: Option<Budget>,
}

impl PartialEq for Charged {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Charged {}

impl Outcome {
    /// Whether all expectations were met.
    pub fn passed(&self) -> bool {
        self.mismatches.is_empty()
    }
}

/// The grants of a scenario's functions.
///
/// # Errors
/// Returns an error if a requested grant is not possible.
pub fn grants_of(scenario: &Scenario) -> Result<FunctionGrants, GrantError> {
    scenario.settings.granted(|name| std::env::var_os(name))
}

/// How much longer than its limit a scenario may take to notice by itself that its time is over.
const NOTICE: Duration = Duration::from_millis(500);

/// Runs a scenario of one of these functions, which may invoke the others, for at most this long in real time.
///
/// It runs on a thread of its own, and the limit is checked on the caller's: nothing that the scenario does can keep this
/// from returning. A thread that does not end in time is left to itself.
///
/// # Errors
/// Returns an error if the run failed for a reason other than the handler.
pub async fn run(
    functions: &Functions,
    function: &str,
    scenario: &Scenario,
    time_limit: Duration,
) -> Result<Outcome, RunFailure> {
    run_within(functions, function, scenario, &HostBudget::default(), time_limit).await
}

/// Runs a scenario as [`run`] does. Several may share the host's budget of bytes.
///
/// # Errors
/// As for [`run`].
pub async fn run_within(
    functions: &Functions,
    function: &str,
    scenario: &Scenario,
    host: &HostBudget,
    time_limit: Duration,
) -> Result<Outcome, RunFailure> {
    let (functions, function, scenario, host) =
        (functions.clone(), function.to_owned(), scenario.clone(), host.clone());
    let (mut done, outcome) = tokio::sync::oneshot::channel();
    let (ends, ended) = std::sync::mpsc::channel::<()>();
    let run = move || {
        let _ends = ends;
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(done.send(Err(RunFailure::Thread(error.to_string())))),
        };
        let outcome = runtime.block_on(async {
            tokio::select! {
                biased;
                () = done.closed() => None,
                outcome = run_here(&functions, &function, &scenario, &host, time_limit) => Some(outcome),
            }
        });
        if let Some(outcome) = outcome {
            drop(done.send(outcome));
        }
    };
    // Dropped after the receiver of the outcome.
    let _cleaned = CleanedUp(ended);
    let outcome = outcome;
    let thread = std::thread::Builder::new().name("durawasm-scenario".to_owned()).spawn(run);
    thread.map_err(|error| RunFailure::Thread(error.to_string()))?;
    match tokio::time::timeout(time_limit.saturating_add(NOTICE), outcome).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(RunFailure::Thread("it ended without a result".to_owned())),
        Err(_) => Ok(too_slow(time_limit)),
    }
}

/// Waits, when it is dropped, until a thread has cleaned up: directories of a scenario are removed at its end. It does
/// not wait for long.
struct CleanedUp(std::sync::mpsc::Receiver<()>);

impl Drop for CleanedUp {
    fn drop(&mut self) {
        // Nothing is sent: the thread's end closes the channel.
        let _ = self.0.recv_timeout(NOTICE);
    }
}

/// The outcome of a scenario that exceeded its real-time limit.
fn too_slow(limit: Duration) -> Outcome {
    let message = format!("it took longer than {} of real time, and was given up", report::duration(limit));
    let mismatches = vec![Mismatch::new("timeout", message)];
    Outcome {
        run: None,
        duration: Duration::ZERO,
        mismatches,
        notes: Vec::new(),
        charged: Charged::default(),
    }
}

/// Runs a scenario on this thread.
async fn run_here(
    functions: &Functions,
    function: &str,
    scenario: &Scenario,
    host: &HostBudget,
    time_limit: Duration,
) -> Result<Outcome, RunFailure> {
    let log = Arc::new(LogBuffer::default());
    let limits = scenario.settings.of(function).enforced();
    let options = EnvironmentOptions {
        time: scenario.time,
        seed: scenario.seed,
        limits: limits.service.clone(),
        host: host.clone(),
        isolation: scenario.isolation,
        grants: grants_of(scenario)?,
        ..EnvironmentOptions::default()
    };
    let mut environment = Environment::empty(options, log.clone())?;
    environment.register_all(functions);
    let mut stand_ins = Vec::new();
    for stand_in in &scenario.functions {
        let called = environment.stand_in(&*stand_in.name, stand_in.function.clone());
        if stand_in.own {
            stand_ins.push((&stand_in.name, called));
        }
    }
    let mut start = StartExecution::new(function, Some(scenario.event.clone()));
    start.timeout_seconds = limits.execution_timeout;
    start.answers.clone_from(&scenario.answers);
    start.invocation_retry = limits.invocation_retry();
    let Ok(run) = tokio::time::timeout(time_limit, environment.run(start)).await else {
        return Ok(too_slow(time_limit));
    };
    let run = run?;
    let now = environment.clock().now();
    let duration = compare::duration(&run.view, now);
    let mut mismatches = compare::compare(&scenario.expect, &run, now, &log.take());
    let mut notes = unused_answer_notes(&scenario.answers, &run.view);
    for (name, _) in stand_ins.iter().filter(|(_, called)| !called.get()) {
        notes.push(format!("the scripted function {name:?} was not invoked"));
    }
    if scenario.check {
        let functions = environment.functions().clone();
        mismatches.extend(checked(functions, function, scenario, host)?);
    }
    let charged = Charged { _budget: environment.server().budget(&run.view.arn).await.ok() };
    Ok(Outcome { run: Some(run), duration, mismatches, notes, charged })
}

/// Checks that the handler replays. Returns what is wrong.
fn checked(
    functions: Functions,
    function: &str,
    scenario: &Scenario,
    host: &HostBudget,
) -> Result<Option<Mismatch>, RunFailure> {
    let mut subject = Subject::new(functions, function, Some(scenario.event.clone()));
    subject.answers.clone_from(&scenario.answers);
    // Stand-ins are among the functions already.
    subject.grants = grants_of(scenario)?;
    let limits = scenario.settings.of(function).enforced();
    subject.limits = limits.service;
    subject.host = host.clone();
    subject.execution_timeout = limits.execution_timeout;
    subject.invocation_retries = limits.invocation_retries;
    if let TimeMode::Skip { start } = scenario.time {
        subject.start = start;
    }
    let options = CheckOptions { seed: scenario.seed.unwrap_or(0), ..CheckOptions::default() };
    let report = check(&subject, &options, function)?;
    Ok(report.is_unsafe().then(|| {
        let place = report.divergence.as_ref().map(|divergence| format!(": it {}", divergence.place()));
        let message = match place {
            Some(place) => format!("the handler is {}{place}", report.verdict),
            None => "a crash makes the effect of a body happen twice".to_owned(),
        };
        let details = report.to_string().lines().skip(1).map(str::to_owned).collect();
        Mismatch { what: "check", message, details }
    }))
}

/// The answers without effect and the reasons, one line each.
pub fn unused_answer_notes(answers: &[ScriptedAnswer], view: &ExecutionView) -> Vec<String> {
    let note = |(answer, why): (ScriptedAnswer, Unused)| {
        let kind = match answer.answer {
            Answer::Success(_) => "success",
            Answer::Failure(_) => "failure",
            Answer::Heartbeat => "heartbeat",
        };
        let name = &answer.callback;
        match why {
            Unused::NoCallback => {
                let meant = hint::did_you_mean(name, callback_names(view));
                format!("the {kind} for {name:?} was not used: no callback has that name{meant}")
            }
            Unused::TooMany => {
                format!("the {kind} for {name:?} was not used: the callbacks of that name had other answers")
            }
            Unused::TooLate { status, after } => {
                let due = report::duration(answer.after);
                let after = report::duration(after);
                let over = match status {
                    Some(status) => format!("it had {status} after {after}"),
                    None => format!("the execution was over {after} after it was made"),
                };
                format!(
                    "the {kind} for {name:?} came too late: {due} after the callback was made, and {over}"
                )
            }
        }
    };
    unused_answers(answers, view).into_iter().map(note).collect()
}
