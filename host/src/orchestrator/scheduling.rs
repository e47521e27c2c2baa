//! One execution under a scheduler: its timers are handed over, and the scheduler says when each fires.
//!
//! Always true: a function that the scheduler has started has ended when the execution waits again; when the execution that
//! a run is about is over, or given up, what is left with the scheduler is flushed.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::Scheduler;
use crate::{
    ambient::Clock,
    protocol::ExecutionArn,
    replay::ServiceError,
    server::{ScheduledTimer, ServerHandle},
};

/// A scheduler, as executions share it.
pub type SharedScheduler = Arc<Mutex<Box<dyn Scheduler>>>;

/// What the scheduler has to say: go on, and tell when that is done; or what went wrong.
type Say = Result<oneshot::Sender<()>, ServiceError>;

/// An execution's dealings with its scheduler.
pub(super) struct Rounds {
    scheduler: SharedScheduler,
    /// Whether the run is over when the execution is.
    root: bool,
    say: mpsc::UnboundedSender<Say>,
    said: mpsc::UnboundedReceiver<Say>,
    /// Functions that were started, and have not ended.
    running: Vec<oneshot::Sender<()>>,
    /// Timeouts: they come when there is nothing else to wait for.
    timeouts: Vec<ScheduledTimer>,
}

impl Rounds {
    pub(super) fn new(scheduler: SharedScheduler, root: bool) -> Self {
        let (say, said) = mpsc::unbounded_channel();
        Self { scheduler, root, say, said, running: Vec::new(), timeouts: Vec::new() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut dyn Scheduler) -> T) -> T {
        act(&mut **self.scheduler.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The execution waits: hands over what it waits for, and ends the functions that were started.
    pub(super) async fn wait(
        &mut self,
        server: &ServerHandle,
        clock: &Arc<dyn Clock>,
        arn: &ExecutionArn,
    ) -> Result<(), ServiceError> {
        for timer in server.take_timers(arn).await? {
            if timer.timeout {
                self.timeouts.push(timer);
            } else {
                self.schedule(server, clock, arn, timer);
            }
        }
        if !self.with(|scheduler| scheduler.has_scheduled_function()) {
            self.timeouts.sort_by_key(|timer| timer.key);
            while !self.timeouts.is_empty() {
                let timer = self.timeouts.remove(0);
                if server.has_timer(arn, timer.key).await? {
                    self.schedule(server, clock, arn, timer);
                    break;
                }
            }
        }
        self.running.clear();
        Ok(())
    }

    fn schedule(
        &self,
        server: &ServerHandle,
        clock: &Arc<dyn Clock>,
        arn: &ExecutionArn,
        timer: ScheduledTimer,
    ) {
        let (start, error) = (self.say.clone(), self.say.clone());
        let (server, clock, arn) = (server.clone(), clock.clone(), arn.clone());
        let start = Box::new(move || -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(async move {
                let (done, ended) = oneshot::channel();
                if start.send(Ok(done)).is_ok() {
                    // Dropped when the execution waits again, or is gone.
                    let _ = ended.await;
                }
            })
        });
        let on_error = Box::new(move |why| drop(error.send(Err(why))));
        let update =
            Box::new(move || -> std::pin::Pin<Box<dyn Future<Output = Result<(), ServiceError>> + Send>> {
                Box::pin(async move { fire(&server, &*clock, &arn, timer).await })
            });
        self.with(|scheduler| scheduler.schedule_function(start, on_error, Some(timer.at), Some(update)));
    }

    /// Waits for the scheduler.
    pub(super) async fn next(&mut self) -> Result<(), ServiceError> {
        // A sender lives in `self`.
        if let Some(said) = self.said.recv().await {
            self.running.push(said?);
        }
        Ok(())
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        if self.root {
            self.with(|scheduler| scheduler.flush_timers());
        }
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
