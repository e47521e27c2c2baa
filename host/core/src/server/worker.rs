//! The thread of a server, and the state that it shares with handles.
//!
//! Not only the thread processes requests. A caller that finds the state unlocked and no request queued processes its
//! own request on its own thread: this saves two thread switches, which cost more than the request. The thread
//! processes requests that are sent while the state is locked, so callers never wait for the lock.
//!
//! Invariants:
//! - requests are processed one after another, in the order in which they were made: only the holder of the lock
//!   processes requests, and a caller may do so only while nothing is queued;
//! - a request that panics ends the server, and neither the process nor the callers, which get the reason;
//! - after the shutdown reason is set, no request is processed;
//! - the thread uses no CPU while nothing is queued.

use std::{
    any::Any,
    collections::HashMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender, unbounded};
use tokio::sync::oneshot;

use super::{
    api::{Next, NextAction},
    execution_manager::ExecutionManager,
};
use crate::{
    ambient::{Actor, Clock},
    protocol::{ChangeSubscription, ExecutionArn, ServiceError, Timestamp},
};

/// The state of a server.
pub(super) struct Server {
    pub(super) manager: ExecutionManager,
    /// The subscribers of each execution.
    subscribers: HashMap<ExecutionArn, Vec<Subscriber>>,
    /// Provides the actors for subscribers, before virtual time can advance.
    clock: Arc<dyn Clock>,
}

/// The receiver of one notification.
type Subscriber = oneshot::Sender<Option<Actor>>;

/// A message to the thread.
enum Message {
    Request(Request),
    Crash(String),
    Stop,
}

/// A request that carries its own reply.
type Request = Box<dyn FnOnce(&Shared, &mut Option<Server>) + Send>;

/// The state that the thread and the handles share.
pub(super) struct Shared {
    /// `None` after the shutdown.
    server: Mutex<Option<Server>>,
    /// The number of messages that were sent to the thread and are not processed yet.
    queued: AtomicUsize,
    messages: Sender<Message>,
    /// The shutdown reason. It is set before any pending reply is dropped.
    shutdown_reason: OnceLock<String>,
}

/// Starts the thread of a server with this state.
pub(super) fn spawn(
    manager: ExecutionManager,
    clock: Arc<dyn Clock>,
) -> io::Result<(Arc<Shared>, JoinHandle<()>)> {
    let (messages, received) = unbounded();
    let shared = Arc::new(Shared {
        server: Mutex::new(Some(Server { manager, subscribers: HashMap::new(), clock })),
        queued: AtomicUsize::new(0),
        messages,
        shutdown_reason: OnceLock::new(),
    });
    let thread = thread::Builder::new().name("checkpoint-server".to_owned()).spawn({
        let shared = shared.clone();
        move || run(&shared, &received)
    })?;
    Ok((shared, thread))
}

impl Shared {
    /// The shutdown reason; `None` while the server is running.
    pub(super) fn shutdown_reason(&self) -> Option<&str> {
        self.shutdown_reason.get().map(String::as_str)
    }

    pub(super) fn unavailable(&self) -> ServiceError {
        ServiceError::Unavailable(self.shutdown_reason().unwrap_or("its thread ended").to_owned())
    }

    /// Processes a request on the calling thread, if the state is unlocked and nothing is queued. Otherwise returns the
    /// request.
    pub(super) fn process_here<T, W>(&self, work: W) -> Result<Result<T, ServiceError>, W>
    where
        W: FnOnce(&mut Server, Timestamp) -> Result<T, ServiceError>,
    {
        let mut server = match self.server.try_lock() {
            Ok(server) => server,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(work),
        };
        // Read while holding the lock: the thread decrements the count only after it has processed a message.
        if self.queued.load(Ordering::Acquire) > 0 {
            return Err(work);
        }
        Ok(self.process(&mut server, work))
    }

    /// Queues a request for the thread. If the thread has ended, the receiver gets an error.
    pub(super) fn process_on_thread<T, W>(&self, work: W) -> oneshot::Receiver<Result<T, ServiceError>>
    where
        T: Send + 'static,
        W: FnOnce(&mut Server, Timestamp) -> Result<T, ServiceError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        // The caller may have dropped the receiver.
        self.send(Message::Request(Box::new(move |shared, server| {
            drop(reply.send(shared.process(server, work)));
        })));
        answer
    }

    /// Makes the thread end the server with this reason.
    pub(super) fn crash(&self, why: String) {
        self.send(Message::Crash(why));
    }

    /// Makes the thread end the server after it has processed all queued messages.
    pub(super) fn stop(&self) {
        self.send(Message::Stop);
    }

    fn send(&self, message: Message) {
        self.queued.fetch_add(1, Ordering::AcqRel);
        // If the thread has ended, the message is dropped together with its reply channel.
        drop(self.messages.send(message));
    }

    /// Processes a request. A panic ends the server.
    fn process<T>(
        &self,
        state: &mut Option<Server>,
        work: impl FnOnce(&mut Server, Timestamp) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let Some(server) = state else { return Err(self.unavailable()) };
        let worked = catch_unwind(AssertUnwindSafe(|| {
            // Virtual time does not advance until all notified subscribers hold an actor.
            let _acts = server.clock.actor();
            let now = server.clock.now();
            let outcome = work(server, now);
            server.spread_news();
            outcome
        }));
        worked.unwrap_or_else(|panic| {
            self.end(state, format!("it panicked: {}", panic_text(&*panic)));
            // Wakes the thread, which then ends.
            self.stop();
            Err(self.unavailable())
        })
    }

    /// Ends the server: sets the reason before replies are dropped, so that callers whose reply was dropped find the
    /// reason.
    fn end(&self, state: &mut Option<Server>, why: String) {
        let _ = self.shutdown_reason.set(why);
        *state = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Processes messages until the server ends.
fn run(shared: &Shared, messages: &Receiver<Message>) {
    while let Ok(message) = messages.recv() {
        let mut server = shared.lock();
        match message {
            Message::Request(request) => request(shared, &mut server),
            Message::Crash(why) => shared.end(&mut server, why),
            Message::Stop => shared.end(&mut server, "it was shut down".to_owned()),
        }
        shared.queued.fetch_sub(1, Ordering::AcqRel);
        if server.is_none() {
            return;
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

impl Server {
    /// Returns what the execution needs next, the invokes to run, and, if it waits, a subscription to its next change.
    pub(super) fn next(&mut self, now: Timestamp, arn: &ExecutionArn) -> Result<NextAction, ServiceError> {
        let (next, invokes, pending) = self.manager.next(now, arn)?;
        let news = match next {
            Next::Invoke | Next::Closed => ChangeSubscription::never(),
            Next::Running { .. } | Next::WaitUntil(_) | Next::WaitForExternal { .. } => {
                self.subscribe(arn.clone(), pending)
            }
        };
        Ok(NextAction { next, invokes, news })
    }

    /// Subscribes to the next change. The subscriber is notified immediately if a change is pending or the execution does
    /// not exist.
    pub(super) fn watch(&mut self, now: Timestamp, arn: ExecutionArn) -> ChangeSubscription {
        let pending = self.manager.has_news(now, &arn).unwrap_or(true);
        self.subscribe(arn, pending)
    }

    fn subscribe(&mut self, arn: ExecutionArn, pending: bool) -> ChangeSubscription {
        let (subscriber, news) = oneshot::channel();
        if pending {
            let _ = subscriber.send(Some(self.clock.actor()));
        } else {
            let subscribers = self.subscribers.entry(arn).or_default();
            subscribers.retain(|subscriber| !subscriber.is_closed());
            subscribers.push(subscriber);
        }
        // An error means that the server has ended, which the next request reports.
        ChangeSubscription::new(async { news.await.unwrap_or_default() })
    }

    fn spread_news(&mut self) {
        for arn in self.manager.take_news() {
            for subscriber in self.subscribers.remove(&arn).unwrap_or_default() {
                let _ = subscriber.send(Some(self.clock.actor()));
            }
        }
    }
}
