//! The trait of a clock.

use std::{future::Future, pin::Pin, time::Duration};

use crate::time::Timestamp;

/// A future that completes when a clock reaches a deadline.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a function when it is dropped.
struct OnDrop(Option<Box<dyn FnOnce() + Send>>);

impl OnDrop {
    fn new(act: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(act)))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(act) = self.0.take() {
            act();
        }
    }
}

/// Keeps a virtual clock from advancing until it is dropped. It has no effect on real time.
#[must_use = "time may skip as soon as this is dropped"]
pub struct Actor {
    _leave: OnDrop,
}

impl Actor {
    /// Creates an actor that calls `leave` when it is dropped.
    pub(super) fn new(leave: impl FnOnce() + Send + 'static) -> Self {
        Self { _leave: OnDrop::new(leave) }
    }

    /// Creates an actor for a clock that does not skip.
    pub fn unbound() -> Self {
        Self { _leave: OnDrop(None) }
    }
}

/// Keeps a virtual clock from advancing to a point in time or past it, until it is dropped. It has no effect on real
/// time.
#[must_use = "time may skip as soon as this is dropped"]
pub struct Hold {
    _release: OnDrop,
}

impl Hold {
    /// Creates a hold that calls `release` when it is dropped.
    pub(super) fn new(release: impl FnOnce() + Send + 'static) -> Self {
        Self { _release: OnDrop::new(release) }
    }

    /// Creates a hold for a clock that does not skip.
    pub fn unbound() -> Self {
        Self { _release: OnDrop(None) }
    }
}

/// Allows a virtual clock to advance despite holds, until it is dropped. It has no effect on real time.
#[must_use = "holds apply again as soon as this is dropped"]
pub struct Permit {
    _withdraw: OnDrop,
}

impl Permit {
    /// Creates a permit that calls `withdraw` when it is dropped.
    pub(super) fn new(withdraw: impl FnOnce() + Send + 'static) -> Self {
        Self { _withdraw: OnDrop::new(withdraw) }
    }

    /// Creates a permit for a clock that does not skip.
    pub fn unbound() -> Self {
        Self { _withdraw: OnDrop(None) }
    }
}

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
        Permit::unbound()
    }
}
