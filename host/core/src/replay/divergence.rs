//! Detection of non-determinism beyond the comparison of single operations.
//!
//! Invariants:
//! - START updates are sent in the order in which operations were started, and replayed code starts them in the same
//!   order each time. So an operation that is not on record was started after all recorded ones. If a run starts a new
//!   operation and then one that was on record when the invocation began, the handler's code has changed or is not
//!   deterministic. A future that is created early and awaited late does not violate this: its operation starts where
//!   it is awaited, on each run.
//! - Operations below a context were started before the context was closed. If a run closes a context without starting
//!   all recorded operations below it, it has omitted operations of an earlier run.
//! - A run that is suspended has reached the point that earlier runs reached: it has started all recorded operations.
//!
//! These checks are off once outcomes were shown before they were on record ([`CheckpointMode::Optimistic`](super::CheckpointMode::Optimistic)): the order
//! of outcomes on the first run then differs from the order on a replay. A recorded completion that was never shown is
//! no divergence, because operations may complete after the guest has stopped waiting for them.

use std::collections::HashMap;

use super::{
    Divergence, Key, ReplayError, engine::Engine, identity::describe_record, known::Known, slot::start_rank,
};
use crate::protocol::Operation;

impl Engine {
    /// Checks, before a context is closed, that every recorded operation below it was started.
    pub(super) fn check_all_started(&mut self, key: Key) -> Result<(), ReplayError> {
        if self.unclaimed == 0 || self.starts.is_order_unchecked() {
            return Ok(());
        }
        self.index_children();
        let Some(children) = &self.children else { return Ok(()) };
        let closed = &self.slot(key)?.id;
        let mut below = vec![closed];
        let mut left_out = Vec::new();
        while let Some(id) = below.pop() {
            // An operation has one parent, so only a circle of parents that the context is in has no end. A faulty service
            // may have sent one.
            for child in children.get(id).into_iter().flatten().filter(|child| *child != closed) {
                let Some(known) = self.known.get(child) else { continue };
                match known.unclaimed_record() {
                    Some(record) => left_out.push(record),
                    None => below.push(child),
                }
            }
        }
        if left_out.is_empty() {
            return Ok(());
        }
        let closed = self.slot(key)?.describe();
        all_started(left_out, &format!("ended {closed} around it without starting it"))
    }

    /// Checks, when the handler returns, that every recorded operation was started.
    pub fn check_return(&self) -> Result<(), ReplayError> {
        self.check_asked("ended without starting it")
    }

    /// Checks, when the handler is to be suspended, that every recorded operation was started. Earlier runs did not
    /// wait at this point, so they started all that is on record before it.
    pub fn check_suspension(&self) -> Result<(), ReplayError> {
        if self.starts.is_order_unchecked() {
            return Ok(());
        }
        self.check_asked("waits for something else without having started it")
    }

    fn check_asked(&self, instead: &str) -> Result<(), ReplayError> {
        if self.unclaimed == 0 {
            return Ok(());
        }
        all_started(self.known.values().filter_map(Known::unclaimed_record), instead)
    }

    /// Groups the recorded operations by their context; computed once.
    pub(super) fn index_children(&mut self) {
        if self.children.is_some() {
            return;
        }
        let mut children: HashMap<_, Vec<_>> = HashMap::new();
        for (id, known) in &self.known {
            if let Some(parent) = known.record.as_ref().and_then(|record| record.parent_id.clone()) {
                children.entry(parent).or_default().push(id.clone());
            }
        }
        self.children = Some(children);
    }
}

/// Fails with the first started of the operations that were not started by this run; `instead` describes what the
/// handler did.
fn all_started<'a>(
    left_out: impl IntoIterator<Item = &'a Operation>,
    instead: &str,
) -> Result<(), ReplayError> {
    let first = left_out.into_iter().min_by_key(|record| (start_rank(record), record.id.clone()));
    match first {
        None => Ok(()),
        Some(first) => Err(ReplayError::NonDeterministic(Box::new(Divergence {
            id: first.id.clone(),
            expected: describe_record(first),
            actual: instead.to_owned(),
        }))),
    }
}
