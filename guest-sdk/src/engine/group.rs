//! A group of tasks: the items of a batch, the inputs of a combinator.
//!
//! Invariants:
//! - Results are returned in the order in which the tasks ended, which is the same on every replay.
//! - The cost of a completion is independent of the number of tasks: a task is polled only when it can continue, and
//!   the waiter of the group only when a task has ended.
//! - Dropping the group aborts its tasks.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::executor::TaskHandle;
use super::shared::Engine;

/// Tasks with numbers that the caller assigns.
pub(crate) struct Group<T> {
    engine: Arc<Engine>,
    /// Ordered, so that tasks are dropped in the same order on every replay.
    running: BTreeMap<usize, TaskHandle>,
    ended: Arc<Mutex<Ended<T>>>,
}

struct Ended<T> {
    outputs: VecDeque<(usize, T)>,
    waker: Option<Waker>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Send + 'static> Group<T> {
    pub(crate) fn new(engine: &Arc<Engine>) -> Self {
        let ended = Arc::new(Mutex::new(Ended { outputs: VecDeque::new(), waker: None }));
        Self { engine: Arc::clone(engine), running: BTreeMap::new(), ended }
    }

    /// Starts a task. It runs for the first time when the current code waits.
    pub(crate) fn spawn(&mut self, number: usize, task: impl Future<Output = T> + Send + 'static) {
        let running = self.engine.launch(Task { task, number, ended: Arc::clone(&self.ended) });
        self.running.insert(number, running);
    }

    /// The number of tasks whose end has not been returned by `next`.
    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// The next task that ends, and its result; `None` if there are no tasks.
    pub(crate) async fn next(&mut self) -> Option<(usize, T)> {
        if self.running.is_empty() {
            return None;
        }
        let (number, output) = poll_fn(|cx| {
            let mut ended = lock(&self.ended);
            let Some(next) = ended.outputs.pop_front() else {
                ended.waker = Some(cx.waker().clone());
                return Poll::Pending;
            };
            Poll::Ready(next)
        })
        .await;
        let task = self.running.remove(&number);
        drop(task);
        Some((number, output))
    }
}

pin_project! {
    /// A task that stores its result in the group.
    struct Task<F: Future> {
        #[pin]
        task: F,
        number: usize,
        ended: Arc<Mutex<Ended<F::Output>>>,
    }
}

impl<F: Future> Future for Task<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.task.poll(cx).map(|output| {
            let waker = {
                let mut ended = lock(this.ended);
                ended.outputs.push_back((*this.number, output));
                ended.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        })
    }
}
