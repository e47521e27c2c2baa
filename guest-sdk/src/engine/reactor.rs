//! What the invocation waits for: pollables of pending operations, and step bodies that wait for something else.
//!
//! Always true here:
//! - An operation's outcome is looked at only after its pollable fired, and pollables fire one at a time, with
//!   everything that became runnable run before the next. So what a handler sees does not depend on which other
//!   outcomes happened to arrive in the same moment, and polling a future that still waits costs no call to the host.
//! - A handler that waits for one operation blocks on it, which is one call. Where more than one is waited for they are
//!   in the host's set, each put there once: blocking then costs as much as what becomes ready, however many wait.
//! - A step's body is never left open by a suspension: see [`Reactor::stall_bodies`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::contract::{Interest, Operation, Runtime};
use crate::output;

/// The pollables of one invocation.
pub(crate) struct Reactor {
    runtime: Arc<dyn Runtime>,
    waits: Mutex<Waits>,
}

#[derive(Default)]
struct Waits {
    next: u64,
    /// Ordered by registration: the order in which they are handed to the host is the same on every replay.
    pending: BTreeMap<u64, Pending>,
    /// Those that the host does not know yet.
    unwatched: BTreeSet<u64>,
    /// Named by the host as ready, and not yet fired.
    ready: VecDeque<u64>,
    /// Step bodies whose last poll found nothing to do.
    idle_bodies: BTreeMap<u64, IdleBody>,
}

struct Pending {
    operation: Arc<dyn Operation>,
    interest: Interest,
    waker: Waker,
    /// The host has named it as ready, and holds it no more.
    named: bool,
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

    /// Waits for something of an operation.
    pub(crate) fn wait(self: &Arc<Self>, operation: Arc<dyn Operation>, interest: Interest) -> Ready {
        Ready { reactor: Arc::clone(self), state: Waiting::New(operation, interest) }
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

    /// Fires the next that the host named.
    fn fire(&self) -> bool {
        loop {
            let mut waits = self.waits();
            let Some(key) = waits.ready.pop_front() else { return false };
            let fired = waits.pending.remove(&key);
            drop(waits);
            if let Some(Pending { operation, waker, .. }) = fired {
                drop(operation);
                waker.wake();
                return true;
            }
        }
    }

    /// Blocks on everything that is waited for; false if that is nothing.
    fn block(&self) -> bool {
        output::flush();
        let mut waits = self.waits();
        let Some((&first, only)) = waits.pending.first_key_value() else { return false };
        if waits.pending.len() == 1 && waits.unwatched.contains(&first) {
            let (operation, interest) = (Arc::clone(&only.operation), only.interest);
            drop(waits);
            operation.block(interest);
            let mut waits = self.waits();
            waits.unwatched.remove(&first);
            waits.ready.push_back(first);
            return true;
        }
        for key in std::mem::take(&mut waits.unwatched) {
            if let Some(pending) = waits.pending.get(&key) {
                self.runtime.watch(pending.operation.subscribe(pending.interest), key);
            }
        }
        drop(waits);
        let ready = self.runtime.next();
        let mut waits = self.waits();
        for key in ready {
            if let Some(pending) = waits.pending.get_mut(&key) {
                pending.named = true;
            }
            waits.ready.push_back(key);
        }
        true
    }

    /// Ends the bodies that wait while nothing else in the guest can run, with an error of theirs; false if there are
    /// none.
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

/// Completes when what is waited for is there.
pub(crate) struct Ready {
    reactor: Arc<Reactor>,
    state: Waiting,
}

enum Waiting {
    New(Arc<dyn Operation>, Interest),
    Registered(u64),
    Over,
}

impl Future for Ready {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut waits = this.reactor.waits();
        this.state = match std::mem::replace(&mut this.state, Waiting::Over) {
            Waiting::New(operation, interest) => {
                let key = waits.key();
                waits
                    .pending
                    .insert(key, Pending { operation, interest, waker: cx.waker().clone(), named: false });
                waits.unwatched.insert(key);
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
            let mut waits = self.reactor.waits();
            let pending = waits.pending.remove(&key);
            // What has fired, or was never handed over, the host does not hold.
            let known = !waits.unwatched.remove(&key);
            drop(waits);
            if known && pending.is_some_and(|pending| !pending.named) {
                self.reactor.runtime.unwatch(key);
            }
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
