//! What plugins need of the host, implemented by the imports.

use super::bindings::durawasm::durable::{log, observing as wit};
use crate::contract::{Beginning, ObservedOperation, Observing, OperationStatus, OperationType};
use crate::error::WireError;

/// The host of a component.
pub(super) struct Host;

impl Observing for Host {
    fn begin(&self) -> Option<Beginning> {
        wit::begin().map(|beginning| Beginning {
            first_invocation: beginning.first_invocation,
            operations: beginning.operations.into_iter().map(Into::into).collect(),
            updated: beginning.updated,
        })
    }

    fn changes(&self) -> Vec<Vec<ObservedOperation>> {
        let change = |change: Vec<wit::Operation>| change.into_iter().map(Into::into).collect();
        wit::changes().into_iter().map(change).collect()
    }

    fn result(&self, id: &str) -> Option<String> {
        wit::result(id)
    }

    fn enter(&self) {
        wit::enter();
    }

    fn leave(&self) {
        wit::leave();
    }

    fn warn(&self, message: String) {
        let fields = Vec::new();
        log::write(&log::Entry { level: log::Level::Warn, message, fields, operation: None });
    }
}

impl From<wit::Operation> for ObservedOperation {
    fn from(operation: wit::Operation) -> Self {
        Self {
            id: operation.id,
            parent_id: operation.parent_id,
            name: operation.name,
            kind: operation.kind.into(),
            sub_type: operation.sub_type,
            status: operation.status.into(),
            start_time_ms: operation.start_time_ms,
            end_time_ms: operation.end_time_ms,
            attempt: operation.attempt,
            error: operation.error.map(|error| {
                WireError::from_parts(error.error_type, error.message, error.data, error.stack_trace)
            }),
        }
    }
}

impl From<wit::OperationType> for OperationType {
    fn from(kind: wit::OperationType) -> Self {
        match kind {
            wit::OperationType::Context => Self::Context,
            wit::OperationType::Step => Self::Step,
            wit::OperationType::Wait => Self::Wait,
            wit::OperationType::Callback => Self::Callback,
            wit::OperationType::ChainedInvoke => Self::ChainedInvoke,
        }
    }
}

impl From<wit::OperationStatus> for OperationStatus {
    fn from(status: wit::OperationStatus) -> Self {
        match status {
            wit::OperationStatus::Started => Self::Started,
            wit::OperationStatus::Pending => Self::Pending,
            wit::OperationStatus::Ready => Self::Ready,
            wit::OperationStatus::Succeeded => Self::Succeeded,
            wit::OperationStatus::Failed => Self::Failed,
            wit::OperationStatus::Cancelled => Self::Cancelled,
            wit::OperationStatus::TimedOut => Self::TimedOut,
            wit::OperationStatus::Stopped => Self::Stopped,
        }
    }
}
