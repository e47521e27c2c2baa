//! Runs callbacks.
//!
//! Invariants: the id of a callback is returned even if the callback has already failed or timed out; the failure is
//! returned by its result.

use std::fmt;
use std::sync::Arc;

use crate::context::{DurableContext, DurableFuture};
use crate::contract::{self, CallbackOptions, Identity, Position};
use crate::error::{
    CallbackError, CallbackErrorKind, OperationError, OperationErrorKind, ReplayedFailure, WireError,
};
use crate::serdes::{PayloadOrigin, Serdes};
use crate::values::CallbackId;

pub(super) const TIMEOUT: &str = "Callback.Timeout";
pub(super) const HEARTBEAT: &str = "Callback.Heartbeat";

/// A callback: the id for the external system, and the future of the answer.
///
/// The callback may already have failed or timed out: then [`result`](Self::result) returns the error.
#[non_exhaustive]
pub struct Callback<O> {
    /// The id with which the external system answers, the same as [`id`](Self::id).
    pub callback_id: String,
    answer: Box<dyn Answer<O>>,
}

impl<O> fmt::Debug for Callback<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback")
            .field("callback_id", &self.callback_id)
            .field("operation_id", &self.answer.operation_id())
            .finish_non_exhaustive()
    }
}

impl<O> Callback<O> {
    /// The [`id`](Self::id) as a [`CallbackId`].
    #[must_use]
    pub fn id_typed(&self) -> CallbackId {
        CallbackId::from(self.callback_id.clone())
    }
}

impl<O: Send + 'static> Callback<O> {
    pub(crate) fn new(id: String, answer: Box<dyn Answer<O>>) -> Self {
        Self { callback_id: id, answer }
    }

    /// The id with which the external system answers: base64, at most 1024 characters.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.callback_id
    }

    /// The answer; an empty answer is `null`. Fails with an error of kind
    /// [`Callback`](crate::OperationErrorKind::Callback) if the external system reported a failure, if a timeout
    /// expired, or if the serdes does not accept the answer.
    ///
    /// The future does not borrow the handle. The method can be called several times; all futures return the same
    /// answer.
    pub fn result(&self) -> DurableFuture<O> {
        self.answer.wait()
    }
}

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
        let callback = ctx.checked_scope()?.create_callback(identity, options)?;
        ctx.engine().callback_id_known(callback.clone()).await;
        let id = callback.callback_id().ok_or_else(missing_id)?;
        Ok(Callback::new(id, Box::new(Pending { ctx, callback, name, serdes: Arc::new(serdes) })))
    }
}

/// The pending answer to a callback, independent of its serdes. `Sync`, so that handlers may borrow from a [`Callback`]
/// while they wait.
pub(crate) trait Answer<O>: Send + Sync {
    fn wait(&self) -> DurableFuture<O>;

    /// The id of the callback's operation in the history.
    fn operation_id(&self) -> String;
}

struct Pending<S> {
    ctx: DurableContext,
    callback: Arc<dyn contract::Callback>,
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
    callback: Arc<dyn contract::Callback>,
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

pub(super) fn callback_error(error: CallbackError) -> OperationError {
    OperationError::new(OperationErrorKind::Callback(error))
}

/// The error of a callback without an id.
fn missing_id() -> OperationError {
    let reason = "the service did not return an id for the callback, so it cannot be answered";
    callback_error(CallbackError::new(CallbackErrorKind::Internal, Some(reason.into())))
}

/// The error of a callback that is recorded as failed.
pub(super) fn failed(
    operation: &dyn contract::Operation,
    wire: WireError,
    id: Option<String>,
) -> OperationError {
    let (kind, source, status) = match wire.error_type() {
        Some(TIMEOUT) => (CallbackErrorKind::TimedOut, None, "TIMED_OUT"),
        Some(HEARTBEAT) => (CallbackErrorKind::HeartbeatTimedOut, None, "TIMED_OUT"),
        _ => (CallbackErrorKind::ExternalFailure, Some(ReplayedFailure::boxed(wire.clone())), "FAILED"),
    };
    callback_error(CallbackError::new(kind, source).with_callback_id(id)).on_record(
        operation.id(),
        status,
        wire,
    )
}
