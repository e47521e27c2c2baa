//! What plugins are told.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::contract::{OperationStatus, OperationType};
use crate::error::WireError;
use crate::values::Timestamp;

/// Operations by their id.
pub type Operations = BTreeMap<String, OperationInfo>;

/// How an invocation ends. `Display` writes it as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvocationStatus {
    /// The handler returned a result: the execution is over.
    Succeeded,
    /// The handler returned an error: the execution is over.
    Failed,
    /// The execution is suspended; another invocation will follow.
    Pending,
}

impl InvocationStatus {
    /// Whether the execution is over with this invocation.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        self != Self::Pending
    }

    /// As on the wire, such as `PENDING`.
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

/// How a function of the handler's ended. `Display` writes it in capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UserFunctionOutcome {
    /// It returned a value.
    Succeeded,
    /// It returned an error, or a value that could not be serialized.
    Failed,
    /// It was left in the middle: the execution is suspended, or nobody needs the function's value any more.
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

    /// Identifies this invocation.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Whether the execution begins with this invocation: nothing was on record when it did.
    #[must_use]
    pub fn is_first_invocation(&self) -> bool {
        self.is_first_invocation
    }

    /// When the execution started: the same in all its invocations.
    #[must_use]
    pub fn execution_start_timestamp(&self) -> Timestamp {
        self.execution_start
    }

    /// The event, as JSON text.
    #[must_use]
    pub fn input(&self) -> &str {
        &self.input
    }

    /// The operations on record now, without those below a context that was over when the invocation began.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        &self.operations
    }

    /// The operations that changed between the previous invocation and this one, by no doing of the handler: a wait
    /// that is over, a callback that was answered, a step whose next attempt may begin. Each is in
    /// [`operations`](Self::operations) too. Empty in the first invocation.
    #[must_use]
    pub fn updated_operations(&self) -> &Operations {
        &self.updated
    }
}

/// The end of an invocation: what [`InvocationInfo`] tells, and how it ends.
#[derive(Debug, Clone)]
pub struct InvocationEndInfo {
    pub(super) invocation: InvocationInfo,
    pub(super) status: InvocationStatus,
    pub(super) result: Option<String>,
    pub(super) error: Option<WireError>,
}

impl InvocationEndInfo {
    /// How the invocation ends, as the handler has it. The service may still refuse what it returned: a result that is
    /// too large, or a replay that did not ask for all that is on record, fails the execution.
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

    /// Its label.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What it is.
    #[must_use]
    pub fn operation_type(&self) -> OperationType {
        self.operation_type
    }

    /// What it is, more finely, such as `ParallelBranch`.
    #[must_use]
    pub fn sub_type(&self) -> Option<&str> {
        self.sub_type.as_deref()
    }

    /// The id of the context that it belongs to; none at the top.
    #[must_use]
    pub fn parent_id(&self) -> Option<&str> {
        self.parent_id.as_deref()
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> OperationStatus {
        self.status
    }

    /// When it started, as the service has it. In `on_operation_start` of one that is not on record yet: now.
    #[must_use]
    pub fn start_timestamp(&self) -> Timestamp {
        self.start
    }

    /// When it was over, as the service has it.
    #[must_use]
    pub fn end_timestamp(&self) -> Option<Timestamp> {
        self.end
    }

    /// Of a step or a condition: the attempt that is under way, or that ended last; from 1.
    #[must_use]
    pub fn attempt(&self) -> Option<u32> {
        self.attempt
    }

    /// Whether the operation was on record when this invocation began; in `on_operation_end`: whether it was over then.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        self.is_replay
    }

    /// The error on record: of an operation that failed, or of a step's last attempt.
    #[must_use]
    pub fn error(&self) -> Option<&WireError> {
        self.error.as_ref()
    }
}

/// The end of an operation: what [`OperationInfo`] tells, and its result.
#[derive(Debug, Clone)]
pub struct OperationEndInfo {
    pub(super) operation: OperationInfo,
    pub(super) result: Option<String>,
}

impl OperationEndInfo {
    /// The result as it is on record, in the operation's own format; none if it failed or has none.
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

/// What an answer of the service has changed.
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

    /// The operations that changed, as they stand now. An operation that started and ended in one checkpoint changed
    /// once.
    #[must_use]
    pub fn updated_operations(&self) -> &Operations {
        &self.updated
    }

    /// All operations that this invocation knows, as they stand now; those that changed among them.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        &self.operations
    }
}

/// A function of the handler's that runs: an attempt of a step, a check of a condition, or the code of a child context.
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

    /// The operation's label.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What the operation is: a step or a context.
    #[must_use]
    pub fn operation_type(&self) -> OperationType {
        self.operation_type
    }

    /// What the operation is, more finely, such as `ParallelBranch`.
    #[must_use]
    pub fn sub_type(&self) -> Option<&str> {
        self.sub_type.as_deref()
    }

    /// The id of the context that the operation belongs to; none at the top.
    #[must_use]
    pub fn parent_id(&self) -> Option<&str> {
        self.parent_id.as_deref()
    }

    /// Of a step or a condition: which attempt this is, from 1. None for a context.
    #[must_use]
    pub fn attempt(&self) -> Option<u32> {
        self.attempt
    }

    /// Whether the operation was on record when this invocation began: a later attempt of a step, or the code of a
    /// context that runs again.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        self.is_replay
    }

    /// Whether the context is over, and its code runs again only to make its result, which is too large to be on
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

/// The end of a function of the handler's: what [`UserFunctionInfo`] tells, and how it ended.
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
