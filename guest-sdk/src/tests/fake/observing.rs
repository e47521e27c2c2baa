//! What plugins need of the host, on the fake host.

use std::sync::Arc;

use super::{Host, Record, World};
use crate::plugin::{OperationStatus, OperationType};
use crate::runtime::{Beginning, ObservedOperation, Observing};

/// The calls of plugins, and what is to be reported to them.
#[derive(Default)]
pub(crate) struct Observed {
    /// Whether invocations are not to be observed.
    pub(crate) off: bool,
    /// Whether an observer section is open.
    pub(crate) in_observer_section: bool,
    pub(crate) warnings: Vec<String>,
    /// Operations that ended, or became due again, between two invocations.
    pub(super) updated: Vec<String>,
    /// Operations that were started, and are in no checkpoint yet.
    pub(super) started: Vec<String>,
    changes: Vec<Vec<ObservedOperation>>,
}

impl World {
    /// A checkpoint was sent, and closed these operations.
    pub(super) fn note_checkpoint(&mut self, closed: Vec<String>) {
        let mut ids = std::mem::take(&mut self.observed.started);
        ids.extend(closed);
        ids.sort();
        ids.dedup();
        if !ids.is_empty() {
            let change = ids.iter().map(|id| observed(id, &self.records[id])).collect();
            self.observed.changes.push(change);
        }
    }
}

fn observed(id: &str, record: &Record) -> ObservedOperation {
    let step = matches!(record.kind, "step" | "condition");
    let over = record.outcome.is_some();
    ObservedOperation {
        id: id.to_owned(),
        parent_id: id.rsplit_once('/').map(|(parent, _)| parent.to_owned()).filter(|id| !id.is_empty()),
        name: record.name.clone(),
        kind: match record.kind {
            "wait" => OperationType::Wait,
            "callback" => OperationType::Callback,
            "invoke" => OperationType::ChainedInvoke,
            "child" => OperationType::Context,
            _ => OperationType::Step,
        },
        sub_type: record.sub_type.map(str::to_owned),
        status: match &record.outcome {
            Some(Ok(_)) => OperationStatus::Succeeded,
            Some(Err(_)) => OperationStatus::Failed,
            None if step && record.due.is_some() => OperationStatus::Pending,
            None if step && record.attempt > 0 => OperationStatus::Ready,
            None => OperationStatus::Started,
        },
        start_time_ms: 0,
        end_time_ms: over.then_some(record.rank * 1000),
        attempt: step.then_some(record.attempt + u32::from(over || record.attempt == 0)),
        error: record.outcome.clone().and_then(Result::err),
    }
}

impl Observing for Arc<Host> {
    fn begin(&self) -> Option<Beginning> {
        let mut world = self.world();
        let updated = std::mem::take(&mut world.observed.updated);
        world.observed.changes.clear();
        world.observed.started.clear();
        let records = world.records.iter().filter(|(id, _)| !id.ends_with("#id"));
        let operations: Vec<_> = records.map(|(id, record)| observed(id, record)).collect();
        (!world.observed.off).then_some(Beginning {
            first_invocation: operations.is_empty(),
            operations,
            updated,
        })
    }

    fn changes(&self) -> Vec<Vec<ObservedOperation>> {
        std::mem::take(&mut self.world().observed.changes)
    }

    fn result(&self, id: &str) -> Option<String> {
        self.world().records[id].outcome.clone()?.ok()?
    }

    fn enter(&self) {
        assert!(
            !std::mem::replace(&mut self.world().observed.in_observer_section, true),
            "an observer section in an observer section"
        );
        assert!(!self.instance.lock().unwrap().in_body, "an observer section in a body");
    }

    fn leave(&self) {
        assert!(
            std::mem::replace(&mut self.world().observed.in_observer_section, false),
            "no observer section"
        );
    }

    fn warn(&self, message: String) {
        self.world().observed.warnings.push(message);
    }
}
