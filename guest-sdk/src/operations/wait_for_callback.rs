//! Runs waits for callbacks: a callback, a step that submits its id, and the answer, in one context.

use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::callback::{CallbackRun, HEARTBEAT, TIMEOUT, callback_error, failed};
use super::child::{self, ChildRun};
use super::step::StepRun;
use crate::context::{DurableContext, StepContext};
use crate::contract::{CallbackOptions, Operation, Position, StepOptions};
use crate::error::{
    BoxError, CallbackError, CallbackErrorKind, ChildContextError, ChildContextErrorKind, OperationError,
    OperationErrorKind, ReplayedFailure, SERIALIZATION_ERROR, WireError,
};
use crate::policy::RetryStrategy;
use crate::serdes::{JsonSerdes, Serdes};

/// The sub-type of the context around a wait for a callback.
const WAIT_FOR_CALLBACK: &str = "WaitForCallback";

const DESERIALIZATION: &str = "DeserializationError";

/// The prefix of the recorded frame with the id of the callback that the context waited for.
const CALLBACK: &str = "callback ";

/// The same, if the answer could not be deserialized. The recorded type cannot distinguish this case: an external
/// failure may have any type.
const UNREADABLE: &str = "unreadable answer to callback ";

/// A wait for a callback with all its options.
pub(crate) struct WaitForCallbackRun<F, S> {
    pub(crate) ctx: DurableContext,
    pub(crate) position: Position,
    pub(crate) name: Option<String>,
    pub(crate) options: CallbackOptions,
    pub(crate) submitter: F,
    pub(crate) submitter_retry: RetryStrategy,
    pub(crate) serdes: S,
}

impl<F, S> WaitForCallbackRun<F, S> {
    pub(crate) async fn execute<O, Fut>(self) -> Result<O, OperationError>
    where
        O: Serialize + DeserializeOwned + Send + 'static,
        F: FnOnce(StepContext, String) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
        S: Serdes<O>,
    {
        let Self { ctx, position, name, options, submitter, submitter_retry, serdes } = self;
        let child = ChildRun {
            ctx,
            position,
            name,
            sub_type: Some(WAIT_FOR_CALLBACK),
            // The given serdes is for the callback. The answer is recorded a second time, as JSON, with the context.
            serdes: JsonSerdes,
            record,
            failed: context_failed,
            body: |ctx| submit_and_wait(ctx, options, submitter, submitter_retry, serdes),
        };
        child.execute().await
    }
}

/// The code of the context: creates the callback, submits its id, and waits for the answer.
async fn submit_and_wait<O, F, Fut, S>(
    ctx: DurableContext,
    options: CallbackOptions,
    submitter: F,
    strategy: RetryStrategy,
    serdes: S,
) -> Result<O, OperationError>
where
    O: Send + 'static,
    F: FnOnce(StepContext, String) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    S: Serdes<O>,
{
    let position = ctx.scope().claim();
    let callback = CallbackRun { ctx: ctx.clone(), position, name: None, options, serdes }.execute().await?;
    let id = callback.id().to_owned();
    let position = ctx.scope().claim();
    let step = StepRun {
        ctx,
        position,
        name: None,
        strategy,
        options: StepOptions::default(),
        serdes: JsonSerdes,
        body: move |step| submitter(step, id),
    };
    step.execute(None).await.map_err(|error| {
        let kind = ChildContextErrorKind::ChildFailed;
        OperationError::new(OperationErrorKind::ChildContext(ChildContextError::new(
            kind,
            Some(error.into()),
        )))
    })?;
    callback.result().await
}

/// The record of an error in the context. A failure of the callback keeps its own record, with the id of the callback
/// added.
fn record(error: &OperationError) -> WireError {
    let OperationErrorKind::Callback(callback) = error.kind() else {
        // A failure of the submitter is never an external failure, whatever its type.
        let error_type = error.wire().and_then(WireError::error_type).unwrap_or(error.kind().wire_type());
        return WireError::typed(error, error_type);
    };
    let wire = match callback.kind() {
        CallbackErrorKind::DeserializationFailed => WireError::typed(error, DESERIALIZATION),
        CallbackErrorKind::TimedOut => WireError::new(TIMEOUT, "callback timed out"),
        CallbackErrorKind::HeartbeatTimedOut => WireError::new(HEARTBEAT, "heartbeat timed out"),
        _ => error.wire().cloned().unwrap_or_else(|| WireError::of(error, "CallbackError")),
    };
    let frame = match callback.kind() {
        CallbackErrorKind::DeserializationFailed => UNREADABLE,
        _ => CALLBACK,
    };
    match callback.callback_id() {
        Some(id) => wire.with_frame(format!("{frame}{id}")),
        None => wire,
    }
}

/// The error of a context that is recorded as failed.
fn context_failed(operation: &dyn Operation, mut wire: WireError) -> OperationError {
    if let Some(id) = wire.take_frame(UNREADABLE) {
        return undeserialized(operation, wire, Some(id));
    }
    let id = wire.take_frame(CALLBACK);
    match wire.error_type() {
        // With an id, the callback failed, whatever the type that the external system gave.
        _ if id.is_some() => failed(operation, wire, id),
        Some("ChildContextError" | "InvalidArgumentError" | SERIALIZATION_ERROR) => {
            child::failed(operation, wire)
        }
        Some(DESERIALIZATION) => undeserialized(operation, wire, None),
        // All other types come from the external system.
        _ => failed(operation, wire, None),
    }
}

/// The error of an answer that the callback's serdes does not accept.
fn undeserialized(operation: &dyn Operation, wire: WireError, id: Option<String>) -> OperationError {
    let source = Some(ReplayedFailure::boxed(wire.clone()));
    let error = CallbackError::new(CallbackErrorKind::DeserializationFailed, source).with_callback_id(id);
    callback_error(error).on_record(operation.id(), "FAILED", wire)
}
