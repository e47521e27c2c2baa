//! Decisions about retries, condition checks and the end of batches: plain data, and functions of it.
//!
//! Invariants: nothing here calls the host, starts an operation or uses a source of random numbers.

mod completion;
mod item_batcher;
mod retry;
mod step_options;
mod wait;

pub(crate) use self::completion::Progress;
pub use self::completion::{
    BatchItemStatus, BatchStats, CompletionConfig, CompletionConfigBuilder, CompletionConfigValidationError,
    CompletionReason, SettledOutcome,
};
pub use self::item_batcher::{ItemBatcher, ItemBatcherBuilder, ItemBatcherValidationError};
pub(crate) use self::retry::{JitterSeed, RetryStrategy, seconds};
pub use self::retry::{
    JitterStrategy, RetryDecision, RetryPresets, RetryStrategyConfig, RetryStrategyConfigBuilder,
};
pub use self::step_options::StepOptions;
pub(crate) use self::wait::Polling;
pub use self::wait::{WaitDecision, WaitStrategy, WaitStrategyBuilder};
