//! Runs waits for callbacks: a callback, a step that hands its id out, and the answer, in a context of their own.

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

/// The frame on record that tells which callback a context waited for, by its id.
const CALLBACK: &str = "callback ";

/// The same of a callback whose answer could not be read: an external failure may have any type, also the one for this.
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
            // The serdes is the callback's. The answer is recorded once more, as JSON, with the context.
            serdes: JsonSerdes,
            record,
            failed: context_failed,
            body: |ctx| submit_and_wait(ctx, options, submitter, submitter_retry, serdes),
        };
        child.execute().await
    }
}

/// What happens in the context: the callback is made, its id submitted, its answer waited for.
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

/// The record of what failed in the context: a callback's own failure as it is, with its id; anything else as the error
/// it is.
fn record(error: &OperationError) -> WireError {
    let OperationErrorKind::Callback(callback) = error.kind() else {
        // A submitter's failure is no external one, whatever its type.
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

/// The error of a context that is on record as failed.
fn context_failed(operation: &dyn Operation, mut wire: WireError) -> OperationError {
    if let Some(id) = wire.take_frame(UNREADABLE) {
        return undeserialized(operation, wire, Some(id));
    }
    let id = wire.take_frame(CALLBACK);
    match wire.error_type() {
        // With an id, it is the callback that failed, whatever the type that the external system gave.
        _ if id.is_some() => failed(operation, wire, id),
        Some("ChildContextError" | "InvalidArgumentError" | SERIALIZATION_ERROR) => {
            child::failed(operation, wire)
        }
        Some(DESERIALIZATION) => undeserialized(operation, wire, None),
        // All other types are the external system's own.
        _ => failed(operation, wire, None),
    }
}

/// The error of an answer that the callback's serdes does not accept.
fn undeserialized(operation: &dyn Operation, wire: WireError, id: Option<String>) -> OperationError {
    let source = Some(ReplayedFailure::boxed(wire.clone()));
    let error = CallbackError::new(CallbackErrorKind::DeserializationFailed, source).with_callback_id(id);
    callback_error(error).on_record(operation.id(), "FAILED", wire)
}
