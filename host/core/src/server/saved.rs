//! The parts of an execution in the form in which a store keeps them. Plain data, JSON.
//!
//! Invariants:
//! - what can be derived from other parts is not saved, so no two parts can contradict each other;
//! - a part of a later version that has more fields is refused, not read in part.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    api::{AnswerOrder, InvocationRetry, InvokeOutcome, ScriptedAnswer},
    ids::Index,
    store::Invoker,
    timers::{Timer, TimerKey},
};
use crate::protocol::{CheckpointToken, ErrorObject, ExecutionArn, Operation, Timestamp};

/// What an execution has besides operations, events and invocations. What changes seldom comes first: a store may write
/// only what differs from the beginning of an earlier text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SavedExecution {
    /// The execution.
    pub(super) arn: ExecutionArn,
    /// What happens after a crashed invocation.
    pub(super) invocation_retry: InvocationRetry,
    /// The execution timeout in seconds.
    pub(super) timeout_seconds: Option<u64>,
    /// The chained invoke that started it.
    pub(super) invoked_by: Option<Invoker>,
    /// What its host needs to run it again. The server does not read it.
    pub(super) origin: Option<Arc<str>>,
    /// The answers that callbacks get without a request from outside.
    pub(super) script: SavedScript,
    /// The phase.
    pub(super) phase: SavedPhase,
    /// The number of consecutive crashed invocations.
    pub(super) crashes: u32,
    /// The last change that an invocation had got when it returned.
    pub(super) returned_at: u64,
    /// The number of accepted checkpoint requests.
    pub(super) checkpoints: u64,
    /// The bytes that the handler wrote.
    pub(super) written: usize,
    /// The number of changes.
    pub(super) sequence: u64,
    /// The number of changes when the handler last got them.
    pub(super) delivered: u64,
    /// The number of timers that were scheduled.
    pub(super) scheduled: u64,
    /// The timers that belong to no operation.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(super) timers: Vec<SavedTimer>,
    /// Whether a step became READY during the running invocation.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(super) became_ready: bool,
    /// The pause, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) pause: Option<SavedPause>,
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SavedPause {
    /// When it was requested.
    pub(super) requested: Timestamp,
    /// Why.
    pub(super) reason: Option<Arc<str>>,
    /// Whether the execution timeout is paused as well.
    pub(super) timeout_paused: bool,
    /// Whether the execution has paused.
    pub(super) paused: bool,
    /// What was left of the execution timeout, in milliseconds, if it is paused.
    pub(super) timeout_left: Option<u64>,
}

/// The scripted answers that are not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SavedScript {
    /// The answers.
    pub(super) answers: Vec<ScriptedAnswer>,
    /// How they are assigned to callbacks.
    pub(super) order: AnswerOrder,
    /// For answers in turn: the next operation to look at.
    pub(super) next: Index,
    /// For answers in turn: the callback with a pending answer, and whether it takes another one afterwards.
    pub(super) at: Option<(Index, bool)>,
}

/// The phase of an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "phase", deny_unknown_fields)]
pub(super) enum SavedPhase {
    /// No invocation is running.
    Suspended {
        /// Whether something has changed since the last one.
        wake: bool,
    },
    /// The last invocation is running.
    Running {
        /// Its id.
        request_id: Arc<str>,
        /// The only valid token.
        token: CheckpointToken,
        /// The outcome, if the handler has checkpointed it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        decided: Option<SavedVerdict>,
        /// The process that runs it, as a number that the store gave it.
        process: u64,
    },
    /// The delay before the retry of a crashed invocation.
    BackingOff,
    /// The execution has ended.
    Closed {
        /// How.
        verdict: SavedVerdict,
    },
}

/// The outcome of an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum SavedVerdict {
    /// It has ended with a result, JSON text.
    Succeeded(Option<Arc<str>>),
    /// It has ended with an error.
    Failed(ErrorObject),
    /// It took longer than its timeout.
    TimedOut(ErrorObject),
    /// It was stopped.
    Stopped(ErrorObject),
}

/// An operation, with what the server needs to continue it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SavedOperation {
    /// The operation as it is on the wire.
    pub(super) operation: Arc<Operation>,
    /// Its field `sequence`, which is not on the wire.
    pub(super) sequence: u64,
    /// Its field `start_sequence`, which is not on the wire.
    pub(super) start_sequence: u64,
    /// Its timers.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(super) timers: Vec<SavedTimer>,
    /// Of an open callback.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) callback: Option<SavedCallback>,
    /// Of an open chained invoke.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) invoke: Option<SavedInvoke>,
}

/// A timer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SavedTimer {
    /// The deadline, and the order among equal deadlines.
    pub(super) key: TimerKey,
    /// What it does.
    pub(super) timer: Timer,
}

/// An open callback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SavedCallback {
    /// The timeout.
    pub(super) timeout: Option<Timestamp>,
    /// The heartbeat timeout in seconds.
    pub(super) heartbeat_seconds: Option<u64>,
}

/// An open chained invoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SavedInvoke {
    /// The function: a name or an ARN.
    pub(super) function_name: Arc<str>,
    /// The tenant to run it for.
    pub(super) tenant_id: Option<Arc<str>>,
    /// The input, JSON text.
    pub(super) payload: Option<Arc<str>>,
    /// The place of the event of its START.
    pub(super) started: usize,
    /// The number of invocations when it was started.
    pub(super) invocation: usize,
    /// Its outcome, if it is held until the invocation ends, and its number in the order of arrival.
    pub(super) held: Option<(u64, InvokeOutcome)>,
}

/// What an execution that is kept in a store has beside its state.
#[derive(Debug)]
pub(super) struct Keeping {
    /// The number of the process.
    pub(super) process: u64,
    /// What was saved last of the part that has no place of its own.
    pub(super) execution: String,
    /// How many invocations are saved.
    pub(super) invocations: usize,
    /// Whether the last one of them was running then, so that its end is not saved.
    pub(super) running: bool,
    /// Whether another process ran the running invocation, and so nobody does.
    pub(super) interrupted: bool,
}
