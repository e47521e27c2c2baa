//! The server's thread, and the state that it shares with those who hold a handle.
//!
//! The thread is not the only one that processes requests. A caller that finds the state free and no request queued
//! processes its own request at once, on its own thread: this saves two thread switches, which cost more than the
//! request. The thread processes what is sent while the state is in use, so no caller ever waits for a lock.
//!
//! Invariants:
//! - requests are processed one after another, in the order in which they were made: who holds the lock processes, and
//!   a caller may do so only while nothing is queued;
//! - a request that panics ends the server, and neither the process nor its callers: they get the reason;
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
    api::{Next, Turn},
    execution_manager::ExecutionManager,
    handle::ServerHandle,
};
use crate::{
    ambient::{Actor, Clock, Entropy},
    protocol::{ExecutionArn, Limits, ServiceError, Timestamp, Watching},
};

/// What a server is built of.
pub struct ServerConfig {
    /// The time of every request.
    pub clock: Arc<dyn Clock>,
    /// Where ids and tokens come from.
    pub entropy: Arc<dyn Entropy>,
    /// What requests may ask for.
    pub limits: Limits,
}

/// A checkpoint server and its thread. Dropping it stops the thread.
pub struct CheckpointServer {
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

/// The state of a server.
pub(super) struct Server {
    pub(super) manager: ExecutionManager,
    /// Who wants to know of news.
    watchers: HashMap<ExecutionArn, Vec<Watcher>>,
    /// Makes whoever is told of news an actor, before time can move on.
    clock: Arc<dyn Clock>,
}

/// Where news goes.
type Watcher = oneshot::Sender<Option<Actor>>;

/// What is sent to the thread.
enum Message {
    Request(Request),
    Crash(String),
    Stop,
}

/// A request that carries its own reply.
type Request = Box<dyn FnOnce(&Shared, &mut Option<Server>) + Send>;

/// What the thread and the handles share.
pub(super) struct Shared {
    /// None after the shutdown.
    server: Mutex<Option<Server>>,
    /// Messages that were sent to the thread and are not processed yet.
    queued: AtomicUsize,
    messages: Sender<Message>,
    /// Why the server has ended. Set before any reply is given up.
    shutdown_reason: OnceLock<String>,
}

impl Shared {
    /// Why the server has ended; none while it has not.
    pub(super) fn shutdown_reason(&self) -> Option<&str> {
        self.shutdown_reason.get().map(String::as_str)
    }

    pub(super) fn unavailable(&self) -> ServiceError {
        ServiceError::Unavailable(self.shutdown_reason().unwrap_or("its thread ended").to_owned())
    }

    /// Processes a request on this thread, if the state is free and nothing is queued. Gives the work back otherwise.
    pub(super) fn process_here<T, W>(&self, work: W) -> Result<Result<T, ServiceError>, W>
    where
        W: FnOnce(&mut Server, Timestamp) -> Result<T, ServiceError>,
    {
        let mut server = match self.server.try_lock() {
            Ok(server) => server,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(work),
        };
        // Read after the lock was taken: the thread counts a message down only when it has processed it.
        if self.queued.load(Ordering::Acquire) > 0 {
            return Err(work);
        }
        Ok(self.process(&mut server, work))
    }

    /// Has the thread process a request. If the thread has ended, the receiver gets an error.
    pub(super) fn process_on_thread<T, W>(&self, work: W) -> oneshot::Receiver<Result<T, ServiceError>>
    where
        T: Send + 'static,
        W: FnOnce(&mut Server, Timestamp) -> Result<T, ServiceError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        // Who asked may have stopped waiting.
        self.send(Message::Request(Box::new(move |shared, server| {
            drop(reply.send(shared.process(server, work)));
        })));
        answer
    }

    /// Has the thread end the server, for this reason.
    pub(super) fn crash(&self, why: String) {
        self.send(Message::Crash(why));
    }

    fn send(&self, message: Message) {
        self.queued.fetch_add(1, Ordering::AcqRel);
        // If the thread has ended, the message is dropped, and with it the reply that waits for it.
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
            // Time stands still until all who are told of what happens here can act.
            let _acts = server.clock.actor();
            let now = server.clock.now();
            let outcome = work(server, now);
            server.spread_news();
            outcome
        }));
        worked.unwrap_or_else(|panic| {
            self.end(state, format!("it panicked: {}", panic_text(&*panic)));
            // Wakes the thread, which then ends.
            self.send(Message::Stop);
            Err(self.unavailable())
        })
    }

    /// Ends the server: first the reason, then the replies, so that who finds a reply given up finds the reason.
    fn end(&self, state: &mut Option<Server>, why: String) {
        let _ = self.shutdown_reason.set(why);
        *state = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CheckpointServer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn spawn(config: ServerConfig) -> io::Result<Self> {
        let ServerConfig { clock, entropy, limits } = config;
        let (messages, received) = unbounded();
        let manager = ExecutionManager::new(entropy, limits);
        let shared = Arc::new(Shared {
            server: Mutex::new(Some(Server { manager, watchers: HashMap::new(), clock })),
            queued: AtomicUsize::new(0),
            messages,
            shutdown_reason: OnceLock::new(),
        });
        let handle = ServerHandle::new(shared.clone());
        let thread = thread::Builder::new()
            .name("checkpoint-server".to_owned())
            .spawn(move || run(&shared, &received))?;
        Ok(Self { handle, thread: Some(thread) })
    }

    /// Another handle to the server. Handles do not keep it alive.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Stops the thread when it has processed what was sent before, and waits for it. Later requests end with
    /// [`ServiceError::Unavailable`]. The same as dropping the server.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for CheckpointServer {
    fn drop(&mut self) {
        self.handle.shared().send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            // The thread does not panic: what could is caught there.
            let _ = thread.join();
        }
    }
}

/// Processes what is sent until the server ends.
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
    /// What the execution needs next, the invokes to run for it, and a watch where it waits.
    pub(super) fn next(&mut self, now: Timestamp, arn: &ExecutionArn) -> Result<Turn, ServiceError> {
        let invokes = self.manager.take_invokes(arn)?;
        let next = self.manager.poll(now, arn)?;
        let news = match next {
            Next::Invoke | Next::Closed => Watching::never(),
            Next::Running { .. } | Next::WaitUntil(_) | Next::WaitForOutside { .. } => {
                let (watcher, news) = oneshot::channel();
                self.watch(now, arn.clone(), watcher);
                watching(news)
            }
        };
        Ok(Turn { next, invokes, news })
    }

    /// Tells the watcher when there is news; at once, if there is some already or there never will be.
    pub(super) fn watch(&mut self, now: Timestamp, arn: ExecutionArn, watcher: Watcher) {
        if self.manager.has_news(now, &arn).unwrap_or(true) {
            let _ = watcher.send(Some(self.clock.actor()));
            return;
        }
        let watchers = self.watchers.entry(arn).or_default();
        watchers.retain(|watcher| !watcher.is_closed());
        watchers.push(watcher);
    }

    fn spread_news(&mut self) {
        for arn in self.manager.take_news() {
            for watcher in self.watchers.remove(&arn).unwrap_or_default() {
                let _ = watcher.send(Some(self.clock.actor()));
            }
        }
    }
}

/// The watch whose watcher has this other end.
pub(super) fn watching(news: oneshot::Receiver<Option<Actor>>) -> Watching {
    // An error is the server's end: as good a reason to look.
    Watching::new(async { news.await.unwrap_or_default() })
}
