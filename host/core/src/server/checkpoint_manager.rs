//! One execution: its operations, its history, its timers, and whether an invocation runs.
//!
//! Always true:
//! - the first operation is the EXECUTION, the first event is `ExecutionStarted`;
//! - one invocation runs at most, and none starts unless something has changed that the handler does not know;
//! - whatever is due by itself happens before anything else does: every request begins with [`advance`];
//! - when the execution is over, nothing is scheduled, nothing is open, and nothing changes any more.
//!
//! [`advance`]: CheckpointManager::advance

use std::sync::Arc;

use super::{
    api::{
        Answer, ExecutionView, InvocationRetry, InvocationView, Next, Outside, ScriptedAnswer, StartExecution,
    },
    callback_manager::CallbackManager,
    event_processor::{self, EventProcessor},
    ids::IdSource,
    invocations::{Phase, Verdict},
    invoke_table::InvokeTable,
    observer::Observer,
    operations::{Index, OperationTable},
    script::{AnswerScript, Turn},
    timers::{Timer, TimerKey, Timers},
    token::{Markers, check_token, new_token},
    transitions::{self, invalid},
};
use crate::protocol::{
    CheckpointResponse, CheckpointToken, EventDetails, ExecutionArn, ExecutionDetails,
    ExecutionStartedDetails, Limits, Operation, OperationId, OperationType, OperationUpdate, ServiceError,
    StatePage, Timestamp,
};

/// The state of one execution. What may be done to it is asked of the [`ExecutionManager`](super::ExecutionManager);
/// who has one of these can look at it.
pub struct CheckpointManager {
    pub(super) arn: ExecutionArn,
    pub(super) id: [u8; 16],
    pub(super) limits: Arc<Limits>,
    pub(super) markers: Markers,
    pub(super) retry: InvocationRetry,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) execution_id: OperationId,
    pub(super) phase: Phase,
    pub(super) operations: OperationTable,
    pub(super) events: EventProcessor,
    pub(super) timers: Timers,
    pub(super) callbacks: CallbackManager,
    pub(super) invokes: InvokeTable,
    pub(super) script: AnswerScript,
    pub(super) invocations: Vec<InvocationView>,
    /// Crashed invocations in a row.
    pub(super) crashes: u32,
    checkpoints: u64,
    written: usize,
    /// Whether something happened that was not the handler's doing, since the last [`Self::take_news`].
    pub(super) news: bool,
    pub(super) observer: Option<Arc<dyn Observer>>,
}

/// The parts of a new execution that its manager of executions decides.
pub(super) struct Identity {
    pub(super) arn: ExecutionArn,
    pub(super) id: [u8; 16],
    pub(super) operation_id: OperationId,
    pub(super) name: Arc<str>,
    pub(super) limits: Arc<Limits>,
    pub(super) markers: Markers,
}

/// The index of EXECUTION.
pub(super) const EXECUTION: Index = 0;

impl CheckpointManager {
    /// Starts an execution. The request has been checked.
    pub(super) fn new(now: Timestamp, identity: Identity, request: StartExecution) -> Self {
        let Identity { arn, id, operation_id, name, limits, markers } = identity;
        let input: Option<Arc<str>> = request.input.map(Into::into);
        let mut manager = Self {
            arn,
            id,
            limits,
            markers,
            retry: request.invocation_retry,
            timeout_seconds: request.timeout_seconds,
            execution_id: operation_id.clone(),
            phase: Phase::Suspended { wake: true },
            operations: OperationTable::default(),
            events: EventProcessor::default(),
            timers: Timers::new(request.timers),
            callbacks: CallbackManager::default(),
            invokes: InvokeTable::default(),
            script: AnswerScript::new(request.answers, request.answer_order),
            invocations: Vec::new(),
            crashes: 0,
            checkpoints: 0,
            written: input.as_ref().map_or(0, |input| input.len()),
            news: false,
            observer: None,
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

    /// The last instant of an execution without a timeout. It is no timer: nobody waits for it, but nothing happens
    /// after it.
    fn longest(&self) -> Option<Timestamp> {
        let seconds = self.limits.longest_execution.filter(|_| self.timeout_seconds.is_none())?;
        let execution = self.operations.get(EXECUTION)?;
        Some(execution.start_timestamp.plus_seconds(seconds)).filter(|_| !execution.status.is_terminal())
    }

    /// Lets everything happen that is due, in order, each at its own time.
    pub(super) fn advance(&mut self, now: Timestamp) {
        let longest = self.longest();
        while let Some((at, timer)) = self.timers.pop_due(longest.map_or(now, |end| end.min(now))) {
            self.fire(at, timer);
        }
        if let Some(end) = longest.filter(|end| now > *end) {
            let seconds = self.limits.longest_execution.unwrap_or_default();
            self.time_out(end, seconds);
        }
    }

    /// Has a timer fire now that a scheduler decides about. Nothing, if it was cancelled.
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
            // The timers of a callback that is over are gone, so this one is open.
            Timer::Answer(index, answer) => {
                let again = self.script.given(index);
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

    /// A checkpoint: all updates count, or none.
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
            for transition in transitions {
                self.apply(now, ids, transition);
            }
            self.send_next_answer(now);
            self.written = self.written.saturating_add(written);
        }
        self.checkpoints += 1;
        let mut next = token.clone();
        if let Phase::Running(running) = &mut self.phase {
            next = new_token(ids, &self.execution_id, &running.request_id);
            running.token = next.clone();
        }
        Ok(CheckpointResponse { checkpoint_token: next, operations: self.operations.take_changed() })
    }

    /// A page of the state that the handler replays.
    pub(super) fn read_page(
        &mut self,
        now: Timestamp,
        token: &CheckpointToken,
        marker: &str,
    ) -> Result<StatePage, ServiceError> {
        self.advance(now);
        check_token(self.phase.token(), token)?;
        let from = self.markers.read(&self.execution_id, marker)?;
        Ok(self.page(from))
    }

    pub(super) fn page(&self, from: Index) -> StatePage {
        let (operations, next) = self.operations.page(from, self.limits.page_operations.max(1));
        StatePage { operations, next_marker: next.map(|next| self.markers.make(&self.execution_id, next)) }
    }

    /// What the execution needs next.
    pub(super) fn next(&self) -> Next {
        match &self.phase {
            Phase::Closed { .. } => Next::Closed,
            Phase::Running(_) => Next::Running { deadline: self.timers.next() },
            Phase::Suspended { wake: true } => Next::Invoke,
            Phase::Suspended { wake: false } | Phase::BackingOff => match self.timers.next() {
                Some(deadline) => Next::WaitUntil(deadline),
                None => Next::WaitForOutside { what: self.outside() },
            },
        }
    }

    fn outside(&self) -> Vec<Outside> {
        let callbacks = self.callbacks.open_callbacks().filter_map(|index| {
            let operation = self.operations.get(index)?;
            let callback_id = operation.callback_details.as_ref()?.callback_id.clone()?;
            Some((index, Outside::Callback { name: self.callback_name(operation), callback_id }))
        });
        let invokes = self.invokes.unanswered().filter_map(|(index, function_name)| {
            let operation_id = self.operations.get(index)?.id.clone();
            Some((index, Outside::Invoke { operation_id, function_name: function_name.clone() }))
        });
        let mut all: Vec<_> = callbacks.chain(invokes).collect();
        all.sort_by_key(|(index, _)| *index);
        all.into_iter().map(|(_, outside)| outside).collect()
    }

    /// The callback's name; without one, that of the context it is in.
    fn callback_name(&self, callback: &Operation) -> Option<Arc<str>> {
        callback.name.clone().or_else(|| {
            let (_, context) = self.operations.find(callback.parent_id.as_ref()?)?;
            context.name.clone()
        })
    }

    /// The scripted answers that a callback gets.
    pub(super) fn scripted_answers(&mut self, callback: &Operation) -> Vec<ScriptedAnswer> {
        let name = self.callback_name(callback);
        self.script.take(name.as_deref().unwrap_or_default())
    }

    /// Where answers are given in turn: goes on to the next callback that one is for, unless one is on its way. Called
    /// after all that opens or closes callbacks.
    fn send_next_answer(&mut self, at: Timestamp) {
        loop {
            let from = match self.script.turn() {
                None => return,
                Some(Turn::OnItsWay(callback)) if self.callbacks.is_open(callback) => return,
                // The callback was over before its answer came.
                Some(Turn::OnItsWay(callback)) => {
                    self.script.given(callback);
                    continue;
                }
                Some(Turn::From(from)) => from,
            };
            let Some(callback) = self.operations.next_callback(from) else { return };
            self.answer_in_turn(at, callback);
        }
    }

    /// Sends a callback the next answer that is for it on its way. One that is over takes it all the same: it is lost.
    fn answer_in_turn(&mut self, at: Timestamp, callback: Index) {
        let name = self.operations.get(callback).and_then(|operation| self.callback_name(operation));
        if let Some(scripted) = self.script.visit(callback, name.as_deref().unwrap_or_default()) {
            self.callbacks.schedule(&mut self.timers, at, callback, scripted);
        }
    }

    /// Something happened that was not the handler's doing.
    pub(super) fn tell(&mut self) {
        self.news = true;
        if let Phase::Suspended { wake } = &mut self.phase {
            *wake = true;
        }
    }

    /// Whether there was news since the last time this was asked.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Whether a poll would bring something new now: to the handler while it runs, else to who invokes it.
    pub(super) fn has_news(&self) -> bool {
        match &self.phase {
            Phase::Closed { .. } => true,
            Phase::Running(_) => self.operations.has_changed(),
            Phase::Suspended { wake } => *wake,
            Phase::BackingOff => false,
        }
    }

    /// The execution as it stands.
    pub(super) fn view(&self) -> ExecutionView {
        let execution = self.operations.get(EXECUTION);
        let (result, error) = match &self.phase {
            Phase::Closed { verdict: Verdict::Succeeded(result), .. } => (result.clone(), None),
            Phase::Closed { verdict, .. } => (None, verdict.error().cloned()),
            _ => (None, None),
        };
        ExecutionView {
            arn: self.arn.clone(),
            status: self.phase.status(),
            result,
            error,
            input: execution
                .and_then(|operation| operation.execution_details.as_ref()?.input_payload.clone()),
            operations: self.operations.all().cloned().collect(),
            events: self.events.get_events().to_vec(),
            invocations: self.invocations.clone(),
            start: execution.map_or(Timestamp::MAX, |operation| operation.start_timestamp),
            end: execution.and_then(|operation| operation.end_timestamp),
            checkpoints: self.checkpoints,
        }
    }

    /// An answer from outside.
    pub(super) fn complete_callback(
        &mut self,
        now: Timestamp,
        index: Index,
        answer: Answer,
    ) -> Result<(), ServiceError> {
        self.advance(now);
        answer.check(&self.limits)?;
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
