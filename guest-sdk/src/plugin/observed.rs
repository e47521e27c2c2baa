//! The host as the handler gets it if there are plugins: passes every call on, and reports it to the observer.
//!
//! Invariants: operations, contexts and the executor are independent of plugins, and a handler without plugins uses its
//! host directly. The end of the invocation is reported before a suspension: only [`ObservedRuntime::next`] may
//! suspend.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use super::info::UserFunctionOutcome;
use super::observer::{NewOperation, Observer};
use crate::contract::{
    Attempts, Callback, CallbackOptions, CheckpointMode, Child, ChildResult, ChildState, Completed,
    Condition, ConditionState, EndStatus, ExecutionInfo, Identity, Interest, Invoke, InvokeOptions,
    Observing, Operation, OperationType, Outcome, Pollable, Position, Runtime, Scope, Step, StepOptions,
    StepState, Success,
};
use crate::error::{InvalidArgument, WireError};

/// The sub-types of contexts whose code belongs to this crate: the handler's functions are their children.
const SDK_CONTEXTS: [&str; 3] = ["Map", "Parallel", "WaitForCallback"];

/// The token for blocking on a single operation. The tokens of the reactor count from 1.
const SINGLE_TOKEN: u64 = u64::MAX;

/// An observed host.
pub(crate) struct ObservedRuntime(Arc<Shared>);

struct Shared {
    host: Arc<dyn Runtime>,
    observer: Arc<Observer>,
}

impl ObservedRuntime {
    pub(crate) fn new(host: Arc<dyn Runtime>, observer: Arc<Observer>) -> Self {
        Self(Arc::new(Shared { host, observer }))
    }
}

impl Shared {
    fn next_or_idle(&self) -> Option<Vec<u64>> {
        let ready = self.host.next_or_idle();
        self.observer.observe();
        ready
    }

    fn next(&self) -> Vec<u64> {
        self.next_or_idle().unwrap_or_else(|| {
            self.observer.suspended();
            self.host.next()
        })
    }
}

impl Runtime for ObservedRuntime {
    fn execution(&self) -> ExecutionInfo {
        self.0.host.execution()
    }

    fn invocation_id(&self) -> String {
        self.0.host.invocation_id()
    }

    fn deadline_ms(&self) -> u64 {
        self.0.host.deadline_ms()
    }

    fn now(&self) -> SystemTime {
        self.0.host.now()
    }

    fn is_replaying(&self) -> bool {
        self.0.host.is_replaying()
    }

    fn root(&self) -> Arc<dyn Scope> {
        let id = OnceLock::from(None);
        Arc::new(ObservedScope { shared: Arc::clone(&self.0), inner: self.0.host.root(), id })
    }

    fn watch(&self, pollable: Box<dyn Pollable>, token: u64) {
        self.0.host.watch(pollable, token);
    }

    fn unwatch(&self, token: u64) {
        self.0.host.unwatch(token);
    }

    fn next(&self) -> Vec<u64> {
        self.0.next()
    }

    fn next_or_idle(&self) -> Option<Vec<u64>> {
        self.0.next_or_idle()
    }

    fn set_checkpoint_mode(&self, mode: CheckpointMode) {
        self.0.host.set_checkpoint_mode(mode);
    }

    fn checkpoint_mode(&self) -> CheckpointMode {
        self.0.host.checkpoint_mode()
    }

    fn flush(&self) {
        self.0.host.flush();
        self.0.observer.observe();
    }

    fn pending_updates(&self) -> u32 {
        self.0.host.pending_updates()
    }

    fn keep_replayed_logs(&self, keep: bool) {
        self.0.host.keep_replayed_logs(keep);
    }

    fn observing(&self) -> Option<Arc<dyn Observing>> {
        self.0.host.observing()
    }
}

/// A scope.
struct ObservedScope {
    shared: Arc<Shared>,
    inner: Arc<dyn Scope>,
    id: OnceLock<Option<String>>,
}

impl ObservedScope {
    fn parent_id(&self) -> Option<String> {
        self.id.get_or_init(|| self.inner.id()).clone()
    }

    /// Reports an operation that was started.
    fn started<T: Operation + ?Sized>(
        &self,
        inner: Arc<T>,
        name: Option<String>,
        operation_type: OperationType,
        sub_type: &str,
    ) -> Arc<Observed<T>> {
        let (id, parent_id) = (inner.id(), self.parent_id());
        let sub_type = sub_type.to_owned();
        let operation = NewOperation { id, name, operation_type, sub_type, parent_id };
        self.shared.observer.operation_started(&operation);
        Arc::new(Observed {
            shared: Arc::clone(&self.shared),
            inner,
            operation,
            next: Mutex::default(),
            function: Mutex::default(),
        })
    }
}

impl Scope for ObservedScope {
    fn id(&self) -> Option<String> {
        self.parent_id()
    }

    fn enter(&self, stream: u64) {
        self.inner.enter(stream);
    }

    fn claim(&self) -> Position {
        self.inner.claim()
    }

    fn is_recorded(&self, position: Position) -> bool {
        self.inner.is_recorded(position)
    }

    fn skip(&self, position: Position) {
        self.inner.skip(position);
    }

    fn step(&self, identity: Identity, options: StepOptions) -> Result<Arc<dyn Step>, InvalidArgument> {
        let (name, sub_type) = (identity.name.clone(), identity.sub_type.unwrap_or("Step"));
        let step = self.inner.step(identity, options)?;
        Ok(self.started(step, name, OperationType::Step, sub_type))
    }

    fn wait(&self, identity: Identity, seconds: u64) -> Result<Arc<dyn Completed>, InvalidArgument> {
        let (name, sub_type) = (identity.name.clone(), identity.sub_type.unwrap_or("Wait"));
        let wait = self.inner.wait(identity, seconds)?;
        Ok(self.started(wait, name, OperationType::Wait, sub_type))
    }

    fn create_callback(
        &self,
        identity: Identity,
        options: CallbackOptions,
    ) -> Result<Arc<dyn Callback>, InvalidArgument> {
        let (name, sub_type) = (identity.name.clone(), identity.sub_type.unwrap_or("Callback"));
        let callback = self.inner.create_callback(identity, options)?;
        Ok(self.started(callback, name, OperationType::Callback, sub_type))
    }

    fn invoke(
        &self,
        identity: Identity,
        options: InvokeOptions,
        payload: Option<&str>,
    ) -> Result<Arc<dyn Invoke>, InvalidArgument> {
        let (name, sub_type) = (identity.name.clone(), identity.sub_type.unwrap_or("ChainedInvoke"));
        let invoke = self.inner.invoke(identity, options, payload)?;
        Ok(self.started(invoke, name, OperationType::ChainedInvoke, sub_type))
    }

    fn child(&self, identity: Identity) -> Result<Arc<dyn Child>, InvalidArgument> {
        let (name, sub_type) = (identity.name.clone(), identity.sub_type.unwrap_or("RunInChildContext"));
        let child = self.inner.child(identity)?;
        Ok(self.started(child, name, OperationType::Context, sub_type))
    }

    fn flat(&self, position: Position) -> Arc<dyn Scope> {
        let inner = self.inner.flat(position);
        Arc::new(Self { shared: Arc::clone(&self.shared), inner, id: OnceLock::new() })
    }

    fn condition(&self, identity: Identity, initial: &str) -> Result<Arc<dyn Condition>, InvalidArgument> {
        let (name, sub_type) = (identity.name.clone(), identity.sub_type.unwrap_or("WaitForCondition"));
        let condition = self.inner.condition(identity, initial)?;
        Ok(self.started(condition, name, OperationType::Step, sub_type))
    }
}

/// An operation.
struct Observed<T: Operation + ?Sized> {
    shared: Arc<Shared>,
    inner: Arc<T>,
    operation: NewOperation,
    /// The function that the host has requested to run, if any.
    next: Mutex<NextFunction>,
    /// The function of the handler that runs.
    function: Mutex<Option<u64>>,
}

/// A function to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum NextFunction {
    #[default]
    Nothing,
    Attempt(u32),
    Code,
    Rebuild,
}

impl<T: Operation + ?Sized> Observed<T> {
    fn set_next(&self, next: NextFunction) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// The function starts or continues to run.
    fn function_entered(&self) {
        let next = std::mem::take(&mut *self.next.lock().unwrap_or_else(PoisonError::into_inner));
        let attempt = match next {
            NextFunction::Nothing => return,
            NextFunction::Attempt(attempt) => Some(attempt),
            NextFunction::Code | NextFunction::Rebuild => None,
        };
        let key =
            self.shared.observer.function_started(&self.operation, attempt, next == NextFunction::Rebuild);
        *self.function.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
    }

    fn function_ended(&self, outcome: UserFunctionOutcome, error: Option<&WireError>) {
        let function = self.function.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(key) = function {
            self.shared.observer.function_ended(key, outcome, error);
        }
    }

    fn succeeded(&self) {
        self.function_ended(UserFunctionOutcome::Succeeded, None);
    }

    fn failed(&self, error: &WireError) {
        self.function_ended(UserFunctionOutcome::Failed, Some(error));
    }
}

impl<T: Operation + ?Sized> Drop for Observed<T> {
    /// An operation that is dropped before it was closed is not needed any more. When a native run is unwound, nothing
    /// is reported.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.function_ended(UserFunctionOutcome::Incomplete, None);
    }
}

impl<T: Operation + ?Sized> Operation for Observed<T> {
    fn id(&self) -> String {
        self.operation.id.clone()
    }

    fn subscribe(&self, interest: Interest) -> Box<dyn Pollable> {
        self.inner.subscribe(interest)
    }

    /// Blocks through the wait set, where the host reports that it would suspend the invocation. Called only when
    /// nothing else is pending.
    fn block(&self, interest: Interest) {
        self.shared.host.watch(self.inner.subscribe(interest), SINGLE_TOKEN);
        self.shared.next();
    }
}

impl<T: Attempts + ?Sized> Attempts for Observed<T> {
    fn enter(&self) {
        self.function_entered();
        self.inner.enter();
    }

    fn leave(&self) {
        self.inner.leave();
    }

    fn succeed(&self, payload: &str) {
        self.inner.succeed(payload);
        self.succeeded();
    }

    fn fail(&self, error: &WireError) {
        self.inner.fail(error);
        self.failed(error);
    }
}

impl Step for Observed<dyn Step> {
    fn state(&self) -> StepState {
        let state = self.inner.state();
        if let StepState::Run(attempt) = state {
            self.set_next(NextFunction::Attempt(attempt));
        }
        state
    }

    fn recorded_success(&self) -> Option<Success> {
        self.inner.recorded_success()
    }

    fn retry(&self, error: &WireError, delay: u64) -> Result<(), InvalidArgument> {
        self.inner.retry(error, delay)?;
        self.failed(error);
        Ok(())
    }
}

impl<T: Completed + ?Sized> Completed for Observed<T> {
    fn outcome(&self) -> Option<Outcome> {
        self.inner.outcome()
    }
}

impl Invoke for Observed<dyn Invoke> {
    fn ended(&self) -> Option<EndStatus> {
        self.inner.ended()
    }
}

impl Callback for Observed<dyn Callback> {
    fn callback_id(&self) -> Option<String> {
        self.inner.callback_id()
    }
}

impl Child for Observed<dyn Child> {
    fn state(&self) -> ChildState {
        let state = self.inner.state();
        match state {
            ChildState::Run => self.set_next(NextFunction::Code),
            ChildState::Rebuild(_) => self.set_next(NextFunction::Rebuild),
            ChildState::Pending | ChildState::Done(_) => {}
        }
        state
    }

    /// Called immediately before the code of the child runs.
    fn context(&self) -> Arc<dyn Scope> {
        if !SDK_CONTEXTS.contains(&&*self.operation.sub_type) {
            self.function_entered();
        }
        let id = OnceLock::from(Some(self.operation.id.clone()));
        Arc::new(ObservedScope { shared: Arc::clone(&self.shared), inner: self.inner.context(), id })
    }

    fn succeed(&self, result: ChildResult<'_>) {
        self.inner.succeed(result);
        self.succeeded();
    }

    fn fail(&self, error: &WireError) {
        self.inner.fail(error);
        self.failed(error);
    }
}

impl Condition for Observed<dyn Condition> {
    fn state(&self) -> ConditionState {
        let state = self.inner.state();
        if let ConditionState::Run { attempt, .. } = state {
            self.set_next(NextFunction::Attempt(attempt));
        }
        state
    }

    fn proceed(&self, state: &str, delay: u64) -> Result<(), InvalidArgument> {
        self.inner.proceed(state, delay)?;
        self.succeeded();
        Ok(())
    }
}
