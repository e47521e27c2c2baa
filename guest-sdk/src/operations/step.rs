//! Runs a step.
//!
//! Invariants:
//! - Between `enter` and `leave` (or the close of the attempt) only the body runs, with the serialization of its
//!   result. All other code of the handler and of this crate runs outside.
//! - The outcome is delivered only when it is recorded, and is the same as on a replay.
//! - A body runs at most once in an instance. It is `FnOnce`, so the attempt after a retry runs in a later invocation.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use super::body::{self, Failure};
use super::saga::Registration;
use crate::context::{Compensation, CompensationFn, DurableContext, StepContext};
use crate::contract::{Identity, Position, Step, StepOptions, StepState};
use crate::engine::Section;
use crate::error::{
    BoxError, OperationError, OperationErrorKind, ReplayedFailure, RetriesExhausted, SERIALIZATION_ERROR,
    StepError, StepErrorKind, TypedError, WireError,
};
use crate::output::LogScope;
use crate::policy::{RetryDecision, RetryStrategy, seconds};
use crate::serdes::{Serdes, SerdesContext};

/// Why an attempt failed although its body did not return.
#[derive(Debug)]
enum AttemptFailure {
    Interrupted,
    TimedOut,
}

impl fmt::Display for AttemptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupted => {
                "the attempt was interrupted, and at-most-once semantics do not let it run again"
            }
            Self::TimedOut => "the attempt took longer than the step's timeout, and was stopped",
        })
    }
}

impl std::error::Error for AttemptFailure {}

impl AttemptFailure {
    /// The error with its name for the record.
    fn named(self) -> BoxError {
        let name = match self {
            Self::Interrupted => "StepInterrupted",
            Self::TimedOut => "StepTimeout",
        };
        TypedError::with_type(name, self).into()
    }
}

/// A step with all its options.
pub(crate) struct StepRun<F, S> {
    pub(crate) ctx: DurableContext,
    pub(crate) position: Position,
    pub(crate) name: Option<String>,
    pub(crate) strategy: RetryStrategy,
    pub(crate) options: StepOptions,
    pub(crate) serdes: S,
    pub(crate) body: F,
}

impl<F, S> StepRun<F, S> {
    /// Runs the step. Its context owns the compensation from the start of the step.
    pub(crate) fn execute<O, Fut>(
        self,
        compensation: Option<CompensationFn<DurableContext, O>>,
    ) -> impl Future<Output = Result<O, OperationError>> + Send
    where
        F: FnOnce(StepContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
        O: Send + 'static,
        S: Serdes<O>,
    {
        let Self { ctx, position, name, strategy, options, serdes, body } = self;
        // Outside of the future, so that the future contains each only once.
        let (serdes, mut body) = (Arc::new(serdes), Some(body));
        async move {
            let identity = Identity { position, name: name.clone(), sub_type: None };
            let step = ctx.checked_scope()?.step(identity, options)?;
            let registration = compensation.map(|compensation| {
                let context = ctx.serdes_context(step.clone());
                let compensation =
                    Compensation::new(name.clone(), step.clone(), serdes.clone(), context, compensation);
                Registration::new(&ctx, compensation)
            });
            let running = RunningStep { ctx: &ctx, step: &step, strategy: &strategy };
            loop {
                match step.state() {
                    StepState::Pending => running.changed().await,
                    // Deliver only what is recorded, also if this instance has just sent the result: a host may have
                    // recorded something else, such as an error for a result that is too large.
                    StepState::Done { outcome, attempt } => {
                        if let Some(registration) = registration {
                            registration.ended(outcome.is_ok());
                        }
                        return match outcome {
                            Ok(payload) => {
                                let payload = payload.unwrap_or_else(|| "null".to_owned());
                                running.deliver(&*serdes, payload).await
                            }
                            Err(wire) => Err(failed(&*step, wire, attempt)),
                        };
                    }
                    StepState::Interrupted(attempt) => {
                        let section = ctx.section().input(position, attempt as usize);
                        running.close_failed(attempt, AttemptFailure::Interrupted.named(), &section).await;
                    }
                    StepState::TimedOut(attempt) => {
                        let section = ctx.section().input(position, attempt as usize);
                        running.close_failed(attempt, AttemptFailure::TimedOut.named(), &section).await;
                    }
                    StepState::Run(attempt) => {
                        let body = body.take().unwrap_or_else(|| needs_fresh_instance());
                        let context = ctx.serdes_context(step.clone());
                        let scope = LogScope::new(step.clone(), name.as_deref(), Some(attempt));
                        let work = async {
                            let value = body(StepContext::new(attempt)).await.map_err(Failure::Body)?;
                            serdes.written(value, context).await.map_err(Failure::Serialization)
                        };
                        let section = ctx.section().body(position, attempt, scope.name.clone());
                        match body::run(running.ctx.engine(), &**running.step, &scope, &section, pin!(work))
                            .await
                        {
                            Ok(payload) => {
                                step.succeed(&payload);
                                running.changed().await;
                            }
                            Err(Failure::Body(error)) => running.close_failed(attempt, error, &section).await,
                            Err(Failure::Serialization(error)) => {
                                let error = serialization_failed(error);
                                step.fail(&WireError::typed(&error, SERIALIZATION_ERROR));
                                running.changed().await;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What the phases of a running step share. Not generic, so that it is compiled once.
struct RunningStep<'a> {
    ctx: &'a DurableContext,
    step: &'a Arc<dyn Step>,
    strategy: &'a RetryStrategy,
}

impl RunningStep<'_> {
    /// Waits until the state of the step is not pending.
    async fn changed(&self) {
        self.ctx.engine().changed(self.step.clone()).await;
    }

    /// Closes a failed attempt according to the strategy, and waits for the next state. The strategy runs once, and not
    /// on replays, so it runs in its own section.
    async fn close_failed(&self, attempt: u32, error: BoxError, section: &Arc<Section>) {
        let wire = WireError::of(&*error, "Error");
        let error = StepError::new(StepErrorKind::ExecutionFailed, Some(error));
        let seed = || self.ctx.engine().jitter_seed(&self.step.id());
        match section.within(|| self.strategy.decide(&error, attempt, seed)) {
            RetryDecision::Retry { delay } => {
                if let Err(invalid) = self.step.retry(&wire, seconds(delay).max(1)) {
                    let invalid = OperationError::from(invalid);
                    self.step.fail(&WireError::of(&invalid, "Error"));
                }
            }
            RetryDecision::Stop => self.step.fail(&wire),
        }
        self.changed().await;
    }

    /// Deserializes a recorded result.
    async fn deliver<O, S: Serdes<O>>(&self, serdes: &S, payload: String) -> Result<O, OperationError> {
        let context: SerdesContext = self.ctx.serdes_context(self.step.clone());
        serdes.deserialize(payload, context).await.map_err(serialization_failed)
    }
}

fn serialization_failed(error: BoxError) -> OperationError {
    OperationError::new(OperationErrorKind::Step(StepError::new(
        StepErrorKind::SerializationFailed,
        Some(error),
    )))
}

/// The error of a step that is recorded as failed.
fn failed(step: &dyn Step, wire: WireError, attempts: Option<u32>) -> OperationError {
    let kind = if wire.error_type() == Some(SERIALIZATION_ERROR) {
        StepErrorKind::SerializationFailed
    } else {
        StepErrorKind::RetriesExhausted(RetriesExhausted::new(attempts))
    };
    let error = StepError::new(kind, Some(ReplayedFailure::boxed(wire.clone())));
    OperationError::new(OperationErrorKind::Step(error)).on_record(step.id(), "FAILED", wire)
}

/// The host starts another attempt in an instance whose body has already run.
fn needs_fresh_instance() -> ! {
    // After a trap the host retries in a fresh instance, which has the body. Hosts keep a step pending after a retry
    // until the next invocation, so this code is not reached with them.
    #[allow(clippy::panic)]
    {
        panic!(
            "a step is to run again in the same instance, but its body can run only once in each: invoke again"
        )
    }
}
