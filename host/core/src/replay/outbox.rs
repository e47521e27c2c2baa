//! The queue of updates to the service.
//!
//! Invariants: updates are sent in the order in which they were queued; a batch keeps the service's limits, and
//! contains one update for each operation, or a START and the update that closes it.

use std::collections::{HashMap, VecDeque};

use crate::protocol::{Limits, OperationAction, OperationId, OperationType, OperationUpdate};

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
    batch_updates: usize,
    batch_bytes: usize,
}

impl Outbox {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            queue: VecDeque::new(),
            batch_updates: limits.batch_updates.max(1),
            batch_bytes: limits.batch_bytes,
        }
    }

    pub(super) fn push(&mut self, update: OperationUpdate) {
        self.queue.push_back(update);
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Removes STARTs that no other queued update depends on.
    pub(super) fn take_back_starts(&mut self) {
        while self.queue.back().is_some_and(|update| update.action == OperationAction::Start) {
            self.queue.pop_back();
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
            started.insert(update.id.clone(), update.action == OperationAction::Start);
            batch.push(update);
        }
        batch
    }
}

fn may_follow_start(update: &OperationUpdate) -> bool {
    matches!(update.kind, OperationType::Step | OperationType::Context)
        && update.action != OperationAction::Start
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut outbox = Outbox::new(&limits);
        for n in 0..7 {
            outbox.push(update(&n.to_string(), Step, Start));
        }
        assert_eq!(sizes(&mut outbox), [3, 3, 1]);
        for _ in 0..2 {
            let mut big = update("big", Step, Start);
            big.payload = Some("x".repeat(5000).into());
            outbox.push(big);
        }
        assert_eq!(sizes(&mut outbox), [1, 1], "one that is too big alone still goes");
        for (kind, action) in [(Step, Start), (Step, Succeed), (Step, Start), (Wait, Start)] {
            outbox.push(update("same", kind, action));
        }
        assert_eq!(sizes(&mut outbox), [2, 1, 1]);
        for (id, action) in [("a", Start), ("b", Start), ("a", Succeed), ("c", Start), ("d", Start)] {
            outbox.push(update(id, Step, action));
        }
        outbox.take_back_starts();
        assert_eq!(sizes(&mut outbox), [3]);
    }
}
