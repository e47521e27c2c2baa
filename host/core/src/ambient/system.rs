//! The machine's clock and the machine's randomness: the only file that reads either.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::TryRng;

use super::{
    clock::{Actor, Clock, Sleep},
    entropy::Entropy,
};
use crate::time::Timestamp;

/// Real time. It follows the machine's calendar clock as it was at the start, and does not jump with it.
pub struct SystemClock {
    epoch: Duration,
    started: Instant,
}

impl SystemClock {
    /// A clock that starts now.
    pub fn new() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { epoch, started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.precise_now().as_millis()).unwrap_or(i64::MAX))
    }

    fn precise_now(&self) -> Duration {
        self.epoch.saturating_add(self.started.elapsed())
    }

    fn actor(&self) -> Actor {
        Actor::unbound()
    }

    fn sleep(&self, deadline: Option<Timestamp>) -> Sleep {
        match deadline {
            None => Box::pin(std::future::pending()),
            // The recorded time is cut to milliseconds: one more makes sure that the deadline has passed.
            Some(deadline) => Box::pin(tokio::time::sleep(match deadline.since(self.now()) {
                Duration::ZERO => Duration::ZERO,
                rest => rest + Duration::from_millis(1),
            })),
        }
    }

    fn skips(&self) -> bool {
        false
    }
}

/// The machine's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        // Ids that nobody may guess are made of this. Without it nothing can go on, and a panic could be caught.
        if rand::rngs::SysRng.try_fill_bytes(buffer).is_err() {
            std::process::abort();
        }
    }

    fn fork(&self, _: &str) -> Arc<dyn Entropy> {
        Arc::new(Self)
    }
}
