//! The arguments of plugin hooks.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::contract::{OperationStatus, OperationType};
use crate::error::WireError;
use crate::values::Timestamp;

/// Operations by their id.
pub type Operations = BTreeMap<String, OperationInfo>;

/// How an invocation ends. `Display` writes the wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvocationStatus {
    /// The handler returned a result: the execution has ended.
    Succeeded,
    /// The handler returned an error: the execution has ended.
    Failed,
    /// The execution is suspended; another invocation will follow.
    Pending,
}

impl InvocationStatus {
    /// Whether the execution ends with this invocation.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        self != Self::Pending
    }

    /// The wire format, such as `PENDING`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Pending => "PENDING",
        }
    }
}

impl fmt::Display for InvocationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a function of the handler ended. `Display` writes it in capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UserFunctionOutcome {
    /// It returned a value.
    Succeeded,
    /// It returned an error, or a value that could not be serialized.
    Failed,
    /// It was dropped: the execution is suspended, or the value of the function is not needed any more.
    Incomplete,
}

impl UserFunctionOutcome {
    /// In capitals, such as `SUCCEEDED`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Incomplete => "INCOMPLETE",
        }
    }
}

impl fmt::Display for UserFunctionOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An invocation.
#[derive(Debug, Clone)]
pub struct InvocationInfo {
    pub(super) execution_arn: Arc<str>,
    pub(super) request_id: String,
    pub(super) is_first_invocation: bool,
    pub(super) execution_start: Timestamp,
    pub(super) input: String,
    pub(super) operations: Arc<Operations>,
    pub(super) updated: Arc<Operations>,
}

impl InvocationInfo {
    /// The execution's ARN.
    #[must_use]
    pub fn execution_arn(&self) -> &str {
        &self.execution_arn
    }

    /// The id of this invocation.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Whether this is the first invocation of the execution: nothing was recorded when it began.
    #[must_use]
    pub fn is_first_invocation(&self) -> bool {
        self.is_first_invocation
    }

    /// When the execution started, the same in all its invocations.
    #[must_use]
    pub fn execution_start_timestamp(&self) -> Timestamp {
        self.execution_start
    }

    /// The event, as JSON text.
    #[must_use]
    pub fn input(&self) -> &str {
        &self.input
    }

    /// The operations recorded by now, without those below a context that had ended when the invocation began.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        &self.operations
    }

    /// The operations that changed between the previous invocation and this one without the handler: a wait that has
    /// ended, a callback that was answered, a step whose next attempt may start. Each is also in
    /// [`operations`](Self::operations). Empty in the first invocation.
    #[must_use]
    pub fn updated_operations(&self) -> &Operations {
        &self.updated
    }
}

/// The end of an invocation: an [`InvocationInfo`] with the status and the outcome.
#[derive(Debug, Clone)]
pub struct InvocationEndInfo {
    pub(super) invocation: InvocationInfo,
    pub(super) status: InvocationStatus,
    pub(super) result: Option<String>,
    pub(super) error: Option<WireError>,
}

impl InvocationEndInfo {
    /// How the invocation ends from the point of view of the handler. The service may still reject what the handler
    /// returned: a result that is too large, or a replay that did not start all recorded operations, fails the
    /// execution.
    #[must_use]
    pub fn status(&self) -> InvocationStatus {
        self.status
    }

    /// The execution's result, as JSON text.
    #[must_use]
    pub fn result(&self) -> Option<&str> {
        self.result.as_deref()
    }

    /// The execution's error, if it fails.
    #[must_use]
    pub fn error(&self) -> Option<&WireError> {
        self.error.as_ref()
    }
}

impl Deref for InvocationEndInfo {
    type Target = InvocationInfo;

    fn deref(&self) -> &InvocationInfo {
        &self.invocation
    }
}

/// An operation.
#[derive(Debug, Clone)]
pub struct OperationInfo {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) operation_type: OperationType,
    pub(super) sub_type: Option<String>,
    pub(super) parent_id: Option<String>,
    pub(super) status: OperationStatus,
    pub(super) start: Timestamp,
    pub(super) end: Option<Timestamp>,
    pub(super) attempt: Option<u32>,
    pub(super) is_replay: bool,
    pub(super) error: Option<WireError>,
}

impl OperationInfo {
    /// Its id in the history.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Its type.
    #[must_use]
    pub fn operation_type(&self) -> OperationType {
        self.operation_type
    }

    /// Its sub-type, such as `ParallelBranch`.
    #[must_use]
    pub fn sub_type(&self) -> Option<&str> {
        self.sub_type.as_deref()
    }

    /// The id of the context that it belongs to; `None` for operations of the root context.
    #[must_use]
    pub fn parent_id(&self) -> Option<&str> {
        self.parent_id.as_deref()
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> OperationStatus {
        self.status
    }

    /// When it started, according to the service. In `on_operation_start` of an operation that is not recorded yet: the
    /// current time.
    #[must_use]
    pub fn start_timestamp(&self) -> Timestamp {
        self.start
    }

    /// When it ended, according to the service.
    #[must_use]
    pub fn end_timestamp(&self) -> Option<Timestamp> {
        self.end
    }

    /// For a step or a condition: the current attempt, or the last one, from 1.
    #[must_use]
    pub fn attempt(&self) -> Option<u32> {
        self.attempt
    }

    /// Whether the operation was recorded when this invocation began; in `on_operation_end`: whether it had ended by
    /// then.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        self.is_replay
    }

    /// The recorded error: of an operation that failed, or of the last attempt of a step.
    #[must_use]
    pub fn error(&self) -> Option<&WireError> {
        self.error.as_ref()
    }
}

/// The end of an operation: an [`OperationInfo`] with the result.
#[derive(Debug, Clone)]
pub struct OperationEndInfo {
    pub(super) operation: OperationInfo,
    pub(super) result: Option<String>,
}

impl OperationEndInfo {
    /// The recorded payload of the result, in the format of the operation's serdes; `None` if the operation failed or
    /// has no result.
    #[must_use]
    pub fn result(&self) -> Option<&str> {
        self.result.as_deref()
    }
}

impl Deref for OperationEndInfo {
    type Target = OperationInfo;

    fn deref(&self) -> &OperationInfo {
        &self.operation
    }
}

/// The changes that an answer of the service reports.
#[derive(Debug, Clone)]
pub struct OperationChangeInfo {
    pub(super) execution_arn: Arc<str>,
    pub(super) operations: Arc<Operations>,
    pub(super) updated: Operations,
}

impl OperationChangeInfo {
    /// The execution's ARN.
    #[must_use]
    pub fn execution_arn(&self) -> &str {
        &self.execution_arn
    }

    /// The operations that changed, in their current state. An operation that started and ended in one checkpoint is
    /// reported once.
    #[must_use]
    pub fn updated_operations(&self) -> &Operations {
        &self.updated
    }

    /// All operations that this invocation knows, in their current state, including those that changed.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        &self.operations
    }
}

/// A function of the handler that runs: an attempt of a step, a check of a condition, or the code of a child context.
#[derive(Debug, Clone)]
pub struct UserFunctionInfo {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) operation_type: OperationType,
    pub(super) sub_type: Option<String>,
    pub(super) parent_id: Option<String>,
    pub(super) attempt: Option<u32>,
    pub(super) is_replay: bool,
    pub(super) is_replaying_children: bool,
    pub(super) start: Timestamp,
}

impl UserFunctionInfo {
    /// The operation's id in the history.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The operation's name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The operation's type: a step or a context.
    #[must_use]
    pub fn operation_type(&self) -> OperationType {
        self.operation_type
    }

    /// The operation's sub-type, such as `ParallelBranch`.
    #[must_use]
    pub fn sub_type(&self) -> Option<&str> {
        self.sub_type.as_deref()
    }

    /// The id of the context that the operation belongs to; `None` for operations of the root context.
    #[must_use]
    pub fn parent_id(&self) -> Option<&str> {
        self.parent_id.as_deref()
    }

    /// For a step or a condition: the number of the attempt, from 1. `None` for a context.
    #[must_use]
    pub fn attempt(&self) -> Option<u32> {
        self.attempt
    }

    /// Whether the operation was recorded when this invocation began: a later attempt of a step, or the code of a
    /// context that runs again.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        self.is_replay
    }

    /// Whether the context has ended, and its code runs again only to compute its result, which was too large to
    /// record.
    #[must_use]
    pub fn is_replaying_children(&self) -> bool {
        self.is_replaying_children
    }

    /// When the function started.
    #[must_use]
    pub fn start_timestamp(&self) -> Timestamp {
        self.start
    }
}

/// The end of a function of the handler: a [`UserFunctionInfo`] with the outcome.
#[derive(Debug, Clone)]
pub struct UserFunctionEndInfo {
    pub(super) function: UserFunctionInfo,
    pub(super) end: Timestamp,
    pub(super) outcome: UserFunctionOutcome,
    pub(super) error: Option<WireError>,
}

impl UserFunctionEndInfo {
    /// When it ended.
    #[must_use]
    pub fn end_timestamp(&self) -> Timestamp {
        self.end
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> UserFunctionOutcome {
        self.outcome
    }

    /// Why it failed.
    #[must_use]
    pub fn error(&self) -> Option<&WireError> {
        self.error.as_ref()
    }
}

impl Deref for UserFunctionEndInfo {
    type Target = UserFunctionInfo;

    fn deref(&self) -> &UserFunctionInfo {
        &self.function
    }
}
