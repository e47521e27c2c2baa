//! The state of a running execution as the test observes it, and the test's actions on it.
//!
//! Invariants:
//! - waiters are woken by notifications and never poll;
//! - while a test has a handle of an open callback, skipped time does not reach the callback's deadline, unless the
//!   test advances time past it or waits for the callback's end itself;
//! - when the execution ends, all waits end.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use durawasm_core::{
    ambient::{Clock, Hold},
    protocol::{CallbackId, ErrorObject, ExecutionArn, Operation, OperationId, OperationType, Timestamp},
    server::{Answer, CallbackChange},
};
use tokio::sync::watch;

use crate::{
    TestError, WaitingOperationStatus,
    storage::{OperationStorage, Selector},
};

/// The future of a call to the service.
pub type ApiCall<'a> = Pin<Box<dyn Future<Output = Result<(), TestError>> + Send + 'a>>;

/// The requests that a test sends to the service that runs the execution.
pub trait DurableApiClient: Send + Sync {
    /// Answers a callback (service model: `SendDurableExecutionCallback{Success,Failure,Heartbeat}`).
    fn complete_callback<'a>(&'a self, id: &'a CallbackId, answer: Answer) -> ApiCall<'a>;

    /// Stops the execution (service model: `StopDurableExecution`).
    fn stop<'a>(&'a self, arn: &'a ExecutionArn, error: Option<ErrorObject>) -> ApiCall<'a>;
}

/// Follows the executions of one runner, one at a time. Clones share their state.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Incremented at each change of the execution.
    version: watch::Sender<u64>,
    /// Incremented when an action of the test changes which callbacks it may answer.
    reconsidered: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// The number of the execution that is followed, counted from 1. Reports of other executions are ignored.
    run: u64,
    phase: Phase,
    operations: OperationStorage,
    open: HashMap<OperationId, CallbackChange>,
    handles: BTreeMap<u64, HandleState>,
    last_handle: u64,
    /// The open callbacks for which a handle exists.
    held: BTreeSet<CallbackId>,
    hold: Option<(Timestamp, Hold)>,
}

/// The phase of the followed execution.
#[derive(Default)]
enum Phase {
    /// No execution was started.
    #[default]
    Before,
    /// The execution is about to start.
    Starting,
    Running(RunningExecution),
    Over,
}

/// The service and the clock of an execution.
#[derive(Clone)]
pub(crate) struct RunningExecution {
    pub(crate) arn: ExecutionArn,
    pub(crate) api: Arc<dyn DurableApiClient>,
    /// The clock that a test can hold and advance; `None` if the test does not control time.
    pub(crate) clock: Option<Arc<dyn Clock>>,
}

struct HandleState {
    selector: Selector,
    /// The number of the execution that the handle belongs to; `None` if it is valid for any.
    run: Option<u64>,
    /// The number of waits for the operation's end. A handle with only such waits is not expected to answer.
    ends_awaited: usize,
    /// The number of waits for an earlier state of the operation.
    starts_awaited: usize,
}

impl HandleState {
    /// Whether the holder of this handle may answer in this run.
    fn may_answer(&self, run: u64) -> bool {
        self.run.is_none_or(|of| of == run) && (self.ends_awaited == 0 || self.starts_awaited > 0)
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            version: watch::Sender::new(0),
            reconsidered: watch::Sender::new(0),
        }))
    }
}

/// A guard that exists while an execution is followed. Dropping it marks the execution as ended.
pub(crate) struct Following(Hub, u64);

impl Following {
    /// The number of the followed execution.
    pub(crate) fn run(&self) -> u64 {
        self.1
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let released = {
            let mut state = self.0.state();
            state.phase = Phase::Over;
            state.open.clear();
            state.held.clear();
            state.hold.take()
        };
        drop(released);
        self.0.happened();
    }
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn happened(&self) {
        self.0.version.send_modify(|version| *version += 1);
    }

    /// Begins to follow a new execution, and clears the state of the last one.
    pub(crate) fn follow(&self) -> Result<Following, TestError> {
        let mut state = self.state();
        if matches!(state.phase, Phase::Starting | Phase::Running(_)) {
            return Err(TestError::AlreadyRunning);
        }
        state.phase = Phase::Starting;
        state.operations.clear();
        state.run += 1;
        Ok(Following(self.clone(), state.run))
    }

    /// Records that the execution has started.
    pub(crate) fn started(&self, run: u64, running: RunningExecution) {
        let mut state = self.state();
        if state.run == run && matches!(state.phase, Phase::Starting) {
            state.phase = Phase::Running(running);
            drop(state);
            self.happened();
        }
    }

    /// Records changes of the execution.
    pub(crate) fn changed(
        &self,
        run: u64,
        operations: impl IntoIterator<Item = Arc<Operation>>,
        callbacks: impl IntoIterator<Item = CallbackChange>,
    ) {
        let released = {
            let mut state = self.state();
            if state.run != run || matches!(state.phase, Phase::Over) {
                return;
            }
            for operation in operations {
                state.operations.add_operation(operation);
            }
            for callback in callbacks {
                if callback.open {
                    state.open.insert(callback.operation.id.clone(), callback);
                } else {
                    state.open.remove(&callback.operation.id);
                }
            }
            state.hold_time().1
        };
        drop(released);
        self.happened();
    }

    /// Clears the state of the execution, if it has ended.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Over) {
            state.phase = Phase::Before;
            state.operations.clear();
        }
    }

    pub(crate) fn find(&self, selector: &Selector) -> Option<Arc<Operation>> {
        self.state().operations.find(selector).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Operation>> {
        self.state().operations.get_all().to_vec()
    }

    pub(crate) fn children(&self, of: &Operation) -> Vec<Arc<Operation>> {
        self.state().operations.get_children(&of.id).cloned().collect()
    }

    /// The callback that this operation is or contains, with its callback id.
    pub(crate) fn callback(&self, of: &Arc<Operation>) -> Result<Arc<Operation>, TestError> {
        if of.kind == OperationType::Callback {
            return Ok(of.clone());
        }
        self.state().operations.callback(of).ok_or(TestError::NotCallbackOperation)
    }

    /// The service and the clock of the running execution.
    fn running(&self) -> Result<RunningExecution, TestError> {
        match &self.state().phase {
            Phase::Running(running) => Ok(running.clone()),
            _ => Err(TestError::ExecutionNotFound("no execution is running".to_owned())),
        }
    }

    /// Sends an answer to a callback.
    pub(crate) async fn answer(&self, operation: &Arc<Operation>, answer: Answer) -> Result<(), TestError> {
        let callback = self.callback(operation)?;
        let id = callback_id(&callback).ok_or(TestError::NotCallbackOperation)?;
        let Ok(running) = self.running() else {
            return Err(TestError::CallbackAlreadyCompleted("its execution has ended".to_owned()));
        };
        running.api.complete_callback(&id, answer).await
    }

    /// Stops the execution.
    pub(crate) async fn stop(&self, error: Option<ErrorObject>) -> Result<(), TestError> {
        let RunningExecution { arn, api, .. } = self.running()?;
        api.stop(&arn, error).await
    }

    /// Advances time, also past the deadlines of callbacks for which the test has handles.
    pub(crate) async fn advance(&self, by: Duration) -> Result<(), TestError> {
        let mut version = self.0.version.subscribe();
        let running = loop {
            version.borrow_and_update();
            if !matches!(self.state().phase, Phase::Starting) {
                break self.running()?;
            }
            // This cannot fail: the sender lives as long as `self`.
            let _ = version.changed().await;
        };
        let clock = running.clock.filter(|clock| clock.skips()).ok_or(TestError::TimeIsReal)?;
        let _actor = clock.actor();
        let until = clock.now().plus_millis(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
        let _permit = clock.permit(until);
        clock.sleep(Some(until)).await;
        Ok(())
    }

    /// Waits until an operation has reached this state, and maps it while the wait is still registered.
    pub(crate) async fn wait<T>(
        &self,
        handle: u64,
        selector: &Selector,
        status: WaitingOperationStatus,
        make: impl FnOnce(Arc<Operation>) -> T,
    ) -> Result<T, TestError> {
        let end = status == WaitingOperationStatus::Completed;
        if end {
            // A wait for the end gives up the right to answer. Yield first: another task of the test may be about to
            // wait for an earlier state, and so keep it.
            tokio::task::yield_now().await;
        }
        let _registered = RegisteredWait::new(self, handle, end);
        let mut version = self.0.version.subscribe();
        loop {
            version.borrow_and_update();
            if let Some(operation) = self.look(selector, status)? {
                return Ok(make(operation));
            }
            // This cannot fail: the sender lives as long as `self`.
            let _ = version.changed().await;
        }
    }

    /// The operation if it has reached this state; an error if it never will.
    fn look(
        &self,
        selector: &Selector,
        status: WaitingOperationStatus,
    ) -> Result<Option<Arc<Operation>>, TestError> {
        let state = self.state();
        if let Some(operation) = state.operations.find(selector) {
            let there = match status {
                WaitingOperationStatus::Started => true,
                WaitingOperationStatus::Submitted => state.operations.is_submitted(operation)?,
                WaitingOperationStatus::Completed => operation.status.is_terminal(),
            };
            if there {
                return Ok(Some(operation.clone()));
            }
        }
        match state.phase {
            Phase::Over => Err(TestError::ExecutionCompletedEarly(selector.to_string(), status)),
            Phase::Before | Phase::Starting | Phase::Running(_) => Ok(None),
        }
    }

    /// Registers a handle: of an operation of any execution, or only of the execution that was followed last.
    pub(crate) fn add_handle(&self, selector: Selector, of_last: bool) -> u64 {
        self.reconsider(|state| {
            state.last_handle += 1;
            let run = of_last.then_some(state.run);
            let handle = HandleState { selector, run, ends_awaited: 0, starts_awaited: 0 };
            state.handles.insert(state.last_handle, handle);
            state.last_handle
        })
    }

    pub(crate) fn drop_handle(&self, handle: u64) {
        self.reconsider(|state| state.handles.remove(&handle));
    }

    /// Applies a change that may affect which callbacks the test may answer.
    fn reconsider<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (done, changed, released) = {
            let mut state = self.state();
            let done = change(&mut state);
            let (changed, released) = state.hold_time();
            (done, changed, released)
        };
        if changed {
            self.0.reconsidered.send_modify(|count| *count += 1);
        }
        drop(released);
        done
    }

    /// Whether the test has a handle of one of these callbacks and may answer it.
    pub(crate) fn may_answer(&self, callbacks: impl IntoIterator<Item = CallbackId>) -> bool {
        let state = self.state();
        callbacks.into_iter().any(|callback| state.held.contains(&callback))
    }

    /// Completes when an action of the test, after this call, may have changed the result of `may_answer`.
    pub(crate) fn reconsidered(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut count = self.0.reconsidered.subscribe();
        async move {
            if count.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Completes when nothing has happened for this long, in real time, while a handle holds time. Returns the names of
    /// the held callbacks.
    pub(crate) async fn unanswered(&self, answer_timeout: Duration) -> String {
        let mut version = self.0.version.subscribe();
        loop {
            version.borrow_and_update();
            if tokio::time::timeout(answer_timeout, version.changed()).await.is_ok() {
                continue;
            }
            let state = self.state();
            let held = state.held.iter().find_map(|id| {
                let is_it = |open: &&CallbackChange| callback_id(&open.operation).as_ref() == Some(id);
                state.open.values().find(is_it)
            });
            if let Some(open) = held {
                return state.operations.label(&open.operation);
            }
        }
    }
}

/// A guard that registers a wait of a handle.
struct RegisteredWait<'a> {
    hub: &'a Hub,
    handle: u64,
    end: bool,
}

impl<'a> RegisteredWait<'a> {
    fn new(hub: &'a Hub, handle: u64, end: bool) -> Self {
        let awaited = Self { hub, handle, end };
        awaited.count(|count| count + 1);
        awaited
    }

    fn count(&self, change: impl FnOnce(usize) -> usize) {
        self.hub.reconsider(|state| {
            if let Some(handle) = state.handles.get_mut(&self.handle) {
                let count = if self.end { &mut handle.ends_awaited } else { &mut handle.starts_awaited };
                *count = change(*count);
            }
        });
    }
}

impl Drop for RegisteredWait<'_> {
    fn drop(&mut self) {
        self.count(|count| count.saturating_sub(1));
    }
}

fn callback_id(operation: &Operation) -> Option<CallbackId> {
    operation.callback_details.as_ref()?.callback_id.clone()
}

impl State {
    /// Determines which callbacks are held, and holds time before the earliest of their deadlines. Returns whether that
    /// changed, and the previous hold, which the caller must release after unlocking the state.
    fn hold_time(&mut self) -> (bool, Option<(Timestamp, Hold)>) {
        let Phase::Running(RunningExecution { clock, .. }) = &self.phase else { return (false, None) };
        if self.handles.is_empty() && self.held.is_empty() && self.hold.is_none() {
            return (false, None);
        }
        let open = |handle: &HandleState| {
            let operation = self.operations.find(&handle.selector)?;
            self.open.get(&self.operations.callback(operation)?.id)
        };
        let attended = || self.handles.values().filter(|handle| handle.may_answer(self.run)).filter_map(open);
        let callbacks: BTreeSet<CallbackId> =
            attended().filter_map(|open| callback_id(&open.operation)).collect();
        let until = attended().filter_map(|open| open.deadline).min();
        let changed = callbacks != self.held;
        self.held = callbacks;
        if until == self.hold.as_ref().map(|(at, _)| *at) {
            return (changed, None);
        }
        let next = until.and_then(|at| clock.as_ref().map(|clock| (at, clock.hold(at))));
        (changed, std::mem::replace(&mut self.hold, next))
    }
}
