//! The clock seam.

use std::{future::Future, pin::Pin, time::Duration};

use crate::time::Timestamp;

/// A future that ends when a clock says so.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Keeps a clock from skipping ahead while it is held. Real time cannot be kept; there it does nothing.
#[must_use = "time may skip as soon as this is dropped"]
pub struct Actor(Option<Box<dyn FnOnce() + Send>>);

impl Actor {
    /// An actor whose end calls `leave`.
    pub(super) fn new(leave: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(leave)))
    }

    /// An actor of a clock that cannot skip.
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

/// Keeps a clock from skipping to a point in time, or past it, while it is held. Real time cannot be kept; there it
/// does nothing.
#[must_use = "time may skip as soon as this is dropped"]
pub struct Hold(Option<Box<dyn FnOnce() + Send>>);

impl Hold {
    /// A hold whose end calls `release`.
    pub(super) fn new(release: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(release)))
    }

    /// A hold on a clock that cannot skip.
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

/// Lets a clock skip past what is held, while it is held itself.
pub type Permit = Hold;

/// A clock that can be read and waited on. It never goes backwards.
pub trait Clock: Send + Sync {
    /// Now, to the millisecond: what is recorded.
    fn now(&self) -> Timestamp;

    /// Now, as finely as the clock can tell, since the Unix epoch: what a guest sees inside a step.
    fn precise_now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now().as_millis()).unwrap_or(0))
    }

    /// Declares someone who acts in this clock's time. A skipping clock stands still while anyone is active, that is,
    /// not inside [`Clock::sleep`].
    fn actor(&self) -> Actor;

    /// Ends at `deadline`; without one, never. The caller is an actor, and sleeps at most once at a time. Dropping the
    /// future wakes the actor early.
    fn sleep(&self, deadline: Option<Timestamp>) -> Sleep;

    /// Whether sleeping takes no real time.
    fn skips(&self) -> bool;

    /// Keeps time from reaching this instant by skipping.
    fn hold(&self, _at: Timestamp) -> Hold {
        Hold::unbound()
    }

    /// Lets time skip up to this instant, it included, whatever holds it, for as long as the permit is held.
    fn permit(&self, _until: Timestamp) -> Permit {
        Hold::unbound()
    }
}
