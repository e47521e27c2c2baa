//! The server's thread.
//!
//! Always true:
//! - requests are processed one after another, in the order in which they came;
//! - a request that panics ends the thread, and neither the process nor its callers: they get the reason;
//! - the thread uses no CPU while nothing is asked, but for some microseconds after a request.

use std::{
    any::Any,
    collections::HashMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, TryRecvError, unbounded};
use tokio::sync::oneshot;

use super::{execution_manager::ExecutionManager, handle::ServerHandle, patience::Patience};
use crate::{
    ambient::{Actor, Clock, Entropy},
    protocol::{ExecutionArn, Limits, Timestamp},
    replay::ServiceError,
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

/// What the thread owns.
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
pub(super) enum Message {
    Request(Request),
    Stop,
}

/// A request that carries its own reply. It fails only when it panicked, with the reason.
pub(super) type Request = Box<dyn FnOnce(&mut Server) -> Result<(), String> + Send>;

/// Why the thread is gone. Set before any reply is given up.
pub(super) type Epitaph = Arc<OnceLock<String>>;

impl CheckpointServer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn spawn(config: ServerConfig) -> io::Result<Self> {
        let ServerConfig { clock, entropy, limits } = config;
        let (sender, receiver) = unbounded();
        let epitaph = Epitaph::default();
        let handle = ServerHandle::new(sender, epitaph.clone());
        let manager = ExecutionManager::new(entropy, limits);
        let server = Server { manager, watchers: HashMap::new(), clock };
        let thread = thread::Builder::new()
            .name("checkpoint-server".to_owned())
            .spawn(move || run(server, receiver, &epitaph))?;
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
        self.handle.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            // The thread does not panic: what could is caught there.
            let _ = thread.join();
        }
    }
}

fn run(mut server: Server, requests: Receiver<Message>, epitaph: &Epitaph) {
    let patience = Patience::default();
    let why = loop {
        match receive(&requests, &patience) {
            Some(Message::Request(request)) => {
                if let Err(panic) = request(&mut server) {
                    break panic;
                }
            }
            Some(Message::Stop) => break "it was shut down".to_owned(),
            None => break "nobody could reach it any more".to_owned(),
        }
    };
    // First the reason, then the replies: who finds a reply given up finds the reason.
    let _ = epitaph.set(why);
    drop(requests);
    drop(server);
}

/// The next message; waits for it. None when nobody can send any more.
fn receive(requests: &Receiver<Message>, patience: &Patience) -> Option<Message> {
    let look = || match requests.try_recv() {
        Ok(message) => Some(Some(message)),
        Err(TryRecvError::Disconnected) => Some(None),
        Err(TryRecvError::Empty) => None,
    };
    patience.look(look).unwrap_or_else(|| requests.recv().ok())
}

/// Makes a request of some work and the place where its outcome goes.
pub(super) fn request<T: Send + 'static>(
    work: impl FnOnce(&mut Server, Timestamp) -> Result<T, ServiceError> + Send + 'static,
    reply: oneshot::Sender<Result<T, ServiceError>>,
) -> Request {
    Box::new(move |server| {
        let worked = catch_unwind(AssertUnwindSafe(|| {
            // Time stands still until all who are told of what happens here can act.
            let _acts = server.clock.actor();
            let now = server.clock.now();
            let outcome = work(server, now);
            server.spread_news();
            outcome
        }));
        match worked {
            // Who asked may have stopped waiting.
            Ok(outcome) => drop(reply.send(outcome)),
            Err(panic) => {
                let why = format!("it panicked: {}", panic_text(&*panic));
                drop(reply.send(Err(ServiceError::Unavailable(why.clone()))));
                return Err(why);
            }
        }
        Ok(())
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

impl Server {
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
