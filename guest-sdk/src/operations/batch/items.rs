//! Runs the items of a batch until the batch ends.
//!
//! Invariants: items start in the order of the input, and at most `limit` run at once. When the batch ends, items that
//! still run are dropped, and the others are not started.

use std::sync::Arc;

use super::errors::internal;
use super::options::{Bodies, Namer, NestingMode};
use super::record::{BatchEnd, BatchSummary, Ended};
use crate::context::{Body, DurableContext};
use crate::contract::{Child, Position};
use crate::engine::{Group, select_random_stream};
use crate::error::{BoxError, ChildFnError, OperationError, SERIALIZATION_ERROR, WireError};
use crate::operations::child::{self, ChildRun};
use crate::output::LogScope;
use crate::policy::{BatchItemStatus, CompletionConfig, CompletionReason, Progress};
use crate::serdes::{Serdes, SerdesContext};

/// What the items of a batch share.
pub(super) struct Items<IS> {
    /// The context of the batch.
    pub(super) ctx: DurableContext,
    pub(super) batch: Arc<dyn Child>,
    pub(super) log: Arc<LogScope>,
    pub(super) serdes: Arc<IS>,
    pub(super) item_sub_type: &'static str,
    /// The maximum number of items that run at once.
    pub(super) limit: usize,
    pub(super) completion: CompletionConfig,
    pub(super) nesting: NestingMode,
    pub(super) namer: Option<Namer>,
    /// The history has the end of the batch.
    pub(super) rebuild: bool,
}

/// An item that was started.
struct Started {
    name: String,
    ended: Option<Ended>,
}

impl<IS> Items<IS> {
    /// Runs the items until the batch ends. On a rebuild, `end` has the recorded end: which items had ended by then,
    /// and the reason.
    ///
    /// Fails only with errors that no item causes: a name that is not allowed, or a recorded payload that cannot be
    /// deserialized.
    pub(super) async fn run<O>(
        self,
        bodies: Bodies<O>,
        end: Option<BatchEnd>,
    ) -> Result<(BatchSummary, BatchEnd), OperationError>
    where
        O: Send + 'static,
        IS: Serdes<O>,
    {
        let total = bodies.total;
        let mut completion = Completion::new(self.completion.clone(), total, end);
        let mut items = Vec::new();
        let reason = self.until_over(bodies, &mut completion, &mut items).await;
        if self.rebuild || self.ctx.engine().delivers_unrecorded() {
            self.skip_unfinished(&items, total);
        }
        let reason = reason?;
        let end = BatchEnd::new(items.iter().map(|item| item.ended.is_some()).collect(), reason);
        let items = items.into_iter().enumerate().map(|(index, item)| (index, item.name, item.ended));
        Ok((BatchSummary::new(items, reason), end))
    }

    async fn until_over<O>(
        &self,
        bodies: Bodies<O>,
        completion: &mut Completion,
        items: &mut Vec<Started>,
    ) -> Result<CompletionReason, OperationError>
    where
        O: Send + 'static,
        IS: Serdes<O>,
    {
        let mut each = bodies.each;
        let mut group = Group::new(self.ctx.engine());
        loop {
            while group.len() < self.limit && completion.may_start(items.len()) {
                let Some(body) = each.next() else { break };
                let index = items.len();
                let name = self.namer.as_ref().map(|namer| namer(index)).unwrap_or_default();
                let position = self.ctx.scope().claim();
                match self.nesting {
                    // An item that had not ended when the batch ended has nothing to rebuild: its recorded operations
                    // are all below its context.
                    NestingMode::Normal if completion.was_unfinished(index) => {}
                    NestingMode::Normal => {
                        let item = self.nested(index, position, name.clone(), body);
                        // The recorded outcomes determine which items a replay runs, so no item may draw from a
                        // sequence of the others.
                        let section = self.ctx.section().deferred_input(position, index);
                        group.spawn(index, section.run(item));
                    }
                    // Without a context of its own, the item runs as far as it did then, and starts its recorded
                    // operations again.
                    NestingMode::Flat => group.spawn(index, self.flat(index, position, &name, body)),
                }
                items.push(Started { name, ended: None });
            }
            if let Some(reason) = completion.recorded_reason() {
                return Ok(reason);
            }
            let Some((index, ended)) = group.next().await else { return Ok(CompletionReason::AllCompleted) };
            if completion.was_unfinished(index) {
                continue;
            }
            let ended = ended?;
            let status = if ended.is_ok() { BatchItemStatus::Succeeded } else { BatchItemStatus::Failed };
            if let Some(item) = items.get_mut(index) {
                item.ended = Some(ended);
            }
            if let Some(reason) = completion.settle(index, status) {
                return Ok(reason);
            }
        }
    }

    /// Skips the recorded operations of items that this instance did not start, or did not run to their end. If the
    /// batch ends now, not in the history, nothing is to be skipped: its items have started all their recorded
    /// operations.
    fn skip_unfinished(&self, items: &[Started], total: usize) {
        if !self.ctx.engine().runtime().is_replaying() {
            return;
        }
        let last = Position::try_from(total).unwrap_or(Position::MAX);
        for (index, position) in (1..=last).enumerate() {
            if items.get(index).is_none_or(|item| item.ended.is_none()) {
                self.ctx.scope().skip(position);
            }
        }
    }

    /// The run of an item in its own context.
    fn nested<O>(
        &self,
        index: usize,
        position: Position,
        name: String,
        body: Body<O>,
    ) -> impl Future<Output = Result<Ended, OperationError>> + Send + 'static
    where
        O: Send + 'static,
        IS: Serdes<O>,
    {
        let (serdes, context) = (Arc::clone(&self.serdes), self.context(index));
        let run = ChildRun {
            ctx: self.ctx.clone(),
            position,
            name: Some(name).filter(|name| !name.is_empty()),
            sub_type: Some(self.item_sub_type),
            serdes: Arc::clone(&self.serdes),
            record: child::record,
            failed: child::failed,
            body: |ctx| async move { body(ctx).await.map_err(ChildFnError) },
        };
        async move {
            match run.execute().await {
                // The record of the batch has another serdes context, so the value is serialized for it again. The
                // value was deserialized from the payload in the record of the item.
                Ok(value) => {
                    select_random_stream();
                    Ok(Ok(serdes.serialize(value, context).await.map_err(internal)?))
                }
                Err(error) => match error.wire().cloned() {
                    Some(wire) => Ok(Err(wire)),
                    None => Err(error),
                },
            }
        }
    }

    /// The run of an item whose operations belong to the batch.
    fn flat<O>(
        &self,
        index: usize,
        position: Position,
        name: &str,
        body: Body<O>,
    ) -> impl Future<Output = Result<Ended, OperationError>> + Send + 'static
    where
        O: Send + 'static,
        IS: Serdes<O>,
    {
        let (serdes, context) = (Arc::clone(&self.serdes), self.context(index));
        let name = Some(name).filter(|name| !name.is_empty()).map(Arc::from);
        let ctx = self.ctx.nested(position, self.ctx.scope().flat(position), name);
        let section = Arc::clone(ctx.section());
        let work = async move {
            match body(ctx).await {
                Ok(value) => serdes.written(value, context).await.map_err(serialization_failed),
                Err(error) => Err(child::record(&ChildFnError(error))),
            }
        };
        let work = Arc::clone(&self.log).instrument(work);
        section.run(async move { Ok(work.await) })
    }

    /// The serdes context of an item in the record of the batch.
    fn context(&self, index: usize) -> SerdesContext {
        SerdesContext::of_item(self.batch.clone(), index, Arc::clone(self.ctx.engine().execution()))
    }
}

fn serialization_failed(error: BoxError) -> WireError {
    WireError::typed(&internal(error), SERIALIZATION_ERROR)
}

/// When the batch ends.
enum Completion {
    /// When its configuration decides so.
    Live(Progress),
    /// When all items have ended that had ended in the history.
    Recorded { end: BatchEnd, left: usize },
}

impl Completion {
    fn new(config: CompletionConfig, total: usize, end: Option<BatchEnd>) -> Self {
        match end {
            None => Self::Live(Progress::new(config, total)),
            Some(end) => {
                let left = end.ended.iter().filter(|ended| **ended).count();
                Self::Recorded { end, left }
            }
        }
    }

    /// Whether another item may start after this number of items.
    fn may_start(&self, started: usize) -> bool {
        match self {
            Self::Live(_) => true,
            Self::Recorded { end, .. } => started < end.ended.len(),
        }
    }

    /// Whether the history shows that the batch ended before the item did.
    fn was_unfinished(&self, index: usize) -> bool {
        matches!(self, Self::Recorded { end, .. } if end.ended.get(index) == Some(&false))
    }

    /// The recorded reason, if all recorded ends have been seen.
    fn recorded_reason(&self) -> Option<CompletionReason> {
        match self {
            Self::Recorded { end, left: 0 } => Some(end.reason),
            _ => None,
        }
    }

    /// Counts an item that has ended. Returns the reason if that ends the batch.
    fn settle(&mut self, index: usize, status: BatchItemStatus) -> Option<CompletionReason> {
        match self {
            Self::Live(progress) => progress.settle(index, status),
            // The batch ends later, after all started items: see `recorded_reason`.
            Self::Recorded { left, .. } => {
                debug_assert!(*left > 0, "only items that had ended are counted, each once");
                *left -= 1;
                None
            }
        }
    }
}
