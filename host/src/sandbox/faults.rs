//! What is done to invocations on purpose, to see that executions survive it.
//!
//! Always true: without a disturbance nothing here costs or changes anything; a death happens once.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A disturbance of the executions of one environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// After each checkpoint the instance is dropped, and a fresh one replays all there is, within the same invocation. The
    /// history of a deterministic handler stays the same, event for event. Not while a step's body is open, nor before a
    /// body that may run at most once and is about to: there it would be an interruption.
    ReplayAtEveryCheckpoint,
    /// The instance dies when it is about to send its n-th checkpoint with updates, counted from 1 over all invocations. What
    /// it was about to send is lost.
    DieBeforeCheckpoint(u64),
    /// The same, after the service has the checkpoint on record.
    DieAfterCheckpoint(u64),
}

/// A disturbance, and how far its environment has come.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    disturbance: Option<Disturbance>,
    checkpoints: Arc<AtomicU64>,
}

impl Faults {
    /// With this disturbance, or none.
    pub fn new(disturbance: Option<Disturbance>) -> Self {
        Self { disturbance, checkpoints: Arc::default() }
    }

    /// Another checkpoint is about to be sent: what becomes of the instance.
    pub fn checkpoint(&self) -> Fate {
        let number = self.checkpoints.fetch_add(1, Ordering::Relaxed) + 1;
        match self.disturbance {
            Some(Disturbance::DieBeforeCheckpoint(at)) if at == number => Fate::DiesBefore,
            Some(Disturbance::DieAfterCheckpoint(at)) if at == number => Fate::DiesAfter,
            _ => Fate::Lives,
        }
    }

    /// Whether a fresh instance replays after each checkpoint.
    pub fn replays(&self) -> bool {
        self.disturbance == Some(Disturbance::ReplayAtEveryCheckpoint)
    }
}

/// What becomes of an instance at a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Lives,
    /// It dies, and the checkpoint is not sent.
    DiesBefore,
    /// It dies when the checkpoint is on record.
    DiesAfter,
}
