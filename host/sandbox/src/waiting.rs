//! `wasi:io/poll`: a guest waits, and its invocation may be suspended.
//!
//! Invariants, in this order: ready pollables are returned; else the next recorded completion is shown; else queued
//! updates are sent; else, if all pollables are durable, the invocation is suspended; else it stays alive until an
//! event occurs. A timer whose time the clock cannot reach counts for nothing.

use std::{future::Future, task::Poll, time::Duration};

use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::{DynPollable, bindings::io::poll};

use super::{
    resources::PollableKind,
    state::{Durable, State},
};
use durawasm_core::{
    invocation::Ended,
    protocol::{ChangeSubscription, Timestamp, error_types},
    replay::{Interest, Key, ReplayError, SetKey},
};

/// The most pollables in one call: a handle may be in the list several times. A guest that waits for more uses a wait set.
const MAX_POLLED: usize = 500_000;

/// The size up to which a polled list does not count as the guest's memory, in bytes.
const UNCOUNTED: usize = 256 << 10;

/// Selects all of a store's data.
pub(super) struct HasState;

impl HasData for HasState {
    type Data<'a> = Waiting<'a>;
}

/// A store's data while the guest waits.
pub(super) struct Waiting<'a>(pub(super) &'a mut State);

/// The polled list, by kind.
#[derive(Default)]
struct List {
    durable: Vec<(Key, Interest)>,
    durable_at: Vec<u32>,
    timers: Vec<(u32, u32)>,
    live: Vec<Resource<DynPollable>>,
    live_at: Vec<u32>,
}

impl List {
    fn new(pollables: Vec<Resource<DynPollable>>) -> Self {
        let mut list = Self::default();
        for (at, pollable) in (0..).zip(pollables) {
            match PollableKind::of(&pollable) {
                PollableKind::Durable(key, interest) => {
                    list.durable.push((key, interest));
                    list.durable_at.push(at);
                }
                PollableKind::Timer(index) => list.timers.push((index, at)),
                PollableKind::Live => {
                    list.live.push(pollable);
                    list.live_at.push(at);
                }
            }
        }
        list
    }

    /// Its size, in bytes.
    fn bytes(&self) -> usize {
        fn of<T>(list: &Vec<T>) -> usize {
            list.capacity() * size_of::<T>()
        }
        of(&self.durable) + of(&self.durable_at) + of(&self.timers) + of(&self.live) + of(&self.live_at)
    }
}

impl poll::Host for Waiting<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        if pollables.is_empty() {
            let misuse = ReplayError::Misuse("poll was called with an empty list".to_owned());
            return Err(self.0.durable.end(Ended::Replay(misuse)));
        }
        if pollables.len() > MAX_POLLED {
            let count = pollables.len();
            let reason = format!("the handler waits for {count} pollables at once; {MAX_POLLED} are allowed");
            return Err(self.0.durable.end(Ended::Limit(error_types::HANDLE_LIMIT, reason)));
        }
        let list = List::new(pollables);
        let bytes = list.bytes();
        if bytes <= UNCOUNTED {
            return self.wait(&list).await;
        }
        let State { limiter, durable, .. } = &mut *self.0;
        if let Err(why) = limiter.take(bytes).await {
            return Err(durable.end(Ended::Limit(error_types::MEMORY_LIMIT, why)));
        }
        let ready = self.wait(&list).await;
        self.0.limiter.give_back(bytes);
        ready
    }
}

impl Waiting<'_> {
    async fn wait(&mut self, list: &List) -> wasmtime::Result<Vec<u32>> {
        self.0.durable.point_in_body()?;
        self.0.durable.check_traffic()?;
        self.0.durable.begin_wait().await?;
        loop {
            self.0.durable.called()?;
            // What is waited for may be ready at once, again and again: others must get the thread as well.
            tokio::task::coop::consume_budget().await;
            let ready = self.ready_now(list).await?;
            if !ready.is_empty() {
                return Ok(ready);
            }
            let durable = &mut self.0.durable;
            if durable.drive(|driver| driver.look_on(&list.durable)).await? {
                continue;
            }
            if list.live.is_empty() && !durable.any_timer_comes(&list.timers) {
                if list.durable.is_empty() {
                    let reason = format!(
                        "the handler waits for a time after {}, at which the clock ends",
                        Timestamp::MAX
                    );
                    return Err(durable.end(Ended::Limit(error_types::TIME_LIMIT, reason)));
                }
                return Err(durable.suspend());
            }
            self.wait_for_event(list).await?;
        }
    }
}

impl Durable {
    /// Whether the clock can reach the deadline of one of these timers. A guest may name times that do not come.
    fn any_timer_comes(&self, timers: &[(u32, u32)]) -> bool {
        timers.iter().filter_map(|(index, _)| self.timers.get(*index)).any(|at| round_up(at) < Timestamp::MAX)
    }

    /// Prepares a wait of the guest.
    async fn begin_wait(&mut self) -> wasmtime::Result<()> {
        self.called()?;
        self.drain_replayed()?;
        self.driver.begin_wait();
        self.send_due().await
    }

    /// Waits for one operation, with the same effect as polling it alone.
    pub(super) async fn wait_for(&mut self, key: Key, interest: Interest) -> wasmtime::Result<()> {
        self.called()?;
        self.drain_replayed()?;
        self.driver.begin_wait();
        self.drive(|driver| driver.wait_for(key, interest)).await
    }

    /// Waits for the next entries of a set; `None` if no entry can become ready in this invocation.
    pub(super) async fn wait_for_set(&mut self, set: SetKey) -> wasmtime::Result<Option<Vec<u64>>> {
        self.called()?;
        self.drain_replayed()?;
        self.driver.begin_wait();
        self.drive(|driver| driver.wait_for_set(set)).await
    }
}

impl Waiting<'_> {
    async fn ready_now(&mut self, list: &List) -> wasmtime::Result<Vec<u32>> {
        let State { durable, table, .. } = &mut *self.0;
        let mut ready = Vec::new();
        for ((key, interest), at) in list.durable.iter().zip(&list.durable_at) {
            let is_ready = durable.driver.engine().is_ready(*key, *interest);
            if durable.trap(is_ready)? {
                ready.push(*at);
            }
        }
        let now = if list.timers.is_empty() { Duration::ZERO } else { durable.around.clock.precise_now() };
        for (index, at) in &list.timers {
            let Some(deadline) = durable.timers.get(*index) else { continue };
            if deadline <= now || deadline <= durable.now() {
                if !durable.driver.is_live() {
                    durable.driver.engine_mut().advance_time(round_up(deadline));
                }
                ready.push(*at);
            }
        }
        if ready.is_empty() && !list.live.is_empty() {
            let mut live = std::pin::pin!(poll_live(table, list));
            let now = std::future::poll_fn(|cx| {
                Poll::Ready(match live.as_mut().poll(cx) {
                    Poll::Ready(done) => done,
                    Poll::Pending => Ok(Vec::new()),
                })
            });
            ready = now.await?;
        }
        Ok(ready)
    }

    /// Completes when a live pollable may be ready, when a deadline is reached, or when the service may have changed an
    /// operation.
    async fn wait_for_event(&mut self, list: &List) -> wasmtime::Result<()> {
        let State { durable, table, .. } = &mut *self.0;
        let timer =
            list.timers.iter().filter_map(|(index, _)| durable.timers.get(*index)).min().map(round_up);
        // Deadlines that have passed already were processed by the service.
        let now = durable.around.clock.now();
        let service = durable.driver.engine().next_deadline(&list.durable).filter(|deadline| *deadline > now);
        let body = durable.body_deadline().map(round_up);
        let deadline = [timer, service, body].into_iter().flatten().min();
        let clock = durable.around.clock.clone();
        let real_things = !list.live.is_empty();
        let sleep = async {
            // While a live resource is waited for, time must pass in real time.
            if let Some(deadline) = deadline.filter(|_| real_things && clock.skips()) {
                tokio::time::sleep(deadline.since(clock.now())).await;
            } else if real_things && clock.skips() {
                std::future::pending::<()>().await;
            }
            clock.sleep(deadline).await;
        };
        // Registered before sleeping, so that no later change is missed.
        let watching = if list.durable.is_empty() {
            ChangeSubscription::never()
        } else {
            durable.around.client.watch(&durable.driver.facts().arn).await
        };
        let live = async {
            if list.live.is_empty() {
                std::future::pending::<()>().await;
            }
            poll_live(table, list).await.map(|_| ())
        };
        let _news = tokio::select! {
            biased;
            done = live => return done,
            news = watching.news() => news,
            () = sleep => None,
        };
        durable.check_body_deadline()?;
        if list.durable.is_empty() {
            return Ok(());
        }
        let request = durable.driver.poll();
        durable.send(request).await
    }
}

/// Waits until a live pollable is ready, and returns all that are.
async fn poll_live(table: &mut ResourceTable, list: &List) -> wasmtime::Result<Vec<u32>> {
    let handles = list.live.iter().map(|p| Resource::new_borrow(p.rep())).collect();
    let ready = poll::Host::poll(table, handles).await?;
    Ok(ready.into_iter().filter_map(|i| list.live_at.get(i as usize).copied()).collect())
}

/// Rounds up to whole milliseconds.
fn round_up(time: Duration) -> Timestamp {
    Timestamp::from_millis(i64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX))
}

impl poll::HostPollable for Waiting<'_> {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        Ok(!self.ready_now(&List::new(vec![pollable])).await?.is_empty())
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::Host::poll(self, vec![pollable]).await.map(|_| ())
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        match PollableKind::of(&pollable) {
            PollableKind::Durable(..) => {
                self.0.durable.handle_returned();
                Ok(())
            }
            PollableKind::Timer(index) => {
                self.0.durable.timers.remove(index);
                Ok(())
            }
            PollableKind::Live => poll::HostPollable::drop(&mut self.0.table, pollable),
        }
    }
}
