//! Schedulers: they decide, instead of the clock, when a waiting execution is invoked again.
//!
//! By default there is none: virtual time advances to the earliest deadline. [`QueueScheduler`] and [`TimerScheduler`]
//! are the two of AWS's testing library for JavaScript, for tests that rely on their order.
//!
//! Invariants: a function's update runs before the function; flushed functions do not run.

use std::{
    collections::VecDeque,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    ambient::{Clock, SystemClock},
    protocol::{ServiceError, Timestamp},
};

/// Starts an invocation. Its future completes when the execution waits again or has ended.
pub type StartInvocation = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Receives the error if an update failed. The invocation is then not started.
pub type OnError = Box<dyn FnOnce(ServiceError) + Send>;

/// Updates the record before an invocation: ends a wait, or makes a retry ready.
pub type UpdateCheckpoint =
    Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Result<(), ServiceError>> + Send>> + Send>;

/// Decides when functions run. It is used from within a tokio runtime.
pub trait Scheduler: Send + Sync {
    /// Schedules a function, at `timestamp` if the scheduler uses timestamps. `update_checkpoint` runs first.
    fn schedule_function(
        &mut self,
        start_invocation: StartInvocation,
        on_error: OnError,
        timestamp: Option<Timestamp>,
        update_checkpoint: Option<UpdateCheckpoint>,
    );

    /// Whether scheduled functions have not started yet.
    fn has_scheduled_function(&self) -> bool;

    /// Whether functions run at their timestamps. If not, timeouts are scheduled only when nothing else is left to wait
    /// for.
    fn goes_by_timestamps(&self) -> bool {
        false
    }

    /// Removes the functions that have not started. Running functions may be aborted as well.
    fn flush_timers(&mut self);
}

struct Scheduled {
    start_invocation: StartInvocation,
    on_error: OnError,
    update_checkpoint: Option<UpdateCheckpoint>,
}

impl Scheduled {
    async fn run(self) {
        let updated = match self.update_checkpoint {
            Some(update) => update().await,
            None => Ok(()),
        };
        match updated {
            Ok(()) => (self.start_invocation)().await,
            Err(error) => (self.on_error)(error),
        }
    }
}

/// Runs functions one after another, in the order in which they were scheduled, without regard to timestamps.
///
/// If a wait of ten seconds is started before a wait of one second, it also ends first. This exists for parity only:
/// with the default, virtual time, the shorter wait ends first.
pub struct QueueScheduler {
    queue: Arc<Mutex<VecDeque<Scheduled>>>,
    /// Whether a task is processing the queue.
    processing: watch::Sender<bool>,
}

impl QueueScheduler {
    /// With an empty queue.
    pub fn new() -> Self {
        Self { queue: Arc::default(), processing: watch::Sender::new(false) }
    }

    /// Waits until the queue is empty and no function of it runs.
    pub async fn wait_for_completion(&self) {
        let mut processing = self.processing.subscribe();
        // The sender lives as long as `self`, so this does not fail.
        let _ = processing.wait_for(|processing| !processing).await;
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Scheduled>> {
        lock(&self.queue)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for QueueScheduler {
    fn default() -> Self {
        Self::new()
    }
}

impl Scheduler for QueueScheduler {
    fn schedule_function(
        &mut self,
        start_invocation: StartInvocation,
        on_error: OnError,
        _: Option<Timestamp>,
        update_checkpoint: Option<UpdateCheckpoint>,
    ) {
        self.queue().push_back(Scheduled { start_invocation, on_error, update_checkpoint });
        if self.processing.send_replace(true) {
            return;
        }
        let (queue, processing) = (self.queue.clone(), self.processing.clone());
        tokio::spawn(async move {
            loop {
                let next = {
                    let mut queue = lock(&queue);
                    let next = queue.pop_front();
                    if next.is_none() {
                        // Set while the queue is locked, so that the next scheduled function starts a new task.
                        processing.send_replace(false);
                    }
                    next
                };
                match next {
                    // A panic ends the function, not the queue.
                    Some(function) => drop(AssertUnwindSafe(function.run()).catch_unwind().await),
                    None => return,
                }
            }
        });
    }

    fn has_scheduled_function(&self) -> bool {
        !self.queue().is_empty()
    }

    fn flush_timers(&mut self) {
        let flushed = std::mem::take(&mut *self.queue());
        drop(flushed);
    }
}

/// Runs each function at its timestamp, in real time and concurrently; a function without a timestamp runs immediately.
pub struct TimerScheduler {
    clock: SystemClock,
    tasks: Vec<JoinHandle<()>>,
    waiting: Arc<AtomicUsize>,
}

impl TimerScheduler {
    /// Creates a scheduler without functions.
    pub fn new() -> Self {
        Self { clock: SystemClock::new(), tasks: Vec::new(), waiting: Arc::default() }
    }
}

impl Default for TimerScheduler {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts a function as scheduled until it is dropped.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Scheduler for TimerScheduler {
    fn schedule_function(
        &mut self,
        start_invocation: StartInvocation,
        on_error: OnError,
        timestamp: Option<Timestamp>,
        update_checkpoint: Option<UpdateCheckpoint>,
    ) {
        let delay = timestamp.map_or(Duration::ZERO, |at| at.since(self.clock.now()));
        let waiting = Waiting::new(&self.waiting);
        let function = Scheduled { start_invocation, on_error, update_checkpoint };
        self.tasks.retain(|task| !task.is_finished());
        self.tasks.push(tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            drop(waiting);
            function.run().await;
        }));
    }

    fn has_scheduled_function(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    fn goes_by_timestamps(&self) -> bool {
        true
    }

    fn flush_timers(&mut self) {
        // Aborted tasks end later and must not be counted until then.
        self.waiting = Arc::default();
        for task in self.tasks.drain(..) {
            task.abort();
        }
    }
}

impl Drop for TimerScheduler {
    fn drop(&mut self) {
        self.flush_timers();
    }
}
