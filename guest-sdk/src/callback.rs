//! Runs callbacks, and waits for callbacks.
//!
//! Always true here: a callback's id is returned even if the callback has failed or timed out already; its result tells.

use std::future::Future;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::BoxError;
use crate::builders::callback::Callback;
use crate::child::{self, ChildRun};
use crate::context::{DurableContext, StepContext};
use crate::error::{
    CallbackError, CallbackErrorKind, ChildContextError, ChildContextErrorKind, OperationError,
    OperationErrorKind, ReplayedFailure, SERIALIZATION_ERROR, WireError,
};
use crate::future::DurableFuture;
use crate::retry::RetryStrategy;
use crate::runtime::{self, CallbackOptions, Identity, Position, StepOptions};
use crate::serdes::{JsonSerdes, PayloadOrigin, Serdes};
use crate::step::StepRun;

/// The sub-type of the context around a wait for a callback.
const WAIT_FOR_CALLBACK: &str = "WaitForCallback";

const TIMEOUT: &str = "Callback.Timeout";
const HEARTBEAT: &str = "Callback.Heartbeat";
const DESERIALIZATION: &str = "DeserializationError";

/// The frame on record that tells which callback a context waited for, by its id.
const CALLBACK: &str = "callback ";

/// The same of a callback whose answer could not be read: an external failure may have any type, also the one for this.
const UNREADABLE: &str = "unreadable answer to callback ";

/// A callback with all its options.
pub(crate) struct CallbackRun<S> {
    pub(crate) ctx: DurableContext,
    pub(crate) position: Position,
    pub(crate) name: Option<String>,
    pub(crate) options: CallbackOptions,
    pub(crate) serdes: S,
}

impl<S> CallbackRun<S> {
    pub(crate) async fn execute<O>(self) -> Result<Callback<O>, OperationError>
    where
        O: Send + 'static,
        S: Serdes<O>,
    {
        let Self { ctx, position, name, options, serdes } = self;
        let identity = Identity { position, name: name.clone(), sub_type: None };
        let callback = ctx.starting()?.create_callback(identity, options)?;
        ctx.engine().callback_id_known(callback.clone()).await;
        let id = callback.callback_id().ok_or_else(nameless)?;
        Ok(Callback::new(id, Box::new(Pending { ctx, callback, name, serdes: Arc::new(serdes) })))
    }
}

/// A callback's answer to come, whatever its serdes. `Sync`, so that handlers may borrow from a [`Callback`] while they wait.
pub(crate) trait Answer<O>: Send + Sync {
    fn wait(&self) -> DurableFuture<O>;

    /// The callback's operation in the history.
    fn operation_id(&self) -> String;
}

struct Pending<S> {
    ctx: DurableContext,
    callback: Arc<dyn runtime::Callback>,
    name: Option<String>,
    serdes: Arc<S>,
}

impl<O: Send + 'static, S: Serdes<O>> Answer<O> for Pending<S> {
    fn wait(&self) -> DurableFuture<O> {
        let Self { ctx, callback, name, serdes } = self;
        let answer = answer(ctx.clone(), Arc::clone(callback), Arc::clone(serdes));
        DurableFuture::started(answer).named(name.clone())
    }

    fn operation_id(&self) -> String {
        self.callback.id()
    }
}

/// The answer to a callback.
async fn answer<O, S: Serdes<O>>(
    ctx: DurableContext,
    callback: Arc<dyn runtime::Callback>,
    serdes: S,
) -> Result<O, OperationError> {
    let outcome = loop {
        ctx.engine().changed(callback.clone()).await;
        if let Some(outcome) = callback.outcome() {
            break outcome;
        }
    };
    match outcome {
        Ok(payload) => {
            let payload = payload.unwrap_or_else(|| "null".to_owned());
            let context = ctx.serdes_context(callback.clone()).with_origin(PayloadOrigin::External);
            serdes
                .deserialize(payload, context)
                .await
                .map_err(|error| CallbackError::new(CallbackErrorKind::DeserializationFailed, Some(error)))
                .map_err(|error| callback_error(error.with_callback_id(callback.callback_id())))
        }
        Err(wire) => Err(failed(&*callback, wire, callback.callback_id())),
    }
}

fn callback_error(error: CallbackError) -> OperationError {
    OperationError::new(OperationErrorKind::Callback(error))
}

/// The error of a callback that nobody could answer.
fn nameless() -> OperationError {
    let reason = "the service did not return an id for the callback, so nobody can answer it";
    callback_error(CallbackError::new(CallbackErrorKind::Internal, Some(reason.into())))
}

/// The error of a callback that is on record as failed.
fn failed(operation: &dyn runtime::Operation, wire: WireError, id: Option<String>) -> OperationError {
    let (kind, source, status) = match wire.error_type() {
        Some(TIMEOUT) => (CallbackErrorKind::TimedOut, None, "TIMED_OUT"),
        Some(HEARTBEAT) => (CallbackErrorKind::HeartbeatTimedOut, None, "TIMED_OUT"),
        _ => (CallbackErrorKind::ExternalFailure, Some(ReplayedFailure::boxed(wire.clone())), "FAILED"),
    };
    callback_error(CallbackError::new(kind, source).with_callback_id(id)).on_record(operation, status, wire)
}

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

/// The record of what failed in the context: a callback's own failure as it is, with its id; anything else as the error it is.
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
fn context_failed(operation: &dyn runtime::Operation, mut wire: WireError) -> OperationError {
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
fn undeserialized(operation: &dyn runtime::Operation, wire: WireError, id: Option<String>) -> OperationError {
    let source = Some(ReplayedFailure::boxed(wire.clone()));
    let error = CallbackError::new(CallbackErrorKind::DeserializationFailed, source).with_callback_id(id);
    callback_error(error).on_record(operation, "FAILED", wire)
}
