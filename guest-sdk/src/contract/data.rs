//! What is handed to the host, and what comes back.

use super::step_semantics::StepSemantics;
use crate::error::WireError;

/// A place in a context's sequence of operations (WIT: `position`), from 1.
pub type Position = u32;

/// What every operation is given (WIT: `identity`).
#[derive(Debug, Clone)]
pub struct Identity {
    /// The claimed place.
    pub position: Position,
    /// The label in the history.
    pub name: Option<String>,
    /// The finer kind; none for the operation's usual one.
    pub sub_type: Option<&'static str>,
}

/// How a finished operation ended (WIT: `outcome`): its payload, absent when it has none, or its error.
pub type Outcome = Result<Option<String>, WireError>;

/// A success on record (WIT: `success`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Success {
    /// Where it stands in the order of all that is on record.
    pub order: u64,
    /// The recorded result.
    pub value: Option<String>,
}

/// How a step is run (WIT: `step-options`).
#[derive(Debug, Clone, Copy, Default)]
pub struct StepOptions {
    /// What an interruption leads to.
    pub semantics: StepSemantics,
    /// How long the body of one attempt may take, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// What to do next with a step (WIT: `step-state`).
#[derive(Debug)]
pub enum StepState {
    /// Wait for the pollable.
    Pending,
    /// Run the body for this attempt, from 1.
    Run(u32),
    /// This at-most-once attempt was interrupted: close it as one that failed.
    Interrupted(u32),
    /// The body of this attempt took longer than its timeout: close it as one that failed.
    TimedOut(u32),
    /// The recorded outcome.
    Done {
        /// The outcome.
        outcome: Outcome,
        /// The attempt that closed the step, where the runtime tells.
        attempt: Option<u32>,
    },
}

/// What to do next with a child context (WIT: `child-state`).
#[derive(Debug)]
pub enum ChildState {
    /// Wait for the pollable.
    Pending,
    /// Run the child's code, then close it.
    Run,
    /// Run the child's code again to rebuild a result too large to record, then close it. With the summary that was
    /// recorded in place of the result, if any.
    Rebuild(Option<String>),
    /// The recorded outcome.
    Done(Outcome),
}

/// What is recorded as a child context's result (WIT: `child-result`).
#[derive(Debug, Clone, Copy)]
pub enum ChildResult<'a> {
    /// The result itself.
    Inline(&'a str),
    /// Only this summary, if any: replays rebuild the result from the children.
    ReplayChildren(Option<&'a str>),
}

/// What to do next with a condition (WIT: `condition-state`).
#[derive(Debug)]
pub enum ConditionState {
    /// Wait for the pollable.
    Pending,
    /// Run the check.
    Run {
        /// The attempt, from 1.
        attempt: u32,
        /// The state that it sees.
        state: String,
    },
    /// The recorded outcome.
    Done {
        /// The outcome.
        outcome: Outcome,
        /// The attempt that closed the condition, where the runtime tells.
        attempt: Option<u32>,
    },
}

/// What to invoke (WIT: `invoke-options`).
#[derive(Debug, Clone)]
pub struct InvokeOptions {
    /// A function's name, name with qualifier, or ARN.
    pub function_name: String,
    /// The tenant, for functions with tenant isolation.
    pub tenant_id: Option<String>,
}

/// How an invocation of another function ended (WIT: `end-status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndStatus {
    /// With a result.
    Succeeded,
    /// With an error.
    Failed,
    /// It took too long.
    TimedOut,
    /// Somebody stopped it.
    Stopped,
    /// It was given up.
    Cancelled,
}

/// What is waited for in an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Something to do, or its outcome (WIT: `subscribe`).
    Change,
    /// A callback's id (WIT: `callback.subscribe-id`).
    CallbackId,
}

/// Facts of the execution (WIT: `execution.execution-info`).
#[derive(Debug, Clone)]
pub struct ExecutionInfo {
    /// Its ARN.
    pub arn: String,
    /// The function's name, without qualifier.
    pub function_name: String,
    /// The function's version.
    pub function_version: String,
    /// When it started, in milliseconds since the Unix epoch.
    pub start_time_ms: u64,
}

/// Limits of a callback in seconds (WIT: `callback-options`).
#[derive(Debug, Clone, Copy, Default)]
pub struct CallbackOptions {
    /// How long it may stay unanswered.
    pub timeout: Option<u64>,
    /// How long it may stay without a heartbeat.
    pub heartbeat_timeout: Option<u64>,
}
