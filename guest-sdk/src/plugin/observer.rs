//! The plugins of an invocation, the state that they get, and the calls of their hooks.
//!
//! Invariants: observer sections contain only calls of hooks and the evaluation of the options. Nothing that a hook
//! does is visible to the caller. There is no `HashMap` here: see the documentation of the module.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::hooks::Plugin;
use super::info::{
    InvocationEndInfo, InvocationInfo, InvocationStatus, OperationChangeInfo, OperationEndInfo,
    OperationInfo, Operations, UserFunctionEndInfo, UserFunctionInfo, UserFunctionOutcome,
};
use crate::contract::{
    Beginning, ObservedOperation, Observing, OperationStatus, OperationType, Outcome, Runtime,
};
use crate::engine;
use crate::error::{BoxError, Chain, WireError};
use crate::values::Timestamp;

/// The plugins of one invocation.
pub(crate) struct Observer {
    host: Arc<dyn Runtime>,
    observing: Arc<dyn Observing>,
    plugins: Mutex<Vec<Box<dyn Plugin>>>,
    state: Mutex<ObservedState>,
}

struct ObservedState {
    /// With the operations in their current state.
    invocation: InvocationInfo,
    /// Operations that were completed from outside before this invocation, and whose end has not been reported.
    unreported: BTreeSet<String>,
    /// The functions of the handler that run, in the order in which they started.
    functions: BTreeMap<u64, UserFunctionInfo>,
    last_function: u64,
}

/// An operation that the handler starts.
#[derive(Debug, Clone)]
pub(super) struct NewOperation {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) operation_type: OperationType,
    pub(super) sub_type: String,
    pub(super) parent_id: Option<String>,
}

fn operation_info(operation: ObservedOperation, is_replay: bool) -> (String, OperationInfo) {
    let ObservedOperation { id, parent_id, name, kind, sub_type, status, .. } = operation;
    let info = OperationInfo {
        id: id.clone(),
        name,
        operation_type: kind,
        sub_type,
        parent_id,
        status,
        start: Timestamp::from_millis(operation.start_time_ms),
        end: operation.end_time_ms.map(Timestamp::from_millis),
        attempt: operation.attempt,
        is_replay,
        error: operation.error,
    };
    (id, info)
}

impl Observer {
    /// Creates the observer of an invocation, from the history at its beginning.
    pub(crate) fn new(
        host: Arc<dyn Runtime>,
        observing: Arc<dyn Observing>,
        plugins: Vec<Box<dyn Plugin>>,
        beginning: Beginning,
        event: &str,
    ) -> Arc<Self> {
        let execution = host.execution();
        let operations: Operations =
            beginning.operations.into_iter().map(|operation| operation_info(operation, true)).collect();
        let updated: Operations = beginning
            .updated
            .iter()
            .filter_map(|id| operations.get(id).map(|operation| (id.clone(), operation.clone())))
            .collect();
        let ended = updated.values().filter(|operation| operation.status.is_terminal());
        let state = ObservedState {
            unreported: ended.map(|operation| operation.id.clone()).collect(),
            invocation: InvocationInfo {
                execution_arn: execution.arn.into(),
                request_id: host.invocation_id(),
                is_first_invocation: beginning.first_invocation,
                execution_start: Timestamp::from_millis(execution.start_time_ms),
                input: event.to_owned(),
                operations: Arc::new(operations),
                updated: Arc::new(updated),
            },
            functions: BTreeMap::new(),
            last_function: 0,
        };
        Arc::new(Self { host, observing, plugins: Mutex::new(plugins), state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, ObservedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls hooks in an observer section. Times for hooks are requested in it as well.
    fn call_hooks(&self, run: impl FnOnce(&mut Hooks<'_>)) {
        let mut plugins = match self.plugins.try_lock() {
            Ok(plugins) => plugins,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Calls of the host by a hook are not reported to hooks.
            Err(TryLockError::WouldBlock) => return,
        };
        self.observing.enter();
        let mut hooks = Hooks { plugins: &mut plugins, observing: &*self.observing, host: &*self.host };
        engine::in_observer_section(|| run(&mut hooks));
        self.observing.leave();
    }

    /// The invocation begins.
    pub(crate) fn begin(&self) {
        let info = self.state().invocation.clone();
        self.call_hooks(|hooks| {
            hooks.call("on_invocation_start", |plugin| plugin.on_invocation_start(&info));
        });
    }

    /// The handler has started an operation, or has reached a recorded one again. If the operation has ended, it
    /// started in an earlier invocation, and only its end may still have to be reported.
    pub(super) fn operation_started(&self, new: &NewOperation) {
        let (recorded, unreported) = {
            let mut state = self.state();
            let recorded = state.invocation.operations.get(&new.id).cloned();
            (recorded, state.unreported.remove(&new.id))
        };
        let has_ended = recorded.as_ref().is_some_and(|recorded| recorded.status.is_terminal());
        if has_ended && !unreported {
            return;
        }
        self.call_hooks(|hooks| {
            let info = recorded.unwrap_or_else(|| new.starting(hooks.now()));
            if !has_ended {
                hooks.call("on_operation_start", |plugin| plugin.on_operation_start(&info));
            }
            if unreported {
                hooks.operation_ended(info);
            }
        });
    }

    /// A function of the handler is about to run. Returns the key for its end.
    pub(super) fn function_started(
        &self,
        operation: &NewOperation,
        attempt: Option<u32>,
        is_replaying_children: bool,
    ) -> u64 {
        let mut key = 0;
        self.call_hooks(|hooks| {
            let info = {
                let mut state = self.state();
                let recorded = state.invocation.operations.get(&operation.id);
                let info = UserFunctionInfo {
                    id: operation.id.clone(),
                    name: operation.name.clone(),
                    operation_type: operation.operation_type,
                    sub_type: Some(operation.sub_type.clone()),
                    parent_id: operation.parent_id.clone(),
                    attempt,
                    is_replay: recorded.is_some_and(|recorded| recorded.is_replay),
                    is_replaying_children,
                    start: hooks.now(),
                };
                state.last_function += 1;
                key = state.last_function;
                state.functions.insert(key, info.clone());
                info
            };
            hooks.call("on_user_function_start", |plugin| plugin.on_user_function_start(&info));
        });
        key
    }

    /// A function of the handler has ended. Does nothing if its end is already known.
    pub(super) fn function_ended(&self, key: u64, outcome: UserFunctionOutcome, error: Option<&WireError>) {
        let Some(function) = self.state().functions.remove(&key) else { return };
        self.call_hooks(|hooks| {
            let end = hooks.now();
            let info = UserFunctionEndInfo { function, end, outcome, error: error.cloned() };
            hooks.call("on_user_function_end", |plugin| plugin.on_user_function_end(&info));
        });
    }

    /// Handles the changes that the service has reported.
    pub(super) fn observe(&self) {
        for change in self.observing.changes() {
            let (info, ended) = self.state().change(change);
            self.call_hooks(|hooks| {
                hooks.call("on_operation_change", |plugin| plugin.on_operation_change(&info));
                for operation in ended {
                    hooks.operation_ended(operation);
                }
            });
        }
    }

    /// The execution is about to be suspended.
    pub(super) fn suspended(&self) {
        self.end(InvocationStatus::Pending, None, None);
    }

    /// The handler has returned.
    pub(crate) fn returned(&self, outcome: &Outcome) {
        self.host.flush();
        self.observe();
        match outcome {
            Ok(result) => self.end(InvocationStatus::Succeeded, result.clone(), None),
            Err(error) => self.end(InvocationStatus::Failed, None, Some(error.clone())),
        }
    }

    fn end(&self, status: InvocationStatus, result: Option<String>, error: Option<WireError>) {
        let (functions, unreported, invocation) = {
            let mut state = self.state();
            let unreported = std::mem::take(&mut state.unreported);
            let operations = &state.invocation.operations;
            let unreported: Vec<_> = unreported.iter().filter_map(|id| operations.get(id).cloned()).collect();
            (std::mem::take(&mut state.functions), unreported, state.invocation.clone())
        };
        let info = InvocationEndInfo { invocation, status, result, error };
        self.call_hooks(|hooks| {
            // Functions that started last are inside of those that started before.
            for function in functions.into_values().rev() {
                let (end, outcome) = (hooks.now(), UserFunctionOutcome::Incomplete);
                let info = UserFunctionEndInfo { function, end, outcome, error: None };
                hooks.call("on_user_function_end", |plugin| plugin.on_user_function_end(&info));
            }
            for operation in unreported {
                hooks.operation_ended(operation);
            }
            hooks.call("on_invocation_end", |plugin| plugin.on_invocation_end(&info));
        });
    }
}

impl ObservedState {
    /// Merges a change. Returns its description, and the operations that ended with it.
    fn change(&mut self, change: Vec<ObservedOperation>) -> (OperationChangeInfo, Vec<OperationInfo>) {
        let operations = Arc::make_mut(&mut self.invocation.operations);
        let mut updated = Operations::new();
        let mut ended = Vec::new();
        for operation in change {
            let before = operations.get(&operation.id);
            let was_over = before.is_some_and(|before| before.status.is_terminal());
            let (id, operation) = operation_info(operation, before.is_some_and(|before| before.is_replay));
            if operation.status.is_terminal() && !was_over {
                // This invocation is the first to find it ended.
                ended.push(OperationInfo { is_replay: false, ..operation.clone() });
            }
            operations.insert(id.clone(), operation.clone());
            updated.insert(id, operation);
        }
        let execution_arn = Arc::clone(&self.invocation.execution_arn);
        let operations = Arc::clone(&self.invocation.operations);
        (OperationChangeInfo { execution_arn, operations, updated }, ended)
    }
}

impl NewOperation {
    /// The operation before the service has recorded it.
    fn starting(&self, now: Timestamp) -> OperationInfo {
        OperationInfo {
            id: self.id.clone(),
            name: self.name.clone(),
            operation_type: self.operation_type,
            sub_type: Some(self.sub_type.clone()),
            parent_id: self.parent_id.clone(),
            status: OperationStatus::Started,
            start: now,
            end: None,
            attempt: (self.operation_type == OperationType::Step).then_some(1),
            is_replay: false,
            error: None,
        }
    }
}

/// The plugins, in an observer section.
struct Hooks<'a> {
    plugins: &'a mut Vec<Box<dyn Plugin>>,
    observing: &'a dyn Observing,
    host: &'a dyn Runtime,
}

impl Hooks<'_> {
    fn now(&self) -> Timestamp {
        self.host.now().into()
    }

    /// Calls a hook of every plugin.
    fn call(&mut self, hook: &str, call: impl Fn(&mut dyn Plugin) -> Result<(), BoxError>) {
        for plugin in self.plugins.iter_mut() {
            // Only native runs unwind. A component traps, and its host continues without plugins.
            let problem = match catch_unwind(AssertUnwindSafe(|| call(&mut **plugin))) {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => Chain(&*error).to_string(),
                Err(panic) => format!("it panicked: {}", panic_text(&*panic)),
            };
            let name = catch_unwind(AssertUnwindSafe(|| plugin.name().to_owned())).unwrap_or_default();
            self.observing.warn(format!("plugin {name} failed in {hook}, and is ignored: {problem}"));
        }
    }

    fn operation_ended(&mut self, operation: OperationInfo) {
        let succeeded = operation.status == OperationStatus::Succeeded;
        let result = succeeded.then(|| self.observing.result(&operation.id)).flatten();
        let info = OperationEndInfo { operation, result };
        self.call("on_operation_end", |plugin| plugin.on_operation_end(&info));
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_reported_once() {
        let operation = |status| ObservedOperation {
            id: "a".to_owned(),
            parent_id: None,
            name: None,
            kind: OperationType::Wait,
            sub_type: None,
            status,
            start_time_ms: 1,
            end_time_ms: None,
            attempt: None,
            error: None,
        };
        let (id, at_beginning) = operation_info(operation(OperationStatus::Started), true);
        let mut state = ObservedState {
            invocation: InvocationInfo {
                execution_arn: "arn".into(),
                request_id: String::new(),
                is_first_invocation: false,
                execution_start: Timestamp::from_millis(0),
                input: String::new(),
                operations: Arc::new(Operations::from([(id, at_beginning)])),
                updated: Arc::default(),
            },
            unreported: BTreeSet::new(),
            functions: BTreeMap::new(),
            last_function: 0,
        };
        let mut ended = |status| {
            let (info, ended) = state.change(vec![operation(status)]);
            assert_eq!(info.operations()["a"].status(), status);
            assert!(info.updated_operations()["a"].is_replay());
            ended.iter().map(|o| (o.status(), o.is_replay())).collect::<Vec<_>>()
        };
        assert_eq!(ended(OperationStatus::Started), []);
        assert_eq!(ended(OperationStatus::Cancelled), [(OperationStatus::Cancelled, false)]);
        assert_eq!(ended(OperationStatus::Cancelled), []);
    }
}
