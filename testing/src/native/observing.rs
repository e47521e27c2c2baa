//! What plugins need, natively.
//!
//! Always true: nothing is kept for them before they have begun; in an aside time is live; what they are told never ends a run.

use std::sync::Arc;

use durawasm_guest::{
    plugin::{OperationStatus, OperationType},
    runtime::{Beginning, ObservedOperation, Observing},
};
use durawasm_host::{
    protocol::{self, Operation, OperationId, Timestamp},
    replay::ObservedChanges,
};

use super::{convert, seam::Seam};

/// What one invocation has for code that watches.
#[derive(Default)]
pub(super) struct Observation {
    /// Nothing was on record when the invocation began.
    first_invocation: bool,
    /// What it is to be told.
    pub(super) changes: ObservedChanges,
    /// A hook runs.
    aside: bool,
}

impl Observation {
    pub(super) fn new(first_invocation: bool, updated: Vec<OperationId>) -> Self {
        Self { first_invocation, changes: ObservedChanges::new(updated), ..Self::default() }
    }

    /// Whether a hook runs.
    pub(super) fn in_aside(&self) -> bool {
        self.aside
    }

    /// For a fresh run in the same invocation. `asked` tells of which operations the last one has asked for.
    pub(super) fn restarted(self, asked: impl Fn(&OperationId) -> bool) -> Self {
        Self { aside: false, changes: self.changes.restarted(asked), ..self }
    }
}

/// The invocation, for plugins.
pub(super) struct Watcher(pub(super) Arc<Seam>);

impl Observing for Watcher {
    fn begin(&self) -> Option<Beginning> {
        self.0.call(
            || None,
            |durable| {
                let observation = &mut durable.observation;
                observation.changes.begin();
                let engine = &durable.engine;
                let updated = observation.changes.updated().iter().filter(|id| engine.record(id).is_some());
                Ok(Some(Beginning {
                    first_invocation: observation.first_invocation,
                    operations: engine.records().into_iter().filter_map(|o| observed(o)).collect(),
                    updated: updated.map(ToString::to_string).collect(),
                }))
            },
        )
    }

    fn changes(&self) -> Vec<Vec<ObservedOperation>> {
        let mut changes = Vec::new();
        self.0.tell(|durable| {
            changes = durable.observation.changes.take();
        });
        let change = |change: Vec<Arc<Operation>>| change.iter().filter_map(|o| observed(o)).collect();
        changes.into_iter().map(change).collect()
    }

    fn result(&self, id: &str) -> Option<String> {
        let mut result = None;
        self.0.tell(|durable| {
            let record = durable.engine.record(&id.into());
            result = record.and_then(|record| record.result()).map(ToString::to_string);
        });
        result
    }

    fn enter(&self) {
        self.0.tell(|durable| durable.observation.aside = true);
    }

    fn leave(&self) {
        self.0.tell(|durable| durable.observation.aside = false);
    }

    fn warn(&self, message: String) {
        self.0.tell(|durable| durable.warn(message));
    }
}

/// An operation for plugins; none for the execution itself.
fn observed(operation: &Operation) -> Option<ObservedOperation> {
    Some(ObservedOperation {
        id: operation.id.to_string(),
        parent_id: operation.parent_id.as_ref().map(ToString::to_string),
        name: operation.name.as_deref().map(str::to_owned),
        kind: match operation.kind {
            protocol::OperationType::Execution => return None,
            protocol::OperationType::Context => OperationType::Context,
            protocol::OperationType::Step => OperationType::Step,
            protocol::OperationType::Wait => OperationType::Wait,
            protocol::OperationType::Callback => OperationType::Callback,
            protocol::OperationType::ChainedInvoke => OperationType::ChainedInvoke,
        },
        sub_type: operation.sub_type.as_deref().map(str::to_owned),
        status: match operation.status {
            protocol::OperationStatus::Started => OperationStatus::Started,
            protocol::OperationStatus::Pending => OperationStatus::Pending,
            protocol::OperationStatus::Ready => OperationStatus::Ready,
            protocol::OperationStatus::Succeeded => OperationStatus::Succeeded,
            protocol::OperationStatus::Failed => OperationStatus::Failed,
            protocol::OperationStatus::Cancelled => OperationStatus::Cancelled,
            protocol::OperationStatus::TimedOut => OperationStatus::TimedOut,
            protocol::OperationStatus::Stopped => OperationStatus::Stopped,
        },
        start_time_ms: millis(operation.start_timestamp),
        end_time_ms: operation.end_timestamp.map(millis),
        attempt: operation.attempt(),
        error: operation.error().map(convert::error_out),
    })
}

fn millis(timestamp: Timestamp) -> u64 {
    u64::try_from(timestamp.as_millis()).unwrap_or(0)
}
