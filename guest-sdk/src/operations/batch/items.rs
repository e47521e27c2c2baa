//! Runs the items of a batch until it is over.
//!
//! Always true here: items start in the order of the input, and never more at once than are allowed. When the batch is
//! over, those that still run are dropped, and the others are not started.

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

/// What the items of a batch have in common.
pub(super) struct Items<IS> {
    /// The batch's own context.
    pub(super) ctx: DurableContext,
    pub(super) batch: Arc<dyn Child>,
    pub(super) log: Arc<LogScope>,
    pub(super) serdes: Arc<IS>,
    pub(super) item_sub_type: &'static str,
    /// How many may run at once.
    pub(super) limit: usize,
    pub(super) completion: CompletionConfig,
    pub(super) nesting: NestingMode,
    pub(super) namer: Option<Namer>,
    /// The batch is over on record.
    pub(super) rebuild: bool,
}

/// An item that was started.
struct Started {
    name: String,
    ended: Option<Ended>,
}

impl<IS> Items<IS> {
    /// Runs the items until the batch is over. On a rebuild, `end` says which of them had ended then, and why it was
    /// over.
    ///
    /// Fails only with what no item is to blame for: a name that is not allowed, or a result on record that cannot be
    /// read.
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
            self.give_up(&items, total);
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
                    // What ran into the batch's end has nothing to rebuild. All that is recorded of it is below its
                    // context.
                    NestingMode::Normal if completion.was_unfinished(index) => {}
                    NestingMode::Normal => {
                        let item = self.nested(index, position, name.clone(), body);
                        // Which items a replay runs depends on which are over, so none draws from what the others do.
                        let section = self.ctx.section().deferred_input(position, index);
                        group.spawn(index, section.run(item));
                    }
                    // It has no context, so it runs as far as it did then, and asks for what is recorded of it.
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

    /// Gives up what is on record of items that this instance did not start, or did not run to their end. Where a batch
    /// is decided now, and not on record, there is nothing to give up: what is on record of its items they have asked
    /// for.
    fn give_up(&self, items: &[Started], total: usize) {
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

    /// An item in a context of its own.
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
                // In the batch's record the item has another owner, so it is written for that. It has been read from
                // what was written of it for its own record.
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

    /// An item whose operations belong to the batch.
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

    /// For what is recorded of an item with the batch.
    fn context(&self, index: usize) -> SerdesContext {
        SerdesContext::of_item(self.batch.clone(), index, Arc::clone(self.ctx.engine().execution()))
    }
}

fn serialization_failed(error: BoxError) -> WireError {
    WireError::typed(&internal(error), SERIALIZATION_ERROR)
}

/// When the batch is over.
enum Completion {
    /// When its configuration says so.
    Live(Progress),
    /// When all have ended that had then.
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

    /// Whether there is an item after so many.
    fn may_start(&self, started: usize) -> bool {
        match self {
            Self::Live(_) => true,
            Self::Recorded { end, .. } => started < end.ended.len(),
        }
    }

    /// Whether the batch ended before the item did, as is on record.
    fn was_unfinished(&self, index: usize) -> bool {
        matches!(self, Self::Recorded { end, .. } if end.ended.get(index) == Some(&false))
    }

    /// The reason, if nothing more has to end.
    fn recorded_reason(&self) -> Option<CompletionReason> {
        match self {
            Self::Recorded { end, left: 0 } => Some(end.reason),
            _ => None,
        }
    }

    /// Counts an item that has ended. The reason, if that ends the batch.
    fn settle(&mut self, index: usize, status: BatchItemStatus) -> Option<CompletionReason> {
        match self {
            Self::Live(progress) => progress.settle(index, status),
            // Not before all that were started have been: see `recorded_reason`.
            Self::Recorded { left, .. } => {
                debug_assert!(*left > 0, "only items that had ended are counted, each once");
                *left -= 1;
                None
            }
        }
    }
}
