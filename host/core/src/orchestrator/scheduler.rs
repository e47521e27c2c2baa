//! Schedulers: who decides when an execution that waits is invoked again, where the clock does not.
//!
//! The default needs none of them: virtual time goes to the earliest deadline of all. [`QueueScheduler`] and
//! [`TimerScheduler`] are the two of AWS's testing library for JavaScript, for tests that rely on their order.
//!
//! Always true: a function's update runs before the function; what is flushed does not run.

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

/// Starts an invocation; its future ends when the execution waits again or is over.
pub type StartInvocation = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Told why an update failed. The invocation is then not started.
pub type OnError = Box<dyn FnOnce(ServiceError) + Send>;

/// Brings the record up to date before an invocation: ends a wait, or makes a retry ready.
pub type UpdateCheckpoint =
    Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Result<(), ServiceError>> + Send>> + Send>;

/// Decides when functions run. Used from within a tokio runtime.
pub trait Scheduler: Send + Sync {
    /// Takes a function to run, some time: at `timestamp`, where the scheduler goes by it. `update_checkpoint` runs
    /// first.
    fn schedule_function(
        &mut self,
        start_invocation: StartInvocation,
        on_error: OnError,
        timestamp: Option<Timestamp>,
        update_checkpoint: Option<UpdateCheckpoint>,
    );

    /// Whether functions wait to be run. One that runs does not count.
    fn has_scheduled_function(&self) -> bool;

    /// Whether functions run at their timestamps. Where they do not, timeouts are scheduled when nothing else is left
    /// to wait for.
    fn goes_by_timestamps(&self) -> bool {
        false
    }

    /// Forgets the functions that wait to be run. Those that run may be given up as well.
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

/// Runs functions one after another, first in, first out, whatever their timestamps.
///
/// Of a wait of ten seconds and a wait of one second it ends the one first that was started first. For parity only: the
/// default, virtual time, ends the shorter one first.
pub struct QueueScheduler {
    queue: Arc<Mutex<VecDeque<Scheduled>>>,
    /// Whether a task goes through the queue.
    processing: watch::Sender<bool>,
}

impl QueueScheduler {
    /// With an empty queue.
    pub fn new() -> Self {
        Self { queue: Arc::default(), processing: watch::Sender::new(false) }
    }

    /// Ends when the queue is empty and nothing of it runs.
    pub async fn wait_for_completion(&self) {
        let mut processing = self.processing.subscribe();
        // The sender lives as long as `self`.
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
                        // While the queue is locked: whoever adds to it finds out that nobody goes through it any more.
                        processing.send_replace(false);
                    }
                    next
                };
                match next {
                    // A function that panics ends itself, and not the queue.
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

/// Runs each function at its timestamp, in real time, beside the others; one without a timestamp at once.
pub struct TimerScheduler {
    clock: SystemClock,
    tasks: Vec<JoinHandle<()>>,
    waiting: Arc<AtomicUsize>,
}

impl TimerScheduler {
    /// With nothing scheduled.
    pub fn new() -> Self {
        Self { clock: SystemClock::new(), tasks: Vec::new(), waiting: Arc::default() }
    }
}

impl Default for TimerScheduler {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts as waiting until it is dropped.
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
        // What is aborted ends some time later, and does not count until then.
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
