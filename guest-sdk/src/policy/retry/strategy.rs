//! The retry strategy of an operation.

use super::config::RetryStrategyConfig;
use super::decision::RetryDecision;
use super::jitter::JitterSeed;
use crate::error::StepError;

type Decide = dyn Fn(&StepError, u32) -> RetryDecision + Send + Sync;

/// A retry strategy: a configuration or a function.
pub(crate) enum RetryStrategy {
    Schedule(RetryStrategyConfig),
    Custom(Box<Decide>),
}

impl RetryStrategy {
    pub(crate) fn custom<R>(decide: R) -> Self
    where
        R: Fn(&StepError, u32) -> RetryDecision + Send + Sync + 'static,
    {
        Self::Custom(Box::new(decide))
    }

    /// Decides after a failed attempt, counted from 1. `seed` returns the seed of its jitter.
    pub(crate) fn decide(
        &self,
        error: &StepError,
        attempt: u32,
        seed: impl FnOnce() -> JitterSeed,
    ) -> RetryDecision {
        match self {
            Self::Custom(decide) => decide(error, attempt),
            Self::Schedule(config) => config.decide(error, attempt, || seed().fraction(attempt)),
        }
    }
}

impl Default for RetryStrategy {
    fn default() -> Self {
        Self::Schedule(RetryStrategyConfig::default())
    }
}
