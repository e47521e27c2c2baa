//! The machine's clock and randomness. No other file reads them.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::TryRng;

use super::{
    clock::{Actor, Clock, Sleep},
    entropy::Entropy,
};
use crate::time::Timestamp;

/// Real time. It is read from the calendar clock once and then advances monotonically, so later clock adjustments have
/// no effect.
pub struct SystemClock {
    epoch: Duration,
    started: Instant,
}

impl SystemClock {
    /// Creates a clock that reads the calendar clock now.
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
            // `now` truncates to milliseconds, so one more is needed to be sure that the deadline has passed.
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

/// The CPU time that the calling thread has used. Only differences between two readings on one thread mean something.
///
/// On a system that does not tell it, the real time since some instant, which a thread's CPU time never exceeds.
pub fn thread_cpu_time() -> Duration {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
    }
    #[cfg(not(unix))]
    {
        static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        START.elapsed()
    }
}

/// The operating system's random generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        // Callback ids must not be guessable. Without randomness the process cannot continue, and a panic could be
        // caught.
        if rand::rngs::SysRng.try_fill_bytes(buffer).is_err() {
            std::process::abort();
        }
    }

    fn fork(&self, _: &str) -> Arc<dyn Entropy> {
        Arc::new(Self)
    }
}
