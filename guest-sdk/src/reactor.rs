//! What the invocation waits for: pollables of pending operations, and step bodies that wait for something else.
//!
//! Always true here:
//! - An operation's outcome is looked at only after its pollable fired, and pollables fire one at a time, with everything
//!   that became runnable run before the next. So what a handler sees does not depend on which other outcomes happened
//!   to arrive in the same moment, and polling a future that still waits costs no call to the host.
//! - One pollable for one waiting operation. Blocking costs one call with all of them; afterwards only those that the host
//!   named are touched.
//! - A step's body is never left open by a suspension: see [`Reactor::stall_bodies`].

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::runtime::{Pollable, Runtime};

/// The pollables of one invocation.
pub(crate) struct Reactor {
    runtime: Arc<dyn Runtime>,
    waits: Mutex<Waits>,
}

#[derive(Default)]
struct Waits {
    next: u64,
    /// Ordered by registration: the order of the list handed to the host is the same on every replay.
    pending: BTreeMap<u64, Pending>,
    /// Named by the host as ready, and not yet fired.
    ready: VecDeque<u64>,
    /// Step bodies whose last poll found nothing to do.
    idle_bodies: BTreeMap<u64, IdleBody>,
}

struct Pending {
    pollable: Box<dyn Pollable>,
    waker: Waker,
}

struct IdleBody {
    waker: Waker,
    stalled: bool,
}

/// What a turn of the reactor did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A waker was called.
    Fired,
    /// Nothing is waited for, so nothing will ever become runnable.
    Stalled,
}

impl Reactor {
    pub(crate) fn new(runtime: Arc<dyn Runtime>) -> Arc<Self> {
        Arc::new(Self { runtime, waits: Mutex::default() })
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a pollable. It is dropped when it fires, or with the future.
    pub(crate) fn wait(self: &Arc<Self>, pollable: Box<dyn Pollable>) -> Ready {
        Ready { reactor: Arc::clone(self), state: Waiting::New(pollable) }
    }

    /// Notes that a step's body waits for something that is not durable.
    pub(crate) fn park_body(self: &Arc<Self>, waker: Waker) -> ParkedBody {
        let mut waits = self.waits();
        let key = waits.key();
        waits.idle_bodies.insert(key, IdleBody { waker, stalled: false });
        ParkedBody { reactor: Arc::clone(self), key }
    }

    /// Makes something runnable, by blocking if need be. To be called only when nothing is.
    pub(crate) fn turn(&self) -> Turn {
        loop {
            if self.fire() {
                return Turn::Fired;
            }
            if self.stall_bodies() {
                return Turn::Fired;
            }
            if !self.block() {
                return Turn::Stalled;
            }
        }
    }

    /// Fires the next pollable that the host named.
    fn fire(&self) -> bool {
        loop {
            let mut waits = self.waits();
            let Some(key) = waits.ready.pop_front() else { return false };
            let fired = waits.pending.remove(&key);
            drop(waits);
            if let Some(Pending { pollable, waker }) = fired {
                drop(pollable);
                waker.wake();
                return true;
            }
        }
    }

    /// Blocks on everything that is waited for; false if that is nothing.
    fn block(&self) -> bool {
        let mut waits = self.waits();
        if waits.pending.is_empty() {
            return false;
        }
        let keys: Vec<u64> = waits.pending.keys().copied().collect();
        let pollables: Vec<&dyn Pollable> = waits.pending.values().map(|p| &*p.pollable).collect();
        let ready = self.runtime.poll(&pollables);
        waits.ready.extend(ready.into_iter().filter_map(|index| keys.get(usize::try_from(index).ok()?)));
        true
    }

    /// Ends the bodies that wait while nothing else in the guest can run, with an error of theirs; false if there are none.
    ///
    /// Such a body waits for a future that only the guest itself could complete, and nothing in it is runnable before
    /// some durable operation ends. To block now would suspend the execution; the body would be lost in the middle, and
    /// would start over and wait again each time something else wakes the execution up.
    fn stall_bodies(&self) -> bool {
        let wakers: Vec<Waker> = self
            .waits()
            .idle_bodies
            .values_mut()
            .map(|body| {
                body.stalled = true;
                body.waker.clone()
            })
            .collect();
        let any = !wakers.is_empty();
        wakers.into_iter().for_each(Waker::wake);
        any
    }
}

impl Waits {
    fn key(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// Completes when its pollable has fired.
pub(crate) struct Ready {
    reactor: Arc<Reactor>,
    state: Waiting,
}

enum Waiting {
    New(Box<dyn Pollable>),
    Registered(u64),
    Over,
}

impl Future for Ready {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut waits = this.reactor.waits();
        this.state = match std::mem::replace(&mut this.state, Waiting::Over) {
            Waiting::New(pollable) => {
                let key = waits.key();
                waits.pending.insert(key, Pending { pollable, waker: cx.waker().clone() });
                Waiting::Registered(key)
            }
            Waiting::Registered(key) => match waits.pending.get_mut(&key) {
                Some(pending) => {
                    pending.waker.clone_from(cx.waker());
                    Waiting::Registered(key)
                }
                None => Waiting::Over,
            },
            Waiting::Over => Waiting::Over,
        };
        if matches!(this.state, Waiting::Over) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        if let Waiting::Registered(key) = self.state {
            let pending = self.reactor.waits().pending.remove(&key);
            drop(pending);
        }
    }
}

/// A body that waits; forgotten when dropped.
pub(crate) struct ParkedBody {
    reactor: Arc<Reactor>,
    key: u64,
}

impl ParkedBody {
    /// Whether the body was found to wait for ever.
    pub(crate) fn is_stalled(&self) -> bool {
        self.reactor.waits().idle_bodies.get(&self.key).is_some_and(|body| body.stalled)
    }
}

impl Drop for ParkedBody {
    fn drop(&mut self) {
        let body = self.reactor.waits().idle_bodies.remove(&self.key);
        drop(body);
    }
}
