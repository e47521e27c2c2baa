//! One operation as this invocation sees it.

use std::{sync::Arc, time::Duration};

use super::checks::describe;
use crate::protocol::{
    ErrorObject, Operation, OperationAction, OperationId, OperationStatus, OperationType, OperationUpdate,
};

/// What ended an operation: its result, or its error.
pub type Outcome = Result<Option<Arc<str>>, ErrorObject>;

/// What an operation is given when it is started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// A label.
    pub name: Option<String>,
    /// A finer kind than the type.
    pub sub_type: Option<String>,
}

/// What an interrupted step leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Semantics {
    /// The body runs again.
    AtLeastOncePerRetry,
    /// The body does not run again for the same attempt.
    AtMostOncePerRetry,
}

/// When something that is not on record as over is shown to a guest that waits for it: among the completions that it
/// waits for.
///
/// Of an attempt that is on record: the guest may have been shown some of them, and have dropped the operation then. It
/// is to drop it again before its body runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// After the completions up to this rank.
    After(u64),
    /// After all that are on record: an outcome that the service does not have yet; among several, in the order in
    /// which they are sent.
    Unsent(u64),
    /// After those too; among several, in the order of their starts. An attempt that was interrupted: its end would
    /// have come after them.
    Last(u64),
}

impl Turn {
    /// Whether it is before the completion of this rank.
    pub(super) fn is_before(self, completion: u64) -> bool {
        matches!(self, Self::After(rank) if rank < completion)
    }
}

/// Where a slot stands. Only the engine moves it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A start is on its way, or the outside has to act: the record will say.
    Waiting,
    /// What closes the operation, or the attempt, is on its way. A next attempt belongs to a later invocation: a
    /// guest's body can be gone once it has run.
    Closing,
    /// Closed, and shown to the guest before the service has it.
    Shown,
    /// An attempt on record may go on, or an outcome show before the service has it, once the guest was shown all that
    /// comes before.
    Due(Turn),
    /// The guest is to run this attempt.
    Running { attempt: u32 },
    /// The guest is to close this attempt without running it.
    Interrupted { attempt: u32 },
    /// The same, because it took too long.
    TimedOut { attempt: u32 },
    /// The guest is to run a recorded child again.
    Rebuilding,
}

/// One operation that the guest has started in this invocation.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: OperationId,
    pub(super) kind: OperationType,
    parent_id: Option<OperationId>,
    name: Option<Arc<str>>,
    sub_type: Option<Arc<str>>,
    pub(super) semantics: Semantics,
    /// How long the body of one attempt may take.
    pub(super) timeout: Option<Duration>,
    pub(super) phase: Phase,
    /// Its body was entered in this instance.
    pub(super) entered: bool,
    /// A condition's state for the attempt to come.
    pub(super) state: Option<Arc<str>>,
    /// The latest that the service has said.
    pub(super) record: Option<Arc<Operation>>,
    /// The outcome of a slot that shows before the service has it.
    pub(super) local: Option<Outcome>,
    /// A child's scope.
    pub(super) scope: Option<super::ScopeKey>,
}

impl Slot {
    /// For what `start` starts.
    pub(super) fn started(start: &OperationUpdate) -> Self {
        Self {
            id: start.id.clone(),
            kind: start.kind,
            parent_id: start.parent_id.clone(),
            name: start.name.clone(),
            sub_type: start.sub_type.clone(),
            semantics: Semantics::AtLeastOncePerRetry,
            timeout: None,
            phase: Phase::Waiting,
            entered: false,
            state: None,
            record: None,
            local: None,
            scope: None,
        }
    }

    /// For what is on record.
    pub(super) fn recorded(record: Arc<Operation>) -> Self {
        Self {
            id: record.id.clone(),
            kind: record.kind,
            parent_id: record.parent_id.clone(),
            name: record.name.clone(),
            sub_type: record.sub_type.clone(),
            semantics: Semantics::AtLeastOncePerRetry,
            timeout: None,
            phase: Phase::Waiting,
            entered: false,
            state: None,
            record: Some(record),
            local: None,
            scope: None,
        }
    }

    /// The operation in words.
    pub(super) fn describe(&self) -> String {
        describe(self.kind, self.sub_type.as_deref(), self.name.as_deref())
    }

    /// An update of this operation.
    pub(super) fn update(&self, action: OperationAction) -> OperationUpdate {
        let mut update = OperationUpdate::new(self.id.clone(), self.kind, action);
        update.parent_id.clone_from(&self.parent_id);
        update.name.clone_from(&self.name);
        update.sub_type.clone_from(&self.sub_type);
        update
    }

    /// The record, if the operation is over.
    pub(super) fn ended(&self) -> Option<&Arc<Operation>> {
        self.record.as_ref().filter(|r| r.status.is_terminal())
    }
}

/// Where a terminal record stands in the order of completions.
pub(super) fn end_rank(operation: &Operation) -> u64 {
    match operation.sequence {
        0 => millis(operation.end_timestamp.unwrap_or(operation.start_timestamp)),
        sequence => sequence,
    }
}

/// Where a record's start stands in the same order.
pub(super) fn start_rank(operation: &Operation) -> u64 {
    match operation.start_sequence {
        0 => millis(operation.start_timestamp),
        sequence => sequence,
    }
}

/// Where a step that is not over reached its present status, in the same order.
pub(super) fn status_rank(operation: &Operation) -> u64 {
    match operation.sequence {
        0 => {
            let next = operation.step_details.as_ref().and_then(|details| details.next_attempt_timestamp);
            millis(next.unwrap_or(operation.start_timestamp))
        }
        sequence => sequence,
    }
}

fn millis(timestamp: crate::protocol::Timestamp) -> u64 {
    u64::try_from(timestamp.as_millis()).unwrap_or(0)
}

/// How a terminal record looks to the guest.
pub(super) fn outcome(operation: &Operation) -> Outcome {
    if operation.status == OperationStatus::Succeeded {
        return Ok(operation.result().cloned());
    }
    Err(operation.error().cloned().unwrap_or_else(|| {
        let name = match operation.status {
            OperationStatus::TimedOut => "TimedOut",
            OperationStatus::Cancelled => "Cancelled",
            OperationStatus::Stopped => "Stopped",
            _ => "Failed",
        };
        ErrorObject::new(name, format!("the {} ended as {}", operation.kind, operation.status))
    }))
}
