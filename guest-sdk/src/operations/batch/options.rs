//! The options of a batch.

use std::sync::Arc;

use crate::context::{Body, DurableContext, Place};
use crate::contract::Position;
use crate::error::InvalidArgument;
use crate::policy::CompletionConfig;

/// Whether items have their own contexts in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NestingMode {
    /// Each item is a CONTEXT: if it has ended, a replay of the unfinished batch does not run it again.
    #[default]
    Normal,
    /// The operations of items belong to the CONTEXT of the batch, which saves two updates per item. Items have no
    /// names in the history, and their code runs again until the batch has ended.
    Flat,
}

/// The sub-types of a batch and of its items in the history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(super) batch: &'static str,
    pub(super) item: &'static str,
}

impl Kind {
    pub(crate) const MAP: Self = Self { batch: "Map", item: "MapIteration" };
    pub(crate) const PARALLEL: Self = Self { batch: "Parallel", item: "ParallelBranch" };
}

/// Returns the name of an item from its index.
pub(crate) type Namer = Arc<dyn Fn(usize) -> String + Send + Sync>;

/// The code of the items, in their order.
pub(crate) struct Bodies<O> {
    pub(crate) total: usize,
    pub(crate) each: Box<dyn Iterator<Item = Body<O>> + Send>,
}

/// The options that do not depend on the items' type.
pub(crate) struct Options {
    pub(crate) ctx: DurableContext,
    pub(super) position: Position,
    pub(super) kind: Kind,
    pub(crate) name: Option<String>,
    pub(crate) max_concurrency: Option<usize>,
    pub(crate) completion: CompletionConfig,
    pub(crate) nesting: NestingMode,
    pub(crate) namer: Option<Namer>,
    /// An error of the items, which fails the operation.
    pub(crate) invalid: Option<InvalidArgument>,
}

impl Options {
    pub(super) fn new(ctx: DurableContext, position: Position, kind: Kind) -> Self {
        Self {
            ctx,
            position,
            kind,
            name: None,
            max_concurrency: None,
            completion: CompletionConfig::default(),
            nesting: NestingMode::Normal,
            namer: None,
            invalid: None,
        }
    }

    /// The place of the batch.
    pub(crate) fn place(&self) -> Place {
        self.ctx.place(self.position)
    }

    pub(super) fn check(&self) -> Result<(), InvalidArgument> {
        if let Some(invalid) = &self.invalid {
            return Err(invalid.clone());
        }
        if self.max_concurrency == Some(0) {
            return Err(InvalidArgument {
                argument: "max_concurrency".to_owned(),
                reason: "0 items at once are none: 1 is the least; leave it out for no limit".to_owned(),
            });
        }
        self.completion.check()
    }
}
