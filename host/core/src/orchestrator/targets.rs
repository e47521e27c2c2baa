//! Targets of chained invokes, which run concurrently with their callers.
//!
//! Invariants:
//! - all targets of a run are polled by one task at one level, so native stack use does not grow with the length of a
//!   chain;
//! - the length of a chain and the number of targets are limited;
//! - a target's actor is sent to its caller together with the target's end: if it were dropped while the caller is
//!   asleep, virtual time could skip past the caller's next action.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::sync::mpsc;

use crate::{
    ambient::Actor,
    protocol::{ErrorObject, Limits, ServiceError, error_types},
};

/// The future of a running target.
pub(super) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The end of a target, and its actor.
pub(super) type TargetEnd = (Actor, Result<(), ServiceError>);

/// All targets of one run.
pub(super) struct TargetPool {
    new_tasks: mpsc::UnboundedReceiver<Task>,
    running: FuturesUnordered<Task>,
}

/// Starts targets in the pool. `depth` is the caller's depth in the chain of invokes.
#[derive(Clone)]
pub(super) struct Spawner {
    tasks: mpsc::UnboundedSender<Task>,
    started: Arc<AtomicUsize>,
    depth: usize,
    most_deep: usize,
    most: usize,
}

impl TargetPool {
    /// Creates an empty pool and its spawner.
    pub(super) fn new(limits: &Limits) -> (Self, Spawner) {
        let (tasks, new_tasks) = mpsc::unbounded_channel();
        let (most_deep, most) = (limits.invoke_depth, limits.invokes);
        let spawner = Spawner { tasks, started: Arc::default(), depth: 0, most_deep, most };
        (Self { new_tasks, running: FuturesUnordered::new() }, spawner)
    }

    /// Runs `main` and all targets until `main` completes. Then the remaining targets are dropped.
    pub(super) async fn run<T>(mut self, main: impl Future<Output = T>) -> T {
        let mut main = pin!(main);
        loop {
            tokio::select! {
                biased;
                done = &mut main => return done,
                Some(task) = self.new_tasks.recv() => self.running.push(task),
                Some(()) = self.running.next() => {}
            }
        }
    }
}

impl Spawner {
    /// Whether the caller is the execution that the run was started for.
    pub(super) fn is_root(&self) -> bool {
        self.depth == 0
    }

    /// Creates the spawner for a target's own targets.
    ///
    /// # Errors
    /// When the chain is too long, or the run has invoked too many functions.
    pub(super) fn deeper(&self) -> Result<Self, ErrorObject> {
        let (depth, most) = (self.depth + 1, self.most_deep);
        if depth > most {
            let reason = format!(
                "{depth} functions would wait for each other, and at most {most} may: the chain of invocations has no \
                 end"
            );
            return Err(ErrorObject::new(error_types::INVOKE_DEPTH, reason));
        }
        let (number, most) = (self.started.fetch_add(1, Ordering::Relaxed).saturating_add(1), self.most);
        if number > most {
            let reason =
                format!("this would be invoke number {number} of the run; at most {most} are allowed");
            return Err(ErrorObject::new(error_types::INVOKE_COUNT, reason));
        }
        Ok(Self { depth, ..self.clone() })
    }
}

/// The targets of one caller.
pub(super) struct Targets {
    spawner: Spawner,
    running: usize,
    /// Made with the first target: most executions invoke nothing, and it takes more than all else that one holds.
    ends: Option<Ends>,
}

/// How the ends of targets get to their caller.
type Ends = (mpsc::UnboundedSender<TargetEnd>, mpsc::UnboundedReceiver<TargetEnd>);

impl Targets {
    pub(super) fn new(spawner: Spawner) -> Self {
        Self { spawner, running: 0, ends: None }
    }

    /// Starts a target.
    pub(super) fn start(
        &mut self,
        target: impl FnOnce(Spawner) -> Pin<Box<dyn Future<Output = TargetEnd> + Send>>,
    ) {
        let (end, _) = self.ends.get_or_insert_with(mpsc::unbounded_channel);
        let (target, end) = (target(self.spawner.clone()), end.clone());
        // The receiver is gone if the run or the caller has ended.
        let task = async move { drop(end.send(target.await)) };
        if self.spawner.tasks.send(Box::pin(task)).is_ok() {
            self.running += 1;
        }
    }

    /// Whether no target is running.
    pub(super) fn is_empty(&self) -> bool {
        self.running == 0
    }

    /// Waits for the next target to end; forever if none is running.
    pub(super) async fn next(&mut self) -> Option<TargetEnd> {
        let Some((_, ended)) = &mut self.ends else { return std::future::pending().await };
        let done = ended.recv().await;
        debug_assert!(self.running > 0, "every end belongs to a target that was started");
        self.running -= 1;
        done
    }
}
