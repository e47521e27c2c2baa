//! The trait of a clock.

use std::{future::Future, pin::Pin, time::Duration};

use crate::time::Timestamp;

/// A future that completes when a clock reaches a deadline.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Keeps a virtual clock from advancing until it is dropped. It has no effect on real time.
#[must_use = "time may skip as soon as this is dropped"]
pub struct Actor(Option<Box<dyn FnOnce() + Send>>);

impl Actor {
    /// Creates an actor that calls `leave` when it is dropped.
    pub(super) fn new(leave: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(leave)))
    }

    /// Creates an actor for a clock that does not skip.
    pub(super) fn unbound() -> Self {
        Self(None)
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        if let Some(leave) = self.0.take() {
            leave();
        }
    }
}

/// Keeps a virtual clock from advancing to a point in time or past it, until it is dropped. It has no effect on real
/// time.
#[must_use = "time may skip as soon as this is dropped"]
pub struct Hold(Option<Box<dyn FnOnce() + Send>>);

impl Hold {
    /// Creates a hold that calls `release` when it is dropped.
    pub(super) fn new(release: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(release)))
    }

    /// Creates a hold for a clock that does not skip.
    pub(super) fn unbound() -> Self {
        Self(None)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(release) = self.0.take() {
            release();
        }
    }
}

/// Allows a virtual clock to advance despite holds, until it is dropped.
pub type Permit = Hold;

/// A clock that can be read and slept on. It never goes backwards.
pub trait Clock: Send + Sync {
    /// The current time in whole milliseconds. Recorded timestamps have this precision.
    fn now(&self) -> Timestamp;

    /// The current time since the Unix epoch at the clock's full precision. A guest sees it inside a step.
    fn precise_now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now().as_millis()).unwrap_or(0))
    }

    /// Registers an actor. A virtual clock advances only while every actor is inside [`Clock::sleep`].
    fn actor(&self) -> Actor;

    /// Completes at `deadline`, or never if there is none. The caller must hold an actor for each concurrent sleep.
    /// Dropping the future wakes the actor early.
    fn sleep(&self, deadline: Option<Timestamp>) -> Sleep;

    /// Whether the clock skips, so that sleeping takes no real time.
    fn skips(&self) -> bool;

    /// Keeps the clock from skipping to this instant or past it.
    fn hold(&self, _at: Timestamp) -> Hold {
        Hold::unbound()
    }

    /// Allows the clock to skip up to and including this instant despite holds, until the permit is dropped.
    fn permit(&self, _until: Timestamp) -> Permit {
        Hold::unbound()
    }
}
