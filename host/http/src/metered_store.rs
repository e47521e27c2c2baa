//! A store whose commits are measured.

use durawasm_core::{
    protocol::{ExecutionArn, Timestamp},
    server::{Changes, ExecutionSummary, ListExecutions, Lookup, OpenExecution, Saved, Store, StoreError},
};
use prometheus_client::metrics::{counter::Counter, histogram::Histogram};
use tokio::time::Instant;

/// Passes everything on to a store, and measures its commits.
pub(crate) struct MeteredStore {
    pub(crate) store: Box<dyn Store>,
    /// In seconds.
    pub(crate) durations: Histogram,
    pub(crate) failures: Counter,
}

impl Store for MeteredStore {
    fn commit(&mut self, changes: &[Changes], deleted: &[ExecutionArn]) -> Result<(), StoreError> {
        let began = Instant::now();
        let committed = self.store.commit(changes, deleted);
        self.durations.observe(began.elapsed().as_secs_f64());
        if committed.is_err() {
            self.failures.inc();
        }
        committed
    }

    fn load(&mut self, arn: &ExecutionArn) -> Result<Option<Saved>, StoreError> {
        self.store.load(arn)
    }

    fn find(&mut self, by: Lookup<'_>) -> Result<Option<ExecutionArn>, StoreError> {
        self.store.find(by)
    }

    fn list(&mut self, list: &ListExecutions) -> Result<Vec<ExecutionSummary>, StoreError> {
        self.store.list(list)
    }

    fn open(&mut self) -> Result<Vec<OpenExecution>, StoreError> {
        self.store.open()
    }

    fn ended_before(&mut self, time: Timestamp, most: usize) -> Result<Vec<ExecutionArn>, StoreError> {
        self.store.ended_before(time, most)
    }

    fn process(&self) -> u64 {
        self.store.process()
    }
}
