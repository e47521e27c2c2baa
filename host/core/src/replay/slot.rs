//! The state of one operation within this invocation.

use std::{sync::Arc, time::Duration};

use super::{identity::describe, keys::ScopeKey};
use crate::protocol::{
    ErrorObject, Operation, OperationAction, OperationId, OperationStatus, OperationType, OperationUpdate,
};

/// The result or the error of an operation.
pub type Outcome = Result<Option<Arc<str>>, ErrorObject>;

/// What happens to a step whose attempt was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Semantics {
    /// The body runs again.
    AtLeastOncePerRetry,
    /// The body does not run again for the same attempt.
    AtMostOncePerRetry,
}

/// The point, in the order of completions, at which the guest sees a slot that has not ended on record.
///
/// For a recorded attempt: earlier instances may have seen some of these completions and dropped the operation then.
/// The guest must be able to drop it again before its body runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RevealPoint {
    /// After the completions up to and including a rank. Several are ordered by when they began or became ready.
    After { completion: u64, began: u64 },
    /// After all recorded completions: an outcome that the service has not recorded yet. Several are ordered by when
    /// they are sent.
    Unsent(u64),
}

impl RevealPoint {
    /// Whether this point is before the completion with this rank.
    pub(super) fn is_before(self, completion: u64) -> bool {
        matches!(self, Self::After { completion: last, .. } if last < completion)
    }
}

/// The state of a slot. Only the engine changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SlotState {
    /// Waits for the acknowledgement of a START, or for an event outside of the handler. The record determines what
    /// follows.
    Waiting,
    /// Waits for the acknowledgement of the update that closes the operation or the attempt. The next attempt belongs
    /// to a later invocation, because the guest's closure may have been consumed.
    Closing,
    /// Closed; the outcome was shown before the service recorded it.
    Shown,
    /// A recorded attempt continues, or an unrecorded outcome is shown, after all completions before this point.
    Due(RevealPoint),
    /// The guest must run this attempt.
    Running { attempt: u32 },
    /// The guest must close this attempt without running it, because it was interrupted.
    Interrupted { attempt: u32 },
    /// The guest must close this attempt without running it, because it exceeded its timeout.
    TimedOut { attempt: u32 },
    /// The guest must run a recorded child context again to compute its result.
    Rebuilding,
}

/// One operation that the guest has started in this invocation.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: OperationId,
    pub(super) kind: OperationType,
    /// What the guest has called it; `None` if it was on record when it was started, as this.
    called: Option<Called>,
    pub(super) semantics: Semantics,
    /// The timeout of each attempt's body.
    pub(super) timeout: Option<Duration>,
    pub(super) phase: SlotState,
    /// Whether its body was entered in this instance.
    pub(super) entered: bool,
    /// A condition's state for the next attempt.
    pub(super) state: Option<Arc<str>>,
    /// The latest record from the service.
    pub(super) record: Option<Arc<Operation>>,
    /// The outcome, if it is shown before the service has recorded it.
    pub(super) local: Option<Outcome>,
    /// The scope of a child context.
    pub(super) scope: Option<ScopeKey>,
}

/// What the record repeats of the start of an operation.
#[derive(Debug, Clone, Default)]
struct Called {
    parent_id: Option<OperationId>,
    name: Option<Arc<str>>,
    sub_type: Option<Arc<str>>,
}

impl Slot {
    /// A slot for a new operation.
    pub(super) fn started(start: &OperationUpdate) -> Self {
        let called = Called {
            parent_id: start.parent_id.clone(),
            name: start.name.clone(),
            sub_type: start.sub_type.clone(),
        };
        Self {
            id: start.id.clone(),
            kind: start.kind,
            called: Some(called),
            semantics: Semantics::AtLeastOncePerRetry,
            timeout: None,
            phase: SlotState::Waiting,
            entered: false,
            state: None,
            record: None,
            local: None,
            scope: None,
        }
    }

    /// A slot for a recorded operation.
    pub(super) fn recorded(record: Arc<Operation>) -> Self {
        Self {
            id: record.id.clone(),
            kind: record.kind,
            called: None,
            semantics: Semantics::AtLeastOncePerRetry,
            timeout: None,
            phase: SlotState::Waiting,
            entered: false,
            state: None,
            record: Some(record),
            local: None,
            scope: None,
        }
    }

    fn called(&self) -> Called {
        let recorded = || {
            self.record.as_deref().map(|record| Called {
                parent_id: record.parent_id.clone(),
                name: record.name.clone(),
                sub_type: record.sub_type.clone(),
            })
        };
        self.called.clone().or_else(recorded).unwrap_or_default()
    }

    /// Describes the operation for a message.
    pub(super) fn describe(&self) -> String {
        let Called { name, sub_type, .. } = self.called();
        describe(self.kind, sub_type.as_deref(), name.as_deref())
    }

    /// Creates an update of this operation.
    pub(super) fn update(&self, action: OperationAction) -> OperationUpdate {
        let mut update = OperationUpdate::new(self.id.clone(), self.kind, action);
        Called { parent_id: update.parent_id, name: update.name, sub_type: update.sub_type } = self.called();
        update
    }

    /// The record, if the operation has ended.
    pub(super) fn ended(&self) -> Option<&Arc<Operation>> {
        self.record.as_ref().filter(|r| r.status.is_terminal())
    }
}

/// The rank of a terminal record in the order of completions.
pub(super) fn end_rank(operation: &Operation) -> u64 {
    match operation.sequence {
        0 => millis(operation.end_timestamp.unwrap_or(operation.start_timestamp)),
        sequence => sequence,
    }
}

/// The rank of a record's start in the same order.
pub(super) fn start_rank(operation: &Operation) -> u64 {
    match operation.start_sequence {
        0 => millis(operation.start_timestamp),
        sequence => sequence,
    }
}

/// The rank, in the same order, of the change to the present status of a step that has not ended.
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

/// The outcome of a terminal record.
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
