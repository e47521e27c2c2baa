//! Runs a child context.
//!
//! Invariants: the code of the child runs at most once in an instance, in its own scope. Its outcome is delivered when
//! it is recorded, and is the same as on a replay.

use std::future::Future;
use std::sync::Arc;

use crate::context::DurableContext;
use crate::contract::{ChildResult, ChildState, Identity, Operation, Position};
use crate::engine::select_random_stream;
use crate::error::{
    BoxError, ChildContextError, ChildContextErrorKind, ChildFnError, OperationError, OperationErrorKind,
    ReplayedFailure, SERIALIZATION_ERROR, WireError,
};
use crate::output::LogScope;
use crate::serdes::Serdes;

/// The maximum size of a recorded result, in bytes. Replays rebuild a larger one from the operations of the child.
pub(crate) const INLINE_LIMIT: usize = 256 * 1024;

/// A child context with all its options.
pub(crate) struct ChildRun<B, S, E> {
    pub(crate) ctx: DurableContext,
    pub(crate) position: Position,
    pub(crate) name: Option<String>,
    pub(crate) sub_type: Option<&'static str>,
    pub(crate) serdes: S,
    /// Creates the record of an error that the code returned.
    pub(crate) record: fn(&E) -> WireError,
    /// Creates the error to return from a recorded one.
    pub(crate) failed: fn(&dyn Operation, WireError) -> OperationError,
    /// The code.
    pub(crate) body: B,
}

impl<B, S, E> ChildRun<B, S, E> {
    pub(crate) fn execute<O, Fut>(self) -> impl Future<Output = Result<O, OperationError>> + Send
    where
        B: FnOnce(DurableContext) -> Fut + Send,
        Fut: Future<Output = Result<O, E>> + Send,
        O: Send + 'static,
        S: Serdes<O>,
        E: Send,
    {
        let Self { ctx, position, name, sub_type, serdes, record, failed, body } = self;
        // Outside of the future, so that the future contains it only once.
        let mut body = Some(body);
        async move {
            let child = ctx.checked_scope()?.child(Identity { position, name: name.clone(), sub_type })?;
            loop {
                let state = child.state();
                let rebuild = matches!(state, ChildState::Rebuild(_));
                match state {
                    ChildState::Pending => ctx.engine().changed(child.clone()).await,
                    ChildState::Done(Ok(payload)) => {
                        let payload = payload.unwrap_or_else(|| "null".to_owned());
                        let context = ctx.serdes_context(child.clone());
                        select_random_stream();
                        return serdes.deserialize(payload, context).await.map_err(internal);
                    }
                    ChildState::Done(Err(wire)) => return Err(failed(&*child, wire)),
                    ChildState::Run | ChildState::Rebuild(_) => {
                        let Some(body) = body.take() else {
                            return Err(internal("a child context was closed, and is open again".into()));
                        };
                        let scope = LogScope::new(child.clone(), name.as_deref(), None);
                        let inner = ctx.nested(position, child.context(), scope.name.clone());
                        let section = Arc::clone(inner.section());
                        let context = ctx.serdes_context(child.clone());
                        // Serialization is part of the child's code: a replay that finds the child ended leaves it out.
                        let code = async {
                            match body(inner).await {
                                Ok(value) => {
                                    serdes.written(value, context.clone()).await.map_err(serialization_record)
                                }
                                Err(error) => Err(record(&error)),
                            }
                        };
                        let result = Arc::clone(&section).run(scope.instrument(code)).await;
                        section.end();
                        match &result {
                            // On a rebuild, a small result is not the one that was too large: the host reports that.
                            Ok(payload) if payload.len() > INLINE_LIMIT => {
                                child.succeed(ChildResult::ReplayChildren(None));
                            }
                            Ok(payload) => child.succeed(ChildResult::Inline(payload)),
                            Err(wire) => child.fail(wire),
                        }
                        // Also on a rebuild: the outcome has its position in the order of outcomes, and is delivered
                        // there.
                        ctx.engine().changed(child.clone()).await;
                        match result {
                            Ok(payload) => {
                                select_random_stream();
                                return serdes.deserialize(payload, context).await.map_err(internal);
                            }
                            Err(wire) if rebuild => return Err(failed(&*child, wire)),
                            Err(_) => {}
                        }
                    }
                }
            }
        }
    }
}

/// The record of an error that a child's code returned.
pub(crate) fn record(error: &ChildFnError) -> WireError {
    WireError::of(error, "ChildFnError")
}

/// The error of a child that is recorded as failed.
pub(crate) fn failed(operation: &dyn Operation, wire: WireError) -> OperationError {
    let kind = if wire.error_type() == Some(SERIALIZATION_ERROR) {
        ChildContextErrorKind::Internal
    } else {
        ChildContextErrorKind::ChildFailed
    };
    let error = ChildContextError::new(kind, Some(ReplayedFailure::boxed(wire.clone())));
    OperationError::new(OperationErrorKind::ChildContext(error)).on_record(operation.id(), "FAILED", wire)
}

fn internal(error: BoxError) -> OperationError {
    let error = ChildContextError::new(ChildContextErrorKind::Internal, Some(error));
    OperationError::new(OperationErrorKind::ChildContext(error))
}

fn serialization_record(error: BoxError) -> WireError {
    WireError::typed(&internal(error), SERIALIZATION_ERROR)
}
