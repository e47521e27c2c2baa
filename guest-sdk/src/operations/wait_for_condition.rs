//! Runs a wait for a condition.
//!
//! Invariants:
//! - A check gets the recorded state of the previous check, or the initial state. A state that cannot be deserialized
//!   is an error: the state is never reset.
//! - A check runs at most once in an instance: the next check runs in a later invocation. A failed check is not
//!   retried.
//! - The outcome is delivered only when it is recorded, and is the same as on a replay.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use super::body::{self, Failure};
use crate::context::{DurableContext, StepContext};
use crate::contract::{Condition, ConditionState, Identity, Position};
use crate::error::{
    BoxError, Framed, MaxChecksExceeded, OperationError, OperationErrorKind, ReplayedFailure,
    SERIALIZATION_ERROR, WaitForConditionError, WaitForConditionErrorKind, WireError,
};
use crate::output::LogScope;
use crate::policy::{JitterSeed, Polling, WaitDecision, seconds};
use crate::serdes::Serdes;

/// The recorded type of the error when the maximum number of checks is exceeded. Replays determine the kind of error
/// from it.
const EXHAUSTED: &str = "WaitForCondition.MaxChecksExceeded";

/// A wait for a condition with all its options.
pub(crate) struct ConditionRun<T, F, S> {
    pub(crate) ctx: DurableContext,
    pub(crate) position: Position,
    pub(crate) name: Option<String>,
    pub(crate) initial: T,
    pub(crate) polling: Polling<T>,
    pub(crate) serdes: S,
    pub(crate) check: F,
}

impl<T, F, S> ConditionRun<T, F, S> {
    pub(crate) async fn execute<Fut>(self) -> Result<T, OperationError>
    where
        T: Clone + Send + Sync + 'static,
        F: Fn(StepContext, T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, BoxError>> + Send + 'static,
        S: Serdes<T>,
    {
        let Self { ctx, position, name, initial, polling, serdes, check } = self;
        let identity = Identity { position, name: name.clone(), sub_type: None };
        // The handler passes the initial state again on every replay, so it is not serialized, and the host does not
        // store it.
        let condition = ctx.checked_scope()?.condition(identity, "null")?;
        let running = RunningCondition { ctx: &ctx, condition: &condition };
        loop {
            match condition.state() {
                ConditionState::Pending => running.changed().await,
                ConditionState::Done { outcome: Ok(state), .. } => {
                    let state = state.unwrap_or_else(|| "null".to_owned());
                    let context = ctx.serdes_context(condition.clone());
                    return serdes.deserialize(state, context).await.map_err(unreadable);
                }
                ConditionState::Done { outcome: Err(wire), attempt } => {
                    return Err(failed(&*condition, wire, attempt));
                }
                ConditionState::Run { attempt, state } => {
                    let context = || ctx.serdes_context(condition.clone());
                    let state = if attempt == 1 {
                        Ok(initial.clone())
                    } else {
                        // Deserialized for this check only: a replay of a later check leaves it out.
                        let read = ctx.section().input(position, attempt as usize);
                        let state = async { serdes.deserialize(state, context()).await };
                        read.run(state).await.map_err(unreadable)
                    };
                    let state = match state {
                        Ok(state) => state,
                        Err(error) => {
                            running.close_broken(&error).await;
                            continue;
                        }
                    };
                    let scope = LogScope::new(condition.clone(), name.as_deref(), Some(attempt));
                    let work = async {
                        let state = check(StepContext::new(attempt), state).await.map_err(Failure::Body)?;
                        let payload =
                            serdes.serialize(state, context()).await.map_err(Failure::Serialization)?;
                        // The strategy gets the same state as the next check.
                        let state = serdes
                            .deserialize(payload.clone(), context())
                            .await
                            .map_err(|error| Failure::Serialization(Framed::boxed(UNREADABLE, error)))?;
                        Ok((payload, state))
                    };
                    let section = ctx.section().body(position, attempt, scope.name.clone());
                    match body::run(running.ctx.engine(), &**running.condition, &scope, &section, pin!(work))
                        .await
                    {
                        Ok((payload, state)) => {
                            let decide = || polling.decide(state, attempt, || running.jitter_seed());
                            let decision = section.within(decide);
                            running.close(&payload, decision).await;
                        }
                        Err(Failure::Body(error)) => {
                            running.close_failed(&WireError::of(&*error, "WaitForConditionError")).await;
                        }
                        Err(Failure::Serialization(error)) => {
                            running.close_broken(&serialization_failed(error)).await;
                        }
                    }
                }
            }
        }
    }
}

/// What the phases of a running condition share. Not generic, so that it is compiled once.
struct RunningCondition<'a> {
    ctx: &'a DurableContext,
    condition: &'a Arc<dyn Condition>,
}

impl RunningCondition<'_> {
    /// Waits until the state of the condition is not pending.
    async fn changed(&self) {
        self.ctx.engine().changed(self.condition.clone()).await;
    }

    fn jitter_seed(&self) -> JitterSeed {
        self.ctx.engine().jitter_seed(&self.condition.id())
    }

    /// Closes an attempt whose check returned a state, and waits for the next state of the condition.
    async fn close(&self, state: &str, decision: WaitDecision) {
        match decision {
            WaitDecision::Complete => self.condition.succeed(state),
            WaitDecision::Continue { delay } => {
                if let Err(invalid) = self.condition.proceed(state, seconds(delay).max(1)) {
                    let invalid = OperationError::from(invalid);
                    self.condition.fail(&WireError::of(&invalid, "Error"));
                }
            }
            WaitDecision::Exhausted { reason } => self.condition.fail(&WireError::new(EXHAUSTED, reason)),
        }
        self.changed().await;
    }

    async fn close_failed(&self, wire: &WireError) {
        self.condition.fail(wire);
        self.changed().await;
    }

    /// Closes an attempt whose state cannot be serialized or deserialized.
    async fn close_broken(&self, error: &OperationError) {
        self.close_failed(&WireError::typed(error, SERIALIZATION_ERROR)).await;
    }
}

const UNREADABLE: &str = "state deserialization failed";

fn serialization_failed(error: BoxError) -> OperationError {
    let kind = WaitForConditionErrorKind::SerializationFailed;
    OperationError::new(OperationErrorKind::WaitForCondition(WaitForConditionError::new(kind, Some(error))))
}

fn unreadable(error: BoxError) -> OperationError {
    serialization_failed(Framed::boxed(UNREADABLE, error))
}

/// The error of a condition that is recorded as failed.
fn failed(condition: &dyn Condition, wire: WireError, checks: Option<u32>) -> OperationError {
    let source = || Some(ReplayedFailure::boxed(wire.clone()));
    let (kind, source) = match wire.error_type() {
        Some(EXHAUSTED) => {
            (WaitForConditionErrorKind::MaxChecksExceeded(MaxChecksExceeded::new(checks)), None)
        }
        Some(SERIALIZATION_ERROR) => (WaitForConditionErrorKind::SerializationFailed, source()),
        _ => (WaitForConditionErrorKind::CheckFailed, source()),
    };
    let error = WaitForConditionError::new(kind, source);
    OperationError::new(OperationErrorKind::WaitForCondition(error)).on_record(condition.id(), "FAILED", wire)
}
