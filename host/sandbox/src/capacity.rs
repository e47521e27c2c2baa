//! The instances and the memory that the invocations of a sandbox share.
//!
//! Invariants:
//! - what is granted exists: the pool of instances is not exhausted, and the memory in total is not exceeded;
//! - the invocation that has most memory can always grow up to its own limit. So invocations never wait for each other
//!   in a circle, and one that waits continues after others have ended;
//! - requests for memory are served before new invocations, and new invocations in their order;
//! - virtual time does not advance between the end of one invocation and the start of the one that waited for it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use durawasm_core::ambient::{Actor, Clock};
use tokio::{sync::oneshot, time::Instant};

use super::usage::SandboxUsage;

/// How long an invocation in virtual time keeps that time from advancing while it waits for invocations that belong to
/// another clock. They may, in turn, wait for invocations of this clock.
const PATIENCE: Duration = Duration::from_secs(10);

type SharedClock = Option<Arc<dyn Clock>>;

/// What one instance of a component needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needs {
    /// Number of linear memories.
    pub(super) memories: u32,
    /// Number of tables.
    pub(super) tables: u32,
    /// Memory in bytes that is not counted as the guest's: its stack, and the host's data for its instances.
    pub(super) bytes: usize,
}

/// What is available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Available {
    /// Number of invocations.
    pub(super) places: u32,
    /// Number of linear memories.
    pub(super) memories: u32,
    /// Number of tables.
    pub(super) tables: u32,
    /// Memory in bytes.
    pub(super) bytes: usize,
}

/// The capacity of a sandbox. Clones share it.
#[derive(Clone)]
pub(super) struct Capacity(Arc<Shared>);

struct Shared {
    /// The most memory that one invocation may come to hold, in bytes.
    claim: usize,
    state: Mutex<State>,
}

struct State {
    free: Available,
    next: u64,
    holders: BTreeMap<u64, Holder>,
    growing: VecDeque<Growing>,
    entering: VecDeque<Entering>,
}

struct Holder {
    needs: Needs,
    held: usize,
    clock: SharedClock,
}

struct Growing {
    id: u64,
    bytes: usize,
    waiter: Waiter,
}

struct Entering {
    id: u64,
    needs: Needs,
    waiter: Waiter,
}

/// Whom to tell that a request is granted.
struct Waiter {
    clock: SharedClock,
    granted: oneshot::Sender<Option<Actor>>,
}

impl Waiter {
    fn tell(self) {
        // The actor keeps virtual time from advancing until the waiting task runs.
        let actor = self.clock.filter(|clock| clock.skips()).map(|clock| clock.actor());
        // A task that is gone has withdrawn its request, or does so next.
        let _ = self.granted.send(actor);
    }
}

/// A request that is not granted yet.
struct Wait {
    granted: oneshot::Receiver<Option<Actor>>,
    /// Whether only invocations of the same clock hold what is missing, so that nothing changes before that clock
    /// advances.
    same_clock: bool,
}

impl Capacity {
    /// `claim` is the most memory that one invocation may come to hold. There is always enough for one.
    pub(super) fn new(available: Available, claim: usize) -> Self {
        let free = Available { bytes: available.bytes.max(claim), ..available };
        let (holders, growing, entering) = (BTreeMap::new(), VecDeque::new(), VecDeque::new());
        let state = Mutex::new(State { free, next: 0, holders, growing, entering });
        Self(Arc::new(Shared { claim, state }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What invocations hold of it and wait for.
    pub(super) fn usage(&self) -> SandboxUsage {
        let state = self.state();
        let holders = || state.holders.values();
        SandboxUsage {
            running: state.holders.len(),
            entering: state.entering.len(),
            growing: state.growing.len(),
            memory: holders().map(|holder| holder.held).sum(),
            reserved: holders().map(|holder| holder.needs.memories + holder.needs.tables).sum(),
            ..SandboxUsage::default()
        }
    }

    /// Waits until there is room for one more invocation. `clock` is the clock on which the caller is an actor.
    pub(super) async fn enter(&self, needs: Needs, clock: SharedClock) -> Share {
        let (share, wait) = self.request(needs, clock);
        if let Some(wait) = wait {
            wait.done(share.clock.as_ref()).await;
        }
        share
    }

    fn request(&self, needs: Needs, clock: SharedClock) -> (Share, Option<Wait>) {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        let wait = if state.entering.is_empty() && state.admits(needs, self.0.claim) {
            state.enter(id, needs, clock.clone());
            None
        } else {
            let (waiter, wait) = state.wait(clock.clone());
            state.entering.push_back(Entering { id, needs, waiter });
            Some(wait)
        };
        drop(state);
        (Share { capacity: self.clone(), id, clock, waited: Mutex::default() }, wait)
    }

    /// Changes what is free, and grants what waited for that.
    fn release(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let granted = state.grant(self.0.claim);
        drop(state);
        for waiter in granted {
            waiter.tell();
        }
    }
}

impl State {
    /// Whether `bytes` more for a holder leave enough for the holder with most to reach its limit. When that one has
    /// ended, any other can.
    fn is_safe(&self, id: Option<u64>, bytes: usize, claim: usize) -> bool {
        let Some(rest) = self.free.bytes.checked_sub(bytes) else { return false };
        let held = |(other, holder): (&u64, &Holder)| {
            if Some(*other) == id { holder.held.saturating_add(bytes) } else { holder.held }
        };
        let most =
            || self.holders.iter().map(held).max().unwrap_or(0).max(if id.is_none() { bytes } else { 0 });
        rest >= claim || rest.saturating_add(most()) >= claim
    }

    fn admits(&self, needs: Needs, claim: usize) -> bool {
        let free = self.free;
        self.growing.is_empty()
            && free.places > 0
            && free.memories >= needs.memories
            && free.tables >= needs.tables
            && self.is_safe(None, needs.bytes, claim)
    }

    fn enter(&mut self, id: u64, needs: Needs, clock: SharedClock) {
        self.free.places -= 1;
        self.free.memories -= needs.memories;
        self.free.tables -= needs.tables;
        self.free.bytes -= needs.bytes;
        self.holders.insert(id, Holder { needs, held: needs.bytes, clock });
    }

    fn leave(&mut self, id: u64) {
        let Some(Holder { needs, held, .. }) = self.holders.remove(&id) else {
            self.entering.retain(|entering| entering.id != id);
            return;
        };
        self.growing.retain(|growing| growing.id != id);
        self.free.places += 1;
        self.free.memories += needs.memories;
        self.free.tables += needs.tables;
        self.free.bytes += held;
    }

    fn grow(&mut self, id: u64, bytes: usize) {
        if let Some(holder) = self.holders.get_mut(&id) {
            holder.held += bytes;
            self.free.bytes -= bytes;
        }
    }

    fn shrink(&mut self, id: u64, bytes: usize) {
        if let Some(holder) = self.holders.get_mut(&id) {
            // A request that was given up may not have been taken.
            let bytes = bytes.min(holder.held);
            holder.held -= bytes;
            self.free.bytes += bytes;
        }
    }

    fn wait(&self, clock: SharedClock) -> (Waiter, Wait) {
        let (granted, receiver) = oneshot::channel();
        let same = |holder: &Holder| match (&holder.clock, &clock) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        let same_clock = self.holders.values().all(same);
        (Waiter { clock, granted }, Wait { granted: receiver, same_clock })
    }

    /// Grants the requests for which there is enough.
    fn grant(&mut self, claim: usize) -> Vec<Waiter> {
        let mut granted = Vec::new();
        let mut index = 0;
        // One that must wait does not stop those behind it: the holder with most may be among them.
        while let Some(&Growing { id, bytes, .. }) = self.growing.get(index) {
            if self.is_safe(Some(id), bytes, claim)
                && let Some(growing) = self.growing.remove(index)
            {
                self.grow(id, bytes);
                granted.push(growing.waiter);
            } else {
                index += 1;
            }
        }
        while let Some(&Entering { needs, .. }) = self.entering.front()
            && self.admits(needs, claim)
            && let Some(Entering { id, waiter, .. }) = self.entering.pop_front()
        {
            self.enter(id, needs, waiter.clock.clone());
            granted.push(waiter);
        }
        granted
    }
}

impl Wait {
    async fn done(self, clock: Option<&Arc<dyn Clock>>) {
        let Self { granted, same_clock } = self;
        let Some(clock) = clock.filter(|clock| clock.skips()) else {
            // The sender is dropped only with the request.
            let _ = granted.await;
            return;
        };
        // What is waited for may end only after virtual time has advanced.
        let asleep = async {
            if !same_clock {
                tokio::time::sleep(PATIENCE).await;
            }
            clock.sleep(None).await;
        };
        let actor = tokio::select! {
            biased;
            granted = granted => granted.ok().flatten(),
            () = asleep => None,
        };
        // By here the caller is an active actor again.
        drop(actor);
    }
}

/// What one invocation holds, until it is dropped. It must be dropped after the instance.
pub(super) struct Share {
    capacity: Capacity,
    id: u64,
    clock: SharedClock,
    waited: Mutex<Waited>,
}

/// The time for which an invocation has waited for memory.
#[derive(Default)]
struct Waited {
    total: Duration,
    since: Option<Instant>,
}

impl Share {
    /// Takes memory, and waits until there is enough. The sum of what an invocation takes must not exceed its claim.
    pub(super) async fn grow(&self, bytes: usize) {
        let Capacity(shared) = &self.capacity;
        let wait = {
            let mut state = self.capacity.state();
            if state.is_safe(Some(self.id), bytes, shared.claim) {
                state.grow(self.id, bytes);
                return;
            }
            let (waiter, wait) = state.wait(self.clock.clone());
            state.growing.push_back(Growing { id: self.id, bytes, waiter });
            wait
        };
        let mut request = Request { share: self, bytes, done: false };
        self.waited().since = Some(Instant::now());
        wait.done(self.clock.as_ref()).await;
        request.done = true;
    }

    /// Gives memory back.
    pub(super) fn shrink(&self, bytes: usize) {
        if bytes > 0 {
            self.capacity.release(|state| state.shrink(self.id, bytes));
        }
    }

    fn waited(&self) -> MutexGuard<'_, Waited> {
        self.waited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time for which the invocation has waited for memory so far. It is not the invocation's own.
    pub(super) fn time_waited(&self) -> Duration {
        let waited = self.waited();
        waited.total + waited.since.map(|since| since.elapsed()).unwrap_or_default()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.capacity.release(|state| state.leave(self.id));
    }
}

/// A request for memory that may be given up.
struct Request<'a> {
    share: &'a Share,
    bytes: usize,
    done: bool,
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        let mut waited = self.share.waited();
        let now = waited.since.take().map(|since| since.elapsed()).unwrap_or_default();
        waited.total += now;
        drop(waited);
        if self.done {
            return;
        }
        let id = self.share.id;
        self.share.capacity.release(|state| {
            let waiting = state.growing.len();
            state.growing.retain(|growing| growing.id != id);
            if state.growing.len() == waiting {
                // It was granted meanwhile.
                state.shrink(id, self.bytes);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use durawasm_core::{ambient::VirtualClock, protocol::Timestamp};
    use proptest::prelude::*;

    use super::*;

    const NEEDS: Needs = Needs { memories: 1, tables: 1, bytes: 0 };

    fn capacity(places: u32, bytes: usize, claim: usize) -> Capacity {
        Capacity::new(Available { places, memories: 8, tables: 8, bytes }, claim)
    }

    fn free(capacity: &Capacity) -> Available {
        capacity.state().free
    }

    async fn is_pending<T>(future: &mut std::pin::Pin<Box<impl Future<Output = T>>>) -> bool {
        std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
    }

    #[tokio::test]
    async fn an_invocation_enters_when_all_that_it_needs_is_free() {
        let capacity = capacity(4, 100, 10);
        let all = free(&capacity);
        let large = capacity.enter(Needs { memories: 7, tables: 2, bytes: 1 }, None).await;
        let small = capacity.enter(NEEDS, None).await;
        let mut waiting = Box::pin(capacity.enter(NEEDS, None));
        assert!(is_pending(&mut waiting).await, "there is no eighth memory");
        let mut behind = Box::pin(capacity.enter(Needs { memories: 0, ..NEEDS }, None));
        assert!(is_pending(&mut behind).await, "one that would fit does not overtake");
        let given_up = Box::pin(capacity.enter(NEEDS, None));
        drop((small, given_up));
        let (waiting, behind) = (waiting.await, behind.await);
        drop((large, waiting, behind));
        assert_eq!(free(&capacity), all);
    }

    #[tokio::test]
    async fn a_request_for_memory_waits_for_others_and_can_be_given_up() {
        let capacity = capacity(4, 100, 60);
        let all = free(&capacity);
        let (one, two) = (capacity.enter(NEEDS, None).await, capacity.enter(NEEDS, None).await);
        one.grow(40).await;
        two.grow(40).await;
        // 20 are free: one of the two can reach 60.
        let mut more = Box::pin(two.grow(10));
        assert!(!is_pending(&mut more).await, "then two can reach 60");
        drop(more);
        let mut too_much = Box::pin(one.grow(10));
        assert!(is_pending(&mut too_much).await, "then none could");
        let mut newcomer = Box::pin(capacity.enter(NEEDS, None));
        assert!(is_pending(&mut newcomer).await, "memory comes first");
        drop(too_much);
        drop(newcomer.await);
        let mut again = Box::pin(one.grow(20));
        assert!(is_pending(&mut again).await);
        drop(two);
        again.await;
        drop(one);
        assert_eq!(free(&capacity), all);
    }

    #[tokio::test]
    async fn one_that_waits_lets_virtual_time_advance_and_none_passes_at_the_handover() {
        let clock = VirtualClock::new(Timestamp::from_millis(0));
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let capacity = capacity(1, 100, 10);
        let actors = [clock.actor(), clock.actor(), clock.actor()];
        let [one, two, three] = actors;
        let first = async {
            let _actor = one;
            let share = capacity.enter(NEEDS, Some(shared.clone())).await;
            clock.sleep(Some(Timestamp::from_millis(10))).await;
            drop(share);
        };
        let second = async {
            let _actor = two;
            let _share = capacity.enter(NEEDS, Some(shared.clone())).await;
            clock.now().as_millis()
        };
        let third = async {
            let _actor = three;
            clock.sleep(Some(Timestamp::from_millis(11))).await;
        };
        let ((), entered, ()) = tokio::join!(first, second, third);
        assert_eq!(entered, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_waiting_is_known() {
        let capacity = capacity(2, 100, 100);
        let other = capacity.enter(NEEDS, None).await;
        other.grow(50).await;
        let share = capacity.enter(NEEDS, None).await;
        let second = Duration::from_secs(1);
        let running = async {
            share.grow(60).await;
            tokio::time::sleep(second / 2).await;
        };
        let release = async {
            tokio::time::sleep(10 * second).await;
            drop(other);
        };
        tokio::join!(running, release);
        assert_eq!(share.time_waited(), 10 * second);
    }

    proptest! {
        /// Invocations that grow to any size within their limit, in any order, all end.
        #[test]
        fn nothing_waits_for_ever(grows in proptest::collection::vec((0..6_usize, 1..40_usize), 0..80), bytes in 0..200_usize) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let capacity = capacity(6, bytes, 100);
            let all = free(&capacity);
            runtime.block_on(async {
                let tasks = (0..6).map(|who| {
                    let capacity = capacity.clone();
                    let mine: Vec<_> = grows.iter().filter(|(of, _)| *of == who).map(|(_, bytes)| *bytes).collect();
                    tokio::spawn(async move {
                        let share = capacity.enter(NEEDS, None).await;
                        let mut held = 0;
                        for bytes in mine {
                            if held + bytes <= 100 {
                                held += bytes;
                                share.grow(bytes).await;
                                tokio::task::yield_now().await;
                            }
                        }
                    })
                });
                for task in tasks.collect::<Vec<_>>() {
                    task.await.unwrap();
                }
            });
            prop_assert_eq!(free(&capacity), all);
        }
    }
}
