//! The executor of the guest: one thread, one main future, any number of spawned tasks.
//!
//! Invariants:
//! - Tasks run in the order in which they became runnable, which is the same on a replay. A spawned task runs from the
//!   next turn on, whether or not its handle is polled.
//! - No lock is held while a future is polled or dropped: both may spawn, abort and wake.
//! - The reactor is used only when no task is runnable, and then blocks. If it has nothing to wait for, the handler
//!   waits for a future that can never complete: see [`Stalled`].

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use pin_project_lite::pin_project;

use super::reactor::{Reactor, Turn};

type TaskFuture = Pin<Box<dyn Future<Output = ()> + Send>>;
type TaskId = u64;

const MAIN: TaskId = 0;

/// No task is runnable, no durable operation is pending, and the handler has not returned.
///
/// Components are single-threaded and have no timers or sockets, so a future can complete only if it is a durable
/// operation or another task completes it. Every replay would end at the same point. Therefore this error fails the
/// execution, whereas a trap would only be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stalled;

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the handler waits for a future that is not a durable operation, and nothing that is left to run can \
             complete it: no durable operation is pending and no task is runnable. Outside of step bodies, await only \
             durable operations, and futures that other tasks of this handler complete (such as channels)",
        )
    }
}

impl std::error::Error for Stalled {}

/// Runs the futures of one invocation.
#[derive(Default)]
pub(crate) struct Executor {
    runnable: Arc<Mutex<VecDeque<TaskId>>>,
    tasks: Mutex<Tasks>,
}

#[derive(Default)]
struct Tasks {
    last: TaskId,
    live: BTreeMap<TaskId, Task>,
}

struct Task {
    /// `None` while it is polled.
    future: Option<TaskFuture>,
    waker: Arc<TaskWaker>,
}

struct TaskWaker {
    id: TaskId,
    queued: AtomicBool,
    runnable: Arc<Mutex<VecDeque<TaskId>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            lock(&self.runnable).push_back(self.id);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Executor {
    /// Runs `main` until it returns. Drops the remaining tasks then.
    pub(crate) fn run<F: Future>(&self, reactor: &Reactor, main: F) -> Result<F::Output, Stalled> {
        let mut main = pin!(main);
        let main_waker = self.waker(MAIN);
        main_waker.wake_by_ref();
        let waker = Waker::from(Arc::clone(&main_waker));
        let _drop_tasks = DropTasks(self);
        loop {
            let Some(id) = self.next() else {
                match reactor.turn() {
                    Turn::Fired => continue,
                    Turn::Stalled => return Err(Stalled),
                }
            };
            if id == MAIN {
                main_waker.queued.store(false, Ordering::Release);
                if let Poll::Ready(output) = main.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return Ok(output);
                }
            } else {
                self.poll_task(id);
            }
        }
    }

    /// Adds a task with a result. Dropping the handle aborts it.
    pub(crate) fn spawn<F>(self: &Arc<Self>, future: F) -> Spawned<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let slot = Arc::new(Mutex::new(Slot { output: None, waker: None }));
        let running = self.launch(IntoSlot { future, slot: Arc::clone(&slot) });
        Spawned { _running: running, slot }
    }

    /// Adds a task. Dropping the handle aborts it.
    pub(crate) fn launch(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) -> TaskHandle {
        let future: TaskFuture = Box::pin(future);
        let mut tasks = lock(&self.tasks);
        tasks.last += 1;
        let id = tasks.last;
        let waker = self.waker(id);
        waker.wake_by_ref();
        tasks.live.insert(id, Task { future: Some(future), waker });
        drop(tasks);
        TaskHandle { executor: Arc::clone(self), id }
    }

    fn waker(&self, id: TaskId) -> Arc<TaskWaker> {
        Arc::new(TaskWaker { id, queued: AtomicBool::new(false), runnable: Arc::clone(&self.runnable) })
    }

    fn next(&self) -> Option<TaskId> {
        lock(&self.runnable).pop_front()
    }

    fn poll_task(&self, id: TaskId) {
        let taken = lock(&self.tasks)
            .live
            .get_mut(&id)
            .and_then(|task| Some((task.future.take()?, Arc::clone(&task.waker))));
        let Some((mut future, task_waker)) = taken else { return };
        task_waker.queued.store(false, Ordering::Release);
        let waker = Waker::from(task_waker);
        let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
        let mut tasks = lock(&self.tasks);
        match poll {
            Poll::Ready(()) => {
                let task = tasks.live.remove(&id);
                drop(tasks);
                drop(task);
            }
            // If the entry is gone, the task was aborted while it was polled: drop its future after the lock is
            // released.
            Poll::Pending => {
                if let Some(task) = tasks.live.get_mut(&id) {
                    task.future = Some(future);
                    return;
                }
                drop(tasks);
            }
        }
        drop(future);
    }

    fn abort(&self, id: TaskId) {
        let task = lock(&self.tasks).live.remove(&id);
        drop(task);
    }
}

/// Drops the remaining tasks, because tasks hold references to the executor. Also when a native run is unwound.
struct DropTasks<'a>(&'a Executor);

impl Drop for DropTasks<'_> {
    fn drop(&mut self) {
        let left = std::mem::take(&mut lock(&self.0.tasks).live);
        drop(left);
    }
}

struct Slot<T> {
    output: Option<T>,
    waker: Option<Waker>,
}

pin_project! {
    /// A future that stores its result in a slot.
    struct IntoSlot<F: Future> {
        #[pin]
        future: F,
        slot: Arc<Mutex<Slot<F::Output>>>,
    }
}

impl<F: Future> Future for IntoSlot<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.future.poll(cx).map(|output| {
            let waker = {
                let mut slot = lock(this.slot);
                slot.output = Some(output);
                slot.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        })
    }
}

/// The handle of a running task. Dropping it aborts the task.
pub(crate) struct TaskHandle {
    executor: Arc<Executor>,
    id: TaskId,
}

impl Drop for TaskHandle {
    fn drop(&mut self) {
        self.executor.abort(self.id);
    }
}

/// The handle of a running task, as a future of its result. Dropping it aborts the task.
pub(crate) struct Spawned<T> {
    _running: TaskHandle,
    slot: Arc<Mutex<Slot<T>>>,
}

impl<T> Future for Spawned<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut slot = lock(&self.slot);
        if let Some(output) = slot.output.take() {
            return Poll::Ready(output);
        }
        slot.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
