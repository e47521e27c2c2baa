//! One invocation on a given record: a fresh instance replays it and goes on to its next checkpoint.
//!
//! Invariants: the first checkpoint with updates is what the handler asks for next; it is not answered, so a replay
//! ends there at the latest.

use std::sync::{Arc, Mutex, PoisonError};

use durawasm_core::{
    ambient::{Clock, SeededEntropy, VirtualClock},
    invocation::{Access, Disk, Faults, Isolation, Surroundings},
    orchestrator::{Invocation, SCRATCH},
    protocol::{
        CheckpointResponse, CheckpointToken, DurableServiceClient, ExecutionArn, InvocationInput,
        InvocationResult, Operation, OperationType, OperationUpdate, ServiceCall, ServiceError, StatePage,
        Timestamp,
    },
    replay::Probed,
};

use crate::{
    directories::{PrivateGrants, copy_of},
    error::CheckError,
    perturbation::Perturbation,
    record::Recording,
    run::{Silent, error_of, is_divergence, writable},
    state::{swap, ties},
    subject::Subject,
    trace::{Data, Trace, TraceOptions},
};

/// How a replay ended.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) result: InvocationResult,
    /// The updates that the handler sent next; empty if it sent none.
    pub(crate) asked: Vec<OperationUpdate>,
    pub(crate) data: Data,
}

impl Replayed {
    /// Whether the handler went on beyond the record.
    pub(crate) fn asks(&self) -> bool {
        !self.asked.is_empty()
    }
}

/// What is replayed.
pub(crate) struct Fed<'a> {
    pub(crate) arn: &'a ExecutionArn,
    pub(crate) state: Vec<Arc<Operation>>,
    /// The last change that an invocation had got when it returned, if that is known.
    pub(crate) returned_at: Option<u64>,
    /// The time of the invocation.
    pub(crate) now: Timestamp,
    pub(crate) seed: u64,
    pub(crate) scratch: Option<std::path::PathBuf>,
}

impl<'a> Fed<'a> {
    /// A prefix of a recording.
    pub(crate) fn prefix(recording: &'a Recording, prefix: usize, seed: u64) -> Self {
        let state = recording.state(prefix);
        let times =
            state.iter().flat_map(|operation| [Some(operation.start_timestamp), operation.end_timestamp]);
        let now = times.flatten().max().unwrap_or(recording.start);
        Self {
            arn: &recording.arn,
            state,
            returned_at: recording.returned_at(prefix),
            now,
            seed,
            scratch: recording.scratch(),
        }
    }
}

/// Feeds a state to a fresh instance.
pub(crate) async fn replay(
    subject: &Subject,
    fed: Fed<'_>,
    options: TraceOptions,
) -> Result<Replayed, CheckError> {
    let mut state = fed.state;
    match options.perturbation {
        Some(Perturbation::Ties(pair)) => {
            if let Some(pair) = ties(&state).get(pair) {
                swap(&mut state, pair);
            }
        }
        Some(Perturbation::Memory(kib)) => pad_event(&mut state, kib),
        _ => {}
    }
    let function =
        subject.functions.find(&subject.function).map_err(|error| CheckError::Run(error.to_string()))?;
    let private = PrivateGrants::new(&subject.grants).map_err(CheckError::Directories)?;
    let mut grants = private.grants.of(&function.name);
    grants.limit_disk(Disk::new(private.grants.disk_of(&function.name)));
    let mut scratch = None;
    if subject.grants.scratch_of(&function.name) {
        let copy = match &fed.scratch {
            Some(kept) => copy_of(kept),
            None => tempfile::tempdir(),
        };
        let copy = copy.map_err(CheckError::Directories)?;
        let granted = grants.directory(copy.path(), SCRATCH, Access::ReadWrite).map(drop);
        granted.map_err(|error| CheckError::Directories(std::io::Error::other(error)))?;
        scratch = Some(copy);
    }
    let trace = Trace::new(options);
    let asked = Arc::new(Asked::default());
    let clock = Arc::new(VirtualClock::new(fed.now));
    let _actor = clock.actor();
    let around = Surroundings {
        client: asked.clone(),
        clock: clock.clone(),
        entropy: Arc::new(SeededEntropy::new(fed.seed)),
        log: Arc::new(Silent),
        faults: Faults::default(),
        isolation: Isolation::default(),
        probe: Probed::by(Arc::new(trace.probe(fed.arn, writable(&grants)))),
        grants: Arc::new(grants),
    };
    let input = InvocationInput {
        durable_execution_arn: fed.arn.clone(),
        checkpoint_token: "replay".into(),
        initial_execution_state: StatePage { operations: state, next_marker: None },
        updated_operation_ids: Vec::new(),
        returned_at: fed.returned_at,
    };
    let id = format!("replay-{}", fed.seed).into();
    let limits = &subject.limits;
    let report =
        function.handler.invoke(Invocation { function: &function.name, id, input, limits, around }).await;
    drop(scratch);
    let asked = std::mem::take(&mut *asked.0.lock().unwrap_or_else(PoisonError::into_inner));
    let mut data = trace.take();
    if let Some(error) = error_of(&report.result).filter(|error| is_divergence(error)) {
        data.backtrace.clone_from(&error.stack_trace);
    }
    Ok(Replayed { result: report.result, asked, data })
}

/// A replay of a prefix, with the outcomes of bodies pinned.
pub(crate) async fn plain_replay(
    subject: &Subject,
    recording: &Recording,
    seed: u64,
    prefix: usize,
    options: TraceOptions,
) -> Result<Replayed, CheckError> {
    let options = TraceOptions { pins: Some(recording.pins.clone()), ..options };
    replay(subject, Fed::prefix(recording, prefix, seed), options).await
}

/// A replay of a prefix with a perturbation.
pub(crate) async fn perturbed_replay(
    subject: &Subject,
    recording: &Recording,
    seed: u64,
    prefix: usize,
    perturbation: Perturbation,
    options: TraceOptions,
) -> Result<Replayed, CheckError> {
    let options = TraceOptions {
        pins: Some(recording.pins.clone()),
        perturbation: Some(perturbation),
        times: recording.times(),
        whole: recording.is_whole(prefix),
        ..options
    };
    replay(subject, Fed::prefix(recording, prefix, seed), options).await
}

/// Puts white space after the event, where no message about the event counts it.
fn pad_event(state: &mut [Arc<Operation>], kib: u32) {
    let Some(execution) = state.first_mut().filter(|operation| operation.kind == OperationType::Execution)
    else {
        return;
    };
    let execution = Arc::make_mut(execution);
    let details = execution.execution_details.get_or_insert_default();
    let event = details.input_payload.as_deref().unwrap_or("null");
    details.input_payload = Some(format!("{event}{}", " ".repeat(kib as usize * 1024)).into());
}

/// A service that takes one checkpoint, and answers none.
#[derive(Debug, Default)]
struct Asked(Mutex<Vec<OperationUpdate>>);

impl DurableServiceClient for Asked {
    fn checkpoint<'a>(
        &'a self,
        _: &'a ExecutionArn,
        token: &'a CheckpointToken,
        updates: Vec<OperationUpdate>,
    ) -> ServiceCall<'a, CheckpointResponse> {
        Box::pin(async move {
            if updates.is_empty() {
                return Ok(CheckpointResponse { checkpoint_token: token.clone(), operations: Vec::new() });
            }
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = updates;
            Err(ServiceError::Unavailable("a replay ends at its first checkpoint".to_owned()))
        })
    }

    fn get_state<'a>(
        &'a self,
        _: &'a ExecutionArn,
        _: &'a CheckpointToken,
        _: &'a str,
    ) -> ServiceCall<'a, StatePage> {
        Box::pin(async { Err(ServiceError::Unavailable("the state of a replay has one page".to_owned())) })
    }
}
