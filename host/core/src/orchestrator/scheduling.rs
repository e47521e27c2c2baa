//! Executions under a scheduler: their timers are handed over, and the scheduler says when each fires.
//!
//! Always true:
//! - a function that the scheduler has started has ended when its execution waits again or is over;
//! - where the scheduler does not go by timestamps, timeouts come last: one is handed over when no other function is
//!   with the scheduler, whichever execution it is of;
//! - when the last run under a scheduler is over, or given up, what is left with the scheduler is flushed.

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

/// A scheduler, as executions share it. Clones are the same.
#[derive(Clone)]
pub struct SharedScheduler(Arc<Shared>);

struct Shared {
    scheduler: Mutex<Box<dyn Scheduler>>,
    by_timestamps: bool,
    state: Mutex<State>,
    /// Counts how often the last of the functions has ended.
    idle: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// Functions that are with the scheduler, or run.
    outstanding: usize,
    /// Timeouts that wait until none is, by deadline and by the order in which they came.
    timeouts: BTreeMap<(Timestamp, u64), Handover>,
    handovers: u64,
    /// Runs that go on.
    runs: usize,
}

/// A timer on its way to the scheduler.
#[derive(Clone)]
struct Handover {
    server: ServerHandle,
    clock: Arc<dyn Clock>,
    arn: ExecutionArn,
    timer: ScheduledTimer,
    say: mpsc::UnboundedSender<Say>,
}

/// What the scheduler has to say: go on, and tell when that is done; or what went wrong.
type Say = Result<oneshot::Sender<()>, ServiceError>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A function that is with the scheduler, or runs.
struct Outstanding(SharedScheduler);

impl Drop for Outstanding {
    fn drop(&mut self) {
        let idle = {
            let mut state = lock(&self.0.0.state);
            state.outstanding = state.outstanding.saturating_sub(1);
            state.outstanding == 0
        };
        if idle {
            self.0.0.idle.send_modify(|count| *count += 1);
        }
    }
}

impl SharedScheduler {
    /// To be shared.
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

    fn schedule(&self, handover: Handover) {
        lock(&self.0.state).outstanding += 1;
        let outstanding = Outstanding(self.clone());
        let Handover { server, clock, arn, timer, say } = handover;
        let error = say.clone();
        let start = Box::new(move || -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(async move {
                let _outstanding = outstanding;
                let (done, ended) = oneshot::channel();
                if say.send(Ok(done)).is_ok() {
                    // Dropped when the execution waits again, or is gone.
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

    /// Hands the next timeout over, if nothing else is with the scheduler.
    async fn release_timeout(&self) -> Result<(), ServiceError> {
        loop {
            let next = {
                let mut state = lock(&self.0.state);
                if state.outstanding > 0 { None } else { state.timeouts.pop_first() }
            };
            let Some((_, handover)) = next else { return Ok(()) };
            // Of an execution that is gone, or of something that has happened, nothing is to come.
            if !handover.say.is_closed()
                && handover.server.has_timer(&handover.arn, handover.timer.key).await?
            {
                self.schedule(handover);
            }
        }
    }
}

/// An execution's dealings with its scheduler.
pub(super) struct Rounds {
    scheduler: SharedScheduler,
    /// Whether the run is over when the execution is.
    root: bool,
    say: mpsc::UnboundedSender<Say>,
    said: mpsc::UnboundedReceiver<Say>,
    idle: watch::Receiver<u64>,
    /// Functions that were started, and have not ended.
    running: Vec<oneshot::Sender<()>>,
}

impl Rounds {
    pub(super) fn new(scheduler: SharedScheduler, root: bool) -> Self {
        let (say, said) = mpsc::unbounded_channel();
        let idle = scheduler.0.idle.subscribe();
        lock(&scheduler.0.state).runs += usize::from(root);
        Self { scheduler, root, say, said, idle, running: Vec::new() }
    }

    /// The execution waits: hands over what it waits for, and ends the functions that were started.
    pub(super) async fn wait(
        &mut self,
        server: &ServerHandle,
        clock: &Arc<dyn Clock>,
        arn: &ExecutionArn,
    ) -> Result<(), ServiceError> {
        self.idle.borrow_and_update();
        for timer in server.take_timers(arn).await? {
            let (server, clock, arn, say) = (server.clone(), clock.clone(), arn.clone(), self.say.clone());
            let handover = Handover { server, clock, arn, timer, say };
            if timer.timeout && !self.scheduler.goes_by_timestamps() {
                let mut state = lock(&self.scheduler.0.state);
                state.handovers += 1;
                let place = (timer.at, state.handovers);
                state.timeouts.insert(place, handover);
            } else {
                self.scheduler.schedule(handover);
            }
        }
        self.running.clear();
        self.scheduler.release_timeout().await
    }

    /// Waits for the scheduler.
    async fn next(&mut self) -> Result<(), ServiceError> {
        tokio::select! {
            biased;
            // A sender lives in `self`.
            Some(said) = self.said.recv() => self.running.push(said?),
            Ok(()) = self.idle.changed() => {}
        }
        Ok(())
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        if !self.root {
            return;
        }
        let last = {
            let mut state = lock(&self.scheduler.0.state);
            state.runs = state.runs.saturating_sub(1);
            if state.runs == 0 { std::mem::take(&mut state.timeouts) } else { return }
        };
        drop(last);
        lock(&self.scheduler.0.scheduler).flush_timers();
    }
}

/// Has a timer fire. Time is then not before its deadline.
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

/// Waits for the scheduler, if there is one.
pub(super) async fn next(rounds: &mut Option<Rounds>) -> Result<(), ServiceError> {
    match rounds {
        Some(rounds) => rounds.next().await,
        None => std::future::pending().await,
    }
}
