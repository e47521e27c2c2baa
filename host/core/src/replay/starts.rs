//! The order in which one run starts operations, and its comparison with the order on record.

use super::{
    Divergence, ReplayError,
    identity::{describe, describe_record},
    outbox::CheckpointMode,
};
use crate::protocol::{Operation, OperationId, OperationType};

/// The order in which one run starts operations.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// The first operation that is not on record, and its description.
    first_new: Option<(OperationId, String)>,
    /// Whether outcomes may have been shown before they were on record.
    order_unchecked: bool,
}

impl Starts {
    /// Records the checkpoint mode from here on.
    pub(super) fn mode(&mut self, mode: CheckpointMode) {
        self.order_unchecked |= mode == CheckpointMode::Optimistic;
    }

    /// Whether the order of starts must not be checked.
    pub(super) fn is_order_unchecked(&self) -> bool {
        self.order_unchecked
    }

    /// Records the start of an operation that is not on record.
    pub(super) fn new_one(
        &mut self,
        id: &OperationId,
        kind: OperationType,
        sub_type: &str,
        name: Option<&str>,
    ) {
        if self.first_new.is_none() {
            self.first_new = Some((id.clone(), describe(kind, Some(sub_type), name)));
        }
    }

    /// Checks the start of an operation that was on record when the invocation began.
    pub(super) fn recorded_one(&self, record: &Operation) -> Result<(), ReplayError> {
        let Some((id, new)) = self.first_new.as_ref().filter(|_| !self.order_unchecked) else {
            return Ok(());
        };
        let next = describe_record(record);
        Err(ReplayError::NonDeterministic(Box::new(Divergence {
            id: id.clone(),
            expected: format!("nothing, as {next} comes next on record"),
            actual: format!("started {new} before that"),
        })))
    }
}
