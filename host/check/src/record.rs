//! The recorded run.
//!
//! Invariants: a recording has the state at each point at which an instance could be replaced; the last state is the
//! whole record.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use durawasm_core::{
    protocol::{
        ErrorObject, ExecutionArn, ExecutionStatus, InvocationResult, Operation, OperationId, OperationType,
        OperationUpdate, StatePage, Timestamp,
    },
    replay::Position,
};

use crate::{
    explore::CheckError,
    run::{Faulty, Kept, run},
    state::{Versions, listed},
    subject::Subject,
    trace::{Data, Pins, Trace, TraceOptions},
    values::CallbackIds,
};

/// Collects the states of a run.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Collected>);

#[derive(Debug, Default)]
struct Collected {
    versions: Versions,
    arn: Option<ExecutionArn>,
    scratch: Option<Kept>,
    result: Option<InvocationResult>,
}

impl Recorder {
    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An invocation begins with this state.
    pub(crate) fn invoked(&self, arn: &ExecutionArn, state: &StatePage) {
        let mut collected = self.lock();
        collected.arn.get_or_insert_with(|| arn.clone());
        collected.versions.learn(&state.operations);
        if state.next_marker.as_ref().is_none_or(String::is_empty) {
            collected.versions.boundary();
        }
    }

    /// The service told of these operations.
    pub(crate) fn answered(&self, operations: &[Arc<Operation>]) {
        let mut collected = self.lock();
        collected.versions.learn(operations);
        collected.versions.boundary();
    }

    /// An invocation ended.
    pub(crate) fn returned(&self, result: &InvocationResult) {
        self.lock().result = Some(result.clone());
    }

    /// Keeps a copy of the execution's scratch directory, in place of an earlier one.
    pub(crate) fn keep_scratch(&self, scratch: Kept) {
        self.lock().scratch = Some(scratch);
    }
}

/// A recorded run.
pub(crate) struct Recording {
    pub(crate) arn: ExecutionArn,
    /// All operations except EXECUTION, in the order of START.
    pub(crate) operations: Vec<Arc<Operation>>,
    /// The place of each in that order.
    pub(crate) places: HashMap<OperationId, usize>,
    pub(crate) positions: HashMap<OperationId, Position>,
    /// The index of the first start of each operation in the trace.
    first_starts: HashMap<OperationId, usize>,
    pub(crate) callbacks: CallbackIds,
    pub(crate) status: ExecutionStatus,
    pub(crate) result: Option<Arc<str>>,
    pub(crate) error: Option<ErrorObject>,
    pub(crate) stalled: Option<String>,
    pub(crate) invocations: usize,
    /// How the last invocation ended.
    pub(crate) last: Option<InvocationResult>,
    versions: Versions,
    whole: Vec<Arc<Operation>>,
    pub(crate) pins: Arc<Pins>,
    pub(crate) data: Data,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    scratch: Option<Kept>,
}

impl Recording {
    /// Records one run.
    pub(crate) async fn make(subject: &Subject, seed: u64) -> Result<Self, CheckError> {
        let trace = Trace::new(TraceOptions { imports: true, ..TraceOptions::default() });
        let recorder = Arc::new(Recorder::default());
        let ran = run(subject, seed, Faulty::default(), &trace, Some(&recorder)).await?;
        let mut data = trace.take();
        let Collected { versions, arn, scratch, result } = std::mem::take(&mut *recorder.lock());
        let arn = arn.unwrap_or_else(|| ran.view.arn.clone());
        let whole = listed(ran.view.operations.clone());
        let operations: Vec<Arc<Operation>> =
            ran.view.operations.iter().filter(|o| o.kind != OperationType::Execution).cloned().collect();
        let times = operations.iter().filter_map(|operation| operation.end_timestamp);
        let end = times.chain(ran.view.end).max().unwrap_or(ran.view.start);
        Ok(Self {
            places: operations.iter().enumerate().map(|(place, o)| (o.id.clone(), place)).collect(),
            positions: data.starts.iter().map(|s| (s.start.id.clone(), s.position)).collect(),
            first_starts: data
                .starts
                .iter()
                .enumerate()
                .rev()
                .map(|(at, s)| (s.start.id.clone(), at))
                .collect(),
            callbacks: CallbackIds::of(operations.iter().map(|operation| &**operation)),
            pins: Arc::new(std::mem::take(&mut data.outcomes)),
            arn,
            operations,
            status: ran.view.status,
            result: ran.view.result.clone(),
            error: ran.view.error.clone(),
            stalled: ran.stalled,
            invocations: ran.view.invocations.len(),
            last: result,
            versions,
            whole,
            data,
            start: ran.view.start,
            end,
            scratch,
        })
    }

    /// How many states can be fed to a fresh instance: one for each boundary, and the whole record.
    pub(crate) fn prefixes(&self) -> usize {
        self.versions.len() + 1
    }

    /// Whether this is the whole record.
    pub(crate) fn is_whole(&self, prefix: usize) -> bool {
        prefix >= self.versions.len()
    }

    /// The state of a prefix.
    pub(crate) fn state(&self, prefix: usize) -> Vec<Arc<Operation>> {
        if self.is_whole(prefix) { self.whole.clone() } else { self.versions.state(prefix) }
    }

    /// The first START of an operation.
    pub(crate) fn start(&self, id: &OperationId) -> Option<&OperationUpdate> {
        let at = *self.first_starts.get(id)?;
        self.data.starts.get(at).map(|started| &started.start)
    }

    /// The operations that were started up to a prefix.
    pub(crate) fn known(&self, prefix: usize) -> HashSet<OperationId> {
        self.versions.known(prefix)
    }

    /// The first and the last time on record, since the Unix epoch.
    pub(crate) fn times(&self) -> (Duration, Duration) {
        (since_epoch(self.start), since_epoch(self.end))
    }

    /// The recorded operation.
    pub(crate) fn operation(&self, id: &OperationId) -> Option<&Arc<Operation>> {
        self.operations.get(*self.places.get(id)?)
    }

    /// The copy of the scratch directory at the end of the run.
    pub(crate) fn scratch(&self) -> Option<PathBuf> {
        self.scratch.as_ref().map(|scratch| scratch.path().to_owned())
    }
}

/// A time since the Unix epoch.
pub(crate) fn since_epoch(time: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(0))
}
