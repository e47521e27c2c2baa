//! What the invocation waits for: pollables of pending operations, and step bodies that wait for other futures.
//!
//! Invariants:
//! - An operation is asked for its outcome only after its pollable fired, and pollables fire one at a time: everything
//!   that became runnable runs before the next one fires. Therefore the handler does not depend on which other outcomes
//!   arrived at the same moment, and polling a future that still waits costs no call of the host.
//! - A handler that waits for one operation blocks on it directly, which is one call of the host. If it waits for
//!   several, they are in the wait set of the host, each added once: the cost of blocking depends on the number of
//!   pollables that become ready, not on the number that wait.
//! - The body of a step is not open when the execution is suspended: see [`Reactor::stall_bodies`].

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::Future;
use std::hash::{BuildHasherDefault, Hasher};
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
    pending: HashMap<u64, Pending, BuildHasherDefault<KeyHasher>>,
    /// Entries that have not been added to the wait set of the host, in the order of registration: pollables are handed to
    /// the host in the same order on every replay. Those that are not pending any more have no effect.
    unwatched: Vec<u64>,
    /// Reported as ready by the host, and not yet fired.
    ready: VecDeque<u64>,
    /// Step bodies whose last poll returned pending.
    idle_bodies: BTreeMap<u64, IdleBody>,
}

struct Pending {
    operation: Arc<dyn Operation>,
    interest: Interest,
    waker: Waker,
    /// Whether it is in the wait set of the host. What the host has reported as ready it has removed.
    watched: bool,
}

/// Hashes keys, which count from 1. The standard library's hasher would take a key of the hash maps of the handler's code.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = (self.0 ^ key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

struct IdleBody {
    waker: Waker,
    stalled: bool,
}

/// The result of a turn of the reactor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A waker was called: a task may be runnable.
    Fired,
    /// Nothing is pending, so nothing will become runnable.
    Stalled,
}

impl Reactor {
    pub(crate) fn new(runtime: Arc<dyn Runtime>) -> Arc<Self> {
        Arc::new(Self { runtime, waits: Mutex::default() })
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A future that completes when the event of the operation has happened.
    pub(crate) fn wait(self: &Arc<Self>, operation: Arc<dyn Operation>, interest: Interest) -> Ready {
        Ready { reactor: Arc::clone(self), state: Waiting::New(operation, interest) }
    }

    /// Notes that the body of a step waits for a future that is not durable.
    pub(crate) fn park_body(self: &Arc<Self>, waker: Waker) -> ParkedBody {
        let mut waits = self.waits();
        let key = waits.key();
        waits.idle_bodies.insert(key, IdleBody { waker, stalled: false });
        ParkedBody { reactor: Arc::clone(self), key }
    }

    /// Makes a task runnable, blocking if necessary. Called only when no task is runnable.
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

    /// Fires the next entry that the host has reported as ready.
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

    /// Blocks on all pending entries; returns false if there are none.
    fn block(&self) -> bool {
        output::flush();
        let mut waits = self.waits();
        let Some((&first, only)) = waits.pending.iter().next() else { return false };
        if waits.pending.len() == 1 && !only.watched {
            let (operation, interest) = (Arc::clone(&only.operation), only.interest);
            drop(waits);
            operation.block(interest);
            let mut waits = self.waits();
            waits.unwatched.clear();
            waits.ready.push_back(first);
            return true;
        }
        for key in std::mem::take(&mut waits.unwatched) {
            if let Some(pending) = waits.pending.get_mut(&key) {
                pending.watched = true;
                self.runtime.watch(pending.operation.subscribe(pending.interest), key);
            }
        }
        drop(waits);
        let ready = self.runtime.next();
        let mut waits = self.waits();
        for key in ready {
            if let Some(pending) = waits.pending.get_mut(&key) {
                pending.watched = false;
            }
            waits.ready.push_back(key);
        }
        true
    }

    /// Ends, with an error, the bodies that wait while no other task can run; returns false if there are none.
    ///
    /// Such a body waits for a future that only the guest itself could complete, and no task is runnable before a
    /// durable operation ends. Blocking now would suspend the execution and interrupt the body, which would start again
    /// and wait again each time the execution is resumed.
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

/// Completes when the event has happened.
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
                    .insert(key, Pending { operation, interest, waker: cx.waker().clone(), watched: false });
                waits.unwatched.push(key);
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
            drop(waits);
            if pending.is_some_and(|pending| pending.watched) {
                self.reactor.runtime.unwatch(key);
            }
        }
    }
}

/// A body that waits; dropping it removes the entry.
pub(crate) struct ParkedBody {
    reactor: Arc<Reactor>,
    key: u64,
}

impl ParkedBody {
    /// Whether the body waits for a future that can never complete.
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
