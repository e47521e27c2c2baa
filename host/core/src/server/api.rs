//! What the server is asked, and what it answers, beside the wire's own shapes. Plain data.

use std::{sync::Arc, time::Duration};

use super::{timers::TimerMode, transitions::invalid};
use crate::protocol::{
    CallbackId, ErrorObject, Event, ExecutionArn, ExecutionStatus, InvocationInput, Limits, Operation,
    OperationId, Timestamp,
};
use crate::protocol::{ServiceError, Watching};

/// A request for a new execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartExecution {
    /// The function: 1 to 256 of `A-Z a-z 0-9 - _ .`
    pub function_name: String,
    /// Its version: `$LATEST`, `$LATEST.PUBLISHED` or a number.
    pub function_version: String,
    /// The execution's name (service model: `DurableExecutionName`); without one the server makes one up.
    pub execution_name: Option<String>,
    /// The event, JSON text.
    pub input: Option<String>,
    /// Seconds that the execution may take, 1 to 31,622,400. Without, [`Limits::longest_execution`] bounds it.
    pub timeout_seconds: Option<u64>,
    /// What the outside world answers to callbacks, without anyone acting.
    pub answers: Vec<ScriptedAnswer>,
    /// Which callback gets which of them, and when.
    pub answer_order: AnswerOrder,
    /// What happens after a crashed invocation.
    pub invocation_retry: InvocationRetry,
    /// The chained invoke that starts it, if one does.
    pub invoked_by: Option<(ExecutionArn, OperationId)>,
    /// Who decides when its waits end, its retries begin and its timeouts pass.
    pub timers: TimerMode,
}

impl StartExecution {
    /// An execution of the function's latest version, with the input, and with defaults for the rest.
    pub fn new(function_name: impl Into<String>, input: Option<String>) -> Self {
        Self {
            function_name: function_name.into(),
            function_version: "$LATEST".to_owned(),
            execution_name: None,
            input,
            timeout_seconds: None,
            answers: Vec::new(),
            answer_order: AnswerOrder::ByCallback,
            invocation_retry: InvocationRetry::default(),
            invoked_by: None,
            timers: TimerMode::Clock,
        }
    }
}

/// How the outside world goes about its scripted answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AnswerOrder {
    /// Each callback has answers of its own, as [`ScriptedAnswer`] tells.
    #[default]
    ByCallback,
    /// As one who goes through the callbacks in the order in which they started: each takes the first unused answer
    /// that is for it, and after a heartbeat the next one too; an answer takes as long as it says from then on, and
    /// only when it is given the callback after it has its turn. What comes to a callback that is over is lost.
    InTurn,
}

/// An answer that the outside world gives by itself, some time after a callback has started.
///
/// Unless answers are given in turn: a callback that starts takes, in the script's order, the first unused entry that
/// matches its name; if that is a heartbeat, also the matching entries after it up to and including the first that is
/// none. An entry is used once. So several answers for one name go to successive callbacks of that name, and heartbeats
/// go with the answer that follows them. What is due after the callback is over is lost, as a late answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptedAnswer {
    /// The callback's name, or for a callback without one, the name of the context it is in. `*` stands for any text,
    /// also within a name.
    pub callback: String,
    /// How long after the callback's START. At least a millisecond passes in any case: the answer comes from outside.
    pub after: Duration,
    /// The answer.
    pub answer: Answer,
    /// It is for every callback of the name, and not used up. Only where entries go to callbacks by their names
    /// ([`AnswerOrder::ByCallback`]).
    pub every: bool,
}

impl ScriptedAnswer {
    /// For one callback of this name.
    pub fn new(callback: impl Into<String>, after: Duration, answer: Answer) -> Self {
        Self { callback: callback.into(), after, answer, every: false }
    }
}

/// What an external system says of a callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done; raw text for the handler's serdes (service model: `SendDurableExecutionCallbackSuccess`).
    Success(Option<String>),
    /// It has failed (service model: `SendDurableExecutionCallbackFailure`).
    Failure(ErrorObject),
    /// It is alive (service model: `SendDurableExecutionCallbackHeartbeat`).
    Heartbeat,
}

impl Answer {
    /// Checks that the service would take it.
    pub(super) fn check(&self, limits: &Limits) -> Result<(), ServiceError> {
        let (what, bytes, most) = match self {
            Self::Success(result) => {
                ("result", result.as_ref().map_or(0, String::len), limits.callback_bytes)
            }
            Self::Failure(error) => ("error", error.size(), limits.error_bytes),
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

/// How a chained invoke ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvokeOutcome {
    /// With a result, JSON text.
    Succeeded(Option<String>),
    /// The function failed, or there is none of that name.
    Failed(ErrorObject),
    /// The function's own execution timed out.
    TimedOut(ErrorObject),
    /// The function's own execution was stopped.
    Stopped(ErrorObject),
}

/// What follows a crashed invocation: another, after a delay that doubles with each crash in a row. An invocation that
/// returns ends the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvocationRetry {
    /// How many further invocations a row of crashes is worth. After as many, the execution fails.
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
    /// Seconds to wait after the `crashes`-th crash in a row; `None` when that was one too many.
    pub fn delay_seconds(self, crashes: u32) -> Option<u64> {
        (1..=self.max_retries)
            .contains(&crashes)
            .then(|| self.first_delay_seconds.saturating_mul(2_u64.saturating_pow(crashes - 1)))
    }
}

/// An invocation that may run now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedInvocation {
    /// Its id, to complete it with.
    pub request_id: Arc<str>,
    /// What the handler is given.
    pub input: InvocationInput,
}

/// A chained invoke whose target is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedInvoke {
    /// The `CHAINED_INVOKE` operation, to complete it with.
    pub operation_id: OperationId,
    /// Its label.
    pub name: Option<Arc<str>>,
    /// The function to run: a name, or an ARN.
    pub function_name: Arc<str>,
    /// The tenant to run it for.
    pub tenant_id: Option<Arc<str>>,
    /// Its event, JSON text.
    pub payload: Option<Arc<str>>,
}

/// What runs for a chained invoke: for the history (service model: `ChainedInvokeStartedDetails`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvokeTarget {
    /// Which version of the function.
    pub executed_version: Option<Arc<str>>,
    /// Its own execution, when the function is durable.
    pub durable_execution_arn: Option<ExecutionArn>,
}

/// What an execution needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// An invocation, now.
    Invoke,
    /// The end of the invocation that is running.
    Running {
        /// When something happens by itself meanwhile: advance then.
        deadline: Option<Timestamp>,
    },
    /// Time: nothing happens by itself before this. Advance then.
    WaitUntil(Timestamp),
    /// An answer: nothing will ever happen by itself.
    WaitForOutside {
        /// What is unanswered, in the order in which it was started.
        what: Vec<Outside>,
    },
    /// Nothing: it is over.
    Closed,
}

/// What an execution needs next, and what goes with it.
pub struct Turn {
    /// What it needs.
    pub next: Next,
    /// The chained invokes that were started and not handed out before, oldest first.
    pub invokes: Vec<StartedInvoke>,
    /// Tells when `next` may have changed. Never, where that is an invocation or the end.
    pub news: Watching,
}

/// Something that only someone outside can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outside {
    /// A callback that has not been answered.
    Callback {
        /// Its name, or its context's.
        name: Option<Arc<str>>,
        /// What to answer with.
        callback_id: CallbackId,
    },
    /// A chained invoke that has not been completed.
    Invoke {
        /// What to complete.
        operation_id: OperationId,
        /// The function.
        function_name: Arc<str>,
    },
}

impl std::fmt::Display for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Callback { name: Some(name), .. } => write!(f, "callback {name:?}"),
            Self::Callback { name: None, .. } => f.write_str("a callback without a name"),
            Self::Invoke { function_name, .. } => write!(f, "function {function_name:?}"),
        }
    }
}

/// One invocation, for people to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvocationView {
    /// Its id.
    pub request_id: Arc<str>,
    /// When it began.
    pub start: Timestamp,
    /// When it ended; none while it runs.
    pub end: Option<Timestamp>,
    /// Why it ended, when it neither returned nor was suspended.
    pub error: Option<ErrorObject>,
}

/// An execution as it stands. The texts in it are shared, not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionView {
    /// Which.
    pub arn: ExecutionArn,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// The result, JSON text; when it has succeeded.
    pub result: Option<Arc<str>>,
    /// The error; when it is over and has not succeeded.
    pub error: Option<ErrorObject>,
    /// The event it was started with, JSON text.
    pub input: Option<Arc<str>>,
    /// All operations, EXECUTION first, then in the order in which they were started.
    pub operations: Vec<Arc<Operation>>,
    /// The history.
    pub events: Vec<Arc<Event>>,
    /// The invocations, in order.
    pub invocations: Vec<InvocationView>,
    /// When it was started.
    pub start: Timestamp,
    /// When it was over.
    pub end: Option<Timestamp>,
    /// How many checkpoint requests were accepted, polls included.
    pub checkpoints: u64,
}
