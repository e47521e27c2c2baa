//! What is checked.

use durawasm_core::{
    budget::HostBudget,
    orchestrator::{FunctionGrants, Functions, ScriptedFunction},
    protocol::{Limits, Timestamp},
    server::{AnswerOrder, ScriptedAnswer},
};

/// A handler, an event, and everything that decides how a run of it goes.
#[derive(Clone)]
pub struct Subject {
    /// The functions that can be run and invoked.
    pub functions: Functions,
    /// The name of the function that is checked.
    pub function: String,
    /// The event, JSON text.
    pub event: Option<String>,
    /// The answers to callbacks.
    pub answers: Vec<ScriptedAnswer>,
    /// The order in which answers find their callbacks.
    pub answer_order: AnswerOrder,
    /// How functions end that are not run, by name.
    pub stand_ins: Vec<(String, ScriptedFunction)>,
    /// What the functions may access. Every run works on private copies of directories that may be written.
    pub grants: FunctionGrants,
    /// The service's limits.
    pub limits: Limits,
    /// What all schedules together may make this process keep while they run.
    pub host: HostBudget,
    /// The execution timeout, in seconds.
    pub execution_timeout: Option<u64>,
    /// How often an invocation that crashed is repeated.
    pub invocation_retries: u32,
    /// When virtual time starts.
    pub start: Timestamp,
}

impl Subject {
    /// A run of this function with this event, with defaults for everything else.
    pub fn new(functions: Functions, function: impl Into<String>, event: Option<String>) -> Self {
        Self {
            functions,
            function: function.into(),
            event,
            answers: Vec::new(),
            answer_order: AnswerOrder::default(),
            stand_ins: Vec::new(),
            grants: FunctionGrants::default(),
            limits: Limits::default(),
            host: HostBudget::default(),
            execution_timeout: None,
            invocation_retries: 2,
            start: Timestamp::Y2025,
        }
    }
}
