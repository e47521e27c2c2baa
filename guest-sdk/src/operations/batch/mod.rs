//! Runs batches: the items of a map, or the branches of a parallel.
//!
//! Invariants:
//! - A batch is one CONTEXT, and each item a CONTEXT in it, or (flat) a scope of ids without one. Item `n`, from 0, has
//!   the position `n + 1` in the batch, independent of when it starts.
//! - **What replays rely on.** Items start in the order of the input, up to the allowed number at once; an item that
//!   has started counts until it has ended. When items end depends only on the outcomes that the host delivers, one
//!   after another in the order of the history. Therefore a fresh instance that replays any part of the history starts
//!   the same items in the same order, and ends the batch at the same outcome for the same reason.
//! - The result is created from the record of the batch, on the first run as on each replay.
//! - The cost per item is independent of the number of items.

mod errors;
mod items;
mod options;
mod record;
mod result;
mod run;

pub use self::options::NestingMode;
pub(crate) use self::options::{Bodies, Kind};
pub use self::record::BatchSummary;
pub use self::result::{BatchError, BatchItem, BatchResult, BatchStatus};
pub(crate) use self::run::BatchRun;
