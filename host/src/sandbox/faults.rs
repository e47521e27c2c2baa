//! What is done to invocations on purpose, to see that executions survive it.
//!
//! Always true: without a disturbance nothing here costs or changes anything; what is to happen once happens once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{ambient::Clock, replay::ServiceError};

/// A disturbance of the executions of one environment. Checkpoints are those with updates, counted from 1 over all
/// invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// After each checkpoint the instance is dropped, and a fresh one replays all there is, within the same invocation. The
    /// history of a deterministic handler stays the same, event for event. Not while a step's body is open, nor before a
    /// body that may run at most once and is about to: there it would be an interruption.
    ReplayAtEveryCheckpoint,
    /// The instance dies when it is about to send its n-th checkpoint. What it was about to send is lost.
    DieBeforeCheckpoint(u64),
    /// The same, after the service has the checkpoint on record.
    DieAfterCheckpoint(u64),
    /// The instance dies when it starts an operation that is not on record, the n-th such start over all invocations. The
    /// start is lost.
    DieAtOperation(u64),
    /// The service cannot be reached for the n-th checkpoint: nothing of it is on record. The invocation crashes.
    FailCheckpoint(u64),
    /// The n-th checkpoint is on record, but the service's answer is lost. The invocation crashes.
    LoseCheckpoint(u64),
    /// The n-th checkpoint takes this long, in the environment's time.
    SlowCheckpoint(u64, Duration),
}

/// Disturbances, and how far their environment has come. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Faults(Option<Arc<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    disturbances: Vec<Disturbance>,
    delay: Option<Duration>,
    checkpoints: AtomicU64,
    operations: AtomicU64,
}

impl Faults {
    /// These, and a delay of every checkpoint.
    pub fn new(disturbances: Vec<Disturbance>, delay: Option<Duration>) -> Self {
        if disturbances.is_empty() && delay.is_none() {
            return Self::default();
        }
        Self(Some(Arc::new(Inner { disturbances, delay, ..Inner::default() })))
    }

    /// Another checkpoint is about to be sent: what becomes of it and of the instance.
    pub fn checkpoint(&self) -> Fate {
        let Some(inner) = &self.0 else { return Fate::default() };
        let number = inner.checkpoints.fetch_add(1, Ordering::Relaxed) + 1;
        let mut fate = Fate::default();
        for disturbance in &inner.disturbances {
            match *disturbance {
                Disturbance::DieBeforeCheckpoint(at) if at == number => fate.before = Some(Blow::Death),
                Disturbance::DieAfterCheckpoint(at) if at == number => fate.after = Some(Blow::Death),
                Disturbance::FailCheckpoint(at) if at == number => fate.before = Some(Blow::Refusal),
                Disturbance::LoseCheckpoint(at) if at == number => fate.after = Some(Blow::Refusal),
                Disturbance::SlowCheckpoint(at, delay) if at == number => fate.delay = Some(delay),
                _ => {}
            }
        }
        fate
    }

    /// Another operation starts that is not on record: whether the instance dies of it.
    pub fn operation(&self) -> bool {
        let Some(inner) = &self.0 else { return false };
        let number = inner.operations.fetch_add(1, Ordering::Relaxed) + 1;
        inner.disturbances.contains(&Disturbance::DieAtOperation(number))
    }

    /// Whether a fresh instance replays after each checkpoint.
    pub fn replays(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|inner| inner.disturbances.contains(&Disturbance::ReplayAtEveryCheckpoint))
    }

    /// Lets the time pass that a request to the service takes, beside that of `fate`.
    pub async fn delay(&self, clock: &dyn Clock, fate: Fate) {
        let own = self.0.as_ref().and_then(|inner| inner.delay);
        let delay = own.unwrap_or_default().saturating_add(fate.delay.unwrap_or_default());
        if !delay.is_zero() {
            let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            clock.sleep(Some(clock.now().plus_millis(millis))).await;
        }
    }
}

/// What becomes of a checkpoint, and of the instance that sends it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fate {
    /// What strikes before the service has it.
    pub before: Option<Blow>,
    /// What strikes when it is on record.
    pub after: Option<Blow>,
    /// How long it takes.
    pub delay: Option<Duration>,
}

/// What strikes an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// It dies.
    Death,
    /// The service does not answer it.
    Refusal,
}

impl Blow {
    /// The service's error, where it is one.
    pub fn refusal(self) -> Option<ServiceError> {
        (self == Self::Refusal).then(|| {
            ServiceError::Unavailable("it did not answer this checkpoint: a failure was injected".to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_strikes_once_where_it_is_to() {
        let second = Duration::from_secs(1);
        let faults = Faults::new(
            vec![
                Disturbance::SlowCheckpoint(1, second),
                Disturbance::FailCheckpoint(2),
                Disturbance::LoseCheckpoint(3),
                Disturbance::DieBeforeCheckpoint(4),
                Disturbance::DieAfterCheckpoint(5),
                Disturbance::DieAtOperation(2),
            ],
            None,
        );
        let fates: Vec<Fate> = (0..6).map(|_| faults.clone().checkpoint()).collect();
        let none = Fate::default();
        assert_eq!(
            fates,
            [
                Fate { delay: Some(second), ..none },
                Fate { before: Some(Blow::Refusal), ..none },
                Fate { after: Some(Blow::Refusal), ..none },
                Fate { before: Some(Blow::Death), ..none },
                Fate { after: Some(Blow::Death), ..none },
                none,
            ]
        );
        assert_eq!([faults.operation(), faults.operation(), faults.operation()], [false, true, false]);
        assert!(!faults.replays());
        assert!(Faults::new(vec![Disturbance::ReplayAtEveryCheckpoint], None).replays());
    }
}
