//! What a replay does that the record rules out, beyond a single operation that is another.
//!
//! Always true:
//! - STARTs leave in the order in which they were made, and replayed code makes them in the same order each time. So
//!   one that is not on record was made after all that are. A run that makes a new one, and after it one that was on
//!   record when the invocation began, is not the code that ran before. A future that is made early and awaited late
//!   changes nothing here: it starts where it is awaited, on each run.
//! - What is below a context was started before the context was closed. So a run that closes one, and has not asked for
//!   all that is on record below it, has left out what ran before.
//! - A run that is suspended has come to where runs before it were: it has asked for all that is on record.
//!
//! None of this holds where outcomes are shown before they are on record ([`CheckpointMode::Optimistic`]): on the first
//! run they come in another order than on a replay. There nothing is concluded. That completions on record were never
//! shown proves nothing: the outside completes what nobody waits for any more.

use std::collections::HashMap;

use super::{
    CheckpointMode, Divergence, Key, ReplayError,
    checks::{describe, describe_record},
    engine::{Engine, Known},
    slot::start_rank,
};
use crate::protocol::{Operation, OperationId, OperationType};

/// The order of starts in one run.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// The first that is not on record, in words.
    first_new: Option<(OperationId, String)>,
    /// Outcomes may have been shown early.
    loose: bool,
}

impl Starts {
    /// The run goes on in this mode.
    pub(super) fn mode(&mut self, mode: CheckpointMode) {
        self.loose |= mode == CheckpointMode::Optimistic;
    }

    /// Whether order proves nothing.
    pub(super) fn is_loose(&self) -> bool {
        self.loose
    }

    /// A start that is not on record.
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

    /// A start of what was on record when the invocation began.
    pub(super) fn recorded_one(&self, record: &Operation) -> Result<(), ReplayError> {
        let Some((id, new)) = self.first_new.as_ref().filter(|_| !self.loose) else { return Ok(()) };
        let next = describe_record(record);
        Err(ReplayError::NonDeterministic(Box::new(Divergence {
            id: id.clone(),
            expected: format!("nothing, as {next} comes next on record"),
            actual: format!("started {new} before that"),
        })))
    }
}

impl Engine {
    /// Before a context is closed: nothing on record below it is left out.
    pub(super) fn check_left_out(&mut self, key: Key) -> Result<(), ReplayError> {
        if self.unclaimed == 0 || self.starts.is_loose() {
            return Ok(());
        }
        self.index_children();
        let Some(children) = &self.children else { return Ok(()) };
        let mut below = vec![&self.slot(key)?.id];
        let mut left_out = Vec::new();
        while let Some(id) = below.pop() {
            for child in children.get(id).into_iter().flatten() {
                let Some(known) = self.known.get(child) else { continue };
                match known.left_out() {
                    Some(record) => left_out.push(record),
                    None if known.key.is_some() => below.push(child),
                    None => {}
                }
            }
        }
        if left_out.is_empty() {
            return Ok(());
        }
        let closed = self.slot(key)?.describe();
        none_left_out(left_out, &format!("ended {closed} around it without starting it"))
    }

    /// What is wrong with a handler that returns now: recorded operations that it did not ask for.
    pub fn check_return(&self) -> Result<(), ReplayError> {
        self.check_asked("ended without starting it")
    }

    /// What is wrong with a handler that can do nothing before something happens, and is to be suspended: the same.
    /// What is on record was started by runs that did not wait here.
    pub fn check_suspension(&self) -> Result<(), ReplayError> {
        if self.starts.is_loose() {
            return Ok(());
        }
        self.check_asked("waits for something else without having started it")
    }

    fn check_asked(&self, instead: &str) -> Result<(), ReplayError> {
        if self.unclaimed == 0 {
            return Ok(());
        }
        none_left_out(self.known.values().filter_map(Known::left_out), instead)
    }

    /// Sorts what was on record by the context it belongs to, once.
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

/// Fails with the first that was started of what was left out; `instead` is what the handler did.
fn none_left_out<'a>(
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
