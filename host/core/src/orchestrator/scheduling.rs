//! Executions under a scheduler: their timers are handed to the scheduler, which decides when each fires.
//!
//! Invariants:
//! - a function that the scheduler has started completes when its execution waits again or has ended;
//! - if the scheduler does not use timestamps, timeouts come last: one is scheduled when no other function of any
//!   execution is scheduled or running;
//! - when the last run under a scheduler has ended or was dropped, the remaining scheduled functions are flushed.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{mpsc, oneshot, watch};

use super::Scheduler;
use crate::{
    ambient::Clock,
    protocol::{ExecutionArn, ServiceError, Timestamp},
    server::{ScheduledTimer, ServerHandle},
};

/// A scheduler that several executions share. Clones refer to the same one.
#[derive(Clone)]
pub struct SharedScheduler(Arc<Shared>);

struct Shared {
    scheduler: Mutex<Box<dyn Scheduler>>,
    by_timestamps: bool,
    state: Mutex<State>,
    /// Counts how often the last outstanding function has ended.
    idle: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// The number of functions that are scheduled or running.
    outstanding: usize,
    /// Timeouts to schedule when no function is outstanding, ordered by deadline and then by arrival.
    timeouts: BTreeMap<(Timestamp, u64), PendingTimer>,
    arrivals: u64,
    /// The number of active runs.
    runs: usize,
}

/// A timer that is to be scheduled.
#[derive(Clone)]
struct PendingTimer {
    server: ServerHandle,
    clock: Arc<dyn Clock>,
    arn: ExecutionArn,
    timer: ScheduledTimer,
    sender: mpsc::UnboundedSender<Message>,
}

/// A message from the scheduler: continue, and drop the sender when done; or an error.
type Message = Result<oneshot::Sender<()>, ServiceError>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a function that is scheduled or running until it is dropped.
struct Outstanding(SharedScheduler);

impl Drop for Outstanding {
    fn drop(&mut self) {
        let idle = {
            let mut state = lock(&self.0.0.state);
            debug_assert!(state.outstanding > 0, "each function is counted when it is scheduled");
            state.outstanding -= 1;
            state.outstanding == 0
        };
        if idle {
            self.0.0.idle.send_modify(|count| *count += 1);
        }
    }
}

impl SharedScheduler {
    /// Wraps a scheduler for sharing.
    pub fn new(scheduler: Box<dyn Scheduler>) -> Self {
        let by_timestamps = scheduler.goes_by_timestamps();
        let scheduler = Mutex::new(scheduler);
        Self(Arc::new(Shared {
            scheduler,
            by_timestamps,
            state: Mutex::default(),
            idle: watch::Sender::new(0),
        }))
    }

    /// Whether it runs functions at their timestamps.
    pub fn goes_by_timestamps(&self) -> bool {
        self.0.by_timestamps
    }

    fn schedule(&self, pending: PendingTimer) {
        lock(&self.0.state).outstanding += 1;
        let outstanding = Outstanding(self.clone());
        let PendingTimer { server, clock, arn, timer, sender } = pending;
        let error = sender.clone();
        let start = Box::new(move || -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(async move {
                let _outstanding = outstanding;
                let (done, ended) = oneshot::channel();
                if sender.send(Ok(done)).is_ok() {
                    // The sender is dropped when the execution waits again or was dropped.
                    let _ = ended.await;
                }
            })
        });
        let on_error = Box::new(move |why| drop(error.send(Err(why))));
        let update = Box::new(move || -> Pin<Box<dyn Future<Output = Result<(), ServiceError>> + Send>> {
            Box::pin(async move { fire(&server, &*clock, &arn, timer).await })
        });
        lock(&self.0.scheduler).schedule_function(start, on_error, Some(timer.at), Some(update));
    }

    /// Schedules the next timeout, if no function is outstanding.
    async fn release_timeout(&self) -> Result<(), ServiceError> {
        loop {
            let next = {
                let mut state = lock(&self.0.state);
                if state.outstanding > 0 { None } else { state.timeouts.pop_first() }
            };
            let Some((_, pending)) = next else { return Ok(()) };
            // Timers of dropped executions and of events that have occurred already are skipped.
            if !pending.sender.is_closed()
                && pending.server.has_timer(&pending.arn, pending.timer.key).await?
            {
                self.schedule(pending);
            }
        }
    }
}

/// The connection of one execution to its scheduler.
pub(super) struct ScheduledExecution {
    scheduler: SharedScheduler,
    /// Whether this is the execution that the run was started for.
    root: bool,
    sender: mpsc::UnboundedSender<Message>,
    messages: mpsc::UnboundedReceiver<Message>,
    idle: watch::Receiver<u64>,
    /// Functions that have started and not ended.
    running: Vec<oneshot::Sender<()>>,
}

impl ScheduledExecution {
    pub(super) fn new(scheduler: SharedScheduler, root: bool) -> Self {
        let (sender, messages) = mpsc::unbounded_channel();
        let idle = scheduler.0.idle.subscribe();
        lock(&scheduler.0.state).runs += usize::from(root);
        Self { scheduler, root, sender, messages, idle, running: Vec::new() }
    }

    /// Called when the execution waits: schedules its new timers, and completes the functions that were started.
    pub(super) async fn wait(
        &mut self,
        server: &ServerHandle,
        clock: &Arc<dyn Clock>,
        arn: &ExecutionArn,
    ) -> Result<(), ServiceError> {
        self.idle.borrow_and_update();
        for timer in server.take_timers(arn).await? {
            let (server, clock, arn, sender) =
                (server.clone(), clock.clone(), arn.clone(), self.sender.clone());
            let pending = PendingTimer { server, clock, arn, timer, sender };
            if timer.timeout && !self.scheduler.goes_by_timestamps() {
                let mut state = lock(&self.scheduler.0.state);
                state.arrivals += 1;
                let place = (timer.at, state.arrivals);
                state.timeouts.insert(place, pending);
            } else {
                self.scheduler.schedule(pending);
            }
        }
        self.running.clear();
        self.scheduler.release_timeout().await
    }

    /// Waits for the next message of the scheduler.
    async fn next(&mut self) -> Result<(), ServiceError> {
        tokio::select! {
            biased;
            // `self` holds a sender, so the channel does not close.
            Some(messages) = self.messages.recv() => self.running.push(messages?),
            Ok(()) = self.idle.changed() => {}
        }
        Ok(())
    }
}

impl Drop for ScheduledExecution {
    fn drop(&mut self) {
        if !self.root {
            return;
        }
        let last = {
            let mut state = lock(&self.scheduler.0.state);
            debug_assert!(state.runs > 0, "each run is counted when it starts");
            state.runs -= 1;
            if state.runs == 0 { std::mem::take(&mut state.timeouts) } else { return }
        };
        drop(last);
        lock(&self.scheduler.0.scheduler).flush_timers();
    }
}

/// Fires a timer, not before its deadline.
async fn fire(
    server: &ServerHandle,
    clock: &dyn Clock,
    arn: &ExecutionArn,
    timer: ScheduledTimer,
) -> Result<(), ServiceError> {
    let _actor = clock.actor();
    if clock.now() < timer.at && server.has_timer(arn, timer.key).await? {
        clock.sleep(Some(timer.at)).await;
    }
    server.elapse(arn, timer.key).await
}

/// Waits for the scheduler; without one, forever.
pub(super) async fn next(scheduled: &mut Option<ScheduledExecution>) -> Result<(), ServiceError> {
    match scheduled {
        Some(scheduled) => scheduled.next().await,
        None => std::future::pending().await,
    }
}
