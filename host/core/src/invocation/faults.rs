//! Fault injection: failures of instances and of the service, for tests that executions survive them.
//!
//! Invariants: without faults this module has no effect and no cost; a fault for the n-th checkpoint or operation is
//! injected once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::Ended;
use crate::protocol::ServiceError;

/// A fault to inject into the executions of one environment. Checkpoints are those with updates, counted from 1 over
/// all invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// After each checkpoint the instance is dropped, and a fresh one replays the whole record within the same
    /// invocation. The history of a deterministic handler stays the same, event for event. No replay happens while a
    /// step's body is open or before an at-most-once body that is ready to run, because it would interrupt them.
    ReplayAtEveryCheckpoint,
    /// The instance is killed before it sends its n-th checkpoint. The updates are lost.
    DieBeforeCheckpoint(u64),
    /// The instance is killed after the service has recorded its n-th checkpoint.
    DieAfterCheckpoint(u64),
    /// The instance is killed when it starts the n-th operation that is not on record, counted over all invocations.
    /// The start is lost.
    DieAtOperation(u64),
    /// The instance is killed while the service records its n-th checkpoint: the first half of the updates, rounded up,
    /// is on record, the rest is lost.
    DieInCheckpoint(u64),
    /// The instance is killed at the n-th point within bodies, counted over all invocations: where a body is entered,
    /// at each of its calls of the host for time, randomness, logging and waiting, and where it closes its attempt.
    DieInBody(u64),
    /// The n-th checkpoint fails before the service records any of it. The invocation crashes.
    FailCheckpoint(u64),
    /// The service records the n-th checkpoint, but its answer is lost. The invocation crashes.
    LoseCheckpoint(u64),
    /// The n-th checkpoint takes this long, on the environment's clock.
    SlowCheckpoint(u64, Duration),
}

/// The faults of one environment, and the counters that decide when they occur. Clones share the counters.
#[derive(Debug, Clone, Default)]
pub struct Faults(Option<Arc<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    disturbances: Vec<Disturbance>,
    delay: Option<Duration>,
    checkpoints: AtomicU64,
    operations: AtomicU64,
    body_points: AtomicU64,
}

impl Faults {
    /// Creates faults, and a delay for every checkpoint.
    pub fn new(disturbances: Vec<Disturbance>, delay: Option<Duration>) -> Self {
        if disturbances.is_empty() && delay.is_none() {
            return Self::default();
        }
        Self(Some(Arc::new(Inner { disturbances, delay, ..Inner::default() })))
    }

    /// Counts a checkpoint that is about to be sent, and returns its fault.
    pub fn checkpoint(&self) -> CheckpointFault {
        let Some(inner) = &self.0 else { return CheckpointFault::default() };
        let number = inner.checkpoints.fetch_add(1, Ordering::Relaxed) + 1;
        let mut fault = CheckpointFault::default();
        for disturbance in &inner.disturbances {
            match *disturbance {
                Disturbance::DieBeforeCheckpoint(at) if at == number => fault.before = Some(Failure::Crash),
                Disturbance::DieAfterCheckpoint(at) if at == number => fault.after = Some(Failure::Crash),
                Disturbance::DieInCheckpoint(at) if at == number => {
                    (fault.partial, fault.after) = (true, Some(Failure::Crash));
                }
                Disturbance::FailCheckpoint(at) if at == number => fault.before = Some(Failure::NoAnswer),
                Disturbance::LoseCheckpoint(at) if at == number => fault.after = Some(Failure::NoAnswer),
                Disturbance::SlowCheckpoint(at, delay) if at == number => fault.delay = Some(delay),
                _ => {}
            }
        }
        fault
    }

    /// Counts the start of an operation that is not on record, and returns whether the instance is killed.
    pub fn operation(&self) -> bool {
        let Some(inner) = &self.0 else { return false };
        let number = inner.operations.fetch_add(1, Ordering::Relaxed) + 1;
        inner.disturbances.contains(&Disturbance::DieAtOperation(number))
    }

    /// Counts a point within a body, and returns whether the instance is killed.
    pub fn body_point(&self) -> bool {
        let Some(inner) = &self.0 else { return false };
        let number = inner.body_points.fetch_add(1, Ordering::Relaxed) + 1;
        inner.disturbances.contains(&Disturbance::DieInBody(number))
    }

    /// Whether a fresh instance replays after each checkpoint.
    pub fn replays(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|inner| inner.disturbances.contains(&Disturbance::ReplayAtEveryCheckpoint))
    }

    /// The duration of a request with this fault, on the execution's clock.
    pub fn delay(&self, fault: CheckpointFault) -> Duration {
        let every = self.0.as_ref().and_then(|inner| inner.delay);
        every.unwrap_or_default().saturating_add(fault.delay.unwrap_or_default())
    }
}

/// The fault of one checkpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckpointFault {
    /// The failure before the service has recorded the checkpoint.
    pub before: Option<Failure>,
    /// The failure after the service has recorded the checkpoint.
    pub after: Option<Failure>,
    /// Whether only the first half of the updates is sent.
    pub partial: bool,
    /// An additional delay.
    pub delay: Option<Duration>,
}

/// An injected failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The instance is killed.
    Crash,
    /// The service does not answer.
    NoAnswer,
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Crash => Self::Killed,
            Failure::NoAnswer => Self::Service(ServiceError::Unavailable(
                "it did not answer this checkpoint: a failure was injected".to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_occurs_once_at_its_place() {
        let second = Duration::from_secs(1);
        let faults = Faults::new(
            vec![
                Disturbance::SlowCheckpoint(1, second),
                Disturbance::FailCheckpoint(2),
                Disturbance::LoseCheckpoint(3),
                Disturbance::DieBeforeCheckpoint(4),
                Disturbance::DieAfterCheckpoint(5),
                Disturbance::DieAtOperation(2),
                Disturbance::DieInCheckpoint(6),
                Disturbance::DieInBody(3),
            ],
            None,
        );
        let met: Vec<CheckpointFault> = (0..7).map(|_| faults.clone().checkpoint()).collect();
        let none = CheckpointFault::default();
        assert_eq!(
            met,
            [
                CheckpointFault { delay: Some(second), ..none },
                CheckpointFault { before: Some(Failure::NoAnswer), ..none },
                CheckpointFault { after: Some(Failure::NoAnswer), ..none },
                CheckpointFault { before: Some(Failure::Crash), ..none },
                CheckpointFault { after: Some(Failure::Crash), ..none },
                CheckpointFault { after: Some(Failure::Crash), partial: true, ..none },
                none,
            ]
        );
        assert_eq!([(); 4].map(|()| faults.body_point()), [false, false, true, false]);
        assert_eq!([faults.operation(), faults.operation(), faults.operation()], [false, true, false]);
        assert!(!faults.replays());
        assert!(Faults::new(vec![Disturbance::ReplayAtEveryCheckpoint], None).replays());
    }
}
