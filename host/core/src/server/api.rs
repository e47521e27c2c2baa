//! The requests and answers of the server that are not part of the wire protocol. Plain data.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::protocol::{
    CallbackId, ChangeSubscription, ErrorObject, Event, ExecutionArn, ExecutionStatus, InvocationInput,
    LATEST, Limits, Operation, OperationId, ServiceError, Timestamp, invalid,
};

/// A request to start an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartExecution {
    /// The function's name: 1 to 256 of `A-Z a-z 0-9 - _ .`
    pub function_name: String,
    /// The function's version: `$LATEST`, `$LATEST.PUBLISHED` or a number.
    pub function_version: String,
    /// The execution's name (service model: `DurableExecutionName`). Without one the server generates it.
    pub execution_name: Option<String>,
    /// The input, JSON text.
    pub input: Option<String>,
    /// The execution timeout in seconds, 1 to 31,622,400. Without one, [`Limits::longest_execution`] applies.
    pub timeout_seconds: Option<u64>,
    /// Answers that callbacks get without a request from outside.
    pub answers: Vec<ScriptedAnswer>,
    /// How the answers are assigned to callbacks.
    pub answer_order: AnswerOrder,
    /// What happens after a crashed invocation.
    pub invocation_retry: InvocationRetry,
    /// The chained invoke that starts this execution, if one does.
    pub invoked_by: Option<(ExecutionArn, OperationId)>,
    /// What decides when waits end, retries begin and timeouts expire.
    pub timers: TimerMode,
    /// Whether the request may be made again: with the function, the name and the input of an execution it starts none,
    /// and returns that one. Otherwise a name that a store has is refused.
    pub idempotent: bool,
    /// What the host needs to run the execution again, if a store keeps it. The server keeps this text, and does not read
    /// it.
    pub origin: Option<Arc<str>>,
}

impl StartExecution {
    /// Creates a request for the function's latest version, with defaults for everything else.
    pub fn new(function_name: impl Into<String>, input: Option<String>) -> Self {
        Self {
            function_name: function_name.into(),
            function_version: LATEST.to_owned(),
            execution_name: None,
            input,
            timeout_seconds: None,
            answers: Vec::new(),
            answer_order: AnswerOrder::ByCallback,
            invocation_retry: InvocationRetry::default(),
            invoked_by: None,
            timers: TimerMode::Clock,
            idempotent: false,
            origin: None,
        }
    }
}

/// What decides when timers fire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimerMode {
    /// The clock: each timer fires at its deadline.
    #[default]
    Clock,
    /// A scheduler, which takes the timers and fires them.
    Scheduler,
}

/// How scripted answers are assigned to callbacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AnswerOrder {
    /// Each callback gets its own answers, as described at [`ScriptedAnswer`].
    #[default]
    ByCallback,
    /// Callbacks are answered one after another, in the order of their START: each takes the first unused answer that
    /// matches it, and after a heartbeat also the next one. The delay of an answer begins when the previous answer was
    /// given. An answer to a callback that has ended by then is lost.
    InTurn,
}

/// An answer that a callback gets without a request from outside, some time after its START.
///
/// Except in turn: a callback that starts takes, in the script's order, the first unused entry that matches its name;
/// if that is a heartbeat, also the following matching entries, up to and including the first that is not a heartbeat.
/// Each entry is used once. So several answers for one name go to successive callbacks of that name, and heartbeats go
/// with the answer that follows them. An answer that is due after the callback has ended is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScriptedAnswer {
    /// The callback's name, or for a callback without a name, that of its context. `*` matches any text, also within a
    /// name.
    pub callback: String,
    /// The delay after the callback's START. It is at least one millisecond, because the answer comes from outside.
    pub after: Duration,
    /// The answer.
    pub answer: Answer,
    /// Whether it applies to every callback of the name instead of one. Only with [`AnswerOrder::ByCallback`].
    pub every: bool,
}

impl ScriptedAnswer {
    /// Creates an answer for one callback of this name.
    pub fn new(callback: impl Into<String>, after: Duration, answer: Answer) -> Self {
        Self { callback: callback.into(), after, answer, every: false }
    }
}

/// An answer of an external system to a callback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// The result: raw text for the handler's serdes (service model: `SendDurableExecutionCallbackSuccess`).
    Success(Option<String>),
    /// An error (service model: `SendDurableExecutionCallbackFailure`).
    Failure(ErrorObject),
    /// A heartbeat (service model: `SendDurableExecutionCallbackHeartbeat`).
    Heartbeat,
}

impl Answer {
    /// Checks the answer against the limits.
    pub(super) fn check(&self, limits: &Limits) -> Result<(), ServiceError> {
        let (what, bytes, most) = match self {
            Self::Success(result) => {
                ("result", result.as_ref().map_or(0, String::len), limits.callback_bytes)
            }
            Self::Failure(error) => ("error", error.whole_size(), limits.whole_error_bytes),
            Self::Heartbeat => return Ok(()),
        };
        if bytes > most {
            return invalid(format!(
                "the {what} of a callback has {bytes} bytes; at most {most} are allowed"
            ));
        }
        Ok(())
    }
}

/// The outcome of a chained invoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InvokeOutcome {
    /// The function returned this result, JSON text.
    Succeeded(Option<String>),
    /// The function failed, or does not exist.
    Failed(ErrorObject),
    /// The function's own execution timed out.
    TimedOut(ErrorObject),
    /// The function's own execution was stopped.
    Stopped(ErrorObject),
}

/// The retries of crashed invocations: the delay doubles with each consecutive crash. An invocation that returns resets
/// the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InvocationRetry {
    /// The most retries after consecutive crashes. Then the execution fails.
    pub max_retries: u32,
    /// Seconds from the first crash to the next invocation.
    pub first_delay_seconds: u64,
}

impl Default for InvocationRetry {
    fn default() -> Self {
        Self { max_retries: 2, first_delay_seconds: 1 }
    }
}

impl InvocationRetry {
    /// The delay in seconds after the `crashes`-th consecutive crash; `None` if no retry is left.
    pub fn delay_seconds(self, crashes: u32) -> Option<u64> {
        // Saturates because the caller of the server chooses the delay.
        (1..=self.max_retries)
            .contains(&crashes)
            .then(|| self.first_delay_seconds.saturating_mul(2_u64.saturating_pow(crashes - 1)))
    }
}

/// What whoever continues an execution needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continued {
    /// When it times out.
    pub times_out: Option<Timestamp>,
    /// The [`origin`](StartExecution::origin) that it was started with.
    pub origin: Option<Arc<str>>,
}

/// A started invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedInvocation {
    /// The id of the invocation, with which it is completed.
    pub request_id: Arc<str>,
    /// The input of the handler.
    pub input: InvocationInput,
}

/// A chained invoke whose target has to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedInvoke {
    /// The `CHAINED_INVOKE` operation, with which it is completed.
    pub operation_id: OperationId,
    /// The name of the operation.
    pub name: Option<Arc<str>>,
    /// The function to run: a name or an ARN.
    pub function_name: Arc<str>,
    /// The tenant to run it for.
    pub tenant_id: Option<Arc<str>>,
    /// The input, JSON text.
    pub payload: Option<Arc<str>>,
}

/// The target of a chained invoke, for the history (service model: `ChainedInvokeStartedDetails`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvokeTarget {
    /// The version of the function.
    pub executed_version: Option<Arc<str>>,
    /// The target's own execution, if the function is durable.
    pub durable_execution_arn: Option<ExecutionArn>,
}

/// What an execution needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// An invocation.
    Invoke,
    /// The end of the running invocation.
    Running {
        /// The next deadline of a timer, at which the execution must be polled.
        deadline: Option<Timestamp>,
    },
    /// A timer. The execution must be polled at this time.
    WaitUntil(Timestamp),
    /// An answer from outside: no timer is left.
    WaitForExternal {
        /// The unanswered operations, in the order of their START.
        what: Vec<PendingExternal>,
    },
    /// Nothing: the execution has ended.
    Closed,
}

/// What an execution needs next, with the data for it.
pub struct NextAction {
    /// What the execution needs.
    pub next: Next,
    /// The chained invokes that were started and not handed out before, oldest first.
    pub invokes: Vec<StartedInvoke>,
    /// Completes when `next` may have changed. Never, if `next` is an invocation or the end, or the caller has left.
    pub news: ChangeSubscription,
    /// Whether the caller runs the execution no more: it has ended, or whoever dispatches executions looks after it.
    pub left: bool,
}

/// An open operation that only a request from outside can complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PendingExternal {
    /// An unanswered callback.
    Callback {
        /// Its name, or that of its context.
        name: Option<Arc<str>>,
        /// The id to answer with.
        callback_id: CallbackId,
    },
    /// A chained invoke that is not completed.
    Invoke {
        /// The operation to complete.
        operation_id: OperationId,
        /// The name of the function.
        function_name: Arc<str>,
    },
}

impl std::fmt::Display for PendingExternal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Callback { name: Some(name), .. } => write!(f, "callback {name:?}"),
            Self::Callback { name: None, .. } => f.write_str("a callback without a name"),
            Self::Invoke { function_name, .. } => write!(f, "function {function_name:?}"),
        }
    }
}

/// One invocation of a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InvocationView {
    /// The id of the invocation.
    pub request_id: Arc<str>,
    /// When it began.
    pub start: Timestamp,
    /// When it ended; none while it is running.
    pub end: Option<Timestamp>,
    /// Why it ended, if it neither returned nor was suspended.
    pub error: Option<ErrorObject>,
}

/// The present state of an execution. Texts are shared, not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionView {
    /// The execution.
    pub arn: ExecutionArn,
    /// The status.
    pub status: ExecutionStatus,
    /// The result, JSON text, if it has succeeded.
    pub result: Option<Arc<str>>,
    /// The error, if it has ended and not succeeded.
    pub error: Option<ErrorObject>,
    /// The input, JSON text.
    pub input: Option<Arc<str>>,
    /// All operations, EXECUTION first, then in the order of their START.
    pub operations: Vec<Arc<Operation>>,
    /// The history.
    pub events: Vec<Arc<Event>>,
    /// The invocations, in the order of their start.
    pub invocations: Vec<InvocationView>,
    /// When it was started.
    pub start: Timestamp,
    /// When it ended.
    pub end: Option<Timestamp>,
    /// The number of accepted checkpoint requests, including polls.
    pub checkpoints: u64,
}
