//! What a server with a store has in memory beside the executions.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{observer::Observer, store::Store};
use crate::protocol::ExecutionArn;

/// The store of a server, and what is not committed yet.
pub(super) struct Kept {
    pub(super) store: Box<dyn Store>,
    /// The executions that requests have used since the last commit.
    pub(super) touched: BTreeSet<ExecutionArn>,
    /// The executions that requests have deleted since the last commit.
    pub(super) deleted: Vec<ExecutionArn>,
    /// The observers of executions that have not ended.
    pub(super) observers: HashMap<ExecutionArn, Arc<dyn Observer>>,
}

impl Kept {
    pub(super) fn new(store: Box<dyn Store>) -> Self {
        Self { store, touched: BTreeSet::new(), deleted: Vec::new(), observers: HashMap::new() }
    }

    pub(super) fn process(&self) -> u64 {
        self.store.process()
    }

    /// A request has used the execution.
    pub(super) fn touch(&mut self, arn: &ExecutionArn) {
        if !self.touched.contains(arn) {
            self.touched.insert(arn.clone());
        }
    }

    /// A request has deleted the execution.
    pub(super) fn delete(&mut self, arn: &ExecutionArn) {
        self.touched.remove(arn);
        self.observers.remove(arn);
        self.deleted.push(arn.clone());
    }

    pub(super) fn observe(&mut self, arn: &ExecutionArn, observer: Arc<dyn Observer>) {
        self.observers.insert(arn.clone(), observer);
    }
}
