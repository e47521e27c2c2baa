//! From an execution to the parts that a store keeps, and back.
//!
//! Invariants:
//! - an execution that is restored behaves as the one that was saved, except that an invocation which another process ran
//!   is over;
//! - what cannot be restored is refused with the part that is wrong: no execution continues with a part of its record.

use std::{fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    api::{InvocationView, StartedInvoke, TimerMode},
    callback_manager::CallbackManager,
    checkpoint_manager::{CheckpointManager, EXECUTION},
    dispatch::Need,
    event_processor::EventProcessor,
    ids::{IdSource, Index, read_uuid},
    invoke_table::InvokeTable,
    kept,
    operations::OperationTable,
    pause::Pausing,
    saved::{Keeping, SavedExecution, SavedOperation, SavedPhase, SavedTimer},
    script::AnswerScript,
    store::{Changes, Saved, SavedError, Summary},
    texts::Texts,
    timers::{Timer, TimerKey, Timers},
    token::Markers,
};
use crate::{
    ambient::OsEntropy,
    budget::{Budget, HostBudget},
    protocol::{Event, ExecutionArn, Limits, Operation, OperationType, Timestamp},
};

/// What the server has for all executions.
pub(super) struct Common {
    pub(super) limits: Arc<Limits>,
    pub(super) budget: Budget,
    pub(super) markers: Markers,
    pub(super) process: u64,
}

fn written(part: &impl Serialize) -> String {
    // Most parts are not larger.
    let mut text = Vec::with_capacity(512);
    let done = serde_json::to_writer(&mut text, part);
    debug_assert!(done.is_ok(), "every part of an execution can be written as JSON: {done:?}");
    String::from_utf8(text).unwrap_or_default()
}

fn read<T: DeserializeOwned>(part: &str, of: impl fmt::Display) -> Result<T, SavedError> {
    serde_json::from_str(part)
        .map_err(|error| SavedError::Part { part: of.to_string(), why: error.to_string() })
}

fn contradiction<T>(what: impl Into<String>) -> Result<T, SavedError> {
    Err(SavedError::Contradiction(what.into()))
}

impl CheckpointManager {
    /// Keeps the execution in a store from now on. Nothing of it is saved yet.
    pub(super) fn keep(&mut self, process: u64) {
        self.operations.save();
        self.events.save();
        self.keeping = Some(Keeping {
            process,
            execution: String::new(),
            invocations: 0,
            running: false,
            interrupted: false,
        });
    }

    /// Takes what changed since the last call; `None` if nothing did, or the execution is not kept in a store.
    pub(super) fn take_changes(&mut self, now: Timestamp) -> Option<Changes> {
        let keeping = self.keeping.as_ref()?;
        let execution = written(&self.saved(keeping.process));
        let operations = self.operations.take_unsaved().into_iter().map(|(index, operation, timer)| {
            (index, written(&self.saved_operation(index, operation, timer)))
        });
        let operations: Vec<_> = operations.collect();
        let events = self.events.take_unsaved();
        let events: Vec<_> = events.iter().map(|(place, event)| (*place, written(event))).collect();
        let summary = self.summary(now)?;
        let keeping = self.keeping.as_mut()?;
        let running = self.invocations.last().is_some_and(|last| last.end.is_none());
        // An invocation changes once after its start: when it ends.
        let all_saved = keeping.invocations == self.invocations.len() && keeping.running == running;
        let first = if all_saved {
            self.invocations.len()
        } else {
            keeping.invocations - usize::from(keeping.running)
        };
        let invocations = self.invocations.iter().enumerate().skip(first);
        let invocations: Vec<_> = invocations.map(|(place, view)| (place, written(view))).collect();
        (keeping.invocations, keeping.running) = (self.invocations.len(), running);
        let same = keeping.execution == execution;
        if same && operations.is_empty() && events.is_empty() {
            return None;
        }
        keeping.execution.clone_from(&execution);
        Some(Changes { summary, execution, operations, events, invocations })
    }

    fn saved(&self, process: u64) -> SavedExecution {
        let timers = self.timers.of_execution();
        SavedExecution {
            arn: self.arn.clone(),
            invocation_retry: self.retry,
            timeout_seconds: self.timeout_seconds,
            invoked_by: self.invoked_by.clone(),
            origin: self.origin.clone(),
            phase: self.phase.saved(process),
            crashes: self.crashes,
            returned_at: self.returned_at,
            checkpoints: self.checkpoints,
            written: self.written,
            sequence: self.operations.sequence(),
            delivered: self.operations.delivered(),
            scheduled: self.timers.scheduled(),
            timers: timers.map(|(key, timer)| SavedTimer { key, timer: timer.clone() }).collect(),
            script: self.script.saved(),
            became_ready: self.operations.became_ready(),
            pause: self.pausing.saved(),
        }
    }

    fn saved_operation(
        &self,
        index: Index,
        operation: Arc<Operation>,
        timer: Option<TimerKey>,
    ) -> SavedOperation {
        let mut keys: Vec<TimerKey> = timer.into_iter().collect();
        let callback = self.callbacks.saved(index).map(|(callback, timers)| {
            keys.extend(timers);
            callback
        });
        let timer = |key| Some(SavedTimer { key, timer: self.timers.get(key)?.clone() });
        SavedOperation {
            sequence: operation.sequence,
            start_sequence: operation.start_sequence,
            operation,
            timers: keys.into_iter().filter_map(timer).collect(),
            callback,
            invoke: self.invokes.saved(index),
        }
    }

    fn summary(&self, now: Timestamp) -> Option<Summary> {
        let execution = self.operations.get(EXECUTION)?;
        let due = match self.need(now) {
            // Any time that has passed would do. This one does not change with each request.
            Need::At(time) if time <= now => Some(execution.start_timestamp),
            Need::At(time) => Some(time),
            Need::Over | Need::Answer => None,
        };
        Some(Summary {
            arn: self.arn.clone(),
            id: self.id,
            standing: self.standing(),
            start: execution.start_timestamp,
            end: execution.end_timestamp,
            saved_at: now,
            due,
            invoked_by: self.invoked_by.clone(),
        })
    }

    /// Restores a saved execution. An invocation that another process ran ends with the first request.
    ///
    /// # Errors
    /// When a part is not what [`take_changes`](Self::take_changes) writes, or contradicts another part.
    pub(super) fn restore(saved: &Saved, common: Common) -> Result<Self, SavedError> {
        let Common { limits, budget, markers, process } = common;
        let execution: SavedExecution = read(&saved.execution, "the execution")?;
        let interrupted = matches!(
            &execution.phase,
            SavedPhase::Running { process: other, .. } if *other != process
        );
        let over = matches!(execution.phase, SavedPhase::Closed { .. });
        let operations = saved.operations.iter().enumerate();
        let operations =
            operations.map(|(index, text)| read::<SavedOperation>(text, format_args!("operation {index}")));
        let mut operations = operations.collect::<Result<Vec<_>, _>>()?;
        let mut texts = Texts::default();
        for operation in &mut operations {
            texts.of_operation(operation);
        }
        let events = read_events(&saved.events, &mut texts)?;
        budget.charge_always(kept::restored(
            operations.iter().map(|saved| &*saved.operation),
            events.len(),
            saved.invocations.len(),
            texts.bytes(),
        ));
        let mut parts = Parts {
            over,
            operations: OperationTable::default(),
            events: EventProcessor::restore(events),
            timers: Timers::new(TimerMode::Clock),
            callbacks: CallbackManager::default(),
            invokes: InvokeTable::default(),
        };
        for (index, operation) in operations.into_iter().enumerate() {
            parts.add(index, operation)?;
        }
        let (id, execution_id) = match parts.operations.get(EXECUTION) {
            Some(first) if first.kind == OperationType::Execution => match read_uuid(first.id.as_str()) {
                Some(id) => (id, first.id.clone()),
                None => {
                    return contradiction(format!("the execution's id {:?} is no UUID", first.id.as_str()));
                }
            },
            _ => return contradiction("the first operation is not the EXECUTION"),
        };
        if !execution.arn.as_str().ends_with(execution_id.as_str()) {
            return contradiction(format!(
                "the execution's id is {execution_id}, and its ARN {}",
                execution.arn
            ));
        }
        for SavedTimer { key, timer } in execution.timers {
            if timer.operation().is_some() {
                return contradiction("the execution has a timer of an operation");
            }
            parts.timers.restore(key, timer);
        }
        parts.operations.restored(execution.sequence, execution.delivered, execution.became_ready);
        parts.timers.resume(execution.scheduled);
        let running = matches!(execution.phase, SavedPhase::Running { .. });
        let invocations = read_invocations(&saved.invocations, running)?;
        let keeping = Keeping {
            process,
            execution: saved.execution.clone(),
            invocations: invocations.len(),
            running,
            interrupted,
        };
        Ok(Self {
            arn: execution.arn,
            id,
            limits,
            budget,
            markers,
            retry: execution.invocation_retry,
            timeout_seconds: execution.timeout_seconds,
            invoked_by: execution.invoked_by,
            origin: execution.origin,
            execution_id,
            phase: execution.phase.into(),
            operations: parts.operations,
            events: parts.events,
            timers: parts.timers,
            callbacks: parts.callbacks,
            invokes: parts.invokes,
            script: AnswerScript::restore(execution.script),
            invocations,
            crashes: execution.crashes,
            returned_at: execution.returned_at,
            checkpoints: execution.checkpoints,
            written: execution.written,
            news: false,
            observer: None,
            pausing: Pausing::restore(execution.pause),
            keeping: Some(keeping),
        })
    }

    /// A label for the execution's ids that no earlier state of it had: ids after it do not repeat those before.
    pub(super) fn ids_label(&self) -> String {
        let (changes, checkpoints) = (self.operations.sequence(), self.checkpoints);
        format!("{} {} {changes} {checkpoints}", self.arn, self.invocations.len())
    }
}

/// Reads the invocations, the last of which is running or not.
fn read_invocations(invocations: &[String], running: bool) -> Result<Vec<InvocationView>, SavedError> {
    let invocations = invocations.iter().enumerate();
    let invocations = invocations.map(|(place, text)| read(text, format_args!("invocation {place}")));
    let invocations: Vec<InvocationView> = invocations.collect::<Result<_, _>>()?;
    let open = invocations.iter().filter(|view| view.end.is_none()).count();
    if open != usize::from(running) {
        return contradiction(format!(
            "{open} invocations have not ended, and {} is running",
            if running { "one" } else { "none" }
        ));
    }
    Ok(invocations)
}

/// Reads a history.
fn read_events(events: &[String], texts: &mut Texts) -> Result<Vec<Arc<Event>>, SavedError> {
    let mut all = Vec::with_capacity(events.len());
    for (place, text) in events.iter().enumerate() {
        let mut event: Event = read(text, format_args!("event {place}"))?;
        if event.event_id != place as u64 + 1 {
            return contradiction(format!("the event at place {} has the id {}", place + 1, event.event_id));
        }
        texts.of_event(&mut event);
        all.push(Arc::new(event));
    }
    Ok(all)
}

/// The tables of an execution that is being restored.
struct Parts {
    over: bool,
    operations: OperationTable,
    events: EventProcessor,
    timers: Timers,
    callbacks: CallbackManager,
    invokes: InvokeTable,
}

impl Parts {
    /// Restores an operation, and what is open of it unless the execution is over.
    fn add(&mut self, index: Index, saved: SavedOperation) -> Result<(), SavedError> {
        let SavedOperation { operation, sequence, start_sequence, timers, callback, invoke } = saved;
        let operation = Operation { sequence, start_sequence, ..Arc::unwrap_or_clone(operation) };
        if self.operations.find(&operation.id).is_some() {
            return contradiction(format!("two operations have the id {}", operation.id));
        }
        let mut own = None;
        for SavedTimer { key, timer } in timers.iter().filter(|_| !self.over) {
            if timer.operation() != Some(index) {
                return contradiction(format!("operation {index} has a timer of another one"));
            }
            if matches!(timer, Timer::WaitEnds(_) | Timer::StepReady(_)) {
                own = Some(*key);
            }
            self.timers.restore(*key, timer.clone());
        }
        if let Some(callback) = callback.filter(|_| !self.over) {
            self.callbacks.restore(index, &callback, &timers);
        }
        if let Some(invoke) = invoke.filter(|_| !self.over) {
            let Some(started) = self.events.started_invoke(invoke.started) else {
                return contradiction(format!("the event of the START of operation {index} is another one"));
            };
            let again = StartedInvoke {
                operation_id: operation.id.clone(),
                name: operation.name.clone(),
                function_name: invoke.function_name.clone(),
                tenant_id: invoke.tenant_id.clone(),
                payload: invoke.payload.clone(),
            };
            self.invokes.restore(index, &invoke, again, started);
        }
        self.operations.restore(operation, own);
        Ok(())
    }
}

/// Verifies a whole saved execution, and returns it in the form in which a store takes it. `saved_at` is the time of its
/// latest request.
///
/// # Errors
/// When a part cannot be read, or contradicts another part.
pub fn verify_saved(saved: &Saved, saved_at: Timestamp) -> Result<Changes, SavedError> {
    let mut execution = restored(saved)?;
    execution.keep(0);
    let changes = execution.take_changes(saved_at);
    changes.ok_or_else(|| SavedError::Contradiction("the first operation is not the EXECUTION".to_owned()))
}

/// The record of a saved execution, as an invocation of it gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedRecord {
    /// The execution.
    pub arn: ExecutionArn,
    /// The operations with the numbers of their changes: EXECUTION first, then in the order of their starts, without
    /// those below contexts that hide them.
    pub operations: Vec<Arc<Operation>>,
    /// The last change that an invocation had got when it returned.
    pub returned_at: u64,
    /// Whether the execution has ended.
    pub is_over: bool,
}

/// Verifies a whole saved execution, and returns its record.
///
/// # Errors
/// When a part cannot be read, or contradicts another part.
pub fn saved_record(saved: &Saved) -> Result<SavedRecord, SavedError> {
    let execution = restored(saved)?;
    let (operations, _) = execution.operations.page(EXECUTION, usize::MAX);
    let is_over = operations.first().is_some_and(|execution| execution.end_timestamp.is_some());
    Ok(SavedRecord { arn: execution.arn.clone(), operations, returned_at: execution.returned_at, is_over })
}

/// A saved execution, for no server.
fn restored(saved: &Saved) -> Result<CheckpointManager, SavedError> {
    let limits = Arc::new(Limits::default());
    let budget = Budget::new(usize::MAX, HostBudget::new(usize::MAX));
    let markers = Markers::new(&mut IdSource::new(Arc::new(OsEntropy)));
    // No process has this number, so an invocation that was running is over wherever the execution continues.
    CheckpointManager::restore(saved, Common { limits, budget, markers, process: 0 })
}

/// Reads only the ARN of a saved execution, and what its host keeps with it ([`StartExecution::origin`]).
///
/// [`StartExecution::origin`]: super::StartExecution::origin
///
/// # Errors
/// When the part cannot be read.
pub fn saved_origin(saved: &Saved) -> Result<(ExecutionArn, Option<Arc<str>>), SavedError> {
    let execution: SavedExecution = read(&saved.execution, "the execution")?;
    Ok((execution.arn, execution.origin))
}
