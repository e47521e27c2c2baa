//! Whether, when and how often an operation is retried.

mod config;
mod decision;
mod filter;
mod jitter;
mod presets;
mod schedule;
mod strategy;

pub use self::config::{RetryStrategyConfig, RetryStrategyConfigBuilder};
pub use self::decision::RetryDecision;
pub(crate) use self::jitter::JitterSeed;
pub use self::presets::RetryPresets;
pub use self::schedule::JitterStrategy;
pub(crate) use self::schedule::{Schedule, schedule_getters, schedule_setters, seconds, whole_seconds};
pub(crate) use self::strategy::RetryStrategy;
