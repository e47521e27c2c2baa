//! All executions of a server: the complete rules of the server without its thread. Plain data; the time is a
//! parameter.
//!
//! Invariants:
//! - an execution's ids do not depend on other executions;
//! - a request concerns one execution, and its cost does not depend on the others.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    api::{
        Answer, ExecutionView, InvokeOutcome, InvokeTarget, Next, ScriptedAnswer, StartExecution,
        StartedInvocation, StartedInvoke,
    },
    callback_manager::read_callback_id,
    checkpoint_manager::{CheckpointManager, ExecutionIdentity},
    dispatch::Dispatch,
    holding::Holding,
    ids::{IdSource, read_uuid},
    kept,
    kept_executions::Kept,
    observer::Observer,
    store::{Invoker, Store},
    tally::Tallied,
    timers::{ScheduledTimer, TimerKey},
    token::{Markers, decode_checkpoint_token},
};
use crate::{
    ambient::Entropy,
    budget::{Budget, HostBudget},
    protocol::{
        CallbackId, CheckpointResponse, CheckpointToken, ErrorObject, ExecutionArn, ExecutionStatus,
        InvocationResult, LATEST, LATEST_PUBLISHED, Limits, OperationId, OperationUpdate, ServiceError,
        StatePage, Timestamp, check_execution_name, invalid,
    },
};

/// The executions of a server, and the requests on them. Each request takes the current time, which must not decrease.
pub struct ExecutionManager {
    pub(super) executions: HashMap<ExecutionArn, (CheckpointManager, IdSource)>,
    pub(super) by_id: HashMap<[u8; 16], ExecutionArn>,
    pub(super) entropy: Arc<dyn Entropy>,
    /// The ids of executions that were not started by a chained invoke.
    ids: IdSource,
    pub(super) markers: Markers,
    pub(super) limits: Arc<Limits>,
    pub(super) host: HostBudget,
    /// Executions that changed from outside since [`Self::take_news`].
    pub(super) news: BTreeSet<ExecutionArn>,
    /// The store, if there is one, and what is not committed yet.
    pub(super) kept: Option<Kept>,
    /// Which executions can go on, if somebody dispatches them.
    pub(super) dispatch: Option<Dispatch>,
    /// The instants that skipped time must not reach, if executions are dispatched in skipped time.
    pub(super) holding: Option<Holding>,
    /// The executions that were started under a name that others may state again, by function and name. With a store, it
    /// knows them.
    names: HashMap<(String, String), ExecutionArn>,
    /// The executions that chained invokes started, if executions are dispatched. With a store, it knows them.
    invoked: HashMap<(ExecutionArn, OperationId), ExecutionArn>,
    /// The starts and ends that are not committed yet, for whoever counts them.
    pub(super) tallied: Tallied,
}

impl ExecutionManager {
    /// Creates a server without executions, whose host has the default budget of bytes.
    pub fn new(entropy: Arc<dyn Entropy>, limits: Limits) -> Self {
        let mut ids = IdSource::new(entropy.clone());
        let markers = Markers::new(&mut ids);
        Self {
            executions: HashMap::new(),
            by_id: HashMap::new(),
            entropy,
            ids,
            markers,
            limits: Arc::new(limits),
            host: HostBudget::default(),
            news: BTreeSet::new(),
            kept: None,
            dispatch: None,
            holding: None,
            names: HashMap::new(),
            invoked: HashMap::new(),
            tallied: Tallied::default(),
        }
    }

    /// Keeps all executions in a store. Those that are there can be continued.
    ///
    /// The changes of requests have to be committed ([`Self::commit`]) before the requests are answered.
    #[must_use]
    pub fn with_store(self, store: Box<dyn Store>) -> Self {
        // The ids that earlier processes gave to executions must not be given again.
        let ids = IdSource::new(self.entropy.fork(&format!("process {}", store.process())));
        Self { ids, kept: Some(Kept::new(store)), ..self }
    }

    /// Sets the budget of bytes that all executions charge, beside each its own.
    #[must_use]
    pub fn with_host_budget(self, host: HostBudget) -> Self {
        Self { host, ..self }
    }

    /// The budget of an execution.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub fn budget(&mut self, arn: &ExecutionArn) -> Result<Budget, ServiceError> {
        self.with(arn, |execution, _| Ok(execution.budget.clone()))
    }

    /// Starts an execution. No code runs until [`Self::start_invocation`].
    ///
    /// # Errors
    /// [`ServiceError::InvalidParameterValue`] when a name, a size or the timeout is out of range, the input is not JSON,
    /// a budget of bytes has no room for it, or the invoke that it is for has started an execution before.
    /// [`ServiceError::TooManyRequests`] when executions are dispatched and too many can go on.
    /// [`ServiceError::AlreadyStarted`] when the name is that of an execution with another input.
    pub fn start_execution(
        &mut self,
        now: Timestamp,
        request: StartExecution,
    ) -> Result<ExecutionArn, ServiceError> {
        check_start(&request, &self.limits)?;
        if let Some(started) = self.started_before(&request)? {
            return Ok(started);
        }
        if request.invoked_by.is_none() {
            self.check_active()?;
        }
        let invoked_by = request.invoked_by.clone();
        let named = request.execution_name.clone().filter(|_| request.idempotent);
        let named = named.map(|name| (request.function_name.clone(), name));
        let budget = Budget::new(self.limits.execution_bytes, self.host.clone());
        budget.charge(kept::execution(&request))?;
        let mut invoked;
        let ids = match &request.invoked_by {
            None => &mut self.ids,
            Some((caller, operation)) => {
                invoked = IdSource::new(self.entropy.fork(&format!("{caller}#{operation}")));
                &mut invoked
            }
        };
        let (id, text) = ids.uuid();
        // The ids of an invoked execution are a function of its invoke, which has one target.
        if request.invoked_by.is_some() && self.by_id.contains_key(&id) {
            return invalid(format!("there is an execution with the id {text}: an invoke starts one"));
        }
        let name = request.execution_name.clone().unwrap_or_else(|| ids.uuid().1);
        let arn = ExecutionArn::new(&request.function_name, &request.function_version, &name, &text);
        let identity = ExecutionIdentity {
            arn: arn.clone(),
            id,
            operation_id: text.into(),
            name: name.into(),
            limits: self.limits.clone(),
            budget,
            markers: self.markers.clone(),
        };
        self.by_id.insert(id, arn.clone());
        let ids = IdSource::new(self.entropy.fork(arn.as_str()));
        let mut execution = CheckpointManager::new(now, identity, request);
        if let Some(kept) = &mut self.kept {
            execution.keep(kept.process());
            kept.touch(&arn);
        }
        if let Some(dispatch) = &mut self.dispatch {
            dispatch.touch(&arn);
            if let (Some(invoker), None) = (invoked_by, &self.kept) {
                self.invoked.insert(invoker, arn.clone());
            }
        }
        if let Some(key) = named.filter(|_| self.kept.is_none()) {
            self.names.insert(key, arn.clone());
        }
        self.tallied.record(&arn, ExecutionStatus::Running);
        self.executions.insert(arn.clone(), (execution, ids));
        Ok(arn)
    }

    /// Performs a request on one execution, and records whether it caused news.
    pub(super) fn with<T>(
        &mut self,
        arn: &ExecutionArn,
        act: impl FnOnce(&mut CheckpointManager, &mut IdSource) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        self.load(arn)?;
        let Some((execution, ids)) = self.executions.get_mut(arn) else {
            return Err(ServiceError::NotFound(format!("there is no execution {arn}")));
        };
        let was_open = !execution.is_execution_completed();
        let done = act(execution, ids);
        if was_open && execution.is_execution_completed() {
            self.tallied.record(arn, execution.phase.status());
        }
        if let Some(dispatch) = &mut self.dispatch {
            dispatch.touch(arn);
        }
        match &mut self.kept {
            // The observer is told after the commit.
            Some(kept) => kept.touch(arn),
            None => execution.report_to_observer(),
        }
        if execution.take_news() {
            self.news.insert(arn.clone());
        }
        done
    }

    /// Sets the execution's observer, replacing an earlier one, and reports the complete state to it.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub fn observe(
        &mut self,
        now: Timestamp,
        arn: &ExecutionArn,
        observer: Arc<dyn Observer>,
    ) -> Result<(), ServiceError> {
        if let Some(kept) = &mut self.kept {
            kept.observe(arn, observer.clone());
        }
        self.with(arn, |execution, _| {
            execution.advance(now);
            execution.set_observer(observer);
            Ok(())
        })
    }

    /// Starts an invocation. Allowed when [`Self::poll`] returns [`Next::Invoke`].
    ///
    /// # Errors
    /// [`ServiceError::InvalidParameterValue`] when the execution needs none: one is running, nothing has changed since
    /// the last, a retry is not due yet, or the execution has ended. [`ServiceError::NotFound`].
    pub fn start_invocation(
        &mut self,
        now: Timestamp,
        arn: &ExecutionArn,
    ) -> Result<StartedInvocation, ServiceError> {
        self.with(arn, |execution, ids| execution.start_invocation(now, ids))
    }

    /// Applies a handler's updates, all or none (service model: `CheckpointDurableExecution`).
    ///
    /// # Errors
    /// [`ServiceError::InvalidToken`]; [`ServiceError::InvalidParameterValue`] when an update breaks the rules; then
    /// nothing changes and the token stays valid. Also when a budget of bytes has no room for them: if it is the
    /// execution's, the execution has failed. [`ServiceError::NotFound`].
    pub fn checkpoint(
        &mut self,
        now: Timestamp,
        arn: &ExecutionArn,
        token: &CheckpointToken,
        updates: Vec<OperationUpdate>,
    ) -> Result<CheckpointResponse, ServiceError> {
        self.with(arn, |execution, ids| execution.checkpoint(now, ids, token, updates))
    }

    /// Returns a page of the state (service model: `GetDurableExecutionState`). The token stays valid.
    ///
    /// # Errors
    /// [`ServiceError::InvalidParameterValue`] when the token is not the current one or the marker was not made by the
    /// server for this execution. [`ServiceError::NotFound`].
    pub fn get_state(
        &mut self,
        now: Timestamp,
        arn: &ExecutionArn,
        token: &CheckpointToken,
        marker: &str,
    ) -> Result<StatePage, ServiceError> {
        self.with(arn, |execution, _| execution.read_page(now, token, marker))
    }

    /// Completes an invocation. An output that the service refuses counts as a crash (`Runtime.InvalidOutput`). If the
    /// execution has ended already, the result is ignored.
    ///
    /// # Errors
    /// [`ServiceError::InvocationNotRunning`]. [`ServiceError::NotFound`].
    pub fn complete_invocation(
        &mut self,
        now: Timestamp,
        arn: &ExecutionArn,
        request_id: &str,
        result: InvocationResult,
    ) -> Result<Next, ServiceError> {
        self.with(arn, |execution, _| execution.complete_invocation(now, request_id, result))
    }

    /// Answers a callback (service model: `SendDurableExecutionCallback{Success,Failure,Heartbeat}`).
    ///
    /// # Errors
    /// [`ServiceError::CallbackOver`] when it was answered, has timed out, or its execution has ended.
    /// [`ServiceError::NotFound`]. [`ServiceError::InvalidParameterValue`] when the answer is too large.
    /// Also when a budget of bytes has no room for it: if it is the execution's, the execution has failed.
    pub fn complete_callback(
        &mut self,
        now: Timestamp,
        id: &CallbackId,
        answer: Answer,
    ) -> Result<(), ServiceError> {
        let unknown = || ServiceError::CallbackNotFound(format!("there is no callback {id}"));
        let (execution, index) = read_callback_id(id).ok_or_else(unknown)?;
        let arn = self.find_id(execution)?.ok_or_else(unknown)?;
        self.with(&arn, |execution, _| {
            let known =
                execution.operations.get(index).and_then(|operation| operation.callback_details.as_ref());
            if known.and_then(|details| details.callback_id.as_ref()) != Some(id) {
                return Err(unknown());
            }
            execution.complete_callback(now, index, answer)
        })
    }

    /// Adds answers that callbacks get without a request from outside, and replaces what its host keeps with the execution.
    /// For a host that continues an execution. Has no effect if the execution has ended.
    ///
    /// # Errors
    /// [`ServiceError::InvalidParameterValue`] when an answer is too large. [`ServiceError::NotFound`].
    pub fn add_answers(
        &mut self,
        now: Timestamp,
        arn: &ExecutionArn,
        answers: Vec<ScriptedAnswer>,
        origin: Option<Arc<str>>,
    ) -> Result<(), ServiceError> {
        for scripted in &answers {
            scripted.answer.check(&self.limits)?;
        }
        self.with(arn, |execution, _| {
            execution.advance(now);
            if !execution.is_execution_completed() {
                execution.origin = origin;
                execution.add_answers(now, answers);
            }
            Ok(())
        })
    }

    /// Hands out the chained invokes that were started and not handed out before, oldest first. The caller must run
    /// each target once and complete each invoke.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub fn take_invokes(&mut self, arn: &ExecutionArn) -> Result<Vec<StartedInvoke>, ServiceError> {
        self.with(arn, |execution, _| Ok(execution.take_invokes()))
    }

    /// Records the target of a chained invoke in its `ChainedInvokeStarted` event.
    ///
    /// # Errors
    /// [`ServiceError::InvalidParameterValue`] when the operation is not an open chained invoke.
    /// [`ServiceError::NotFound`].
    pub fn annotate_invoke(
        &mut self,
        arn: &ExecutionArn,
        operation: &OperationId,
        target: InvokeTarget,
    ) -> Result<(), ServiceError> {
        self.with(arn, |execution, _| execution.annotate_invoke(operation, target))
    }

    /// Completes a chained invoke. While the invocation that started it is running, the outcome is held back.
    ///
    /// # Errors
    /// [`ServiceError::InvalidParameterValue`] when the operation is not an open chained invoke.
    /// [`ServiceError::NotFound`].
    pub fn complete_invoke(
        &mut self,
        now: Timestamp,
        arn: &ExecutionArn,
        operation: &OperationId,
        outcome: InvokeOutcome,
    ) -> Result<(), ServiceError> {
        self.with(arn, |execution, _| execution.complete_invoke(now, operation, outcome))
    }

    /// Stops an execution (service model: `StopDurableExecution`). The token of a running invocation becomes invalid.
    ///
    /// # Errors
    /// [`ServiceError::InvalidParameterValue`] when it has ended. [`ServiceError::NotFound`].
    pub fn stop_execution(
        &mut self,
        now: Timestamp,
        arn: &ExecutionArn,
        error: Option<ErrorObject>,
    ) -> Result<(), ServiceError> {
        self.with(arn, |execution, _| execution.stop(now, error))
    }

    /// Fires all due timers, and returns what the execution needs next.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub fn poll(&mut self, now: Timestamp, arn: &ExecutionArn) -> Result<Next, ServiceError> {
        self.with(arn, |execution, _| {
            execution.advance(now);
            Ok(execution.next())
        })
    }

    /// Fires all due timers. Returns what the execution needs next, takes the chained invokes as
    /// [`Self::take_invokes`] does, and tells whether a change is pending, as [`Self::has_news`] does.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub(super) fn next(
        &mut self,
        now: Timestamp,
        arn: &ExecutionArn,
    ) -> Result<(Next, Vec<StartedInvoke>, bool), ServiceError> {
        self.with(arn, |execution, _| {
            execution.advance(now);
            Ok((execution.next(), execution.take_invokes(), execution.has_news()))
        })
    }

    /// Takes the timers that a scheduler controls and has not taken before, in the order in which they were scheduled.
    /// Empty if the clock controls timers.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub fn take_timers(&mut self, arn: &ExecutionArn) -> Result<Vec<ScheduledTimer>, ServiceError> {
        self.with(arn, |execution, _| Ok(execution.timers.take_scheduled()))
    }

    /// Whether such a timer has neither fired nor been cancelled.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub fn has_timer(&mut self, arn: &ExecutionArn, key: TimerKey) -> Result<bool, ServiceError> {
        self.with(arn, |execution, _| Ok(execution.timers.contains(key)))
    }

    /// Fires such a timer, whatever its deadline. Has no effect if it was cancelled.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub fn elapse(&mut self, now: Timestamp, arn: &ExecutionArn, key: TimerKey) -> Result<(), ServiceError> {
        self.with(arn, |execution, _| {
            execution.elapse(now, key);
            Ok(())
        })
    }

    /// Fires all due timers, and returns the state of the execution.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub fn view(&mut self, now: Timestamp, arn: &ExecutionArn) -> Result<ExecutionView, ServiceError> {
        self.with(arn, |execution, _| {
            execution.advance(now);
            Ok(execution.view())
        })
    }

    /// Whether a poll of the running handler would return something new, or, while no invocation is running, whether
    /// there is something to do.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub fn has_news(&mut self, now: Timestamp, arn: &ExecutionArn) -> Result<bool, ServiceError> {
        self.with(arn, |execution, _| {
            execution.advance(now);
            Ok(execution.has_news())
        })
    }

    /// Returns the state of an execution.
    pub fn get_checkpoints_by_execution(&self, arn: &ExecutionArn) -> Option<&CheckpointManager> {
        self.executions.get(arn).map(|(execution, _)| execution)
    }

    /// Returns the state of the execution that a checkpoint token belongs to, whether or not the token is current.
    pub fn get_checkpoints_by_token(&self, token: &CheckpointToken) -> Option<&CheckpointManager> {
        let id = decode_checkpoint_token(token.as_str()).ok()?.execution_id;
        self.get_checkpoints_by_execution(self.by_id.get(&read_uuid(&id)?)?)
    }

    /// The execution that was started under this name, in memory.
    pub(super) fn started_named(&self, function: &str, name: &str) -> Option<ExecutionArn> {
        self.names.get(&(function.to_owned(), name.to_owned())).cloned()
    }

    /// The execution that this chained invoke started, in memory.
    pub(super) fn started_by(&self, invoker: &(ExecutionArn, OperationId)) -> Option<ExecutionArn> {
        self.invoked.get(invoker).cloned()
    }

    /// Forgets what an execution that is deleted was found by.
    pub(super) fn forget_name(&mut self, arn: &ExecutionArn, invoker: Option<Invoker>) {
        if let Some(Invoker { execution, operation }) = invoker {
            self.invoked.remove(&(execution, operation));
        }
        let Some((function, _, name)) = arn.parts() else { return };
        let key = (function.to_owned(), name.to_owned());
        if self.names.get(&key) == Some(arn) {
            self.names.remove(&key);
        }
    }

    /// Takes the executions that changed from outside of their handlers since the last call.
    pub fn take_news(&mut self) -> BTreeSet<ExecutionArn> {
        std::mem::take(&mut self.news)
    }
}

fn check_start(request: &StartExecution, limits: &Limits) -> Result<(), ServiceError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let function = &request.function_name;
    if !(matches!(function.len(), 1..=256) && function.bytes().all(allowed)) {
        return invalid(format!("the function's name {function:?} is not 1 to 256 of A-Z a-z 0-9 - _ ."));
    }
    let version = request.function_version.as_str();
    let numbered = matches!(version.len(), 1..=64) && version.bytes().all(|byte| byte.is_ascii_digit());
    if !(numbered || matches!(version, LATEST | LATEST_PUBLISHED)) {
        return invalid(format!(
            "the function's version {version:?} is neither {LATEST}, {LATEST_PUBLISHED} nor a number"
        ));
    }
    if let Some(name) = &request.execution_name {
        check_execution_name(name).map_err(|error| ServiceError::InvalidParameterValue(error.to_string()))?;
    }
    if let Some(seconds) = request.timeout_seconds
        && !Limits::EXECUTION_SECONDS.contains(&seconds)
    {
        let (least, most) = (Limits::EXECUTION_SECONDS.start(), Limits::EXECUTION_SECONDS.end());
        return invalid(format!("the execution's timeout is {seconds} s; {least} to {most} is allowed"));
    }
    for scripted in &request.answers {
        scripted.answer.check(limits)?;
    }
    if let Some(input) = &request.input {
        let (size, most) = (input.len(), limits.payload_bytes);
        if size > most {
            return invalid(format!("the execution's input has {size} bytes; at most {most} are allowed"));
        }
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(input) {
            return invalid(format!("the execution's input is not JSON: {error}"));
        }
    }
    Ok(())
}
