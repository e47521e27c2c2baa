//! One operation of an execution: its recorded data, and the actions of a test on it.

use std::{fmt, ops::Deref, sync::Arc};

use chrono::{DateTime, Utc};
use durawasm_core::{
    protocol::{Operation, OperationId, OperationStatus, OperationType, Timestamp, sub_type},
    server::Answer,
};
use elsa::sync::FrozenVec;
use serde::de::DeserializeOwned;

use crate::{TestError, TestResultError, WaitingOperationStatus, storage::Selector, tracking::Hub};

/// The details of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepDetails<T = serde_json::Value> {
    /// How many attempts have ended; `None` before the first has.
    pub attempt: Option<u32>,
    /// When the next attempt may begin; `None` except between two attempts.
    pub next_attempt_timestamp: Option<DateTime<Utc>>,
    /// The result. For a condition between two checks: its state.
    pub result: Option<T>,
    /// The last attempt's error.
    pub error: Option<TestResultError>,
}

/// The details of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitDetails {
    /// The duration of the wait, in seconds.
    pub wait_seconds: Option<u64>,
    /// When the wait ends, or ended.
    pub scheduled_end_timestamp: Option<DateTime<Utc>>,
}

/// The details of a callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackDetails<T = serde_json::Value> {
    /// The id with which an external system answers.
    pub callback_id: String,
    /// The value of a successful answer.
    pub result: Option<T>,
    /// The error of a failed answer, or the timeout if no answer arrived in time.
    pub error: Option<TestResultError>,
}

/// The details of a chained invoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvokeDetails<T = serde_json::Value> {
    /// The result of the invoked function.
    pub result: Option<T>,
    /// The error of the invoked function.
    pub error: Option<TestResultError>,
}

/// The details of a context: a child context, a map, a parallel, one of their items, a wait-for-callback, a
/// compensation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextDetails<T = serde_json::Value> {
    /// The result, or the summary that was recorded instead of a result that was too large.
    pub result: Option<T>,
    /// The error with which the context failed.
    pub error: Option<TestResultError>,
}

/// A handle of an operation that may not have started yet. It can be made before or during a run, and used from any
/// task.
///
/// **Time.** While a handle of an open callback exists, skipped time does not reach the callback's timeout or its
/// heartbeat timeout, and an execution that waits for nothing else keeps waiting, because the test is expected to
/// answer. This ends when the handle and all [`DurableOperation`]s made from it are dropped. It is suspended while the
/// test waits for [`Completed`](WaitingOperationStatus::Completed).
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

    /// A handle of an operation of the current or the last execution. The handle of an operation that cannot be
    /// answered does not hold time and is not registered.
    fn of(hub: &Hub, operation: &Operation) -> Self {
        let selector = Selector::Id(operation.id.clone());
        let waits = operation.kind == OperationType::Callback
            || operation.sub_type.as_deref() == Some(sub_type::WAIT_FOR_CALLBACK);
        let number =
            if waits && !operation.status.is_terminal() { hub.add_handle(selector.clone(), true) } else { 0 };
        Self { hub: hub.clone(), selector, number }
    }

    /// Waits until the operation has reached this state, and returns the operation as of then. Returns at once if it
    /// has reached the state already.
    ///
    /// # Errors
    /// [`TestError::ExecutionCompletedEarly`] if the execution ends before; [`TestError::NotCallbackOperation`] if
    /// `status` is `Submitted` and the operation is not a callback.
    ///
    /// # Examples
    ///
    /// ```
    /// use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_testing::{LocalDurableTestRunner, TestError, WaitingOperationStatus};
    ///
    /// async fn ask(_: (), ctx: DurableContext) -> Result<bool, BoxError> {
    ///     Ok(ctx.wait_for_callback(|_, _id| async { Ok(()) }).name("approval").await?)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), TestError> {
    /// let runner = LocalDurableTestRunner::new(ask);
    /// let approval = runner.operation("approval");
    /// let answers = async {
    ///     let submitted = approval.wait_for_data(WaitingOperationStatus::Submitted).await?;
    ///     submitted.send_callback_success("true").await
    /// };
    /// let (result, answered) = tokio::join!(runner.run(()), answers);
    /// answered?;
    /// assert!(*result?.get_result()?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_for_data(&self, status: WaitingOperationStatus) -> Result<DurableOperation, TestError> {
        let make = |operation| DurableOperation::new(&self.hub, operation);
        self.hub.wait(self.number, &self.selector, status, make).await
    }

    /// The current state of the operation; `None` if it has not started.
    pub fn get(&self) -> Option<DurableOperation> {
        self.hub.find(&self.selector).map(|operation| DurableOperation::new(&self.hub, operation))
    }

    fn found(&self) -> Result<Arc<Operation>, TestError> {
        let found = self.hub.find(&self.selector);
        found.ok_or_else(|| TestError::OperationNotFound(self.selector.to_string()))
    }

    /// Completes the callback with this text, as an external system would: JSON, unless the handler's serdes expects
    /// another format.
    ///
    /// # Errors
    /// [`TestError::OperationNotFound`] if the operation has not started; otherwise as for
    /// [`DurableOperation::send_callback_success`].
    pub async fn send_callback_success(&self, result: &str) -> Result<(), TestError> {
        self.hub.answer(&self.found()?, Answer::Success(Some(result.to_owned()))).await
    }

    /// Fails the callback with this error.
    ///
    /// # Errors
    /// As for [`OperationHandle::send_callback_success`].
    pub async fn send_callback_failure(&self, error: &TestResultError) -> Result<(), TestError> {
        self.hub.answer(&self.found()?, Answer::Failure(error.clone())).await
    }

    /// Sends a heartbeat: the callback's heartbeat timeout starts anew.
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

/// A snapshot of an operation, taken when it was looked up or last waited for, and a handle of the operation.
#[derive(Debug)]
pub struct DurableOperation {
    operation: Snapshots,
    handle: OperationHandle,
}

/// All snapshots of one operation. They are kept as long as this is, so that references to earlier ones stay valid.
struct Snapshots {
    first: Arc<Operation>,
    later: FrozenVec<Arc<Operation>>,
}

impl Snapshots {
    fn new(first: Arc<Operation>) -> Self {
        Self { first, later: FrozenVec::new() }
    }

    /// The latest snapshot.
    fn shared(&self) -> Arc<Operation> {
        Arc::new(Operation::clone(self))
    }

    /// Adds a snapshot, which becomes the latest.
    fn update(&self, operation: Arc<Operation>) {
        self.later.push(operation);
    }
}

impl Deref for Snapshots {
    type Target = Operation;

    fn deref(&self) -> &Operation {
        let latest = self.later.len().checked_sub(1).and_then(|latest| self.later.get(latest));
        latest.unwrap_or(&self.first)
    }
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl DurableOperation {
    pub(crate) fn new(hub: &Hub, operation: Arc<Operation>) -> Self {
        let handle = OperationHandle::of(hub, &operation);
        Self { operation: Snapshots::new(operation), handle }
    }

    /// Waits until the operation has reached this state, and updates the snapshot. References taken from the earlier
    /// snapshot stay valid and unchanged.
    ///
    /// # Errors
    /// As for [`OperationHandle::wait_for_data`].
    pub async fn wait_for_data(&self, status: WaitingOperationStatus) -> Result<&Self, TestError> {
        let OperationHandle { hub, selector, number } = &self.handle;
        let now = hub.wait(*number, selector, status, |operation| operation).await?;
        self.operation.update(now);
        Ok(self)
    }

    /// The details of a step.
    ///
    /// # Errors
    /// Returns an error if the operation is not a step, or its result cannot be deserialized as `T`.
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

    /// The details of a wait.
    ///
    /// # Errors
    /// Returns an error if the operation is not a wait.
    pub fn get_wait_details(&self) -> Result<WaitDetails, TestError> {
        self.is_a(OperationType::Wait)?;
        let end = self.operation.wait_details.as_ref().and_then(|details| details.scheduled_end_timestamp);
        Ok(WaitDetails {
            wait_seconds: end.map(|end| end.since(self.operation.start_timestamp).as_secs()),
            scheduled_end_timestamp: end.map(Timestamp::to_utc),
        })
    }

    /// The details of a callback; for a wait-for-callback, of the callback in it. An answer that is not JSON is
    /// deserialized from a JSON string.
    ///
    /// # Errors
    /// Returns an error if the operation is not a callback, or its answer cannot be deserialized as `T`.
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

    /// The details of a chained invoke.
    ///
    /// # Errors
    /// Returns an error if the operation is not a chained invoke, or its result cannot be deserialized as `T`.
    pub fn get_invoke_details<T: DeserializeOwned>(&self) -> Result<InvokeDetails<T>, TestError> {
        self.is_a(OperationType::ChainedInvoke)?;
        let details = self.operation.chained_invoke_details.clone().unwrap_or_default();
        let result = read(details.result.as_deref(), "the function's result")?;
        Ok(InvokeDetails { result, error: details.error })
    }

    /// The details of a context.
    ///
    /// # Errors
    /// Returns an error if the operation is not a context, or its result cannot be deserialized as `T`.
    pub fn get_context_details<T: DeserializeOwned>(&self) -> Result<ContextDetails<T>, TestError> {
        self.is_a(OperationType::Context)?;
        let details = self.operation.context_details.clone().unwrap_or_default();
        // A result that was too large is not recorded: its summary is, or an empty text.
        let result = details.result.filter(|result| !result.is_empty());
        let result = read(result.as_deref(), "the context's result")?;
        Ok(ContextDetails { result, error: details.error })
    }

    fn is_a(&self, expected: OperationType) -> Result<(), TestError> {
        let found = self.operation.kind;
        if found == expected { Ok(()) } else { Err(TestError::OperationTypeMismatch { expected, found }) }
    }

    /// The current state of the operations in this context, in the order of their start.
    pub fn get_child_operations(&self) -> Vec<Self> {
        let hub = &self.handle.hub;
        hub.children(&self.operation).into_iter().map(|child| Self::new(hub, child)).collect()
    }

    /// The operation as the service represents it.
    pub fn get_operation_data(&self) -> &Operation {
        &self.operation
    }

    /// The operation's id, unique in its execution.
    pub fn get_id(&self) -> &str {
        self.operation.id.as_str()
    }

    /// The id of the context that contains the operation; `None` at the top level.
    pub fn get_parent_id(&self) -> Option<&str> {
        self.operation.parent_id.as_ref().map(OperationId::as_str)
    }

    /// The name that the handler gave the operation.
    pub fn get_name(&self) -> Option<&str> {
        self.operation.name.as_deref()
    }

    /// The operation's type.
    pub fn get_type(&self) -> OperationType {
        self.operation.kind
    }

    /// The operation's sub-type, such as `WaitForCallback` or `Map`.
    pub fn get_sub_type(&self) -> Option<&str> {
        self.operation.sub_type.as_deref()
    }

    /// The status at the time of the snapshot.
    pub fn get_status(&self) -> OperationStatus {
        self.operation.status
    }

    /// When the operation started.
    pub fn get_start_timestamp(&self) -> Option<DateTime<Utc>> {
        Some(self.operation.start_timestamp.to_utc())
    }

    /// When the operation ended; `None` before.
    pub fn get_end_timestamp(&self) -> Option<DateTime<Utc>> {
        self.operation.end_timestamp.map(Timestamp::to_utc)
    }

    /// Whether the operation can be answered: it is a callback or a wait-for-callback.
    pub fn is_callback(&self) -> bool {
        self.handle.hub.callback(&self.operation.shared()).is_ok()
    }

    /// Completes the callback with this text, as an external system would: JSON, unless the handler's serdes expects
    /// another format.
    ///
    /// # Errors
    /// [`TestError::NotCallbackOperation`]; [`TestError::CallbackAlreadyCompleted`] if the callback was answered
    /// before, has timed out, or its execution has ended.
    pub async fn send_callback_success(&self, result: &str) -> Result<(), TestError> {
        self.handle.hub.answer(&self.operation.shared(), Answer::Success(Some(result.to_owned()))).await
    }

    /// Fails the callback with this error.
    ///
    /// # Errors
    /// As for [`DurableOperation::send_callback_success`].
    pub async fn send_callback_failure(&self, error: &TestResultError) -> Result<(), TestError> {
        self.handle.hub.answer(&self.operation.shared(), Answer::Failure(error.clone())).await
    }

    /// Sends a heartbeat: the callback's heartbeat timeout starts anew.
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
