//! How a step decides about another attempt.

use super::config::RetryStrategyConfig;
use super::decision::RetryDecision;
use super::jitter::JitterSeed;
use crate::error::StepError;

type Decide = dyn Fn(&StepError, u32) -> RetryDecision + Send + Sync;

/// How a step decides.
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

    /// Decides after the failure of an attempt, counted from 1. `moment` tells it apart from other failures.
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
