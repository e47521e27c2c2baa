//! The arguments and results of the contract's methods.

use super::step_semantics::StepSemantics;
use crate::error::WireError;

/// A position in a context's sequence of operations (WIT: `position`), from 1.
pub type Position = u32;

/// The arguments that every operation has (WIT: `identity`).
#[derive(Debug, Clone)]
pub struct Identity {
    /// The claimed position.
    pub position: Position,
    /// The name in the history.
    pub name: Option<String>,
    /// The sub-type; `None` for the default of the operation.
    pub sub_type: Option<&'static str>,
}

/// The outcome of a finished operation (WIT: `outcome`): its payload, `None` if it has none, or its error.
pub type Outcome = Result<Option<String>, WireError>;

/// The recorded success of an operation (WIT: `success`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Success {
    /// Its position in the order of all recorded outcomes.
    pub order: u64,
    /// The recorded payload.
    pub value: Option<String>,
}

/// Options of a step (WIT: `step-options`).
#[derive(Debug, Clone, Copy, Default)]
pub struct StepOptions {
    /// What happens when the body is interrupted.
    pub semantics: StepSemantics,
    /// The maximum duration of the body of one attempt, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// What to do next with a step (WIT: `step-state`).
#[derive(Debug)]
pub enum StepState {
    /// Wait for the pollable.
    Pending,
    /// Run the body for this attempt, from 1.
    Run(u32),
    /// This at-most-once attempt was interrupted: close it as failed.
    Interrupted(u32),
    /// The body of this attempt took longer than its timeout: close it as failed.
    TimedOut(u32),
    /// The recorded outcome.
    Done {
        /// The outcome.
        outcome: Outcome,
        /// The attempt that closed the step, if the runtime reports it.
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
    /// Run the child's code again to rebuild a result that was too large to record, then close it. Has the summary that
    /// was recorded in place of the result, if any.
    Rebuild(Option<String>),
    /// The recorded outcome.
    Done(Outcome),
}

/// The recorded result of a child context (WIT: `child-result`).
#[derive(Debug, Clone, Copy)]
pub enum ChildResult<'a> {
    /// The payload itself.
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
        /// The payload of the state that it gets.
        state: String,
    },
    /// The recorded outcome.
    Done {
        /// The outcome.
        outcome: Outcome,
        /// The attempt that closed the condition, if the runtime reports it.
        attempt: Option<u32>,
    },
}

/// Options of an invocation of another function (WIT: `invoke-options`).
#[derive(Debug, Clone)]
pub struct InvokeOptions {
    /// A function name, a name with qualifier, or an ARN.
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
    /// It exceeded its timeout.
    TimedOut,
    /// It was stopped from outside.
    Stopped,
    /// It was cancelled.
    Cancelled,
}

/// The event of an operation to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// There is something to do, or an outcome (WIT: `subscribe`).
    Change,
    /// The callback has an id (WIT: `callback.subscribe-id`).
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

/// Timeouts of a callback in seconds (WIT: `callback-options`).
#[derive(Debug, Clone, Copy, Default)]
pub struct CallbackOptions {
    /// The maximum time until the answer.
    pub timeout: Option<u64>,
    /// The maximum time between two heartbeats.
    pub heartbeat_timeout: Option<u64>,
}
