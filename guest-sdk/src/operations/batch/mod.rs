//! Runs a batch: the items of a map, or the branches of a parallel.
//!
//! Always true here:
//! - A batch is one CONTEXT, and each item a CONTEXT in it, or (flat) a scope of ids without one. Item `n`, from 0, has
//!   the place `n + 1` in the batch, whenever it starts.
//! - **What replays rely on.** Items start in the order of the input, as many at once as are allowed; one that has
//!   started keeps its place among them until it has ended. Which end, and when, depends on nothing but the outcomes
//!   that the host shows, one after another in the order of the record. So a fresh instance that replays any part of
//!   the record starts the same items in the same order, and ends the batch at the same outcome for the same reason.
//! - The result is made from what is recorded of the batch, on the first run as on each replay.
//! - A batch costs the same for each of its items, however many there are.

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
