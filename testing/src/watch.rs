//! What a test knows of an execution while it runs, and what it does to it.
//!
//! Always true:
//! - whoever waits for something is woken by what happens, and never looks again by the clock;
//! - while a test has a handle of a callback that is open, skipped time does not reach the callback's deadline, unless the
//!   test advances it there, or itself waits for the callback's end;
//! - when the execution is over, nobody waits any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use durawasm_host::{
    ambient::{Clock, Hold},
    protocol::{
        CallbackId, ErrorObject, ExecutionArn, Operation, OperationStatus, OperationType, Timestamp, sub_type,
    },
    server::{Answer, OpenCallback},
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
    phase: Phase,
    operations: OperationStorage,
    open: Vec<OpenCallback>,
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
    /// How often it is waited for the operation's end: who does that is not about to answer.
    ends_awaited: usize,
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
pub(crate) struct Following(Hub);

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
        Ok(Following(self.clone()))
    }

    /// The execution has started.
    pub(crate) fn started(&self, world: World) {
        self.state().phase = Phase::Running(world);
        self.happened();
    }

    /// Something has happened to the execution.
    pub(crate) fn changed(
        &self,
        operations: impl IntoIterator<Item = Arc<Operation>>,
        callbacks: Option<Vec<OpenCallback>>,
    ) {
        let released = {
            let mut state = self.state();
            for operation in operations {
                state.operations.add_operation(operation);
            }
            if let Some(open) = callbacks {
                state.open = open;
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
    pub(crate) fn callback(&self, of: &Operation) -> Result<Arc<Operation>, TestError> {
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
    pub(crate) async fn answer(&self, operation: &Operation, answer: Answer) -> Result<(), TestError> {
        let callback = self.callback(operation)?;
        let id = callback.callback_details.as_ref().and_then(|details| details.callback_id.clone());
        let id = id.ok_or(TestError::NotCallbackOperation)?;
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
        clock.permit(until);
        clock.sleep(Some(until)).await;
        Ok(())
    }

    /// Waits until an operation is as far as this.
    pub(crate) async fn wait(
        &self,
        handle: u64,
        selector: &Selector,
        status: WaitingOperationStatus,
    ) -> Result<Arc<Operation>, TestError> {
        let _end = (status == WaitingOperationStatus::Completed).then(|| EndAwaited::new(self, handle));
        let mut version = self.0.version.subscribe();
        loop {
            version.borrow_and_update();
            if let Some(operation) = self.look(selector, status)? {
                return Ok(operation);
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

    /// Registers a handle.
    pub(crate) fn add_handle(&self, selector: Selector) -> u64 {
        self.reconsider(|state| {
            state.last_handle += 1;
            state.handles.insert(state.last_handle, HandleState { selector, ends_awaited: 0 });
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

    /// Ends when nothing has happened for so long, in real time, while a handle keeps time from going on. Says what is held.
    pub(crate) async fn neglected(&self, patience: Duration) -> String {
        let mut version = self.0.version.subscribe();
        loop {
            version.borrow_and_update();
            if tokio::time::timeout(patience, version.changed()).await.is_ok() {
                continue;
            }
            let state = self.state();
            let held = state.open.iter().find(|open| {
                let id = open.operation.callback_details.as_ref().and_then(|d| d.callback_id.as_ref());
                id.is_some_and(|id| state.held.contains(id))
            });
            if let Some(open) = held {
                return state.operations.label(&open.operation);
            }
        }
    }
}

/// A wait for an operation's end.
struct EndAwaited<'a>(&'a Hub, u64);

impl<'a> EndAwaited<'a> {
    fn new(hub: &'a Hub, handle: u64) -> Self {
        hub.reconsider(|state| {
            if let Some(handle) = state.handles.get_mut(&handle) {
                handle.ends_awaited += 1;
            }
        });
        Self(hub, handle)
    }
}

impl Drop for EndAwaited<'_> {
    fn drop(&mut self) {
        self.0.reconsider(|state| {
            if let Some(handle) = state.handles.get_mut(&self.1) {
                handle.ends_awaited = handle.ends_awaited.saturating_sub(1);
            }
        });
    }
}

impl State {
    /// Finds out which callbacks are held, and holds time before the first of their deadlines. Whether that changed; and the
    /// hold that is to be released, not while this is locked.
    fn hold_time(&mut self) -> (bool, Option<(Timestamp, Hold)>) {
        let Phase::Running(World { clock, .. }) = &self.phase else { return (false, None) };
        let operations = &self.operations;
        let attended: BTreeSet<_> = self
            .handles
            .values()
            .filter(|handle| handle.ends_awaited == 0)
            .filter_map(|handle| Some(operations.callback(operations.find(&handle.selector)?)?.id.clone()))
            .collect();
        let held = || self.open.iter().filter(|open| attended.contains(&open.operation.id));
        let id = |open: &OpenCallback| open.operation.callback_details.as_ref()?.callback_id.clone();
        let callbacks: BTreeSet<CallbackId> = held().filter_map(id).collect();
        let until = held().filter_map(|open| open.deadline).min();
        let changed = callbacks != self.held;
        self.held = callbacks;
        if until == self.hold.as_ref().map(|(at, _)| *at) {
            return (changed, None);
        }
        let next = until.and_then(|at| clock.as_ref().map(|clock| (at, clock.hold(at))));
        (changed, std::mem::replace(&mut self.hold, next))
    }
}

impl OperationStorage {
    /// The callback that an operation is, or that it holds if it is a wait-for-callback.
    pub(crate) fn callback(&self, of: &Operation) -> Option<Arc<Operation>> {
        match of.kind {
            OperationType::Callback => self.get_by_id(of.id.as_str()).cloned(),
            OperationType::Context if of.sub_type.as_deref() == Some(sub_type::WAIT_FOR_CALLBACK) => {
                self.get_children(&of.id).find(|child| child.kind == OperationType::Callback).cloned()
            }
            _ => None,
        }
    }

    /// Whether a callback can be answered by whoever is to answer it: its id was handed out, where that is for the operation
    /// to do.
    fn is_submitted(&self, operation: &Operation) -> Result<bool, TestError> {
        let waits = |context: &Operation| context.sub_type.as_deref() == Some(sub_type::WAIT_FOR_CALLBACK);
        if operation.kind == OperationType::Context && waits(operation) && operation.status.is_terminal() {
            return Ok(true);
        }
        let Some(callback) = self.callback(operation) else {
            // A wait-for-callback that has only begun has none yet.
            let will = operation.kind == OperationType::Context && waits(operation);
            return if will { Ok(false) } else { Err(TestError::NotCallbackOperation) };
        };
        if callback.status.is_terminal() {
            return Ok(true);
        }
        let parent = callback.parent_id.as_ref().and_then(|id| self.get_by_id(id.as_str()));
        Ok(match parent.filter(|parent| waits(parent)) {
            Some(context) => self
                .get_children(&context.id)
                .any(|child| child.kind == OperationType::Step && child.status == OperationStatus::Succeeded),
            None => true,
        })
    }

    /// What to call a callback: its name, or its context's.
    fn label(&self, callback: &Operation) -> String {
        let parent = || callback.parent_id.as_ref().and_then(|id| self.get_by_id(id.as_str()));
        let name = callback.name.clone().or_else(|| parent()?.name.clone());
        name.map_or("a callback without a name".to_owned(), |name| format!("callback {name:?}"))
    }
}
