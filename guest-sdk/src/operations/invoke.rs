//! Runs an invocation of another function.
//!
//! Invariants: the payload is serialized by the code of the handler, and therefore again on each replay; the recorded
//! payload is the one that was sent. The result comes from other code, and is never followed as a reference.

use crate::context::DurableContext;
use crate::contract::{EndStatus, Identity, Invoke, InvokeOptions, Position};
use crate::error::{
    BoxError, Framed, FunctionNotFound, InvokeError, InvokeErrorKind, OperationError, OperationErrorKind,
    ReplayedFailure, WireError,
};
use crate::serdes::{PayloadOrigin, Serdes, SerdesContext};

/// The recorded error type for a function that does not exist.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// An invocation with all its options.
pub(crate) struct InvokeRun<I, P, R> {
    pub(crate) ctx: DurableContext,
    pub(crate) position: Position,
    pub(crate) name: Option<String>,
    pub(crate) options: InvokeOptions,
    pub(crate) input: I,
    pub(crate) payload_serdes: P,
    pub(crate) result_serdes: R,
}

impl<I, P, R> InvokeRun<I, P, R> {
    pub(crate) async fn execute<O>(self) -> Result<O, OperationError>
    where
        O: Send + 'static,
        I: Send + 'static,
        P: Serdes<I>,
        R: Serdes<O>,
    {
        let Self { ctx, position, name, options, input, payload_serdes, result_serdes } = self;
        // The operation gets its id only when it starts, which requires the payload. Its position identifies it before
        // that.
        let place = format!("{}-{position}", ctx.scope_id().unwrap_or("root"));
        let context = SerdesContext::new(place, ctx.engine().execution().arn());
        let payload = match payload_serdes.serialize(input, context).await {
            Ok(payload) => Some(payload),
            // The recorded payload is the one that was sent.
            Err(_) if ctx.scope().is_recorded(position) => None,
            Err(error) => return Err(serialization_failed("payload serdes", error)),
        };
        let function = options.function_name.clone();
        let identity = Identity { position, name, sub_type: None };
        let invoke = ctx.checked_scope()?.invoke(identity, options, payload.as_deref())?;
        drop(payload);
        let outcome = loop {
            ctx.engine().changed(invoke.clone()).await;
            if let Some(outcome) = invoke.outcome() {
                break outcome;
            }
        };
        match outcome {
            Ok(result) => {
                let result = result.unwrap_or_else(|| "null".to_owned());
                let context = ctx.serdes_context(invoke.clone()).with_origin(PayloadOrigin::External);
                result_serdes
                    .deserialize(result, context)
                    .await
                    .map_err(|error| serialization_failed("result serdes", error))
            }
            Err(wire) => Err(failed(&*invoke, &function, wire)),
        }
    }
}

fn serialization_failed(frame: &str, error: BoxError) -> OperationError {
    let source = Some(Framed::boxed(frame, error));
    OperationError::new(OperationErrorKind::Invoke(InvokeError::new(
        InvokeErrorKind::SerializationFailed,
        source,
    )))
}

/// The error of an invocation that is recorded as ended without a result.
fn failed(invoke: &dyn Invoke, function: &str, wire: WireError) -> OperationError {
    let status = match invoke.ended() {
        Some(EndStatus::TimedOut) => "TIMED_OUT",
        Some(EndStatus::Stopped) => "STOPPED",
        Some(EndStatus::Cancelled) => "CANCELLED",
        Some(EndStatus::Failed | EndStatus::Succeeded) | None => "FAILED",
    };
    let kind = match wire.error_type() {
        Some(NOT_FOUND) if status == "FAILED" => {
            InvokeErrorKind::FunctionNotFound(FunctionNotFound::new(function))
        }
        _ => InvokeErrorKind::FunctionFailed,
    };
    let error = InvokeError::new(kind, Some(ReplayedFailure::boxed(wire.clone())));
    OperationError::new(OperationErrorKind::Invoke(error)).on_record(invoke.id(), status, wire)
}
