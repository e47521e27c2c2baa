//! One operation of an execution: what is known of it, and what a test does with it.

use std::{fmt, ops::Deref, sync::Arc};

use chrono::{DateTime, Utc};
use durawasm_core::{
    protocol::{Operation, OperationId, OperationStatus, OperationType, Timestamp, sub_type},
    server::Answer,
};
use elsa::sync::FrozenVec;
use serde::de::DeserializeOwned;

use crate::{TestError, TestResultError, storage::Selector, watch::Hub};

/// How far an operation is to be when a wait for it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingOperationStatus {
    /// It has started.
    Started,
    /// A callback can be answered: its id is there, and where a submitter hands it out, it has done so.
    Submitted,
    /// It is over.
    Completed,
}

/// Of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepDetails<T = serde_json::Value> {
    /// How many attempts have ended; none before the first.
    pub attempt: Option<u32>,
    /// When the next attempt may begin, between two attempts.
    pub next_attempt_timestamp: Option<DateTime<Utc>>,
    /// The result; of a condition between two checks: its state.
    pub result: Option<T>,
    /// The last attempt's error.
    pub error: Option<TestResultError>,
}

/// Of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitDetails {
    /// How long it is to take, in seconds.
    pub wait_seconds: Option<u64>,
    /// When it is to end, or was.
    pub scheduled_end_timestamp: Option<DateTime<Utc>>,
}

/// Of a callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackDetails<T = serde_json::Value> {
    /// What an external system answers with.
    pub callback_id: String,
    /// The answer.
    pub result: Option<T>,
    /// The answer, when it is an error, and the timeout, when there was none in time.
    pub error: Option<TestResultError>,
}

/// Of an invocation of another function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvokeDetails<T = serde_json::Value> {
    /// The function's result.
    pub result: Option<T>,
    /// The function's error.
    pub error: Option<TestResultError>,
}

/// Of a context: a child context, a map, a parallel, one of their items, a wait-for-callback, a compensation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextDetails<T = serde_json::Value> {
    /// The result, or what was recorded in its place.
    pub result: Option<T>,
    /// The error.
    pub error: Option<TestResultError>,
}

/// A test's hold on an operation that may not have started yet: made before the run or while it runs, usable from any
/// task.
///
/// **Time.** While a handle of an open callback is there, skipped time does not reach the callback's timeout nor its
/// heartbeat's, and an execution that waits for nothing else goes on waiting: the test is to answer. That ends when the
/// handle and all [`DurableOperation`]s it gave are dropped, and is suspended while the test waits for
/// [`Completed`](WaitingOperationStatus::Completed).
pub struct OperationHandle {
    hub: Hub,
    selector: Selector,
    number: u64,
}

impl OperationHandle {
    pub(crate) fn new(hub: &Hub, selector: Selector) -> Self {
        let number = hub.add_handle(selector.clone(), false);
        Self { hub: hub.clone(), selector, number }
    }

    /// Of an operation of the execution that runs or ran last. One that cannot be answered holds nothing, and is not
    /// registered.
    fn of(hub: &Hub, operation: &Operation) -> Self {
        let selector = Selector::Id(operation.id.clone());
        let waits = operation.kind == OperationType::Callback
            || operation.sub_type.as_deref() == Some(sub_type::WAIT_FOR_CALLBACK);
        let number =
            if waits && !operation.status.is_terminal() { hub.add_handle(selector.clone(), true) } else { 0 };
        Self { hub: hub.clone(), selector, number }
    }

    /// Waits until the operation is as far as that, and gives it as it is then. Ends at once if it is.
    ///
    /// # Errors
    /// [`TestError::ExecutionCompletedEarly`] when the execution is over before; [`TestError::NotCallbackOperation`]
    /// when an operation is to be submitted that is no callback.
    pub async fn wait_for_data(&self, status: WaitingOperationStatus) -> Result<DurableOperation, TestError> {
        let make = |operation| DurableOperation::new(&self.hub, operation);
        self.hub.wait(self.number, &self.selector, status, make).await
    }

    /// The operation as it is now; none if it has not started.
    pub fn get(&self) -> Option<DurableOperation> {
        self.hub.find(&self.selector).map(|operation| DurableOperation::new(&self.hub, operation))
    }

    fn found(&self) -> Result<Arc<Operation>, TestError> {
        let found = self.hub.find(&self.selector);
        found.ok_or_else(|| TestError::OperationNotFound(self.selector.to_string()))
    }

    /// Answers the callback with this text, as an external system does: JSON, unless the handler's serdes expects
    /// something else.
    ///
    /// # Errors
    /// [`TestError::OperationNotFound`] when it has not started, and as for
    /// [`DurableOperation::send_callback_success`].
    pub async fn send_callback_success(&self, result: &str) -> Result<(), TestError> {
        self.hub.answer(&self.found()?, Answer::Success(Some(result.to_owned()))).await
    }

    /// Fails the callback.
    ///
    /// # Errors
    /// As for [`OperationHandle::send_callback_success`].
    pub async fn send_callback_failure(&self, error: &TestResultError) -> Result<(), TestError> {
        self.hub.answer(&self.found()?, Answer::Failure(error.clone())).await
    }

    /// Sends a sign of life: the heartbeat's time begins anew.
    ///
    /// # Errors
    /// As for [`OperationHandle::send_callback_success`].
    pub async fn send_callback_heartbeat(&self) -> Result<(), TestError> {
        self.hub.answer(&self.found()?, Answer::Heartbeat).await
    }
}

impl Drop for OperationHandle {
    fn drop(&mut self) {
        if self.number > 0 {
            self.hub.drop_handle(self.number);
        }
    }
}

impl fmt::Debug for OperationHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationHandle").field("selector", &self.selector).finish_non_exhaustive()
    }
}

/// An operation as it was when it was looked up, or last waited for; and a handle of it.
#[derive(Debug)]
pub struct DurableOperation {
    operation: AsOf,
    handle: OperationHandle,
}

/// An operation as it was, and as it was found later: references to what it was stay good.
struct AsOf {
    first: Arc<Operation>,
    later: FrozenVec<Arc<Operation>>,
}

impl AsOf {
    fn new(first: Arc<Operation>) -> Self {
        Self { first, later: FrozenVec::new() }
    }

    /// As it is now, to be kept.
    fn shared(&self) -> Arc<Operation> {
        Arc::new(Operation::clone(self))
    }

    /// From now on it is this.
    fn becomes(&self, operation: Arc<Operation>) {
        self.later.push(operation);
    }
}

impl Deref for AsOf {
    type Target = Operation;

    fn deref(&self) -> &Operation {
        let latest = self.later.len().checked_sub(1).and_then(|latest| self.later.get(latest));
        latest.unwrap_or(&self.first)
    }
}

impl fmt::Debug for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl DurableOperation {
    pub(crate) fn new(hub: &Hub, operation: Arc<Operation>) -> Self {
        let handle = OperationHandle::of(hub, &operation);
        Self { operation: AsOf::new(operation), handle }
    }

    /// Waits until it is as far as that. From then on it shows itself as it is then; what was taken from it before
    /// stays as it was.
    ///
    /// # Errors
    /// As for [`OperationHandle::wait_for_data`].
    pub async fn wait_for_data(&self, status: WaitingOperationStatus) -> Result<&Self, TestError> {
        let OperationHandle { hub, selector, number } = &self.handle;
        let now = hub.wait(*number, selector, status, |operation| operation).await?;
        self.operation.becomes(now);
        Ok(self)
    }

    /// What is special about a step.
    ///
    /// # Errors
    /// When it is no step, or its result is of another type.
    pub fn get_step_details<T: DeserializeOwned>(&self) -> Result<StepDetails<T>, TestError> {
        self.is_a(OperationType::Step)?;
        let details = self.operation.step_details.clone().unwrap_or_default();
        Ok(StepDetails {
            attempt: (details.attempt > 0).then_some(details.attempt),
            next_attempt_timestamp: details.next_attempt_timestamp.map(Timestamp::to_utc),
            result: read(details.result.as_deref(), "the step's result")?,
            error: details.error,
        })
    }

    /// What is special about a wait.
    ///
    /// # Errors
    /// When it is no wait.
    pub fn get_wait_details(&self) -> Result<WaitDetails, TestError> {
        self.is_a(OperationType::Wait)?;
        let end = self.operation.wait_details.as_ref().and_then(|details| details.scheduled_end_timestamp);
        Ok(WaitDetails {
            wait_seconds: end.map(|end| end.since(self.operation.start_timestamp).as_secs()),
            scheduled_end_timestamp: end.map(Timestamp::to_utc),
        })
    }

    /// What is special about a callback; of a wait-for-callback: about the callback in it. An answer that is not JSON
    /// is given as a text.
    ///
    /// # Errors
    /// When it is no callback, or its answer is of another type.
    pub fn get_callback_details<T: DeserializeOwned>(&self) -> Result<CallbackDetails<T>, TestError> {
        let callback =
            match self.operation.kind {
                OperationType::Callback => self.operation.shared(),
                found => self.handle.hub.callback(&self.operation.shared()).map_err(|_| {
                    TestError::OperationTypeMismatch { expected: OperationType::Callback, found }
                })?,
            };
        let details = callback.callback_details.clone().unwrap_or_default();
        let answer = details.result.map(|text| match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
            Ok(_) => text.to_string(),
            Err(_) => serde_json::Value::from(&*text).to_string(),
        });
        Ok(CallbackDetails {
            callback_id: details.callback_id.map(|id| id.to_string()).unwrap_or_default(),
            result: read(answer.as_deref(), "the callback's answer")?,
            error: details.error,
        })
    }

    /// What is special about an invocation of another function.
    ///
    /// # Errors
    /// When it is none, or its result is of another type.
    pub fn get_invoke_details<T: DeserializeOwned>(&self) -> Result<InvokeDetails<T>, TestError> {
        self.is_a(OperationType::ChainedInvoke)?;
        let details = self.operation.chained_invoke_details.clone().unwrap_or_default();
        let result = read(details.result.as_deref(), "the function's result")?;
        Ok(InvokeDetails { result, error: details.error })
    }

    /// What is special about a context.
    ///
    /// # Errors
    /// When it is none, or its result is of another type.
    pub fn get_context_details<T: DeserializeOwned>(&self) -> Result<ContextDetails<T>, TestError> {
        self.is_a(OperationType::Context)?;
        let details = self.operation.context_details.clone().unwrap_or_default();
        // A result that was too large is not there; its summary is, or nothing.
        let result = details.result.filter(|result| !result.is_empty());
        let result = read(result.as_deref(), "the context's result")?;
        Ok(ContextDetails { result, error: details.error })
    }

    fn is_a(&self, expected: OperationType) -> Result<(), TestError> {
        let found = self.operation.kind;
        if found == expected { Ok(()) } else { Err(TestError::OperationTypeMismatch { expected, found }) }
    }

    /// The operations in it, in the order of their start, as they are now.
    pub fn get_child_operations(&self) -> Vec<Self> {
        let hub = &self.handle.hub;
        hub.children(&self.operation).into_iter().map(|child| Self::new(hub, child)).collect()
    }

    /// All that is on record of it.
    pub fn get_operation_data(&self) -> &Operation {
        &self.operation
    }

    /// Its id.
    pub fn get_id(&self) -> &str {
        self.operation.id.as_str()
    }

    /// The id of the context that it is in; none at the top.
    pub fn get_parent_id(&self) -> Option<&str> {
        self.operation.parent_id.as_ref().map(OperationId::as_str)
    }

    /// Its name.
    pub fn get_name(&self) -> Option<&str> {
        self.operation.name.as_deref()
    }

    /// What it is.
    pub fn get_type(&self) -> OperationType {
        self.operation.kind
    }

    /// What it is, more finely.
    pub fn get_sub_type(&self) -> Option<&str> {
        self.operation.sub_type.as_deref()
    }

    /// Where it stood.
    pub fn get_status(&self) -> OperationStatus {
        self.operation.status
    }

    /// When it began.
    pub fn get_start_timestamp(&self) -> Option<DateTime<Utc>> {
        Some(self.operation.start_timestamp.to_utc())
    }

    /// When it was over.
    pub fn get_end_timestamp(&self) -> Option<DateTime<Utc>> {
        self.operation.end_timestamp.map(Timestamp::to_utc)
    }

    /// Whether it can be answered: a callback, or a wait-for-callback.
    pub fn is_callback(&self) -> bool {
        self.handle.hub.callback(&self.operation.shared()).is_ok()
    }

    /// Answers the callback with this text, as an external system does: JSON, unless the handler's serdes expects
    /// something else.
    ///
    /// # Errors
    /// [`TestError::NotCallbackOperation`]; [`TestError::CallbackAlreadyCompleted`] when it was answered before, has
    /// timed out, or its execution is over.
    pub async fn send_callback_success(&self, result: &str) -> Result<(), TestError> {
        self.handle.hub.answer(&self.operation.shared(), Answer::Success(Some(result.to_owned()))).await
    }

    /// Fails the callback.
    ///
    /// # Errors
    /// As for [`DurableOperation::send_callback_success`].
    pub async fn send_callback_failure(&self, error: &TestResultError) -> Result<(), TestError> {
        self.handle.hub.answer(&self.operation.shared(), Answer::Failure(error.clone())).await
    }

    /// Sends a sign of life: the heartbeat's time begins anew.
    ///
    /// # Errors
    /// As for [`DurableOperation::send_callback_success`].
    pub async fn send_callback_heartbeat(&self) -> Result<(), TestError> {
        self.handle.hub.answer(&self.operation.shared(), Answer::Heartbeat).await
    }
}

fn read<T: DeserializeOwned>(text: Option<&str>, what: &'static str) -> Result<Option<T>, TestError> {
    let read = text.map(serde_json::from_str).transpose();
    read.map_err(|source| TestError::SerializationError { what, source })
}
