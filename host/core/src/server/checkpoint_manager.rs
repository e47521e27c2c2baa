//! One execution: its operations, its history, its timers and its execution phase.
//!
//! Invariants:
//! - the first operation is the EXECUTION, the first event is `ExecutionStarted`;
//! - at most one invocation is running, and none starts unless there is a change that the handler has not seen;
//! - due timers fire before anything else: every request begins with [`advance`];
//! - when the execution has ended, no timer is scheduled, no callback or invoke is open, and nothing changes any more.
//!
//! [`advance`]: CheckpointManager::advance

use std::sync::Arc;

use super::{
    api::{
        Answer, ExecutionView, InvocationRetry, InvocationView, Next, PendingExternal, ScriptedAnswer,
        StartExecution,
    },
    callback_manager::CallbackManager,
    event_processor::{self, EventProcessor},
    ids::{IdSource, Index},
    invoke_table::InvokeTable,
    kept,
    observer::Observer,
    operations::OperationTable,
    pause::Pausing,
    phase::{ExecutionPhase, Verdict},
    saved::Keeping,
    script::{AnswerScript, ScriptPosition},
    store::Invoker,
    timers::{Timer, TimerKey, Timers},
    token::{Markers, check_token, new_token},
    transitions,
};
use crate::{
    budget::{Budget, BytesExceeded, Owner},
    protocol::{
        CheckpointResponse, CheckpointToken, EventDetails, ExecutionArn, ExecutionDetails,
        ExecutionStartedDetails, Limits, Operation, OperationId, OperationType, OperationUpdate,
        ServiceError, StatePage, Timestamp, invalid,
    },
};

/// The state of one execution. It is changed through the [`ExecutionManager`](super::ExecutionManager) only; this type
/// provides read access.
pub struct CheckpointManager {
    pub(super) arn: ExecutionArn,
    pub(super) id: [u8; 16],
    pub(super) limits: Arc<Limits>,
    /// For everything that is kept for the execution.
    pub(super) budget: Budget,
    pub(super) markers: Markers,
    pub(super) retry: InvocationRetry,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) execution_id: OperationId,
    pub(super) phase: ExecutionPhase,
    pub(super) operations: OperationTable,
    pub(super) events: EventProcessor,
    pub(super) timers: Timers,
    pub(super) callbacks: CallbackManager,
    pub(super) invokes: InvokeTable,
    pub(super) script: AnswerScript,
    pub(super) invocations: Vec<InvocationView>,
    /// The number of consecutive crashed invocations.
    pub(super) crashes: u32,
    /// The last change that an invocation had got when it returned.
    pub(super) returned_at: u64,
    pub(super) checkpoints: u64,
    pub(super) written: usize,
    /// Whether there was a change from outside of the handler since the last [`Self::take_news`].
    pub(super) news: bool,
    pub(super) observer: Option<Arc<dyn Observer>>,
    pub(super) invoked_by: Option<Invoker>,
    pub(super) origin: Option<Arc<str>>,
    /// Set if it is kept in a store.
    pub(super) keeping: Option<Keeping>,
    pub(super) pausing: Pausing,
}

/// The identity of a new execution, which the [`ExecutionManager`](super::ExecutionManager) assigns.
pub(super) struct ExecutionIdentity {
    pub(super) arn: ExecutionArn,
    pub(super) id: [u8; 16],
    pub(super) operation_id: OperationId,
    pub(super) name: Arc<str>,
    pub(super) limits: Arc<Limits>,
    pub(super) budget: Budget,
    pub(super) markers: Markers,
}

/// The index of EXECUTION.
pub(super) const EXECUTION: Index = 0;

impl CheckpointManager {
    /// Starts an execution. The request must have been validated and charged to the budget.
    pub(super) fn new(now: Timestamp, identity: ExecutionIdentity, request: StartExecution) -> Self {
        let ExecutionIdentity { arn, id, operation_id, name, limits, budget, markers } = identity;
        let input: Option<Arc<str>> = request.input.map(Into::into);
        let mut manager = Self {
            arn,
            id,
            limits,
            budget,
            markers,
            retry: request.invocation_retry,
            timeout_seconds: request.timeout_seconds,
            execution_id: operation_id.clone(),
            phase: ExecutionPhase::Suspended { wake: true },
            operations: OperationTable::default(),
            events: EventProcessor::default(),
            timers: Timers::new(request.timers),
            callbacks: CallbackManager::default(),
            invokes: InvokeTable::default(),
            script: AnswerScript::new(request.answers, request.answer_order),
            invocations: Vec::new(),
            crashes: 0,
            returned_at: 0,
            checkpoints: 0,
            written: input.as_ref().map_or(0, |input| input.len()),
            news: false,
            observer: None,
            invoked_by: request.invoked_by.map(|(execution, operation)| Invoker { execution, operation }),
            origin: request.origin,
            keeping: None,
            pausing: Pausing::default(),
        };
        let operation = Operation {
            execution_details: Some(ExecutionDetails { input_payload: input.clone() }),
            ..new_operation(now, operation_id, OperationType::Execution, Some(name))
        };
        let details = ExecutionStartedDetails {
            input: event_processor::input(input),
            execution_timeout: request.timeout_seconds.unwrap_or(0),
        };
        manager.events.of_operation(now, &operation, EventDetails::ExecutionStarted(details));
        manager.operations.add(operation);
        if let Some(seconds) = request.timeout_seconds {
            manager.timers.schedule(now.plus_seconds(seconds), Timer::ExecutionTimeout);
        }
        manager
    }

    /// The latest end of an execution without a timeout. It is not a timer, so nobody waits for it, but no timer fires
    /// after it.
    pub(super) fn longest(&self) -> Option<Timestamp> {
        let seconds = self.limits.longest_execution.filter(|_| self.timeout_seconds.is_none())?;
        let execution = self.operations.get(EXECUTION)?;
        Some(execution.start_timestamp.plus_seconds(seconds)).filter(|_| !execution.status.is_terminal())
    }

    /// Fires all due timers in order, each at its own deadline.
    pub(super) fn advance(&mut self, now: Timestamp) {
        let longest = self.longest();
        while let Some((at, timer)) = self.timers.pop_due(longest.map_or(now, |end| end.min(now))) {
            self.fire(at, timer);
        }
        if let Some(end) = longest.filter(|end| now > *end) {
            let seconds = self.limits.longest_execution.unwrap_or_default();
            self.time_out(end, seconds);
        }
        if self.keeping.as_mut().is_some_and(|keeping| std::mem::take(&mut keeping.interrupted)) {
            self.end_interrupted(now);
        }
    }

    /// Fires a timer that a scheduler controls. Has no effect if it was cancelled.
    pub(super) fn elapse(&mut self, now: Timestamp, key: TimerKey) {
        if let Some(timer) = self.timers.pop(key) {
            self.fire(now, timer);
        }
    }

    fn fire(&mut self, at: Timestamp, timer: Timer) {
        match timer {
            Timer::WaitEnds(index) => self.end_wait(at, index),
            Timer::StepReady(index) => self.ready_step(index),
            Timer::CallbackTimeout(index) => self.time_out_callback(at, index, "Callback.Timeout"),
            Timer::HeartbeatTimeout(index) => self.time_out_callback(at, index, "Callback.Heartbeat"),
            // Timers of ended callbacks are cancelled, so this callback is open.
            Timer::Answer(index, scripted) => {
                let again = self.script.given(index);
                let answer = match self.charge(at, kept::answer(&scripted.answer)) {
                    Ok(()) => scripted.answer.clone(),
                    // It has no sender who could be refused.
                    Err(exceeded) => Answer::Failure(exceeded.into()),
                };
                drop(self.answer_callback(at, index, answer));
                if again {
                    self.answer_in_turn(at, index);
                }
            }
            Timer::ExecutionTimeout => self.time_out(at, self.timeout_seconds.unwrap_or_default()),
            Timer::Reinvoke => self.end_back_off(),
        }
        self.send_next_answer(at);
    }

    /// Applies a checkpoint: all updates or none.
    pub(super) fn checkpoint(
        &mut self,
        now: Timestamp,
        ids: &mut IdSource,
        token: &CheckpointToken,
        updates: Vec<OperationUpdate>,
    ) -> Result<CheckpointResponse, ServiceError> {
        self.advance(now);
        check_token(self.phase.token(), token)?;
        if !updates.is_empty() {
            if self.phase.decided().is_some() {
                return invalid("the execution's outcome is on record already: no update may follow");
            }
            if self.events.get_events().len() >= self.limits.events {
                return invalid(self.history_full(now));
            }
            let written = updates.iter().map(transitions::written_by).sum::<usize>();
            let transitions = transitions::check(updates, &self.operations, &self.limits, self.written)?;
            self.charge(now, transitions.iter().map(kept::transition).sum())?;
            for transition in transitions {
                self.apply(now, ids, transition);
            }
            self.send_next_answer(now);
            self.written += written;
        }
        self.checkpoints += 1;
        self.take_back(now)?;
        let mut next = token.clone();
        if let ExecutionPhase::Running(running) = &mut self.phase {
            next = new_token(ids, &self.execution_id, &running.request_id);
            running.token = next.clone();
        }
        Ok(CheckpointResponse { checkpoint_token: next, operations: self.operations.take_changed() })
    }

    /// Charges what is about to be kept. An execution whose own budget does not suffice fails.
    pub(super) fn charge(&mut self, now: Timestamp, bytes: usize) -> Result<(), BytesExceeded> {
        self.budget.charge(bytes).inspect_err(|exceeded| {
            if exceeded.owner == Owner::Execution {
                self.fail_for_bytes(now, *exceeded);
            }
        })
    }

    /// Returns a page of the state that the handler replays.
    pub(super) fn read_page(
        &mut self,
        now: Timestamp,
        token: &CheckpointToken,
        marker: &str,
    ) -> Result<StatePage, ServiceError> {
        self.advance(now);
        check_token(self.phase.token(), token)?;
        // Without a marker, the state from its beginning.
        let from = match marker {
            "" => EXECUTION,
            marker => self.markers.read(&self.execution_id, marker)?,
        };
        Ok(self.page(from))
    }

    pub(super) fn page(&self, from: Index) -> StatePage {
        let (operations, next) = self.operations.page(from, self.limits.page_operations.max(1));
        StatePage { operations, next_marker: next.map(|next| self.markers.make(&self.execution_id, next)) }
    }

    /// Returns what the execution needs next.
    pub(super) fn next(&self) -> Next {
        match &self.phase {
            ExecutionPhase::Closed { .. } => Next::Closed,
            ExecutionPhase::Running(_) => Next::Running { deadline: self.timers.next() },
            ExecutionPhase::Suspended { wake: true } if !self.pausing.is_paused() => Next::Invoke,
            ExecutionPhase::Suspended { .. } | ExecutionPhase::BackingOff => match self.timers.next() {
                Some(deadline) => Next::WaitUntil(deadline),
                None => Next::WaitForExternal { what: self.pending_external() },
            },
        }
    }

    fn pending_external(&self) -> Vec<PendingExternal> {
        let callbacks = self.callbacks.open_callbacks().filter_map(|index| {
            let operation = self.operations.get(index)?;
            let callback_id = operation.callback_details.as_ref()?.callback_id.clone()?;
            Some((index, PendingExternal::Callback { name: self.callback_name(operation), callback_id }))
        });
        let invokes = self.invokes.unanswered().filter_map(|(index, function_name)| {
            let operation_id = self.operations.get(index)?.id.clone();
            Some((index, PendingExternal::Invoke { operation_id, function_name: function_name.clone() }))
        });
        let mut all: Vec<_> = callbacks.chain(invokes).collect();
        all.sort_by_key(|(index, _)| *index);
        all.into_iter().map(|(_, pending)| pending).collect()
    }

    /// The callback's name, or else that of its context.
    fn callback_name(&self, callback: &Operation) -> Option<Arc<str>> {
        callback.name.clone().or_else(|| {
            let (_, context) = self.operations.find(callback.parent_id.as_ref()?)?;
            context.name.clone()
        })
    }

    /// Takes the scripted answers of a callback.
    pub(super) fn scripted_answers(&mut self, callback: &Operation) -> Vec<Arc<ScriptedAnswer>> {
        let name = self.callback_name(callback);
        self.script.take(name.as_deref().unwrap_or_default())
    }

    /// For answers in turn: schedules the next answer, unless one is pending. Called after every change that opens or
    /// closes callbacks.
    pub(super) fn send_next_answer(&mut self, at: Timestamp) {
        loop {
            let from = match self.script.position() {
                None => return,
                Some(ScriptPosition::Pending(callback)) if self.callbacks.is_open(callback) => return,
                // The callback ended before its answer was due.
                Some(ScriptPosition::Pending(callback)) => {
                    self.script.given(callback);
                    continue;
                }
                Some(ScriptPosition::From(from)) => from,
            };
            let Some(callback) = self.operations.next_callback(from) else { return };
            self.answer_in_turn(at, callback);
        }
    }

    /// Schedules the next answer for a callback. An answer for a callback that has ended is used up without effect.
    fn answer_in_turn(&mut self, at: Timestamp, callback: Index) {
        let name = self.operations.get(callback).and_then(|operation| self.callback_name(operation));
        if let Some(scripted) = self.script.visit(callback, name.as_deref().unwrap_or_default()) {
            self.callbacks.schedule(&mut self.timers, at, callback, scripted);
            self.operations.touch(callback);
        }
    }

    /// Records a change from outside of the handler.
    pub(super) fn record_news(&mut self) {
        self.news = true;
        if let ExecutionPhase::Suspended { wake } = &mut self.phase {
            *wake = true;
        }
    }

    /// Returns whether there was a change from outside since the last call.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Whether a poll would return something new: to the running handler, or else to the one that starts invocations.
    pub(super) fn has_news(&self) -> bool {
        match &self.phase {
            ExecutionPhase::Closed { .. } => true,
            ExecutionPhase::Running(_) => self.operations.has_changed() || self.pausing.is_pausing(),
            ExecutionPhase::Suspended { wake } => *wake && !self.pausing.is_paused(),
            ExecutionPhase::BackingOff => false,
        }
    }

    /// The input.
    pub(super) fn input(&self) -> Option<Arc<str>> {
        self.operations.get(EXECUTION)?.execution_details.as_ref()?.input_payload.clone()
    }

    /// Returns the present state.
    pub(super) fn view(&self) -> ExecutionView {
        let execution = self.operations.get(EXECUTION);
        let (result, error) = match &self.phase {
            ExecutionPhase::Closed { verdict: Verdict::Succeeded(result), .. } => (result.clone(), None),
            ExecutionPhase::Closed { verdict, .. } => (None, verdict.error().cloned()),
            _ => (None, None),
        };
        ExecutionView {
            arn: self.arn.clone(),
            status: self.phase.status(),
            result,
            error,
            input: self.input(),
            operations: self.operations.all().cloned().collect(),
            events: self.events.get_events().to_vec(),
            invocations: self.invocations.clone(),
            start: execution.map_or(Timestamp::MAX, |operation| operation.start_timestamp),
            end: execution.and_then(|operation| operation.end_timestamp),
            checkpoints: self.checkpoints,
        }
    }

    /// Processes an answer from outside.
    pub(super) fn complete_callback(
        &mut self,
        now: Timestamp,
        index: Index,
        answer: Answer,
    ) -> Result<(), ServiceError> {
        self.advance(now);
        answer.check(&self.limits)?;
        if self.callbacks.is_open(index) {
            self.charge(now, kept::answer(&answer))?;
        }
        let answered = self.answer_callback(now, index, answer);
        self.send_next_answer(now);
        answered
    }
}

/// An operation that starts, without details.
pub(super) fn new_operation(
    now: Timestamp,
    id: OperationId,
    kind: OperationType,
    name: Option<Arc<str>>,
) -> Operation {
    Operation { name, ..Operation::new(id, kind, now) }
}
