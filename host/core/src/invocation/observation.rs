//! The state that plugins of one invocation observe.
//!
//! Invariants: changes are collected only after plugins have begun to observe; within a hook the guest has live time
//! and randomness and all its output is kept, and after the hook the handler's time and randomness are unaffected;
//! plugins that have ended an instance are not called any more.

use std::{collections::HashSet, sync::Arc};

use super::{Ended, ended::misused};
use crate::protocol::{Operation, OperationId, OperationType};

/// The state that plugins of one invocation observe.
#[derive(Debug)]
pub struct Observation {
    /// Whether the record was empty when the invocation began.
    first_invocation: bool,
    changes: ObservedChanges,
    /// Whether plugins are off, because one of them has ended an instance of this invocation.
    off: bool,
    /// Whether a hook is running.
    in_hook: bool,
}

impl Observation {
    /// Creates the state at the beginning of an invocation. `updated` are the operations that changed from outside
    /// since the previous one.
    pub fn new(first_invocation: bool, updated: Vec<OperationId>) -> Self {
        Self { first_invocation, changes: ObservedChanges::new(updated), off: false, in_hook: false }
    }

    /// Starts observing. Returns false if plugins are off.
    ///
    /// # Errors
    /// When it has begun already: it returns the whole record, which a guest must not ask for again and again.
    pub fn begin(&mut self) -> Result<bool, Ended> {
        if self.changes.reported.is_some() {
            return Err(misused("observing was begun twice"));
        }
        if !self.off {
            self.changes.begin();
        }
        Ok(!self.off)
    }

    /// Whether the record was empty when the invocation began.
    pub fn is_first_invocation(&self) -> bool {
        self.first_invocation
    }

    /// The changes that plugins have not seen.
    pub fn changes(&self) -> &ObservedChanges {
        &self.changes
    }

    /// The changes that plugins have not seen, mutable.
    pub fn changes_mut(&mut self) -> &mut ObservedChanges {
        &mut self.changes
    }

    /// Marks the start of a hook.
    ///
    /// # Errors
    /// When a hook is running.
    pub fn enter_hook(&mut self) -> Result<(), Ended> {
        if self.in_hook {
            return Err(misused("a hook was entered before the last one was left"));
        }
        self.in_hook = true;
        Ok(())
    }

    /// Marks the end of a hook.
    ///
    /// # Errors
    /// When no hook is running.
    pub fn leave_hook(&mut self) -> Result<(), Ended> {
        if !self.in_hook {
            return Err(misused("a hook was left that is not running"));
        }
        self.in_hook = false;
        Ok(())
    }

    /// Whether a hook is running.
    pub fn in_hook(&self) -> bool {
        self.in_hook
    }

    /// Whether a plugin causes an end of the instance now, so that the next instance must run without plugins.
    pub fn is_to_blame(&self, ended: Option<&Ended>) -> bool {
        self.in_hook && !self.off && matches!(ended, None | Some(Ended::Limit(..)))
    }

    /// Creates the state for a fresh instance in the same invocation. `was_started` says which operations the previous
    /// instance has started.
    #[must_use]
    pub fn restarted(self, was_started: impl Fn(&OperationId) -> bool) -> Self {
        let off = self.off || self.in_hook;
        Self { off, in_hook: false, changes: self.changes.restarted(was_started), ..self }
    }
}

/// The changes that plugins of one invocation have to see: those from outside before it, and those that the service has
/// reported since.
#[derive(Debug, Default)]
pub struct ObservedChanges {
    /// The operations that changed from outside since the previous invocation.
    updated: Vec<OperationId>,
    /// The changes that the service has reported and that were not taken. `None` before plugins observe.
    reported: Option<Vec<Vec<Arc<Operation>>>>,
}

impl ObservedChanges {
    /// Creates the state with the operations that changed from outside since the previous invocation.
    pub fn new(updated: Vec<OperationId>) -> Self {
        Self { updated, reported: None }
    }

    /// Starts collecting changes.
    pub fn begin(&mut self) {
        self.reported = Some(Vec::new());
    }

    /// The operations that changed from outside since the previous invocation.
    pub fn updated(&self) -> &[OperationId] {
        &self.updated
    }

    /// Takes the changes that the service has reported since the last call.
    pub fn take(&mut self) -> Vec<Vec<Arc<Operation>>> {
        self.reported.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Adds the changed operations of one answer of the service.
    pub fn note(&mut self, operations: &[Arc<Operation>]) {
        let Some(reported) = &mut self.reported else { return };
        let not_the_execution = |operation: &&Arc<Operation>| operation.kind != OperationType::Execution;
        let change: Vec<_> = operations.iter().filter(not_the_execution).cloned().collect();
        if !change.is_empty() {
            reported.push(change);
        }
    }

    /// Creates the state for a fresh instance in the same invocation. `was_started` says which operations the previous
    /// instance has started.
    ///
    /// Plugins have seen the end of an operation that changed from outside when the handler started it. Changes that
    /// were reported and not taken are still to be seen: they count as changed from outside.
    #[must_use]
    pub fn restarted(self, was_started: impl Fn(&OperationId) -> bool) -> Self {
        let Self { mut updated, reported } = self;
        if let Some(reported) = reported {
            updated.retain(|id| !was_started(id));
            let mut known: HashSet<OperationId> = updated.iter().cloned().collect();
            for operation in reported.into_iter().flatten() {
                if known.insert(operation.id.clone()) {
                    updated.push(operation.id.clone());
                }
            }
        }
        Self::new(updated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{OperationStatus, Timestamp};

    fn step(id: &str, status: OperationStatus) -> Arc<Operation> {
        let operation = Operation::new(id.into(), OperationType::Step, Timestamp::from_millis(5));
        Arc::new(Operation { status, ..operation })
    }

    #[test]
    fn a_fresh_instance_is_told_what_the_last_one_was_not() {
        let ids = |observation: &Observation| -> Vec<String> {
            observation.changes().updated().iter().map(ToString::to_string).collect()
        };
        let observation = Observation::new(false, vec!["answered".into(), "asked for".into()]);
        // Nobody observed: nothing was reported.
        let mut observation = observation.restarted(|_| true);
        assert_eq!(ids(&observation), ["answered", "asked for"]);
        assert!(observation.begin().unwrap());
        for status in [OperationStatus::Started, OperationStatus::Succeeded] {
            observation.changes_mut().note(&[step("done", status)]);
        }
        let observation = observation.restarted(|id| id.as_str() == "asked for");
        assert_eq!(ids(&observation), ["answered", "done"]);
    }

    #[test]
    fn plugins_that_ended_an_instance_do_not_observe_the_next() {
        let limit = Ended::Limit("Sandbox.CpuLimitExceeded", String::new());
        let mut observation = Observation::new(true, Vec::new());
        assert!(!observation.is_to_blame(None), "no hook ran");
        observation.enter_hook().unwrap();
        assert!(observation.is_to_blame(None) && observation.is_to_blame(Some(&limit)));
        assert!(!observation.is_to_blame(Some(&Ended::Suspended)));
        let mut next = observation.restarted(|_| false);
        assert!(next.is_first_invocation() && !next.begin().unwrap());
        next.enter_hook().unwrap();
        assert!(!next.is_to_blame(None), "it is tried once");
    }

    #[test]
    fn changes_are_taken_once_and_only_by_plugins_that_observe() {
        let taken = |changes: &mut ObservedChanges| -> Vec<Vec<String>> {
            let ids = |change: Vec<Arc<Operation>>| change.iter().map(|o| o.id.to_string()).collect();
            changes.take().into_iter().map(ids).collect()
        };
        let mut changes = ObservedChanges::default();
        changes.note(&[step("early", OperationStatus::Started)]);
        assert!(taken(&mut changes).is_empty(), "nobody observes yet");
        changes.begin();
        let execution = Operation::new("e".into(), OperationType::Execution, Timestamp::from_millis(5));
        let execution = Arc::new(execution);
        changes.note(&[execution.clone(), step("a", OperationStatus::Started)]);
        changes.note(&[execution]);
        changes.note(&[step("b", OperationStatus::Started), step("a", OperationStatus::Succeeded)]);
        assert_eq!(taken(&mut changes), [vec!["a"], vec!["b", "a"]]);
        assert!(taken(&mut changes).is_empty(), "they are taken");
        changes.note(&[step("c", OperationStatus::Started)]);
        assert_eq!(taken(&mut changes), [["c"]]);
    }
}
