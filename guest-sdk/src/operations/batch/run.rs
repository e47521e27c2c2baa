//! Runs a batch, from its start to its recorded outcome.

use std::marker::PhantomData;
use std::sync::Arc;

use super::errors::{failed, internal};
use super::items::Items;
use super::options::{Bodies, Kind, Options};
use super::record::{BatchEnd, BatchSummary};
use super::result::BatchResult;
use crate::context::DurableContext;
use crate::contract::{Child, ChildResult, ChildState, Identity, Position};
use crate::error::{OperationError, SERIALIZATION_ERROR, WireError};
use crate::operations::child::INLINE_LIMIT;
use crate::output::LogScope;
use crate::policy::CompletionReason;
use crate::serdes::{JsonSerdes, Serdes, SerdesContext};

/// A batch with all its options.
pub(crate) struct BatchRun<IS, RS> {
    pub(crate) options: Options,
    serdes: IS,
    result_serdes: RS,
}

impl BatchRun<JsonSerdes, JsonSerdes> {
    pub(crate) fn new(ctx: DurableContext, position: Position, kind: Kind) -> Self {
        let options = Options::new(ctx, position, kind);
        Self { options, serdes: JsonSerdes, result_serdes: JsonSerdes }
    }
}

impl<IS, RS> BatchRun<IS, RS> {
    /// Replaces the serdes of the items.
    pub(crate) fn with_serdes<IS2>(self, serdes: IS2) -> BatchRun<IS2, RS> {
        BatchRun { options: self.options, serdes, result_serdes: self.result_serdes }
    }

    /// Replaces the serdes of the batch.
    pub(crate) fn with_result_serdes<RS2>(self, result_serdes: RS2) -> BatchRun<IS, RS2> {
        BatchRun { options: self.options, serdes: self.serdes, result_serdes }
    }

    /// Runs the batch. Returns the values of the items that succeeded, or an error if failures ended the batch.
    pub(crate) async fn values<O>(self, bodies: Bodies<O>) -> Result<Vec<O>, OperationError>
    where
        O: Send + 'static,
        IS: Serdes<O>,
        RS: Serdes<BatchSummary>,
    {
        let result = self.result(bodies).await?;
        if result.reason == CompletionReason::FailureToleranceExceeded {
            result.throw_if_error()?;
            return Err(internal("more failures than are tolerated"));
        }
        Ok(result.into_results())
    }

    /// Runs the batch.
    pub(crate) async fn result<O>(self, bodies: Bodies<O>) -> Result<BatchResult<O>, OperationError>
    where
        O: Send + 'static,
        IS: Serdes<O>,
        RS: Serdes<BatchSummary>,
    {
        let Self { options, serdes, result_serdes } = self;
        if let Err(invalid) = options.check()
            && !options.ctx.scope().is_recorded(options.position)
        {
            return Err(invalid.into());
        }
        let Options { ctx, position, kind, name, max_concurrency, completion, nesting, namer, .. } = options;
        let identity = Identity { position, name: name.clone(), sub_type: Some(kind.batch) };
        let child = ctx.checked_scope()?.child(identity)?;
        let log = LogScope::new(child.clone(), name.as_deref(), None);
        let batch = Batch { ctx, child, serdes: Arc::new(serdes), result_serdes, _output: PhantomData };
        let mut bodies = Some(bodies);
        loop {
            let state = batch.child.state();
            let end = match state {
                ChildState::Pending => {
                    batch.changed().await;
                    continue;
                }
                ChildState::Done(Ok(payload)) => return batch.read(payload.unwrap_or_default()).await,
                ChildState::Done(Err(wire)) => return Err(failed(&*batch.child, wire)),
                ChildState::Run => None,
                ChildState::Rebuild(summary) => Some(summary),
            };
            let Some(bodies) = bodies.take() else {
                return Err(internal("a batch was closed, and is open again"));
            };
            let rebuild = end.is_some();
            let end = BatchEnd::read(end.flatten().as_deref(), bodies.total).map_err(internal)?;
            let inner = batch.ctx.nested(position, batch.child.context(), log.name.clone());
            let section = Arc::clone(inner.section());
            let items = Items {
                ctx: inner,
                batch: batch.child.clone(),
                log: Arc::clone(&log),
                serdes: Arc::clone(&batch.serdes),
                item_sub_type: kind.item,
                limit: max_concurrency.unwrap_or(usize::MAX).max(1),
                completion: completion.clone(),
                nesting,
                namer: namer.clone(),
                rebuild,
            };
            let work = Arc::clone(&log).instrument(items.run(bodies, end));
            let work = async {
                match work.await {
                    Ok((summary, end)) => batch.write(summary, &end).await,
                    Err(error) => Err(WireError::of(&error, "BatchError")),
                }
            };
            // Everything in this section is left out by a replay that finds the batch ended, including names and
            // serialization.
            let closing = Arc::clone(&section).run(work).await;
            section.end();
            match &closing {
                // Also on a rebuild: the host reports an error if the result is not the one that was too large.
                Ok(Closing { summary, too_large: None }) => {
                    batch.child.succeed(ChildResult::Inline(summary));
                }
                Ok(Closing { too_large, .. }) => {
                    batch.child.succeed(ChildResult::ReplayChildren(too_large.as_deref()));
                }
                Err(wire) => batch.child.fail(wire),
            }
            batch.changed().await;
            // A result is recorded as it is. The record of an error may be shorter: deliver only what is recorded.
            if let Ok(Closing { summary, .. }) = closing {
                return batch.read(summary).await;
            }
        }
    }
}

/// A running batch.
struct Batch<O, IS, RS> {
    ctx: DurableContext,
    child: Arc<dyn Child>,
    serdes: Arc<IS>,
    result_serdes: RS,
    _output: PhantomData<fn() -> O>,
}

/// The values with which a batch is closed.
struct Closing {
    summary: String,
    /// The text that is recorded in place of the summary.
    too_large: Option<String>,
}

impl<O, IS, RS> Batch<O, IS, RS>
where
    O: Send + 'static,
    IS: Serdes<O>,
    RS: Serdes<BatchSummary>,
{
    async fn changed(&self) {
        self.ctx.engine().changed(self.child.clone()).await;
    }

    fn context(&self) -> SerdesContext {
        self.ctx.serdes_context(self.child.clone())
    }

    /// Serializes the summary, and the end if the summary is too large.
    async fn write(&self, summary: BatchSummary, end: &BatchEnd) -> Result<Closing, WireError> {
        let written = self.result_serdes.written(summary, self.context()).await;
        let summary = written.map_err(|error| WireError::typed(&internal(error), SERIALIZATION_ERROR))?;
        let too_large = if summary.len() > INLINE_LIMIT { Some(end.write()?) } else { None };
        Ok(Closing { summary, too_large })
    }

    /// Deserializes the result from the recorded payload.
    async fn read(&self, summary: String) -> Result<BatchResult<O>, OperationError> {
        let summary = self.result_serdes.deserialize(summary, self.context()).await.map_err(internal)?;
        let context = |index| {
            SerdesContext::of_item(self.child.clone(), index, Arc::clone(self.ctx.engine().execution()))
        };
        summary.read(&*self.serdes, context).await.map_err(internal)
    }
}
