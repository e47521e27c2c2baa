//! Whether, when and how often something is tried again.

mod config;
mod decision;
mod filter;
mod moment;
mod presets;
mod schedule;
mod strategy;

pub use self::config::{RetryStrategyConfig, RetryStrategyConfigBuilder};
pub use self::decision::RetryDecision;
pub(crate) use self::moment::Moment;
pub use self::presets::RetryPresets;
pub use self::schedule::JitterStrategy;
pub(crate) use self::schedule::{Schedule, seconds, whole_seconds};
pub(crate) use self::strategy::RetryStrategy;
