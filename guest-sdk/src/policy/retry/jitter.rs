//! What jitter is made of.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where something failed, and when.
#[derive(Debug)]
pub(crate) struct JitterSeed {
    place: String,
    now: SystemTime,
}

#[cfg(test)]
impl JitterSeed {
    /// Of tests that look at no place and no time.
    pub(crate) fn any() -> Self {
        Self { place: String::new(), now: UNIX_EPOCH }
    }
}

impl JitterSeed {
    /// At an operation of an execution, at this time.
    pub(crate) fn new(execution_arn: &str, operation: &str, now: SystemTime) -> Self {
        Self { place: format!("{execution_arn}/{operation}"), now }
    }

    /// A number from 0 to below 1 that differs between executions, operations, attempts and moments.
    ///
    /// It is a hash of all four, so two failures never share their delays because they share an attempt number. It is
    /// no random source: reading one here would happen on the first run only, and shift what the handler reads next. It
    /// is the same wherever the handler runs.
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
    fn operations_that_fail_together_spread() {
        let seed = |n| JitterSeed { place: format!("arn/{n}"), now: UNIX_EPOCH };
        let fractions: Vec<f64> = (0..1000).map(|n| seed(n).fraction(1)).collect();
        let low = fractions.iter().filter(|f| **f < 0.5).count();
        assert!((400..600).contains(&low), "{low}");
        assert!(fractions.iter().all(|f| (0.0..1.0).contains(f)));
    }
}
