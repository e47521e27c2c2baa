//! Targets of chained invokes: what runs beside its caller.
//!
//! Always true:
//! - all targets of a run are polled at one level, so a chain of invocations takes no native stack, however long it is;
//! - a chain has an end, and so has the number of targets;
//! - a target's actor reaches its caller together with the target's end: were it dropped while the caller is still
//!   asleep, time would skip past what the caller does next.

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
    protocol::{ErrorObject, ServiceError, error_types},
};

/// How many functions may wait for each other in one chain.
const MAX_DEPTH: usize = 100;

/// How many functions one run may invoke.
const MAX_TARGETS: usize = 100_000;

/// A target that runs.
pub(super) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How a target ended.
pub(super) type Done = (Actor, Result<(), ServiceError>);

/// Everything that runs beside the execution that a run is about.
pub(super) struct Beside {
    handed: mpsc::UnboundedReceiver<Task>,
    running: FuturesUnordered<Task>,
}

/// Where targets are handed over, and how deep in a chain the caller is.
#[derive(Clone)]
pub(super) struct Spawner {
    tasks: mpsc::UnboundedSender<Task>,
    started: Arc<AtomicUsize>,
    depth: usize,
}

impl Beside {
    /// Nothing yet.
    pub(super) fn new() -> (Self, Spawner) {
        let (tasks, handed) = mpsc::unbounded_channel();
        let spawner = Spawner { tasks, started: Arc::default(), depth: 0 };
        (Self { handed, running: FuturesUnordered::new() }, spawner)
    }

    /// Runs all of it until `main` ends. What is left is dropped then.
    pub(super) async fn run<T>(mut self, main: impl Future<Output = T>) -> T {
        let mut main = pin!(main);
        loop {
            tokio::select! {
                biased;
                done = &mut main => return done,
                Some(task) = self.handed.recv() => self.running.push(task),
                Some(()) = self.running.next() => {}
            }
        }
    }
}

impl Spawner {
    /// Whether the caller is the execution that a run is about.
    pub(super) fn is_root(&self) -> bool {
        self.depth == 0
    }

    /// For a target's own targets; or why it must not run.
    pub(super) fn deeper(&self) -> Result<Self, ErrorObject> {
        if self.depth >= MAX_DEPTH {
            let reason =
                format!("{MAX_DEPTH} functions wait for each other: the chain of invocations has no end");
            return Err(ErrorObject::new(error_types::INVOKE_DEPTH, reason));
        }
        if self.started.fetch_add(1, Ordering::Relaxed) >= MAX_TARGETS {
            let reason = format!("one run may invoke {MAX_TARGETS} functions");
            return Err(ErrorObject::new(error_types::INVOKE_COUNT, reason));
        }
        Ok(Self { depth: self.depth + 1, ..self.clone() })
    }
}

/// The targets of one caller.
pub(super) struct Targets {
    spawner: Spawner,
    running: usize,
    ended: mpsc::UnboundedReceiver<Done>,
    end: mpsc::UnboundedSender<Done>,
}

impl Targets {
    pub(super) fn new(spawner: Spawner) -> Self {
        let (end, ended) = mpsc::unbounded_channel();
        Self { spawner, running: 0, ended, end }
    }

    /// Starts another.
    pub(super) fn start(
        &mut self,
        target: impl FnOnce(Spawner) -> Pin<Box<dyn Future<Output = Done> + Send>>,
    ) {
        let (target, end) = (target(self.spawner.clone()), self.end.clone());
        // Nobody receives when the run, or the caller, is over.
        let task = async move { drop(end.send(target.await)) };
        if self.spawner.tasks.send(Box::pin(task)).is_ok() {
            self.running += 1;
        }
    }

    /// Whether none runs.
    pub(super) fn is_empty(&self) -> bool {
        self.running == 0
    }

    /// The next that ends. Never, while none runs.
    pub(super) async fn next(&mut self) -> Option<Done> {
        let done = self.ended.recv().await;
        self.running = self.running.saturating_sub(1);
        done
    }
}
