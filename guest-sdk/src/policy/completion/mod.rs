//! When a batch ends before all of its items have ended.

mod config;
mod progress;
mod stats;

pub use self::config::{CompletionConfig, CompletionConfigBuilder, CompletionConfigValidationError};
pub(crate) use self::progress::Progress;
pub use self::stats::{BatchItemStatus, BatchStats, CompletionReason, SettledOutcome};
