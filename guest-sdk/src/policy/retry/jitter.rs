//! The seed of jitter.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{SystemTime, UNIX_EPOCH};

/// The execution, operation and time of a failure, from which its jitter is computed.
#[derive(Debug)]
pub(crate) struct JitterSeed {
    place: String,
    now: SystemTime,
}

#[cfg(test)]
impl JitterSeed {
    /// For tests in which the seed does not matter.
    pub(crate) fn any() -> Self {
        Self { place: String::new(), now: UNIX_EPOCH }
    }
}

impl JitterSeed {
    /// The seed for an operation of an execution at this time.
    pub(crate) fn new(execution_arn: &str, operation: &str, now: SystemTime) -> Self {
        Self { place: format!("{execution_arn}/{operation}"), now }
    }

    /// A number from 0 (inclusive) to 1 (exclusive) that differs between executions, operations, attempts and times.
    ///
    /// It is a hash of all four, so different operations do not share their delays. It does not use a source of random
    /// numbers: that would happen on the first run only, and change the numbers that the handler draws later. It is the
    /// same on every platform.
    pub(crate) fn fraction(&self, attempt: u32) -> f64 {
        let since = self.now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        (&self.place, attempt, since.as_secs(), since.subsec_nanos()).hash(&mut hasher);
        #[allow(clippy::cast_precision_loss)] // 53 bits fit
        let bits = (hasher.finish() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_differs_between_operations() {
        let seed = |n| JitterSeed { place: format!("arn/{n}"), now: UNIX_EPOCH };
        let fractions: Vec<f64> = (0..1000).map(|n| seed(n).fraction(1)).collect();
        let low = fractions.iter().filter(|f| **f < 0.5).count();
        assert!((400..600).contains(&low), "{low}");
        assert!(fractions.iter().all(|f| (0.0..1.0).contains(f)));
    }
}
