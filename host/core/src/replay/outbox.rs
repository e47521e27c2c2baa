//! The queue of updates to the service.
//!
//! Invariants: updates are sent in the order in which they were queued; a batch keeps the service's limits, and
//! contains one update for each operation, or a START and the update that closes it; every update is charged to the
//! execution's budget before it is queued, until the service has answered the request that contains it.

use std::collections::{HashMap, VecDeque};

use super::slot::Slot;
use crate::{
    budget::{Budget, BytesExceeded, Charge},
    protocol::{ErrorObject, Limits, OperationAction, OperationId, OperationType, OperationUpdate},
};

/// What an update needs beside its texts, in bytes: itself, and what the engine keeps for an operation that it starts.
const UPDATE: usize = 2 * size_of::<OperationUpdate>() + size_of::<Slot>() + 256;

/// When updates are sent, and when outcomes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckpointMode {
    /// Updates are sent when the guest waits.
    #[default]
    Batched,
    /// Updates are sent before a body runs and when an attempt is closed.
    Eager,
    /// Outcomes of steps and child contexts are shown before the service has recorded them.
    Optimistic,
}

#[derive(Debug)]
pub(super) struct Outbox {
    queue: VecDeque<OperationUpdate>,
    /// For the queue and the updates that are being sent.
    charge: Charge,
    /// How much of it is for the updates that are being sent.
    sending: usize,
    batch_updates: usize,
    batch_bytes: usize,
}

impl Outbox {
    pub(super) fn new(limits: &Limits, budget: &Budget) -> Self {
        Self {
            queue: VecDeque::new(),
            charge: budget.hold(),
            sending: 0,
            batch_updates: limits.batch_updates.max(1),
            batch_bytes: limits.batch_bytes,
        }
    }

    pub(super) fn push(&mut self, update: OperationUpdate) -> Result<(), BytesExceeded> {
        self.charge.grow(kept(&update))?;
        self.queue.push_back(update);
        Ok(())
    }

    /// The service has answered the request with the last batch.
    pub(super) fn answered(&mut self) {
        self.charge.shrink(std::mem::take(&mut self.sending));
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Removes STARTs that no other queued update depends on.
    pub(super) fn take_back_starts(&mut self) {
        while self.queue.back().is_some_and(|update| update.action == OperationAction::Start) {
            if let Some(update) = self.queue.pop_back() {
                self.charge.shrink(kept(&update));
            }
        }
    }

    /// Takes the next batch; empty if the queue is empty.
    pub(super) fn take_batch(&mut self) -> Vec<OperationUpdate> {
        let mut batch: Vec<OperationUpdate> = Vec::with_capacity(self.queue.len().min(self.batch_updates));
        let mut started: HashMap<OperationId, bool> = HashMap::new();
        let mut bytes = 0;
        while let Some(update) = self.queue.front() {
            bytes += update.size();
            let full = batch.len() >= self.batch_updates || (!batch.is_empty() && bytes > self.batch_bytes);
            let clashes = match started.get(&update.id) {
                None => false,
                Some(only_started) => !(*only_started && may_follow_start(update)),
            };
            if full || clashes {
                break;
            }
            let Some(update) = self.queue.pop_front() else { break };
            self.sending += kept(&update);
            started.insert(update.id.clone(), update.action == OperationAction::Start);
            batch.push(update);
        }
        batch
    }
}

/// What the host keeps for an update until it is sent, in bytes.
fn kept(update: &OperationUpdate) -> usize {
    let text = |text: Option<&str>| text.map_or(0, str::len);
    let invoke = update.chained_invoke_options.as_ref();
    UPDATE
        + text(update.payload.as_deref())
        + text(update.name.as_deref())
        + text(update.sub_type.as_deref())
        + invoke.map_or(0, |invoke| invoke.function_name.len() + text(invoke.tenant_id.as_deref()))
        // An outcome that is shown before it is on record is kept twice.
        + update.error.as_ref().map_or(0, |error| 2 * ErrorObject::kept(error))
}

fn may_follow_start(update: &OperationUpdate) -> bool {
    matches!(update.kind, OperationType::Step | OperationType::Context)
        && update.action != OperationAction::Start
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ChainedInvokeOptions;

    fn update(id: &str, kind: OperationType, action: OperationAction) -> OperationUpdate {
        OperationUpdate::new(id.into(), kind, action)
    }

    fn sizes(outbox: &mut Outbox) -> Vec<usize> {
        std::iter::from_fn(|| Some(outbox.take_batch().len()).filter(|n| *n > 0)).collect()
    }

    #[test]
    fn batches_keep_count_bytes_and_one_update_an_operation() {
        use {OperationAction::*, OperationType::*};
        let limits = Limits { batch_updates: 3, batch_bytes: 1000, ..Limits::default() };
        let budget = Budget::default();
        let mut outbox = Outbox::new(&limits, &budget);
        for n in 0..7 {
            outbox.push(update(&n.to_string(), Step, Start)).unwrap();
        }
        assert_eq!(sizes(&mut outbox), [3, 3, 1]);
        for _ in 0..2 {
            let mut big = update("big", Step, Start);
            big.payload = Some("x".repeat(5000).into());
            outbox.push(big).unwrap();
        }
        assert_eq!(sizes(&mut outbox), [1, 1], "one that is too big alone still goes");
        for (kind, action) in [(Step, Start), (Step, Succeed), (Step, Start), (Wait, Start)] {
            outbox.push(update("same", kind, action)).unwrap();
        }
        assert_eq!(sizes(&mut outbox), [2, 1, 1]);
        for (id, action) in [("a", Start), ("b", Start), ("a", Succeed), ("c", Start), ("d", Start)] {
            outbox.push(update(id, Step, action)).unwrap();
        }
        outbox.take_back_starts();
        assert_eq!(sizes(&mut outbox), [3]);
        outbox.answered();
        drop(outbox);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_start_and_what_closes_a_step_or_a_context_share_a_batch_and_nothing_else_does() {
        use {OperationAction::*, OperationType::*};
        for (kind, first, second, share) in [
            (Step, Start, Succeed, true),
            (Step, Start, Retry, true),
            (Context, Start, Fail, true),
            (Step, Start, Start, false),
            (Step, Succeed, Fail, false),
            (Step, Retry, Start, false),
            (Wait, Start, Cancel, false),
            (ChainedInvoke, Start, Succeed, false),
        ] {
            let mut outbox = Outbox::new(&Limits::default(), &Budget::default());
            outbox.push(update("same", kind, first)).unwrap();
            outbox.push(update("same", kind, second)).unwrap();
            outbox.push(update("other", kind, second)).unwrap();
            let expected: &[usize] = if share { &[3] } else { &[1, 2] };
            assert_eq!(sizes(&mut outbox), expected, "{kind:?}: {first:?}, {second:?}");
        }
    }

    #[test]
    fn what_is_queued_and_sent_is_charged_until_the_answer() {
        let budget = Budget::new(100_000, crate::budget::HostBudget::default());
        let mut outbox = Outbox::new(&Limits::default(), &budget);
        let large = || {
            let mut update = update("large", OperationType::Step, OperationAction::Succeed);
            update.payload = Some("x".repeat(40_000).into());
            update
        };
        outbox.push(large()).unwrap();
        outbox.push(large()).unwrap();
        assert!(outbox.push(large()).is_err_and(|exceeded| exceeded.reached > 120_000));
        assert_eq!((outbox.len(), outbox.take_batch().len()), (2, 1));
        assert!(outbox.push(large()).is_err(), "a request that is under way is still kept");
        outbox.answered();
        outbox.push(large()).unwrap();
    }

    #[test]
    fn an_update_is_charged_for_each_of_its_texts() {
        let charged = |update: OperationUpdate| {
            let budget = Budget::default();
            let mut outbox = Outbox::new(&Limits::default(), &budget);
            outbox.push(update).unwrap();
            budget.used()
        };
        let text = |bytes: usize| "x".repeat(bytes);
        let bare = || update("same", OperationType::ChainedInvoke, OperationAction::Start);
        let error = ErrorObject::new(text(1), text(100_000));
        let full = OperationUpdate {
            payload: Some(text(20_000).into()),
            name: Some(text(300).into()),
            sub_type: Some(text(4000).into()),
            chained_invoke_options: Some(ChainedInvokeOptions {
                function_name: text(50).into(),
                tenant_id: Some(text(6).into()),
            }),
            error: Some(error.clone()),
            ..bare()
        };
        // An outcome that shows before it is on record is kept twice.
        assert_eq!(charged(full) - charged(bare()), 24_356 + 2 * error.kept());
    }
}
