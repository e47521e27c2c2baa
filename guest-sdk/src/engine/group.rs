//! Tasks that belong together: the items of a batch, the inputs of a combinator.
//!
//! Always true here:
//! - Outputs come in the order in which the tasks ended, which is the same on every replay.
//! - A completion costs the same however many tasks there are: each task is polled only when it can go on, and whoever
//!   waits for the group only when one has ended.
//! - A task never outlives its group.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::executor::TaskHandle;
use super::shared::Engine;

/// Tasks under numbers of the caller's.
pub(crate) struct Group<T> {
    engine: Arc<Engine>,
    /// Ordered, so that what is dropped is dropped in the same order on every replay.
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

    /// Starts a task. It first runs when the code that runs now waits.
    pub(crate) fn spawn(&mut self, number: usize, task: impl Future<Output = T> + Send + 'static) {
        let running = self.engine.launch(Task { task, number, ended: Arc::clone(&self.ended) });
        self.running.insert(number, running);
    }

    /// How many tasks have not been seen to end.
    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// The next task that ends, and its output; none when there are no tasks.
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
        let over = self.running.remove(&number);
        drop(over);
        Some((number, output))
    }
}

pin_project! {
    /// A task that notes its output.
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
