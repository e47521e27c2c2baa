//! The plugin interface of a native invocation.
//!
//! Invariants: no notification to a plugin ends a run.

use std::sync::Arc;

use durawasm_core::protocol::{self, Operation, Timestamp};
use durawasm_guest::{
    plugin::{OperationStatus, OperationType},
    runtime::{Beginning, ObservedOperation, Observing},
};

use super::{convert, shared_run::SharedRun};

/// The invocation as plugins observe it.
pub(super) struct PluginObserver(pub(super) Arc<SharedRun>);

impl Observing for PluginObserver {
    fn begin(&self) -> Option<Beginning> {
        self.0.call(
            || None,
            |durable| {
                let driver = &mut durable.driver;
                if !driver.observation_mut().begin()? {
                    return Ok(None);
                }
                let (engine, observation) = (driver.engine(), driver.observation());
                let updated = observation.changes().updated().iter();
                Ok(Some(Beginning {
                    first_invocation: observation.is_first_invocation(),
                    operations: engine.records().into_iter().filter_map(|o| observed(o)).collect(),
                    updated: updated
                        .filter(|id| engine.record(id).is_some())
                        .map(ToString::to_string)
                        .collect(),
                }))
            },
        )
    }

    fn changes(&self) -> Vec<Vec<ObservedOperation>> {
        let mut changes = Vec::new();
        self.0.notify(|durable| {
            changes = durable.driver.observation_mut().changes_mut().take();
        });
        let change = |change: Vec<Arc<Operation>>| change.iter().filter_map(|o| observed(o)).collect();
        changes.into_iter().map(change).collect()
    }

    fn result(&self, id: &str) -> Option<String> {
        let mut result = None;
        self.0.notify(|durable| {
            let record = durable.driver.engine().record(&id.into());
            result = record.and_then(|record| record.result()).map(ToString::to_string);
        });
        result
    }

    fn enter(&self) {
        self.0.tell(|durable| durable.driver.observation_mut().enter_hook());
    }

    fn leave(&self) {
        self.0.tell(|durable| durable.driver.observation_mut().leave_hook());
    }

    fn warn(&self, message: String) {
        self.0.notify(|durable| durable.warn(message));
    }
}

/// The operation as plugins observe it; `None` for the EXECUTION operation.
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
