//! Virtual time: a discrete-event simulation of a clock.
//!
//! Invariants:
//! - time advances only while every actor sleeps, and then to the earliest deadline;
//! - time does not advance to or past an instant that is held, unless a permit covers that instant;
//! - one sleeper wakes at a time; of sleepers with equal deadlines, the one that was scheduled first;
//! - time never goes backwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use super::clock::{Actor, Clock, Hold, Permit, Sleep};
use crate::time::Timestamp;

/// A clock that skips to the earliest deadline. Clones share the time.
#[derive(Clone)]
pub struct VirtualClock(Arc<Mutex<State>>);

struct State {
    now: Timestamp,
    /// The number of actors that are not asleep.
    active: usize,
    next_ticket: u64,
    /// Ordered by deadline, then by the order of scheduling.
    sleepers: BTreeMap<(Timestamp, u64), Option<Waker>>,
    holds: BTreeSet<(Timestamp, u64)>,
    /// The latest of these instants overrides holds up to and including it.
    permits: BTreeSet<(Timestamp, u64)>,
}

impl VirtualClock {
    /// Creates a clock that shows `start` until every actor sleeps.
    pub fn new(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State {
            now: start,
            active: 0,
            next_ticket: 0,
            sleepers: BTreeMap::new(),
            holds: BTreeSet::new(),
            permits: BTreeSet::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Wakes the next sleeper, if every actor sleeps and no hold prevents it.
    fn wake_next(&mut self) {
        if self.active > 0 {
            return;
        }
        let Some(next) = self.sleepers.first_entry() else { return };
        let deadline = next.key().0;
        let held = self.holds.first().is_some_and(|(at, _)| *at <= deadline);
        let permitted = self.permits.last().map_or(self.now, |(until, _)| self.now.max(*until));
        if held && deadline > permitted {
            return;
        }
        let waker = next.remove();
        self.now = self.now.max(deadline);
        self.active = 1;
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    fn actor(&self) -> Actor {
        self.state().active += 1;
        let clock = self.clone();
        Actor::new(move || {
            let mut state = clock.state();
            debug_assert!(state.active > 0, "an actor is dropped awake");
            state.active -= 1;
            state.wake_next();
        })
    }

    fn sleep(&self, deadline: Option<Timestamp>) -> Sleep {
        Box::pin(Sleeper { clock: self.clone(), deadline, state: SleepState::New })
    }

    fn skips(&self) -> bool {
        true
    }

    fn hold(&self, at: Timestamp) -> Hold {
        let mut state = self.state();
        let key = (at, state.ticket());
        state.holds.insert(key);
        let clock = self.clone();
        Hold::new(move || {
            let mut state = clock.state();
            state.holds.remove(&key);
            state.wake_next();
        })
    }

    fn permit(&self, until: Timestamp) -> Permit {
        let mut state = self.state();
        let key = (until, state.ticket());
        state.permits.insert(key);
        state.wake_next();
        let clock = self.clone();
        Permit::new(move || {
            clock.state().permits.remove(&key);
        })
    }
}

enum SleepState {
    New,
    /// The key in `sleepers`. If the key is gone, the clock has woken the sleeper.
    Scheduled((Timestamp, u64)),
    /// The sleeper has no deadline.
    Forever,
    Woken,
}

struct Sleeper {
    clock: VirtualClock,
    deadline: Option<Timestamp>,
    state: SleepState,
}

impl Future for Sleeper {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut state = clock.state();
        if let SleepState::New = self.state {
            debug_assert!(state.active > 0, "a sleeper is an actor");
            state.active -= 1;
            self.state = match self.deadline {
                None => SleepState::Forever,
                Some(deadline) => {
                    let key = (deadline, state.ticket());
                    state.sleepers.insert(key, None);
                    SleepState::Scheduled(key)
                }
            };
            state.wake_next();
        }
        match self.state {
            SleepState::Scheduled(key) => {
                if let Some(waker) = state.sleepers.get_mut(&key) {
                    *waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                self.state = SleepState::Woken;
                Poll::Ready(())
            }
            SleepState::Woken => Poll::Ready(()),
            SleepState::New | SleepState::Forever => Poll::Pending,
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let mut state = self.clock.state();
        match self.state {
            // The clock has removed the key and counted the actor as active.
            SleepState::Scheduled(key) => {
                if state.sleepers.remove(&key).is_some() {
                    state.active += 1;
                }
            }
            SleepState::Forever => state.active += 1,
            SleepState::New | SleepState::Woken => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_earliest_deadline_comes_first_and_ties_in_order() {
        let clock = VirtualClock::new(Timestamp::from_millis(1000));
        let order = Arc::new(Mutex::new(Vec::new()));
        let start = clock.actor();
        let tasks = [("a", 10_000), ("b", 2_000), ("c", 5_000), ("d", 2_000)].map(|(name, at)| {
            let (clock, order, actor) = (clock.clone(), order.clone(), clock.actor());
            async move {
                let _actor = actor;
                clock.sleep(Some(Timestamp::from_millis(at))).await;
                order.lock().unwrap().push((name, clock.now().as_millis()));
            }
        });
        let [a, b, c, d] = tasks;
        drop(start);
        tokio::join!(a, b, c, d);
        assert_eq!(*order.lock().unwrap(), [("b", 2_000), ("d", 2_000), ("c", 5_000), ("a", 10_000)]);
    }

    #[tokio::test]
    async fn time_stands_still_while_someone_is_active() {
        let clock = VirtualClock::new(Timestamp::from_millis(0));
        let busy = clock.actor();
        let sleeper = clock.actor();
        let mut sleep = clock.sleep(Some(Timestamp::from_millis(7)));
        assert!(std::future::poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_pending())).await);
        assert_eq!(clock.now().as_millis(), 0);
        drop(busy);
        sleep.await;
        assert_eq!(clock.now().as_millis(), 7);
        drop(sleeper);
    }

    #[tokio::test]
    async fn time_does_not_reach_what_is_held_until_it_is_let_go_or_permitted() {
        let clock = VirtualClock::new(Timestamp::from_millis(0));
        let at = |millis| Some(Timestamp::from_millis(millis));
        let pending = async |sleep: &mut Sleep| {
            std::future::poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_pending())).await
        };
        let _actor = clock.actor();
        let (hold, later) = (clock.hold(Timestamp::from_millis(10)), clock.hold(Timestamp::from_millis(15)));
        clock.sleep(at(9)).await;
        let mut sleep = clock.sleep(at(10));
        assert!(pending(&mut sleep).await);
        drop(hold);
        sleep.await;
        // A permit that is gone counts no more.
        drop(clock.permit(Timestamp::from_millis(20)));
        let mut sleep = clock.sleep(at(20));
        assert!(pending(&mut sleep).await);
        let _not_enough = clock.permit(Timestamp::from_millis(19));
        assert!(pending(&mut sleep).await);
        let _enough = clock.permit(Timestamp::from_millis(20));
        sleep.await;
        assert_eq!(clock.now().as_millis(), 20);
        drop(later);
    }

    #[tokio::test]
    async fn a_sleep_that_is_given_up_makes_its_actor_active_again() {
        let clock = VirtualClock::new(Timestamp::from_millis(0));
        let one = clock.actor();
        for deadline in [None, Some(Timestamp::from_millis(9))] {
            let two = clock.actor();
            let mut sleep = clock.sleep(deadline);
            assert!(std::future::poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_pending())).await);
            drop(sleep);
            assert_eq!(clock.state().active, 2);
            drop(two);
        }
        drop(one);
        assert_eq!((clock.now().as_millis(), clock.state().sleepers.len()), (0, 0));
    }
}
