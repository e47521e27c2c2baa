//! One scenario, run.
//!
//! Invariants: it has a clock, a server and stand-ins of its own, and is gone afterwards.

use std::{sync::Arc, time::Duration};

use super::{
    compare::{self, Mismatch},
    file::Scenario,
};
use durawasm_core::{
    hint,
    invocation::LogBuffer,
    orchestrator::{
        Environment, EnvironmentError, EnvironmentOptions, FunctionGrants, RequestError, Run, RunError,
        UnknownFunction,
    },
    protocol::ErrorObject,
    server::{Answer, ExecutionView, ScriptedAnswer, StartExecution, Unused, callback_names, unused_answers},
};
use durawasm_report as report;
use durawasm_sandbox::Handler;

/// Why a scenario has nothing to test.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// The component trapped, or took too long, when it was asked for its functions.
    #[error("the component does not say which functions it has: {0}")]
    Component(ErrorObject),
    /// It has no such function.
    #[error(transparent)]
    Unknown(#[from] UnknownFunction),
    /// It has several, and none is chosen.
    #[error("the component has several functions; choose one with `function`: {0}")]
    Choose(String),
    /// A stand-in takes the place of what is to be tested.
    #[error("{0:?} is the function that is tested: `functions` must not stand in for it")]
    StandIn(String),
    /// No environment could be set up.
    #[error(transparent)]
    Environment(EnvironmentError),
}

/// The name of the component's function that a scenario tests.
///
/// # Errors
/// When there is none, or it is not clear which.
pub async fn function_of(handler: &Handler, scenario: &Scenario) -> Result<String, SubjectError> {
    let log = Arc::new(LogBuffer::default());
    let handlers = std::slice::from_ref(handler);
    let environment = Environment::new(EnvironmentOptions::default(), handlers, log).await;
    let environment = environment.map_err(|error| match error {
        EnvironmentError::Functions(error) => SubjectError::Component(error),
        other @ EnvironmentError::Server(_) => SubjectError::Environment(other),
    })?;
    let functions = environment.functions();
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

/// Why a scenario could not be run to an end. What goes wrong in the execution is in its outcome.
#[derive(Debug, thiserror::Error)]
pub enum RunFailure {
    /// No environment could be set up.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// What the scenario asks for cannot be granted.
    #[error(transparent)]
    Grants(#[from] RequestError),
    /// The execution could not be started, or the server was lost.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// What came of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The execution; none if it took too long in real time.
    pub run: Option<Run>,
    /// How long the execution took, or has taken, in its own time.
    pub duration: Duration,
    /// What is not as expected. Nothing: the scenario has passed.
    pub mismatches: Vec<Mismatch>,
    /// What is strange, although perhaps meant so: answers that nobody took, stand-ins that nobody called.
    pub notes: Vec<String>,
}

impl Outcome {
    /// Whether all was as expected.
    pub fn passed(&self) -> bool {
        self.mismatches.is_empty()
    }
}

/// What a scenario's functions may reach.
///
/// # Errors
/// When what it asks for cannot be granted.
pub fn grants_of(scenario: &Scenario) -> Result<FunctionGrants, RequestError> {
    scenario.grants.grants(|name| std::env::var_os(name))
}

/// Runs a scenario of this function of the component. It may take as long as `patience`, in real time.
///
/// # Errors
/// When it says nothing about the handler, because something else went wrong.
pub async fn run(
    handler: &Handler,
    function: &str,
    scenario: &Scenario,
    patience: Duration,
) -> Result<Outcome, RunFailure> {
    let log = Arc::new(LogBuffer::default());
    let options = EnvironmentOptions {
        time: scenario.time,
        seed: scenario.seed,
        limits: scenario.service.clone(),
        isolation: scenario.isolation,
        grants: grants_of(scenario)?,
        ..EnvironmentOptions::default()
    };
    let mut environment = Environment::new(options, std::slice::from_ref(handler), log.clone()).await?;
    let mut stand_ins = Vec::new();
    for stand_in in &scenario.functions {
        let called = environment.stand_in(&*stand_in.name, stand_in.function.clone());
        if stand_in.own {
            stand_ins.push((&stand_in.name, called));
        }
    }
    let mut start = StartExecution::new(function, Some(scenario.event.clone()));
    start.timeout_seconds = scenario.execution_timeout;
    start.answers.clone_from(&scenario.answers);
    start.invocation_retry = scenario.invocation_retry;
    let Ok(run) = tokio::time::timeout(patience, environment.run(start)).await else {
        let message =
            format!("it took longer than {} of real time, and was given up", report::duration(patience));
        let mismatches = vec![Mismatch::new("timeout", message)];
        return Ok(Outcome { run: None, duration: Duration::ZERO, mismatches, notes: Vec::new() });
    };
    let run = run?;
    let now = environment.clock().now();
    let duration = compare::duration(&run.view, now);
    let mismatches = compare::compare(&scenario.expect, &run, now, &log.take());
    let mut notes = unused_answer_notes(&scenario.answers, &run.view);
    for (name, _) in stand_ins.iter().filter(|(_, called)| !called.get()) {
        notes.push(format!("nobody called the function {name:?} that stands in"));
    }
    Ok(Outcome { run: Some(run), duration, mismatches, notes })
}

/// The answers that changed nothing, and why, a line each.
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
                format!("nobody took the {kind} for {name:?}: no callback has that name{meant}")
            }
            Unused::TooMany => {
                format!("nobody took the {kind} for {name:?}: the callbacks of that name had other answers")
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
