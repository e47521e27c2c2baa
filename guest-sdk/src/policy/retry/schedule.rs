//! Delays between attempts.
//!
//! Invariants: a delay is a whole number of seconds, at least one. Decisions do not use a source of random numbers,
//! because replays must find the random numbers of the handler as they were on the first run.

use std::time::Duration;

/// How delays are randomized, so that operations that failed together are not retried together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum JitterStrategy {
    /// The delay as computed.
    None,
    /// From half the delay to all of it.
    Half,
    /// From zero (so 1 second) to all of the delay.
    #[default]
    Full,
}

/// A schedule of delays.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) initial_delay: Duration,
    pub(crate) max_delay: Duration,
    pub(crate) backoff_rate: f64,
    /// The difference between successive delays, used in place of the factor.
    pub(crate) increment: Option<Duration>,
    pub(crate) jitter: JitterStrategy,
}

impl Schedule {
    /// The delay after an attempt, counted from 1, in seconds and before rounding. `fraction` returns the random part
    /// of the jitter, from 0 (inclusive) to 1 (exclusive).
    pub(crate) fn delay(&self, attempt: u32, fraction: impl FnOnce() -> f64) -> f64 {
        debug_assert!(attempt >= 1, "attempts count from 1");
        let repeated = attempt - 1;
        let initial = self.initial_delay.as_secs_f64();
        let full = match self.increment {
            Some(increment) => initial + increment.as_secs_f64() * f64::from(repeated),
            None => initial * self.backoff_rate.powi(i32::try_from(repeated).unwrap_or(i32::MAX)),
        };
        let full = full.min(self.max_delay.as_secs_f64());
        match self.jitter {
            JitterStrategy::None => full,
            JitterStrategy::Half => full / 2.0 + full / 2.0 * fraction(),
            JitterStrategy::Full => full * fraction(),
        }
    }
}

/// The getters of a type with a [`Schedule`] in its field `schedule`; the text is what each delay follows.
macro_rules! schedule_getters {
    ($attempt:literal) => {
        #[doc = concat!("The delay after the first ", $attempt, ", before jitter.")]
        #[must_use]
        pub fn initial_delay(&self) -> std::time::Duration {
            self.schedule.initial_delay
        }

        /// The maximum delay, before jitter.
        #[must_use]
        pub fn max_delay(&self) -> std::time::Duration {
            self.schedule.max_delay
        }

        #[doc = concat!("The factor between the delays of successive ", $attempt, "s.")]
        #[must_use]
        pub fn backoff_rate(&self) -> f64 {
            self.schedule.backoff_rate
        }

        /// The jitter of delays.
        #[must_use]
        pub fn jitter(&self) -> crate::policy::JitterStrategy {
            self.schedule.jitter
        }
    };
}

pub(crate) use schedule_getters;

/// The setters of a builder for such a type, which is in the builder's field of this name.
macro_rules! schedule_setters {
    ($field:ident, $attempt:literal) => {
        #[doc = concat!("Sets the delay after the first ", $attempt, ", before jitter.")]
        pub fn initial_delay(mut self, delay: std::time::Duration) -> Self {
            self.$field.schedule.initial_delay = delay;
            self
        }

        /// Sets the maximum delay, before jitter: up to 366 days.
        pub fn max_delay(mut self, delay: std::time::Duration) -> Self {
            self.$field.schedule.max_delay = delay;
            self
        }

        #[doc = concat!("Sets the factor between the delays of successive ", $attempt, "s.")]
        pub fn backoff_rate(mut self, rate: f64) -> Self {
            self.$field.schedule.backoff_rate = rate;
            self
        }

        /// Sets the jitter of delays.
        pub fn jitter(mut self, jitter: crate::policy::JitterStrategy) -> Self {
            self.$field.schedule.jitter = jitter;
            self
        }
    };
}

pub(crate) use schedule_setters;

/// Converts a delay to whole seconds, at least one.
pub(crate) fn whole_seconds(seconds: f64) -> Duration {
    // Casts saturate.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let seconds = seconds as u64;
    Duration::from_secs(seconds.max(1))
}

/// The whole seconds of a delay or timeout, rounded up.
pub(crate) fn seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_up() {
        assert_eq!(seconds(Duration::ZERO), 0);
        assert_eq!(seconds(Duration::from_nanos(1)), 1);
        assert_eq!(seconds(Duration::MAX), u64::MAX);
    }
}
