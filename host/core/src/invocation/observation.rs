//! What one invocation has for plugins: code of a guest that observes its execution.
//!
//! Invariants: nothing is kept for plugins before they observe; in a hook the guest has live time and randomness and
//! everything that it writes is kept, and afterwards the handler's are as they were; plugins that have ended an
//! instance observe no more.

use std::sync::Arc;

use super::Ended;
use crate::protocol::{Operation, OperationId, OperationType};

/// What one invocation has for plugins.
#[derive(Debug)]
pub struct Observation {
    /// Nothing was on record when the invocation began.
    first_invocation: bool,
    changes: ObservedChanges,
    /// Plugins observe no more: one of them has ended an instance of this invocation.
    off: bool,
    /// A hook runs.
    in_hook: bool,
}

impl Observation {
    /// Of an invocation that begins. `updated` changed from outside since the previous one.
    pub fn new(first_invocation: bool, updated: Vec<OperationId>) -> Self {
        Self { first_invocation, changes: ObservedChanges::new(updated), off: false, in_hook: false }
    }

    /// Plugins observe from now on. False when they are not to.
    pub fn begin(&mut self) -> bool {
        if !self.off {
            self.changes.begin();
        }
        !self.off
    }

    /// Whether nothing was on record when the invocation began.
    pub fn is_first_invocation(&self) -> bool {
        self.first_invocation
    }

    /// What plugins are to be told.
    pub fn changes(&self) -> &ObservedChanges {
        &self.changes
    }

    /// The same, to change.
    pub fn changes_mut(&mut self) -> &mut ObservedChanges {
        &mut self.changes
    }

    /// A hook is about to run.
    pub fn enter_hook(&mut self) {
        self.in_hook = true;
    }

    /// A hook has run.
    pub fn leave_hook(&mut self) {
        self.in_hook = false;
    }

    /// Whether a hook runs.
    pub fn in_hook(&self) -> bool {
        self.in_hook
    }

    /// Whether an end of the instance now is a plugin's doing, so that another instance goes on without plugins.
    pub fn is_to_blame(&self, ended: Option<&Ended>) -> bool {
        self.in_hook && !self.off && matches!(ended, None | Some(Ended::Limit(..)))
    }

    /// For a fresh instance in the same invocation. `asked` tells of which operations the last one has asked for.
    #[must_use]
    pub fn restarted(self, asked: impl Fn(&OperationId) -> bool) -> Self {
        let off = self.off || self.in_hook;
        Self { off, in_hook: false, changes: self.changes.restarted(asked), ..self }
    }
}

/// What one invocation has to tell plugins: what changed from outside before it, and what the service tells meanwhile.
#[derive(Debug, Default)]
pub struct ObservedChanges {
    /// What changed from outside since the previous invocation.
    updated: Vec<OperationId>,
    /// What the service has told since this was last taken. None before plugins observe.
    told: Option<Vec<Vec<Arc<Operation>>>>,
}

impl ObservedChanges {
    /// Nothing told yet; this changed from outside since the previous invocation.
    pub fn new(updated: Vec<OperationId>) -> Self {
        Self { updated, told: None }
    }

    /// Plugins observe from now on.
    pub fn begin(&mut self) {
        self.told = Some(Vec::new());
    }

    /// What changed from outside since the previous invocation.
    pub fn updated(&self) -> &[OperationId] {
        &self.updated
    }

    /// What the service has told since this was last taken.
    pub fn take(&mut self) -> Vec<Vec<Arc<Operation>>> {
        self.told.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The service has told of operations that changed.
    pub fn note(&mut self, operations: &[Arc<Operation>]) {
        let Some(told) = &mut self.told else { return };
        let not_the_execution = |operation: &&Arc<Operation>| operation.kind != OperationType::Execution;
        let change: Vec<_> = operations.iter().filter(not_the_execution).cloned().collect();
        if !change.is_empty() {
            told.push(change);
        }
    }

    /// For a fresh instance in the same invocation. `asked` tells of which operations the last one has asked for.
    ///
    /// The end of what changed from outside was told when it was asked for. What the service told since the guest
    /// listened last is still to be told: it counts as changed from outside.
    #[must_use]
    pub fn restarted(self, asked: impl Fn(&OperationId) -> bool) -> Self {
        let Self { mut updated, told } = self;
        if let Some(told) = told {
            updated.retain(|id| !asked(id));
            for operation in told.into_iter().flatten() {
                if !updated.contains(&operation.id) {
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
        // Nobody observed: nothing was told.
        let mut observation = observation.restarted(|_| true);
        assert_eq!(ids(&observation), ["answered", "asked for"]);
        assert!(observation.begin());
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
        observation.enter_hook();
        assert!(observation.is_to_blame(None) && observation.is_to_blame(Some(&limit)));
        assert!(!observation.is_to_blame(Some(&Ended::Suspended)));
        let mut next = observation.restarted(|_| false);
        assert!(next.is_first_invocation() && !next.begin());
        next.enter_hook();
        assert!(!next.is_to_blame(None), "it is tried once");
    }
}
