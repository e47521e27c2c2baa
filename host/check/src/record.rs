//! The recorded run.
//!
//! Invariants: a recording has the state at each point at which an instance could be replaced; the last state is the
//! whole record.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use durawasm_core::{
    protocol::{
        ErrorObject, ExecutionArn, ExecutionStatus, InvocationResult, Operation, OperationId, OperationType,
        OperationUpdate, Timestamp,
    },
    replay::Position,
    server::unused_answers,
};
use tempfile::TempDir;

use crate::{
    error::CheckError,
    recorder::{Collected, Recorder},
    run::{Faulty, run},
    state::{Versions, listed},
    subject::Subject,
    trace::{Data, Pins, Trace, TraceOptions},
    values::CallbackIds,
};

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
    /// Answers and ends of functions that had no effect.
    pub(crate) unused: Vec<String>,
    pub(crate) invocations: usize,
    /// How the last invocation ended.
    pub(crate) last: Option<InvocationResult>,
    versions: Versions,
    whole: Vec<Arc<Operation>>,
    pub(crate) pins: Arc<Pins>,
    pub(crate) data: Data,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    scratch: Option<TempDir>,
}

impl Recording {
    /// Records one run.
    pub(crate) async fn make(subject: &Subject, seed: u64) -> Result<Self, CheckError> {
        let trace = Trace::new(TraceOptions { imports: true, ..TraceOptions::default() });
        let recorder = Arc::new(Recorder::default());
        let ran = run(subject, seed, Faulty::default(), &trace, Some(&recorder)).await?;
        let mut data = trace.take();
        let Collected { versions, arn, scratch, result } = recorder.take();
        let arn = arn.unwrap_or_else(|| ran.view.arn.clone());
        let whole = listed(ran.view.operations.clone());
        let answers = unused_answers(&subject.answers, &ran.view);
        let mut unused: Vec<String> = answers
            .iter()
            .map(|(answer, _)| format!("an answer for the callback {:?} was not used", answer.callback))
            .collect();
        unused.extend(ran.uncalled.iter().map(|name| format!("the function {name:?} was not invoked")));
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
            unused,
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

    /// How the recorded execution ended, unless it succeeded or is still open.
    pub(crate) fn unsuccessful(&self) -> Option<String> {
        let ended = !matches!(self.status, ExecutionStatus::Succeeded | ExecutionStatus::Running);
        let error = self.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
        ended.then(|| format!("{}{error}", self.status))
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

    /// The last change that an invocation had got when it returned, for an instance that is fed a prefix. The whole
    /// record was seen.
    pub(crate) fn returned_at(&self, prefix: usize) -> Option<u64> {
        if self.is_whole(prefix) { None } else { self.versions.returned_at(prefix) }
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
