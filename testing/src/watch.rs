//! What a test knows of an execution while it runs, and what it does to it.
//!
//! Invariants:
//! - whoever waits for something is woken by what happens, and never looks again by the clock;
//! - while a test has a handle of a callback that is open, skipped time does not reach the callback's deadline, unless
//!   the test advances it there, or itself waits for the callback's end;
//! - when the execution is over, nobody waits any more.

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

/// A future of a call to the service.
pub type ApiCall<'a> = Pin<Box<dyn Future<Output = Result<(), TestError>> + Send + 'a>>;

/// What a test asks of the service that an execution runs on.
pub trait DurableApiClient: Send + Sync {
    /// Answers a callback (service model: `SendDurableExecutionCallback{Success,Failure,Heartbeat}`).
    fn complete_callback<'a>(&'a self, id: &'a CallbackId, answer: Answer) -> ApiCall<'a>;

    /// Stops the execution (service model: `StopDurableExecution`).
    fn stop<'a>(&'a self, arn: &'a ExecutionArn, error: Option<ErrorObject>) -> ApiCall<'a>;
}

/// Follows the executions of one runner, one after another. Clones follow the same.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Counts what happened.
    version: watch::Sender<u64>,
    /// Counts the changes of what the test may answer that are the test's doing.
    reconsidered: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// Which execution is followed, counted from 1. What another says of itself does not count.
    run: u64,
    phase: Phase,
    operations: OperationStorage,
    open: HashMap<OperationId, CallbackChange>,
    handles: BTreeMap<u64, HandleState>,
    last_handle: u64,
    /// The open callbacks that a handle is of.
    held: BTreeSet<CallbackId>,
    hold: Option<(Timestamp, Hold)>,
}

/// How far the execution is.
#[derive(Default)]
enum Phase {
    /// There was none yet.
    #[default]
    Before,
    /// It is about to start.
    Starting,
    Running(World),
    Over,
}

/// Where an execution runs.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) arn: ExecutionArn,
    pub(crate) api: Arc<dyn DurableApiClient>,
    /// The clock that a test may hold and advance; none where time is nobody's to command.
    pub(crate) clock: Option<Arc<dyn Clock>>,
}

struct HandleState {
    selector: Selector,
    /// The execution that it is of; none if it is of any.
    run: Option<u64>,
    /// How often it is waited for the operation's end: who does that alone is not about to answer.
    ends_awaited: usize,
    /// How often it is waited for something before that.
    starts_awaited: usize,
}

impl HandleState {
    /// Whether somebody with this handle may answer.
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

/// Marks the time during which an execution runs; dropped when it is over, however that came.
pub(crate) struct Following(Hub, u64);

impl Following {
    /// Which execution it is.
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

    /// An execution is about to start: what is known of the last is forgotten.
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

    /// The execution has started.
    pub(crate) fn started(&self, run: u64, world: World) {
        let mut state = self.state();
        if state.run == run && matches!(state.phase, Phase::Starting) {
            state.phase = Phase::Running(world);
            drop(state);
            self.happened();
        }
    }

    /// Something has happened to the execution.
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

    /// Forgets the execution, if it is over.
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

    /// The callback that an operation is or has, with its answer's id.
    pub(crate) fn callback(&self, of: &Arc<Operation>) -> Result<Arc<Operation>, TestError> {
        if of.kind == OperationType::Callback {
            return Ok(of.clone());
        }
        self.state().operations.callback(of).ok_or(TestError::NotCallbackOperation)
    }

    /// Where the execution runs, while it does.
    fn world(&self) -> Result<World, TestError> {
        match &self.state().phase {
            Phase::Running(world) => Ok(world.clone()),
            _ => Err(TestError::ExecutionNotFound("none runs now".to_owned())),
        }
    }

    /// Answers a callback.
    pub(crate) async fn answer(&self, operation: &Arc<Operation>, answer: Answer) -> Result<(), TestError> {
        let callback = self.callback(operation)?;
        let id = callback_id(&callback).ok_or(TestError::NotCallbackOperation)?;
        let Ok(world) = self.world() else {
            return Err(TestError::CallbackAlreadyCompleted("its execution is over".to_owned()));
        };
        world.api.complete_callback(&id, answer).await
    }

    /// Stops the execution.
    pub(crate) async fn stop(&self, error: Option<ErrorObject>) -> Result<(), TestError> {
        let World { arn, api, .. } = self.world()?;
        api.stop(&arn, error).await
    }

    /// Lets time pass, also past the deadlines of callbacks that the test has handles of.
    pub(crate) async fn advance(&self, by: Duration) -> Result<(), TestError> {
        let mut version = self.0.version.subscribe();
        let world = loop {
            version.borrow_and_update();
            if !matches!(self.state().phase, Phase::Starting) {
                break self.world()?;
            }
            // The sender lives as long as `self`.
            let _ = version.changed().await;
        };
        let clock = world.clock.filter(|clock| clock.skips()).ok_or(TestError::TimeIsReal)?;
        let _actor = clock.actor();
        let until = clock.now().plus_millis(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
        let _permit = clock.permit(until);
        clock.sleep(Some(until)).await;
        Ok(())
    }

    /// Waits until an operation is as far as this, and makes something of it while whoever waits still counts as
    /// waiting.
    pub(crate) async fn wait<T>(
        &self,
        handle: u64,
        selector: &Selector,
        status: WaitingOperationStatus,
        make: impl FnOnce(Arc<Operation>) -> T,
    ) -> Result<T, TestError> {
        let end = status == WaitingOperationStatus::Completed;
        if end {
            // Who waits for the end does not answer; but something beside it may be about to say that it does.
            tokio::task::yield_now().await;
        }
        let _awaited = Awaited::new(self, handle, end);
        let mut version = self.0.version.subscribe();
        loop {
            version.borrow_and_update();
            if let Some(operation) = self.look(selector, status)? {
                return Ok(make(operation));
            }
            // The sender lives as long as `self`.
            let _ = version.changed().await;
        }
    }

    /// The operation, if it is as far as this. An error if it never will be.
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

    /// Registers a handle: of an operation of any execution, or of one of that which was followed last.
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

    /// Changes what the test may answer.
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

    /// Whether the test has a handle of one of these callbacks, and may answer it.
    pub(crate) fn may_answer(&self, callbacks: impl IntoIterator<Item = CallbackId>) -> bool {
        let state = self.state();
        callbacks.into_iter().any(|callback| state.held.contains(&callback))
    }

    /// Ends when `may_answer` may have changed by the test's doing since this was called.
    pub(crate) fn reconsidered(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut count = self.0.reconsidered.subscribe();
        async move {
            if count.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Ends when nothing has happened for so long, in real time, while a handle keeps time from going on. Says what is
    /// held.
    pub(crate) async fn neglected(&self, patience: Duration) -> String {
        let mut version = self.0.version.subscribe();
        loop {
            version.borrow_and_update();
            if tokio::time::timeout(patience, version.changed()).await.is_ok() {
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

/// Somebody who waits for an operation, with a handle.
struct Awaited<'a> {
    hub: &'a Hub,
    handle: u64,
    end: bool,
}

impl<'a> Awaited<'a> {
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

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.count(|count| count.saturating_sub(1));
    }
}

fn callback_id(operation: &Operation) -> Option<CallbackId> {
    operation.callback_details.as_ref()?.callback_id.clone()
}

impl State {
    /// Finds out which callbacks are held, and holds time before the first of their deadlines. Whether that changed;
    /// and the hold that is to be released, not while this is locked.
    fn hold_time(&mut self) -> (bool, Option<(Timestamp, Hold)>) {
        let Phase::Running(World { clock, .. }) = &self.phase else { return (false, None) };
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
